//! The methods of a time, by name.

use std::cmp::Ordering;
use std::rc::Rc;

use gotmpl::{Call, Error, Func, Object, Str, Type, Value};
use jiff::tz::TimeZone;

use super::names::{Location, NamedInt};
use super::{RFC3339, Time, arithmetic, binary, time_type};
use crate::dates::layout::{day_name, format, month_name};
use crate::dates::length::{Duration, duration_type};

/// What a method gives.
type Returned = Result<Value, Error>;

const THREE_RESULTS: &str = "function Clock has 3 return values; should be 1 or 2";
const DATE_RESULTS: &str = "function Date has 3 return values; should be 1 or 2";
const WEEK_RESULT: &str =
    "invalid function signature for ISOWeek: second return value should be error; is int";
const ZONE_RESULT: &str =
    "invalid function signature for Zone: second return value should be error; is int";
const BOUNDS_RESULT: &str =
    "invalid function signature for ZoneBounds: second return value should be error; is time.Time";

fn int(v: impl Into<i64>) -> Value {
    Value::int(v.into())
}

fn bytes(text: impl AsRef<[u8]>) -> Value {
    Value::Bytes(Str::from(text.as_ref()))
}

fn integer(args: &[Value], i: usize) -> i64 {
    match args.get(i) {
        Some(Value::Int(_, v)) => *v,
        _ => 0,
    }
}

fn text(args: &[Value], i: usize) -> &[u8] {
    match args.get(i) {
        Some(Value::Str(s) | Value::Bytes(s)) => s,
        _ => &[],
    }
}

fn out_of_range() -> Error {
    Error::call("time is out of range")
}

/// The method of that name, bound to a time.
pub(super) fn method(time: &Rc<Time>, name: &str) -> Option<Func> {
    let bind = |params: &[Type], result: Type, body: fn(&Time, &[Value]) -> Returned| {
        let time = Rc::clone(time);
        let call = move |_: Call<'_>, args: &[Value]| body(&time, args);
        Func::new(params, result, call)
    };
    let get = |result: Type, body: fn(&Time) -> Value| {
        let time = Rc::clone(time);
        Func::new(&[], result, move |_, _| Ok(body(&time)))
    };
    let against = |body: fn(Ordering) -> bool| {
        let time = Rc::clone(time);
        Func::new(&[time_type()], Type::Bool, move |_, args| {
            let other = args.first().and_then(Time::of);
            Ok(Value::Bool(other.is_some_and(|other| {
                body(time.at.timestamp().cmp(&other.timestamp()))
            })))
        })
    };
    let length = || [duration_type()];
    Some(match name {
        "Add" => bind(&length(), time_type(), |t, a| {
            let nanos = a.first().and_then(Duration::of).unwrap_or(0);
            Time::later(&t.clone().into_value(), nanos).ok_or_else(out_of_range)
        }),
        "AddDate" => bind(&[Type::INT, Type::INT, Type::INT], time_type(), |t, a| {
            arithmetic::add_date(&t.at, integer(a, 0), integer(a, 1), integer(a, 2))
                .map(|at| t.with(at).into_value())
                .ok_or_else(out_of_range)
        }),
        "After" => against(Ordering::is_gt),
        "Before" => against(Ordering::is_lt),
        "Equal" => against(Ordering::is_eq),
        "Compare" => bind(&[time_type()], Type::INT, |t, a| {
            let other = a.first().and_then(Time::of);
            let order = other.map_or(Ordering::Equal, |o| t.at.timestamp().cmp(&o.timestamp()));
            Ok(int(order as i8))
        }),
        "Sub" => bind(&[time_type()], duration_type(), |t, a| {
            let other = a.first().and_then(Time::of);
            let since = other.map(|o| t.at.timestamp().duration_since(o.timestamp()));
            Ok(Duration::value(crate::dates::nanos(
                since.unwrap_or_default(),
            )))
        }),
        "Round" => bind(&length(), time_type(), |t, a| {
            let unit = a.first().and_then(Duration::of).unwrap_or(0);
            arithmetic::to_multiple(&t.at, unit, true)
                .map(|at| t.with(at).into_value())
                .ok_or_else(out_of_range)
        }),
        "Truncate" => bind(&length(), time_type(), |t, a| {
            let unit = a.first().and_then(Duration::of).unwrap_or(0);
            arithmetic::to_multiple(&t.at, unit, false)
                .map(|at| t.with(at).into_value())
                .ok_or_else(out_of_range)
        }),
        "In" => bind(&[Location::of_type()], time_type(), |t, a| {
            match a.first().and_then(Location::of) {
                Some(zone) => Ok(t.with(t.at.with_time_zone(zone)).into_value()),
                None => Err(Error::call("time: missing Location in call to Time.In")),
            }
        }),
        "UTC" => get(time_type(), |t| {
            t.with(t.at.with_time_zone(TimeZone::UTC)).into_value()
        }),
        "Local" => get(time_type(), |t| {
            t.with(t.at.with_time_zone(t.local.clone())).into_value()
        }),
        "Location" => get(Location::of_type(), |t| {
            Location::value(t.at.time_zone().clone(), t.location())
        }),
        "IsDST" => get(Type::Bool, |t| {
            let zone = t.at.time_zone();
            Value::Bool(zone.to_offset_info(t.at.timestamp()).dst().is_dst())
        }),
        "IsZero" => get(Type::Bool, |t| {
            let zero = Time::of(&Time::zero(&t.local));
            Value::Bool(zero.is_some_and(|zero| zero == t.at))
        }),
        "Format" => bind(&[Type::Str], Type::Str, |t, a| {
            Ok(Value::from(format(&gotmpl::text(text(a, 0)), &t.at)))
        }),
        "AppendFormat" => bind(&[Type::Bytes, Type::Str], Type::Bytes, |t, a| {
            let shown = format(&gotmpl::text(text(a, 1)), &t.at);
            Ok(bytes([text(a, 0), shown.as_bytes()].concat()))
        }),
        "AppendText" => bind(&[Type::Bytes], Type::Bytes, |t, a| {
            let shown = format(RFC3339, &t.at);
            Ok(bytes([text(a, 0), shown.as_bytes()].concat()))
        }),
        "AppendBinary" => bind(&[Type::Bytes], Type::Bytes, |t, a| {
            Ok(bytes([text(a, 0), &binary::encoded(&t.at)].concat()))
        }),
        "MarshalBinary" | "GobEncode" => get(Type::Bytes, |t| bytes(binary::encoded(&t.at))),
        "MarshalText" => get(Type::Bytes, |t| bytes(format(RFC3339, &t.at))),
        "MarshalJSON" => get(Type::Bytes, |t| {
            bytes(format!("\"{}\"", format(RFC3339, &t.at)))
        }),
        "String" => get(Type::Str, |t| Value::from(t.display().unwrap_or_default())),
        "GoString" => get(Type::Str, |t| {
            Value::from(t.go_string().unwrap_or_default())
        }),
        "Unix" => get(Type::INT64, |t| Value::int64(t.at.timestamp().as_second())),
        "UnixMilli" => get(Type::INT64, |t| {
            Value::int64(t.at.timestamp().as_millisecond())
        }),
        "UnixMicro" => get(Type::INT64, |t| {
            Value::int64(t.at.timestamp().as_microsecond())
        }),
        // Years that are too far away wrap around, as they do in Go.
        "UnixNano" => get(Type::INT64, |t| {
            Value::int64(t.at.timestamp().as_nanosecond() as i64)
        }),
        "Year" => get(Type::INT, |t| int(t.at.year())),
        "Month" => get(NamedInt::of_type("time.Month"), |t| {
            NamedInt::value("time.Month", t.at.month(), month_name(t.at.month()))
        }),
        "Weekday" => get(NamedInt::of_type("time.Weekday"), |t| {
            let day = t.at.weekday().to_sunday_zero_offset();
            NamedInt::value("time.Weekday", day, day_name(day))
        }),
        "Day" => get(Type::INT, |t| int(t.at.day())),
        "YearDay" => get(Type::INT, |t| int(t.at.day_of_year())),
        "Hour" => get(Type::INT, |t| int(t.at.hour())),
        "Minute" => get(Type::INT, |t| int(t.at.minute())),
        "Second" => get(Type::INT, |t| int(t.at.second())),
        "Nanosecond" => get(Type::INT, |t| int(t.at.subsec_nanosecond())),
        "Clock" => Func::uncallable(&[], THREE_RESULTS),
        "Date" => Func::uncallable(&[], DATE_RESULTS),
        "ISOWeek" => Func::uncallable(&[], WEEK_RESULT),
        "Zone" => Func::uncallable(&[], ZONE_RESULT),
        "ZoneBounds" => Func::uncallable(&[], BOUNDS_RESULT),
        _ => return None,
    })
}

//! Go's time.Time as templates see it.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Error, Func, IntKind, Object, Shape, Type, Value};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::layout::{day_name, format, month_name, zone_name};

/// `time.Time`
pub(crate) fn time_type() -> Type {
    Type::Named("time.Time".to_owned())
}

/// A point in time in a zone.
#[derive(Debug)]
pub struct Time(Zoned);

impl Time {
    /// The template value of a time.
    pub fn value(time: Zoned) -> Value {
        Value::Object(Rc::new(Time(time)))
    }

    /// The time in a value, if there is one.
    pub(crate) fn of(value: &Value) -> Option<Zoned> {
        match value {
            Value::Object(object) => object
                .as_any()
                .downcast_ref::<Time>()
                .map(|time| time.0.clone()),
            _ => None,
        }
    }

    /// Go's zero time: the first of January of year 1.
    pub(crate) fn zero() -> Value {
        let zero = jiff::civil::date(1, 1, 1).to_zoned(TimeZone::UTC);
        Time::value(zero.unwrap_or_else(|_| Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC)))
    }
}

/// Go's `Time.AddDate`: a day beyond the end of its month goes on into the next one.
fn moved(time: &Zoned, years: i64, months: i64, days: i64) -> Option<Zoned> {
    let months = i64::from(time.month()) - 1 + months;
    let year = i64::from(time.year()) + years + months.div_euclid(12);
    let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
    let first = jiff::civil::Date::new(i16::try_from(year).ok()?, month, 1).ok()?;
    let days = jiff::Span::new()
        .try_days(i64::from(time.day()) - 1 + days)
        .ok()?;
    let date = first.checked_add(days).ok()?;
    date.to_datetime(time.time())
        .to_zoned(time.time_zone().clone())
        .ok()
}

impl Object for Time {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn shape(&self) -> Shape {
        Shape::Struct(Vec::new())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let t = &self.0;
        let int = |v: i64| Func::new(&[], Type::INT, move |_, _| Ok(Value::int(v)));
        let int64 = |v: i64| Func::new(&[], Type::INT64, move |_, _| Ok(Value::int64(v)));
        let time = |t: Zoned| Func::new(&[], time_type(), move |_, _| Ok(Time::value(t.clone())));
        Some(match name {
            "Format" => Func::new(&[Type::Str], Type::Str, move |_, args| match args {
                [Value::Str(layout)] => Ok(Value::from(format(&layout.text(), &self.0))),
                _ => Err(Error::call("Format needs a layout")),
            }),
            "String" => {
                let text = self.display().unwrap_or_default();
                Func::new(&[], Type::Str, move |_, _| Ok(Value::from(text.as_str())))
            }
            "Unix" => int64(t.timestamp().as_second()),
            "UnixMilli" => int64(t.timestamp().as_millisecond()),
            "UnixMicro" => int64(t.timestamp().as_microsecond()),
            "UnixNano" => int64(i64::try_from(t.timestamp().as_nanosecond()).unwrap_or(i64::MAX)),
            "Year" => int(t.year().into()),
            "Month" => named("time.Month", t.month().into(), month_name(t.month())),
            "Day" => int(t.day().into()),
            "Hour" => int(t.hour().into()),
            "Minute" => int(t.minute().into()),
            "Second" => int(t.second().into()),
            "Nanosecond" => int(t.subsec_nanosecond().into()),
            "YearDay" => int(t.day_of_year().into()),
            "Weekday" => {
                let day = t.weekday().to_sunday_zero_offset();
                named("time.Weekday", day.into(), day_name(day))
            }
            "UTC" => time(t.with_time_zone(TimeZone::UTC)),
            "Local" => time(t.clone()),
            "IsZero" => {
                let zero = Time::of(&Time::zero()).is_some_and(|zero| zero == *t);
                Func::new(&[], Type::Bool, move |_, _| Ok(Value::Bool(zero)))
            }
            "AddDate" => Func::new(
                &[Type::INT, Type::INT, Type::INT],
                time_type(),
                move |_, args| {
                    let by = |i: usize| match args.get(i) {
                        Some(Value::Int(_, v)) => *v,
                        _ => 0,
                    };
                    moved(&self.0, by(0), by(1), by(2))
                        .map(Time::value)
                        .ok_or_else(|| Error::call("time is out of range"))
                },
            ),
            _ => return None,
        })
    }

    fn display(&self) -> Option<String> {
        Some(format("2006-01-02 15:04:05.999999999 -0700 ", &self.0) + &zone_name(&self.0))
    }

    fn marshal(&self) -> Value {
        Value::from(format("2006-01-02T15:04:05.999999999Z07:00", &self.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A method that returns a named integer, such as a month.
fn named(of: &'static str, number: i64, name: &'static str) -> Func {
    Func::new(&[], Type::Named(of.to_owned()), move |_, _| {
        Ok(Value::Object(Rc::new(NamedInt { of, number, name })))
    })
}

/// An integer whose text is a name.
#[derive(Debug)]
struct NamedInt {
    of: &'static str,
    number: i64,
    name: &'static str,
}

impl Object for NamedInt {
    fn type_name(&self) -> &str {
        self.of
    }

    fn shape(&self) -> Shape {
        Shape::Alias(Value::Int(IntKind::Int, self.number))
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        (name == "String")
            .then(|| Func::new(&[], Type::Str, move |_, _| Ok(Value::from(self.name))))
    }

    fn display(&self) -> Option<String> {
        Some(self.name.to_owned())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

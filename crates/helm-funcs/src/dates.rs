//! Dates and durations.

mod duration;
mod layout;
mod length;
pub(crate) mod time;

use std::rc::Rc;

use gotmpl::{Error, IntKind, Type, Value};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::args::Registry;
use crate::sources::Sources;
use duration::{duration_text, parse_duration};
use time::{Time, time_type};

const ANY: Type = Type::Any;
const STR: Type = Type::Str;

/// Go's `Time.Format`.
pub fn format_time(layout: &str, time: &Zoned) -> String {
    layout::format(layout, time)
}

/// A time in RFC 3339, as Go reads it where the clocks are `local`: one whose offset is the local one is in the local zone.
///
/// # Errors
/// When it is none.
pub fn parse_time(text: &str, local: &TimeZone) -> Result<Zoned, Error> {
    layout::parse("2006-01-02T15:04:05Z07:00", text, local)
}

pub(crate) fn register(r: &mut Registry, sources: &Sources) {
    length::register(r);
    let mut sources = sources.clone();
    if sources.local == TimeZone::UTC {
        // Go tells the local zone from UTC, also where their clocks agree.
        sources.local = TimeZone::posix("UTC0").unwrap_or(TimeZone::UTC);
    }
    let s = Rc::new(sources);
    let world = Rc::clone(&s);
    let start = (s.now)();
    r.add("now", &[], time_type(), move |_| {
        let now = (world.now)();
        let since = now.duration_since(start);
        Ok(Time::from_clock(now.to_zoned(world.local.clone()), since))
    });
    let world = Rc::clone(&s);
    r.add("date", &[STR, ANY], STR, move |a| {
        Ok(formatted(&world, &a.text(0), a.any(1), world.local.clone()))
    });
    for name in ["dateInZone", "date_in_zone"] {
        let world = Rc::clone(&s);
        r.add(name, &[STR, ANY, STR], STR, move |a| {
            Ok(formatted(
                &world,
                &a.text(0),
                a.any(1),
                zone(&world, &a.text(2)),
            ))
        });
    }
    let world = Rc::clone(&s);
    r.add("htmlDate", &[ANY], STR, move |a| {
        Ok(formatted(
            &world,
            "2006-01-02",
            a.any(0),
            world.local.clone(),
        ))
    });
    let world = Rc::clone(&s);
    r.add("htmlDateInZone", &[ANY, STR], STR, move |a| {
        Ok(formatted(
            &world,
            "2006-01-02",
            a.any(0),
            zone(&world, &a.text(1)),
        ))
    });
    for (name, must) in [
        ("dateModify", false),
        ("date_modify", false),
        ("mustDateModify", true),
        ("must_date_modify", true),
    ] {
        r.add(name, &[STR, time_type()], time_type(), move |a| {
            let time = a.any(1).clone();
            match parse_duration(&a.text(0)) {
                Ok(by) => Ok(Time::later(&time, by).unwrap_or(time)),
                Err(e) if must => Err(e),
                Err(_) => Ok(time),
            }
        });
    }
    r.add("unixEpoch", &[time_type()], STR, |a| {
        let seconds = Time::of(a.any(0)).map_or(0, |time| time.timestamp().as_second());
        Ok(Value::from(seconds.to_string()))
    });
    let world = Rc::clone(&s);
    r.add("ago", &[ANY], STR, move |a| {
        let then = instant(&world, a.any(0));
        let since = (world.now)().duration_since(then);
        let seconds = since.as_millis() + 500 * since.as_millis().signum();
        let rounded = i64::try_from(seconds / 1000).unwrap_or(i64::MAX);
        Ok(Value::from(duration_text(nanos(
            SignedDuration::from_secs(rounded),
        ))))
    });
    r.add("duration", &[ANY], STR, |a| {
        let seconds = match a.any(0) {
            Value::Str(s) => crate::math::parse_decimal(&s.text()),
            Value::Int(IntKind::Int64, v) => *v,
            _ => 0,
        };
        Ok(Value::from(duration_text(
            seconds.wrapping_mul(1_000_000_000),
        )))
    });
    let world = Rc::clone(&s);
    r.add("durationRound", &[ANY], STR, move |a| {
        let length = match a.any(0) {
            Value::Str(s) => parse_duration(&s.text()).unwrap_or(0),
            Value::Int(IntKind::Int64, v) => *v,
            other => Time::of(other).map_or(0, |time| {
                nanos((world.now)().duration_since(time.timestamp()))
            }),
        };
        Ok(Value::from(duration::coarse(length)))
    });
    for (name, must) in [("toDate", false), ("mustToDate", true)] {
        let world = Rc::clone(&s);
        r.add(
            name,
            &[STR, STR],
            time_type(),
            move |a| match layout::parse(&a.text(0), &a.text(1), &world.local) {
                Ok(time) => Ok(Time::value(time, &world.local)),
                Err(e) if must => Err(e),
                Err(_) => Ok(Time::zero(&world.local)),
            },
        );
    }
}

/// The time that a TOML document has; what has no zone is at the local offset, under the name
/// that tells what it lacks.
pub(crate) fn toml_at(text: &str, zone: Option<&str>, sources: &Sources) -> Value {
    let local = zone.map_or_else(
        || sources.local.clone(),
        |name| {
            let offset = sources.local.to_offset((sources.now)()).seconds();
            let sign = if offset < 0 { '+' } else { '-' };
            let (minutes, seconds) = (offset.abs() / 60, offset.abs() % 60);
            let (hours, minutes) = (minutes / 60, minutes % 60);
            let text = format!("<{name}>{sign}{hours}:{minutes:02}:{seconds:02}");
            TimeZone::posix(&text).unwrap_or(TimeZone::UTC)
        },
    );
    let layout = match zone {
        Some(_) => "2006-01-02T15:04:05",
        None => "2006-01-02T15:04:05Z07:00",
    };
    layout::parse(layout, text, &local).map_or_else(
        |_| Time::zero(&sources.local),
        |time| Time::value(time, &sources.local),
    )
}

/// A time as TOML writes it.
pub(crate) fn toml_time(time: &Zoned) -> String {
    let layout = match layout::zone_name(time).as_str() {
        "datetime-local" => "2006-01-02T15:04:05.999999999",
        "date-local" => "2006-01-02",
        "time-local" => "15:04:05.999999999",
        _ => "2006-01-02T15:04:05.999999999Z07:00",
    };
    layout::format(layout, time)
}

fn nanos(length: SignedDuration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(if length.is_negative() {
        i64::MIN
    } else {
        i64::MAX
    })
}

/// The instant that a value stands for; now, if it stands for none.
fn instant(sources: &Sources, value: &Value) -> Timestamp {
    match value {
        Value::Int(IntKind::Int | IntKind::Int64 | IntKind::Int32, v) => {
            Timestamp::from_second(*v).unwrap_or(Timestamp::UNIX_EPOCH)
        }
        other => Time::of(other).map_or_else(|| (sources.now)(), |time| time.timestamp()),
    }
}

fn zone(sources: &Sources, name: &str) -> TimeZone {
    match name {
        "Local" => sources.local.clone(),
        "" => TimeZone::UTC,
        _ => TimeZone::get(name).unwrap_or(TimeZone::UTC),
    }
}

fn formatted(sources: &Sources, layout: &str, value: &Value, zone: TimeZone) -> Value {
    let time = instant(sources, value).to_zoned(zone);
    Value::from(layout::format(layout, &time))
}

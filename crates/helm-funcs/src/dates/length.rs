//! Helm's duration functions, and Go's time.Duration as templates see it.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Error, Func, IntKind, Object, Shape, Type, Value};

use super::duration::{duration_text, parse_duration};
use crate::args::{Registry, fail};

const ANY: Type = Type::Any;
const SECOND: f64 = 1e9;

pub(super) fn duration_type() -> Type {
    Type::NamedInt("time.Duration", IntKind::Int64)
}

pub(super) fn register(r: &mut Registry) {
    r.add("mustToDuration", &[ANY], duration_type(), |a| {
        nanos(a.any(0)).map(Duration::value)
    });
    for (name, unit) in [
        ("durationSeconds", SECOND),
        ("durationMinutes", 60.0 * SECOND),
        ("durationHours", 3600.0 * SECOND),
        ("durationDays", 24.0 * 3600.0 * SECOND),
        ("durationWeeks", 7.0 * 24.0 * 3600.0 * SECOND),
    ] {
        r.add(name, &[ANY], Type::FLOAT64, move |a| {
            Ok(Value::float(nanos(a.any(0)).unwrap_or(0) as f64 / unit))
        });
    }
    for (name, unit) in [
        ("durationMilliseconds", 1_000_000),
        ("durationMicroseconds", 1_000),
        ("durationNanoseconds", 1),
    ] {
        r.add(name, &[ANY], Type::INT64, move |a| {
            Ok(Value::int64(nanos(a.any(0)).unwrap_or(0) / unit))
        });
    }
    r.add("durationRoundTo", &[ANY, ANY], duration_type(), |a| {
        Ok(Duration::value(to_multiple(a.any(0), a.any(1), true)))
    });
    r.add("durationTruncateTo", &[ANY, ANY], duration_type(), |a| {
        Ok(Duration::value(to_multiple(a.any(0), a.any(1), false)))
    });
}

/// The length that a value stands for, in nanoseconds; plain numbers are seconds.
fn nanos(value: &Value) -> Result<i64, Error> {
    let overflow = |shown: String| Error::call(format!("duration seconds overflow: {shown}"));
    match value.plain() {
        Value::Nil => fail("invalid duration"),
        Value::Int(_, v) if matches!(value, Value::Object(_)) => Ok(v),
        Value::Int(_, v) => v
            .checked_mul(1_000_000_000)
            .ok_or_else(|| overflow(v.to_string())),
        Value::Uint(_, v) => i64::try_from(v)
            .ok()
            .and_then(|v| v.checked_mul(1_000_000_000))
            .ok_or_else(|| overflow(v.to_string())),
        Value::Float(_, v) => from_seconds(v),
        Value::Str(s) => {
            let text = s.text();
            let trimmed = text.trim();
            if trimmed.is_empty() {
                return fail("empty duration");
            }
            if let Ok(nanos) = parse_duration(trimmed) {
                return Ok(nanos);
            }
            crate::math::parse_float(trimmed).map_or_else(
                || {
                    let shown = gotmpl::fmt::quote(s.as_bytes());
                    fail(format!("could not parse duration {shown}"))
                },
                from_seconds,
            )
        }
        _ => fail(format!("unsupported duration type {}", value.type_name())),
    }
}

fn from_seconds(seconds: f64) -> Result<i64, Error> {
    let shown = gotmpl::fmt::float_text(seconds);
    if !seconds.is_finite() {
        return fail(format!("invalid duration seconds: {shown}"));
    }
    if (seconds * SECOND).abs() > i64::MAX as f64 {
        return fail(format!("duration seconds overflow: {shown}"));
    }
    Ok((seconds * SECOND) as i64)
}

/// The length as a multiple of another, rounded (half away from zero) or truncated.
fn to_multiple(value: &Value, of: &Value, round: bool) -> i64 {
    let Ok(length) = nanos(value) else { return 0 };
    match nanos(of) {
        Ok(unit) if unit > 0 => {
            let rest = length % unit;
            let truncated = length - rest;
            if round && rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) {
                truncated.saturating_add(unit * rest.signum())
            } else {
                truncated
            }
        }
        _ => length,
    }
}

/// `time.Duration`
#[derive(Debug)]
pub(super) struct Duration(i64);

impl Duration {
    pub(super) fn value(nanos: i64) -> Value {
        Value::Object(Rc::new(Self(nanos)))
    }

    /// The nanoseconds in a value, if it is a duration.
    pub(super) fn of(value: &Value) -> Option<i64> {
        match value {
            Value::Object(object) => object.as_any().downcast_ref::<Self>().map(|d| d.0),
            // A literal.
            Value::Int(_, nanos) => Some(*nanos),
            _ => None,
        }
    }
}

/// Go's `Duration.Round` and `Duration.Truncate`; what cannot be told is the longest there is.
fn multiple(length: i64, unit: i64, round: bool) -> i64 {
    if unit <= 0 {
        return length;
    }
    let rest = length % unit;
    let truncated = length - rest;
    if round && u128::from(rest.unsigned_abs()) * 2 >= u128::from(unit.unsigned_abs()) {
        truncated.saturating_add(unit * length.signum())
    } else {
        truncated
    }
}

impl Object for Duration {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }

    fn shape(&self) -> Shape {
        Shape::Alias(Value::Int(IntKind::Int64, self.0))
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let nanos = self.0;
        // Go adds the whole units and the part of one, which rounds once more.
        let float = |unit: i64| {
            let v = (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64;
            Func::new(&[], Type::FLOAT64, move |_, _| Ok(Value::float(v)))
        };
        let int =
            |unit: i64| Func::new(&[], Type::INT64, move |_, _| Ok(Value::int64(nanos / unit)));
        let to_multiple = |round: bool| {
            Func::new(&[duration_type()], duration_type(), move |_, args| {
                let unit = args.first().and_then(Self::of).unwrap_or(0);
                Ok(Self::value(multiple(nanos, unit, round)))
            })
        };
        Some(match name {
            "Abs" => Func::new(&[], duration_type(), move |_, _| {
                Ok(Self::value(nanos.saturating_abs()))
            }),
            "Round" => to_multiple(true),
            "Truncate" => to_multiple(false),
            "Seconds" => float(1_000_000_000),
            "Minutes" => float(60_000_000_000),
            "Hours" => float(3_600_000_000_000),
            "Milliseconds" => int(1_000_000),
            "Microseconds" => int(1_000),
            "Nanoseconds" => int(1),
            "String" => {
                let text = duration_text(nanos);
                Func::new(&[], Type::Str, move |_, _| Ok(Value::from(text.as_str())))
            }
            _ => return None,
        })
    }

    fn display(&self) -> Option<String> {
        Some(duration_text(self.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

//! Go's time.Time as templates see it.

mod arithmetic;
mod binary;
mod methods;
mod names;

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Func, Object, Shape, Type, Value};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::layout::{format, zone_name};

/// `time.Time`
pub(crate) fn time_type() -> Type {
    Type::Named("time.Time".to_owned())
}

/// RFC 3339 with as many decimals as there are.
const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// A point in time in a zone.
#[derive(Debug, Clone)]
pub struct Time {
    at: Zoned,
    /// The zone that is called local.
    local: TimeZone,
    /// How long after the start of the rendering a clock was read for it, if one was.
    monotonic: Option<SignedDuration>,
}

impl Time {
    /// The template value of a time; `local` is the zone that templates call local.
    pub fn value(at: Zoned, local: &TimeZone) -> Value {
        Self {
            at,
            local: local.clone(),
            monotonic: None,
        }
        .into_value()
    }

    /// The template value of what a clock says, some time after the rendering began.
    pub(super) fn from_clock(at: Zoned, since_start: SignedDuration) -> Value {
        Self {
            local: at.time_zone().clone(),
            at,
            monotonic: Some(since_start),
        }
        .into_value()
    }

    fn into_value(self) -> Value {
        Value::Object(Rc::new(self))
    }

    /// The same zone and clock at another instant.
    fn with(&self, at: Zoned) -> Self {
        Self {
            at,
            local: self.local.clone(),
            monotonic: None,
        }
    }

    fn read(value: &Value) -> Option<&Self> {
        match value {
            Value::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The time in a value, if there is one.
    pub(crate) fn of(value: &Value) -> Option<Zoned> {
        Self::read(value).map(|time| time.at.clone())
    }

    /// Go's zero time: the first of January of year 1.
    pub(crate) fn zero(local: &TimeZone) -> Value {
        let zero = jiff::civil::date(1, 1, 1).to_zoned(TimeZone::UTC);
        let zero = zero.unwrap_or_else(|_| Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC));
        Time::value(zero, local)
    }

    /// A time later by so many nanoseconds; `None` where it cannot be told.
    pub(super) fn later(value: &Value, nanos: i64) -> Option<Value> {
        let by = SignedDuration::from_nanos(nanos);
        let time = Self::read(value)?;
        let mut moved = time.with(time.at.checked_add(by).ok()?);
        moved.monotonic = time.monotonic.and_then(|at| at.checked_add(by));
        Some(moved.into_value())
    }

    /// The name of the zone: Go knows the local one by that name alone.
    fn location(&self) -> String {
        let zone = self.at.time_zone();
        if *zone == self.local {
            return "Local".to_owned();
        }
        if *zone == TimeZone::UTC {
            return "UTC".to_owned();
        }
        zone.iana_name().unwrap_or_default().to_owned()
    }
}

impl Object for Time {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn shape(&self) -> Shape {
        Shape::Struct(Vec::new())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        methods::method(&self, name)
    }

    fn display(&self) -> Option<String> {
        let text = format("2006-01-02 15:04:05.999999999 -0700 ", &self.at) + &zone_name(&self.at);
        Some(match self.monotonic {
            None => text,
            Some(since) => {
                let sign = if since.is_negative() { '-' } else { '+' };
                let since = since.unsigned_abs();
                format!(
                    "{text} m={sign}{}.{:09}",
                    since.as_secs(),
                    since.subsec_nanos()
                )
            }
        })
    }

    fn go_string(&self) -> Option<String> {
        let t = &self.at;
        let place = match self.location().as_str() {
            "UTC" => "time.UTC".to_owned(),
            "Local" => "time.Local".to_owned(),
            name => format!("time.Location({})", gotmpl::fmt::quote(name.as_bytes())),
        };
        Some(format!(
            "time.Date({}, time.{}, {}, {}, {}, {}, {}, {place})",
            t.year(),
            super::layout::month_name(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.subsec_nanosecond(),
        ))
    }

    /// The same instant, in the same zone. A zone that was read as an offset of minutes is one of
    /// its own each time.
    fn equals(&self, other: &dyn Object) -> bool {
        let Some(other) = other.as_any().downcast_ref::<Self>() else {
            return false;
        };
        let (ours, theirs) = (self.at.time_zone(), other.at.time_zone());
        let is_shared = ours.iana_name().is_some()
            || *ours == TimeZone::UTC
            || *ours == self.local
            || self.at.offset().seconds() % 3600 == 0;
        self.at.timestamp() == other.at.timestamp()
            && ours == theirs
            && is_shared
            && self.monotonic == other.monotonic
    }

    fn marshal(&self) -> Value {
        Value::from(format(RFC3339, &self.at))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

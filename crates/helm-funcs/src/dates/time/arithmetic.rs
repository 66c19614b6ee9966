//! Dates and instants that are a step away.

use jiff::{SignedDuration, Zoned};

/// Seconds from the first of January of year 1 to that of 1970.
const TO_UNIX: i128 = 62_135_596_800;
const SECOND: i128 = 1_000_000_000;

/// Go's `Time.AddDate`: a day beyond the end of its month goes on into the next one.
pub(super) fn add_date(time: &Zoned, years: i64, months: i64, days: i64) -> Option<Zoned> {
    let months = (i64::from(time.month()) - 1).checked_add(months)?;
    let year = i64::from(time.year())
        .checked_add(years)?
        .checked_add(months.div_euclid(12))?;
    let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
    let first = jiff::civil::Date::new(i16::try_from(year).ok()?, month, 1).ok()?;
    let days = jiff::Span::new()
        .try_days((i64::from(time.day()) - 1).checked_add(days)?)
        .ok()?;
    let date = first.checked_add(days).ok()?;
    date.to_datetime(time.time())
        .to_zoned(time.time_zone().clone())
        .ok()
}

/// The time as a multiple of a length since the zero time, rounded (half up) or truncated; as it
/// is for a length that is not positive.
pub(super) fn to_multiple(time: &Zoned, unit: i64, round: bool) -> Option<Zoned> {
    if unit <= 0 {
        return Some(time.clone());
    }
    let since = time.timestamp().as_nanosecond() + TO_UNIX * SECOND;
    let rest = since.rem_euclid(unit.into());
    let by = if round && rest * 2 >= unit.into() {
        i128::from(unit) - rest
    } else {
        -rest
    };
    let by = SignedDuration::from_nanos(i64::try_from(by).ok()?);
    time.checked_add(by).ok()
}

//! Go's binary form of a time.

use jiff::Zoned;
use jiff::tz::TimeZone;

/// Seconds from the first of January of year 1 to that of 1970.
const TO_UNIX: i64 = 62_135_596_800;
const NANOS: i64 = 1_000_000_000;

/// Version, seconds since year 1, nanoseconds, minutes of the offset (-1 for UTC); version 2 has
/// the seconds of the offset, too.
pub(super) fn encoded(time: &Zoned) -> Vec<u8> {
    let offset = time.offset().seconds();
    let is_utc = *time.time_zone() == TimeZone::UTC;
    let with_seconds = offset % 60 != 0;
    let at = time.timestamp().as_nanosecond();
    let seconds = at.div_euclid(NANOS.into()) as i64 + TO_UNIX;
    let nanos = at.rem_euclid(NANOS.into()) as u32;
    let minutes = if is_utc { -1 } else { (offset / 60) as i16 };
    let mut out = vec![if with_seconds { 2 } else { 1 }];
    out.extend_from_slice(&seconds.to_be_bytes());
    out.extend_from_slice(&nanos.to_be_bytes());
    out.extend_from_slice(&minutes.to_be_bytes());
    if with_seconds {
        out.push((offset % 60) as u8);
    }
    out
}

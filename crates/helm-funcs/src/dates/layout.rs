//! Go's time layouts: the reference time Mon Jan 2 15:04:05 MST 2006 as a pattern.

use std::fmt::Write;

use gotmpl::Error;
use jiff::Zoned;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

use crate::args::fail;

/// The parts a layout can have, longest first where one begins another.
const PARTS: &[&str] = &[
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "__2",
    "_2",
    "1",
    "2",
    "3",
    "4",
    "5",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Go's English name of a month.
pub(super) fn month_name(month: i8) -> &'static str {
    usize::try_from(month - 1)
        .ok()
        .and_then(|i| MONTHS.get(i))
        .copied()
        .unwrap_or("")
}

/// Go's English name of a day of the week; Sunday is 0.
pub(super) fn day_name(day: i8) -> &'static str {
    usize::try_from(day)
        .ok()
        .and_then(|i| DAYS.get(i))
        .copied()
        .unwrap_or("")
}

/// The first part in the layout: what stands before it, the part, what follows.
fn next_part(layout: &str) -> Option<(&str, &str, &str)> {
    for (at, c) in layout.char_indices() {
        let rest = &layout[at..];
        if matches!(c, '.' | ',') && fraction_len(rest) > 0 {
            let end = 1 + fraction_len(rest);
            return Some((&layout[..at], &rest[..end], &rest[end..]));
        }
        let part = PARTS.iter().find(|part| {
            rest.starts_with(**part)
                // "Jan" within a longer word in lower case is no part, nor is "_2" of "_2006".
                && !(**part == "Jan" && rest[3..].starts_with(|c: char| c.is_ascii_lowercase()))
                && !(**part == "_2" && rest.starts_with("_2006"))
        });
        if let Some(part) = part {
            let end = part.len();
            return Some((&layout[..at], &rest[..end], &rest[end..]));
        }
    }
    None
}

/// The number of zeros or nines after a point, if they are fractional seconds.
fn fraction_len(rest: &str) -> usize {
    let digits = &rest.as_bytes()[1..];
    let Some(&first @ (b'0' | b'9')) = digits.first() else {
        return 0;
    };
    let len = digits.iter().take_while(|b| **b == first).count();
    if digits.get(len).is_some_and(u8::is_ascii_digit) {
        0
    } else {
        len
    }
}

/// Go's `Time.Format`.
pub(super) fn format(layout: &str, time: &Zoned) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some((before, part, after)) = next_part(rest) {
        out.push_str(before);
        out.push_str(&formatted(part, time));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn formatted(part: &str, t: &Zoned) -> String {
    let hour12 = match t.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let weekday = day_name(t.weekday().to_sunday_zero_offset());
    match part {
        "January" => month_name(t.month()).to_owned(),
        "Jan" => month_name(t.month())[..3].to_owned(),
        "Monday" => weekday.to_owned(),
        "Mon" => weekday[..3].to_owned(),
        "MST" => zone_name(t),
        "2006" => format!("{:04}", t.year()),
        "06" => format!("{:02}", t.year().rem_euclid(100)),
        "01" => format!("{:02}", t.month()),
        "1" => t.month().to_string(),
        "02" => format!("{:02}", t.day()),
        "_2" => format!("{:2}", t.day()),
        "2" => t.day().to_string(),
        "002" => format!("{:03}", t.day_of_year()),
        "__2" => format!("{:3}", t.day_of_year()),
        "15" => format!("{:02}", t.hour()),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", t.minute()),
        "4" => t.minute().to_string(),
        "05" => format!("{:02}", t.second()),
        "5" => t.second().to_string(),
        "PM" => if t.hour() >= 12 { "PM" } else { "AM" }.to_owned(),
        "pm" => if t.hour() >= 12 { "pm" } else { "am" }.to_owned(),
        _ if part.starts_with(['.', ',']) => fraction(part, t.subsec_nanosecond()),
        _ => offset(part, t.offset().seconds()),
    }
}

/// The abbreviation of the zone; a zone without a name shows its offset.
pub(super) fn zone_name(t: &Zoned) -> String {
    let info = t.time_zone().to_offset_info(t.timestamp());
    let name = info.abbreviation().to_owned();
    if name.starts_with(['+', '-']) && t.time_zone().iana_name().is_none() {
        return offset("-0700", t.offset().seconds());
    }
    name
}

fn fraction(part: &str, nanos: i32) -> String {
    let digits = format!("{nanos:09}");
    let len = part.len() - 1;
    let digits = &digits[..len.min(9)];
    if part.as_bytes()[1] == b'0' {
        return format!("{}{digits:0<len$}", &part[..1]);
    }
    match digits.trim_end_matches('0') {
        "" => String::new(),
        digits => format!("{}{digits}", &part[..1]),
    }
}

fn offset(part: &str, seconds: i32) -> String {
    if part.starts_with('Z') && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.abs();
    let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
    match &part[1..] {
        "07:00:00" => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        "070000" => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
        "07:00" => format!("{sign}{hours:02}:{minutes:02}"),
        "0700" => format!("{sign}{hours:02}{minutes:02}"),
        _ => format!("{sign}{hours:02}"),
    }
}

/// Go's `time.ParseInLocation`.
pub(super) fn parse(layout: &str, text: &str, local: &TimeZone) -> Result<Zoned, Error> {
    let mut read = Read {
        text,
        hour12: None,
        pm: None,
        ..Read::default()
    };
    let mut rest = layout;
    loop {
        let (before, part, after) = next_part(rest).unwrap_or((rest, "", ""));
        let cannot = |read: &Read<'_>, what: &str| {
            Error::call(format!(
                "parsing time {} as {}: cannot parse {} as {}",
                quote(text),
                quote(layout),
                quote(read.text),
                quote(what)
            ))
        };
        if !read.skip(before) {
            return Err(cannot(&read, before));
        }
        if part.is_empty() {
            break;
        }
        if read.part(part).is_none() {
            return Err(cannot(&read, part));
        }
        rest = after;
    }
    if !read.text.is_empty() {
        let extra = quote(read.text);
        return fail(format!("parsing time {}: extra text: {extra}", quote(text)));
    }
    read.time(local)
        .ok_or_else(|| Error::call(format!("parsing time {}: day out of range", quote(text))))
}

/// A text quoted as package time does it: bytes beyond ASCII are escaped one by one.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' | 0x7f => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// What has been read of a time.
#[derive(Default)]
struct Read<'a> {
    text: &'a str,
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    hour12: Option<i8>,
    pm: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    offset: Option<i32>,
}

impl Read<'_> {
    /// Reads a literal part of the layout; a blank stands for any number of them.
    fn skip(&mut self, literal: &str) -> bool {
        let mut literal = literal;
        while let Some(c) = literal.chars().next() {
            if c == ' ' {
                if !self.text.is_empty() && !self.text.starts_with(' ') {
                    return false;
                }
                literal = literal.trim_start_matches(' ');
                self.text = self.text.trim_start_matches(' ');
                continue;
            }
            let Some(rest) = self.text.strip_prefix(c) else {
                return false;
            };
            self.text = rest;
            literal = &literal[c.len_utf8()..];
        }
        true
    }

    fn number(&mut self, min: usize, max: usize) -> Option<i32> {
        let len = self
            .text
            .bytes()
            .take(max)
            .take_while(u8::is_ascii_digit)
            .count();
        if len < min {
            return None;
        }
        let (digits, rest) = self.text.split_at(len);
        self.text = rest;
        digits.parse().ok()
    }

    fn small(&mut self, min: usize, range: std::ops::RangeInclusive<i32>) -> Option<i8> {
        let number = self.number(min, 2).filter(|n| range.contains(n))?;
        i8::try_from(number).ok()
    }

    fn name(&mut self, names: &[&str], len: Option<usize>) -> Option<i8> {
        let index = names.iter().position(|name| {
            let name = &name[..len.unwrap_or(name.len())];
            self.text
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })?;
        self.text = &self.text[len.unwrap_or(names[index].len())..];
        i8::try_from(index).ok()
    }

    fn part(&mut self, part: &str) -> Option<()> {
        match part {
            "January" => self.month = Some(self.name(&MONTHS, None)? + 1),
            "Jan" => self.month = Some(self.name(&MONTHS, Some(3))? + 1),
            "Monday" => drop(self.name(&DAYS, None)?),
            "Mon" => drop(self.name(&DAYS, Some(3))?),
            "2006" => self.year = i16::try_from(self.number(4, 4)?).ok()?,
            "06" => {
                let year = self.number(2, 2)?;
                self.year = i16::try_from(year + if year >= 69 { 1900 } else { 2000 }).ok()?;
            }
            "01" => self.month = Some(self.small(2, 1..=12)?),
            "1" => self.month = Some(self.small(1, 1..=12)?),
            "02" => self.day = Some(self.small(2, 0..=31)?),
            "_2" | "2" => {
                self.text = self.text.strip_prefix(' ').unwrap_or(self.text);
                self.day = Some(self.small(1, 0..=31)?);
            }
            "15" => self.hour = self.small(2, 0..=23)?,
            "03" => self.hour12 = Some(self.small(2, 0..=12)?),
            "3" => self.hour12 = Some(self.small(1, 0..=12)?),
            "04" => self.minute = self.small(2, 0..=59)?,
            "4" => self.minute = self.small(1, 0..=59)?,
            "05" => {
                self.second = self.small(2, 0..=59)?;
                self.fraction();
            }
            "5" => {
                self.second = self.small(1, 0..=59)?;
                self.fraction();
            }
            "PM" | "pm" => {
                let pm = self.name(&["am", "pm"], None)?;
                self.pm = Some(pm == 1);
            }
            "MST" => {
                let len = self.text.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=5).contains(&len) {
                    return None;
                }
                if &self.text[..len] == "UTC" {
                    self.offset = Some(0);
                }
                self.text = &self.text[len..];
            }
            _ if part.starts_with(['.', ',']) => self.fraction(),
            _ => self.zone(part)?,
        }
        Some(())
    }

    /// Fractional seconds are read wherever seconds end.
    fn fraction(&mut self) {
        let Some(digits) = self.text.strip_prefix(['.', ',']) else {
            return;
        };
        let len = digits.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return;
        }
        let padded = format!("{:0<9}", &digits[..len.min(9)]);
        self.nanos = padded.parse().unwrap_or(0);
        self.text = &digits[len..];
    }

    fn zone(&mut self, part: &str) -> Option<()> {
        if part.starts_with('Z')
            && let Some(rest) = self.text.strip_prefix('Z')
        {
            self.text = rest;
            self.offset = Some(0);
            return Some(());
        }
        let negative = match self.text.as_bytes().first()? {
            b'+' => false,
            b'-' => true,
            _ => return None,
        };
        self.text = &self.text[1..];
        let mut seconds = 0;
        for (i, scale) in [3600, 60, 1]
            .into_iter()
            .enumerate()
            .take(part.matches('0').count().div_ceil(2).max(1))
        {
            if i > 0 && part.contains(':') {
                self.text = self.text.strip_prefix(':')?;
            }
            seconds += self.number(2, 2)? * scale;
        }
        self.offset = Some(if negative { -seconds } else { seconds });
        Some(())
    }

    fn time(&self, local: &TimeZone) -> Option<Zoned> {
        let hour = match (self.hour12, self.pm) {
            (Some(12), Some(false)) => 0,
            (Some(hour), Some(true)) if hour < 12 => hour + 12,
            (Some(hour), _) => hour,
            (None, _) => self.hour,
        };
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let date = civil::Date::new(self.year, month, day).ok()?;
        let time = civil::Time::new(hour, self.minute, self.second, self.nanos).ok()?;
        let zone = match self.offset {
            Some(0) => TimeZone::UTC,
            Some(seconds) => TimeZone::fixed(Offset::from_seconds(seconds).ok()?),
            None => local.clone(),
        };
        date.to_datetime(time).to_zoned(zone).ok()
    }
}

//! What a plain scalar means: the resolution of go-yaml v2, which is that of YAML 1.1 but for base 60.

/// The tags that go-yaml knows, without their `tag:yaml.org,2002:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Str,
    Timestamp,
}

impl Tag {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Str => "str",
            Self::Timestamp => "timestamp",
        }
    }
}

/// A scalar with the type it resolved to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    /// Text, timestamps too: go-yaml leaves them as they are written when no type asks for a time.
    Str(String),
}

/// The type and value of a plain scalar without a tag.
pub(crate) fn resolve(text: &str) -> (Tag, Scalar) {
    if let Some(found) = named(text) {
        return found;
    }
    match text.as_bytes().first() {
        Some(b'.') => match parse_go_float(text) {
            Some(number) => (Tag::Float, Scalar::Float(number)),
            None => (Tag::Str, Scalar::Str(text.to_owned())),
        },
        Some(b'+' | b'-' | b'0'..=b'9') => resolve_number(text),
        _ => (Tag::Str, Scalar::Str(text.to_owned())),
    }
}

fn named(text: &str) -> Option<(Tag, Scalar)> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            (Tag::Bool, Scalar::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            (Tag::Bool, Scalar::Bool(false))
        }
        "" | "~" | "null" | "Null" | "NULL" => (Tag::Null, Scalar::Null),
        ".nan" | ".NaN" | ".NAN" => (Tag::Float, Scalar::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            (Tag::Float, Scalar::Float(f64::INFINITY))
        }
        "-.inf" | "-.Inf" | "-.INF" => (Tag::Float, Scalar::Float(f64::NEG_INFINITY)),
        _ => return None,
    })
}

fn resolve_number(text: &str) -> (Tag, Scalar) {
    if is_timestamp(text) {
        return (Tag::Timestamp, Scalar::Str(text.to_owned()));
    }
    let plain = text.replace('_', "");
    if let Some(number) = parse_go_int(&plain) {
        return (Tag::Int, number);
    }
    if is_yaml_float(&plain)
        && let Ok(number) = plain.parse::<f64>()
        && number.is_finite()
    {
        return (Tag::Float, Scalar::Float(number));
    }
    (Tag::Str, Scalar::Str(text.to_owned()))
}

/// `strconv.ParseInt(text, 0, 64)`, then `ParseUint`: a sign, a prefix (`0x`, `0o`, `0b`, or a bare `0` for octal) and digits.
fn parse_go_int(text: &str) -> Option<Scalar> {
    let (negative, signed, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let lower = magnitude.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &magnitude[2..]),
        Some("0o") => (8, &magnitude[2..]),
        Some("0b") => (2, &magnitude[2..]),
        Some(two) if two.starts_with('0') => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(number).map(Scalar::Int);
    }
    match i64::try_from(number) {
        Ok(number) => Some(Scalar::Int(number)),
        // `ParseUint` takes no sign.
        Err(_) if signed => None,
        Err(_) => Some(Scalar::Uint(number)),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_yaml_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

/// `strconv.ParseFloat` of a text that begins with a dot: decimal only, underscores are refused, no overflow.
fn parse_go_float(text: &str) -> Option<f64> {
    if !is_yaml_float(text) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whether go-yaml would take the text for a point in time: a date, or a date and a time.
fn is_timestamp(text: &str) -> bool {
    let mut rest = text;
    let Some(year) = take_digits(&mut rest, 4, 4) else {
        return false;
    };
    if !take(&mut rest, b'-') {
        return false;
    }
    let Some(month) = take_digits(&mut rest, 1, 2) else {
        return false;
    };
    if !take(&mut rest, b'-') {
        return false;
    }
    let Some(day) = take_digits(&mut rest, 1, 2) else {
        return false;
    };
    if !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let with_zone = take(&mut rest, b'T') || take(&mut rest, b't');
    if !with_zone && !take(&mut rest, b' ') {
        return false;
    }
    is_time(&mut rest)
        && if with_zone {
            is_zone(rest)
        } else {
            rest.is_empty()
        }
}

fn is_time(rest: &mut &str) -> bool {
    let Some(hour) = take_digits(rest, 1, 2) else {
        return false;
    };
    if !take(rest, b':') {
        return false;
    }
    let Some(minute) = take_digits(rest, 1, 2) else {
        return false;
    };
    if !take(rest, b':') {
        return false;
    }
    let Some(second) = take_digits(rest, 1, 2) else {
        return false;
    };
    if hour > 23 || minute > 59 || second > 59 {
        return false;
    }
    // Go reads a fraction after a dot or a comma, of any length.
    if (rest.starts_with('.') || rest.starts_with(','))
        && rest[1..].starts_with(|c: char| c.is_ascii_digit())
    {
        *rest = rest[1..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    true
}

fn is_zone(zone: &str) -> bool {
    if zone == "Z" {
        return true;
    }
    let bytes = zone.as_bytes();
    let pair = |at: usize| {
        let text = zone.get(at..at + 2)?;
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u32>().ok())?
    };
    bytes.len() == 6
        && matches!(bytes[0], b'+' | b'-')
        && bytes[3] == b':'
        && pair(1).is_some_and(|hours| hours <= 24)
        && pair(4).is_some_and(|minutes| minutes <= 60)
}

fn take(rest: &mut &str, byte: u8) -> bool {
    let found = rest.as_bytes().first() == Some(&byte);
    if found {
        *rest = &rest[1..];
    }
    found
}

fn take_digits(rest: &mut &str, least: usize, most: usize) -> Option<u32> {
    let count = rest
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if count < least {
        return None;
    }
    let (digits, after) = rest.split_at(count);
    *rest = after;
    digits.parse().ok()
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

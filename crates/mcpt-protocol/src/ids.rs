//! [`MessageId`]: the ids of messages, compared by value and not by how they are written.

use std::cmp::Ordering;

use crate::Part;

/// The id of a request, or a progress token, which follows the same rules.
///
/// Two are equal when they are the same JSON value: `5`, `5.0` and `50e-1`; `"a"` and `"\u0061"`.
/// `5` and `"5"` differ. Numbers are compared exactly, whatever their size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Value);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Value {
    Text(String),
    Number(Number),
    /// A value that cannot be taken further apart, such as a text with half a surrogate pair.
    Raw(String),
}

/// A decimal number: `digits` times ten to the power of `exponent`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Number {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    exponent: i64,
}

impl MessageId {
    /// The value of an id; `None` when it is neither text nor number.
    pub fn of(id: Part<'_>) -> Option<Self> {
        Self::of_text(id.text())
    }

    /// The same of its JSON text.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let raw = || Value::Raw(text.to_owned());
        let value = match text.as_bytes().first()? {
            b'"' => serde_json::from_str(text).map_or_else(|_| raw(), Value::Text),
            b'-' | b'0'..=b'9' => number(text).map_or_else(raw, Value::Number),
            _ => return None,
        };
        Some(Self(value))
    }

    /// The number that this is, when it names a request or a token that we gave a number to. Servers
    /// that are not careful give such a number back as `5.0` or as `"5"`.
    pub fn own_number(&self) -> Option<u64> {
        match &self.0 {
            Value::Number(number) => number.as_u64(),
            Value::Text(text) => number(text.trim())?.as_u64(),
            Value::Raw(_) => None,
        }
    }
}

impl From<u64> for MessageId {
    fn from(id: u64) -> Self {
        let text = id.to_string();
        Self(number(&text).map_or(Value::Raw(text), Value::Number))
    }
}

impl Number {
    fn as_u64(&self) -> Option<u64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(self.exponent).ok()?;
        // A number of 64 bits has at most 20 digits.
        if self.negative || self.digits.len().saturating_add(zeros) > 20 {
            return None;
        }
        format!("{}{}", self.digits, "0".repeat(zeros)).parse().ok()
    }
}

/// Some total order, for maps that are ordered.
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |n: &Self| (n.negative, n.exponent, n.digits.len());
        key(self)
            .cmp(&key(other))
            .then_with(|| self.digits.cmp(&other.digits))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether the text of a JSON number names a whole one, whatever its size and form: `5`, `5.0`, `5e3`.
pub fn is_whole_number(text: &str) -> bool {
    number(text).is_some_and(|number| number.digits.is_empty() || number.exponent >= 0)
}

/// A number in JSON's grammar; `None` for anything else, and for exponents beyond all reason.
fn number(text: &str) -> Option<Number> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => {
            let exponent = rest.get(at + 1..)?;
            (rest.get(..at)?, exponent.parse::<i32>().ok()?)
        }
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let zeros = i64::try_from(all.len() - digits.len()).ok()?;
    let fraction = i64::try_from(fraction.len()).ok()?;
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return Some(Number {
            negative: false,
            digits,
            exponent: 0,
        });
    }
    Some(Number {
        negative,
        digits,
        exponent: i64::from(exponent) - fraction + zeros,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> MessageId {
        MessageId::of_text(text).unwrap()
    }

    #[test]
    fn equal_by_value() {
        for (one, other, equal) in [
            ("5", "5.0", true),
            ("5", "5e0", true),
            ("5", "50E-1", true),
            ("5", "0.5e+1", true),
            ("0", "-0.0", true),
            ("0", "0e9", true),
            ("5", "\"5\"", false),
            ("5", "-5", false),
            ("5", "50", false),
            ("9007199254740993", "9007199254740992", false),
            ("18446744073709551616", "18446744073709551616.0", true),
            ("18446744073709551616", "18446744073709551617", false),
            (r#""a""#, r#""\u0061""#, true),
            (r#""a""#, r#""A""#, false),
            (r#""\ud800""#, r#""\ud800""#, true),
            ("1e99999999999", "1e99999999999", true),
        ] {
            assert_eq!(id(one) == id(other), equal, "{one} {other}");
        }
        for text in ["null", "true", "{}", "[]", ""] {
            assert_eq!(MessageId::of_text(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_ours_come_back_in_many_forms() {
        for (text, number) in [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("\"5\"", Some(5)),
            ("\" 5.0\"", Some(5)),
            ("50e-1", Some(5)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1e20", None),
            ("1e2000000000", None),
            ("5.5", None),
            ("-5", None),
            ("\"five\"", None),
            ("\"\"", None),
            ("\"5 apples\"", None),
        ] {
            assert_eq!(id(text).own_number(), number, "{text}");
        }
    }

    #[test]
    fn whole_numbers() {
        for (text, whole) in [
            ("5", true),
            ("-5.0", true),
            ("5e3", true),
            ("50e-1", true),
            ("0.0", true),
            ("123456789012345678901234567890", true),
            ("5.5", false),
            ("5e-1", false),
            ("five", false),
            ("", false),
        ] {
            assert_eq!(is_whole_number(text), whole, "{text}");
        }
    }

    proptest! {
        #[test]
        fn how_a_number_is_written_does_not_matter(
            number in any::<u64>(), zeros in 0usize..5, shift in 0usize..8,
        ) {
            let digits = number.to_string();
            let same = [
                format!("{digits}.{}", "0".repeat(zeros + 1)),
                format!("{digits}{}e-{shift}", "0".repeat(shift)),
                format!("0.{digits}e{}", digits.len()),
            ];
            for text in same {
                prop_assert_eq!(&id(&text), &MessageId::from(number), "{}", &text);
                prop_assert_eq!(id(&text).own_number(), Some(number), "{}", &text);
            }
        }

        #[test]
        fn texts_are_equal_when_they_say_the_same(text in any::<String>()) {
            let plain = serde_json::to_string(&text).unwrap();
            let units: Vec<String> =
                text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(id(&plain), id(&format!("\"{}\"", units.concat())));
        }

        #[test]
        fn never_panics(text in r#"[-+0-9.eE"]{0,30}"#) {
            let _ = MessageId::of_text(&text).and_then(|id| id.own_number());
        }
    }
}

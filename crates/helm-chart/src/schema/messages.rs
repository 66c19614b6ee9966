//! The words of Helm's schema validator, and how its printer writes numbers.

use jsonschema::JsonType;
use jsonschema::error::TypeKind;
use serde_json::Value;

pub(super) fn missing(properties: &[String]) -> String {
    match properties {
        [one] => format!("missing property {}", quoted(one)),
        several => {
            let names: Vec<String> = several.iter().map(|name| quoted(name)).collect();
            format!("missing properties {}", names.join(", "))
        }
    }
}

pub(super) fn enumeration(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    if options
        .iter()
        .any(|option| option.is_array() || option.is_object())
    {
        return "'enum' failed".to_owned();
    }
    match options {
        [one] => format!("value must be {}", display(one)),
        several => {
            let several: Vec<String> = several.iter().map(display).collect();
            format!("value must be one of {}", several.join(", "))
        }
    }
}

pub(super) fn size(keyword: &str, value: &Value, limit: u64) -> String {
    let got = match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        Value::String(text) => text.chars().count(),
        _ => 0,
    };
    format!(
        "{keyword}: got {}, want {}",
        grouped(got as u64),
        grouped(limit)
    )
}

pub(super) fn bound(keyword: &str, value: &Value, limit: &Value) -> String {
    let number = |value: &Value| localized(value.as_f64().unwrap_or_default());
    format!("{keyword}: got {}, want {}", number(value), number(limit))
}

/// A whole number with the English marks between thousands that the validator's printer makes.
fn grouped(number: u64) -> String {
    group_digits(&number.to_string())
}

/// Any number as that printer prints it: from a million on as a power of ten.
pub(super) fn localized(number: f64) -> String {
    let text = goyaml::format_general(number);
    let (sign, text) = text
        .strip_prefix('-')
        .map_or(("", text.as_str()), |rest| ("-", rest));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, ""));
    let (whole, fraction) = mantissa
        .find('.')
        .map_or((mantissa, ""), |at| mantissa.split_at(at));
    let power: String = exponent.chars().filter_map(superscript).collect();
    let times = if power.is_empty() { "" } else { "×10" };
    format!("{sign}{}{fraction}{times}{power}", group_digits(whole))
}

fn group_digits(digits: &str) -> String {
    let mut marked = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            marked.push(',');
        }
        marked.push(digit);
    }
    marked
}

/// No sign means plus.
fn superscript(c: char) -> Option<char> {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match c {
        '-' => Some('⁻'),
        c => c.to_digit(10).map(|digit| digits[digit as usize]),
    }
}

pub(super) fn duplicates(value: &Value) -> String {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let pair = items.iter().enumerate().find_map(|(second, item)| {
        let first = items[..second].iter().position(|earlier| earlier == item)?;
        Some((first, second))
    });
    let (first, second) = pair.unwrap_or_default();
    format!("items at {first} and {second} are equal")
}

pub(super) fn wanted(kind: &TypeKind) -> String {
    let order = [
        (JsonType::Null, "null"),
        (JsonType::Boolean, "boolean"),
        (JsonType::Number, "number"),
        (JsonType::Integer, "integer"),
        (JsonType::String, "string"),
        (JsonType::Array, "array"),
        (JsonType::Object, "object"),
    ];
    let contains = |wanted: JsonType| match kind {
        TypeKind::Single(one) => *one == wanted,
        TypeKind::Multiple(several) => several.contains(wanted),
    };
    let names: Vec<&str> = order
        .into_iter()
        .filter(|(wanted, _)| contains(*wanted))
        .map(|(_, name)| name)
        .collect();
    names.join(" or ")
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub(super) fn display(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => "value".to_owned(),
        Value::Null => "<nil>".to_owned(),
        Value::Number(number) if number.is_f64() => {
            goyaml::format_json(number.as_f64().unwrap_or_default()).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

/// The validator's single quotes: what Go would write in double quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

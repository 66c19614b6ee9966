//! Numbers: conversion as spf13/cast does it, arithmetic on int64 and float64, ranges.

mod decimal;

use gotmpl::{IntKind, List, Type, Value};

use crate::args::{Args, Registry, Returned, fail};
use decimal::Decimal;

const ANY: Type = Type::Any;
const INT: Type = Type::INT;
const INT64: Type = Type::INT64;
const FLOAT: Type = Type::FLOAT64;

/// The longest list that `until`, `untilStep` and `seq` make.
const MAX_RANGE: usize = 10_000_000;

/// The value as an integer; 0 for what is none.
pub(crate) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(_, v) => *v,
        Value::Uint(_, v) => *v as i64,
        Value::Float(_, v) => *v as i64,
        Value::Bool(v) => i64::from(*v),
        Value::Str(s) => parse_int(without_zero_decimals(&s.text())).unwrap_or(0),
        _ => 0,
    }
}

/// `1.00` without its `.00`.
fn without_zero_decimals(s: &str) -> &str {
    match s.rsplit_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => s,
    }
}

/// Go's `strconv.ParseInt(s, 0, 64)`.
fn parse_int(s: &str) -> Option<i64> {
    let (sign, digits) = match s.as_bytes().first()? {
        b'-' => ("-", &s[1..]),
        b'+' => ("", &s[1..]),
        _ => ("", s),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // An underscore may follow a digit or the prefix, and must precede a digit.
    let prefixed = body.len() < lower.len();
    if body.ends_with('_') || body.contains("__") || (body.starts_with('_') && !prefixed) {
        return None;
    }
    if body.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{}", body.replace('_', "")), radix).ok()
}

/// Go's `strconv.ParseInt(s, 10, 64)` without its error: 0 for what is no number, the nearest
/// integer for what is out of range.
pub(crate) fn parse_decimal(s: &str) -> i64 {
    let (negative, digits) = match s.as_bytes().first() {
        Some(b'-') => (true, &s[1..]),
        Some(b'+') => (false, &s[1..]),
        _ => (false, s),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    let limit = if negative { i64::MIN } else { i64::MAX };
    let sign = if negative { "-" } else { "" };
    format!("{sign}{digits}").parse().unwrap_or(limit)
}

/// The value as a float; 0 for what is none.
pub(crate) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(_, v) => *v as f64,
        Value::Uint(_, v) => *v as f64,
        Value::Float(_, v) => *v,
        Value::Bool(v) => f64::from(u8::from(*v)),
        Value::Str(s) => parse_float(&s.text()).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Go's `strconv.ParseFloat` for decimal numbers.
pub(crate) fn parse_float(s: &str) -> Option<f64> {
    s.parse::<f64>().ok()
}

pub(crate) fn register(r: &mut Registry) {
    r.add("atoi", &[Type::Str], INT, |a| {
        Ok(Value::int(parse_decimal(&a.text(0))))
    });
    r.add("int", &[ANY], INT, |a| Ok(Value::int(to_int(a.any(0)))));
    r.add("int64", &[ANY], INT64, |a| {
        Ok(Value::int64(to_int(a.any(0))))
    });
    r.add("float64", &[ANY], FLOAT, |a| {
        Ok(Value::float(to_float(a.any(0))))
    });
    r.add("toDecimal", &[ANY], INT64, |a| {
        let text = crate::strings::strval_text(a.any(0))?;
        Ok(Value::int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
    });
    integers(r);
    floats(r);
    r.add("until", &[INT], Type::List(&Type::INT), |a| {
        let count = a.int(0);
        int_list(steps(0, count, if count < 0 { -1 } else { 1 }))
    });
    r.add("untilStep", &[INT, INT, INT], Type::List(&Type::INT), |a| {
        int_list(steps(a.int(0), a.int(1), a.int(2)))
    });
    r.add_variadic("seq", &[], INT, Type::Str, seq);
}

fn integers(r: &mut Registry) {
    r.add("add1", &[ANY], INT64, |a| {
        Ok(Value::int64(to_int(a.any(0)).wrapping_add(1)))
    });
    r.add_variadic("add", &[], ANY, INT64, |a| {
        Ok(Value::int64(
            a.rest(0).iter().map(to_int).fold(0, i64::wrapping_add),
        ))
    });
    r.add("sub", &[ANY, ANY], INT64, |a| {
        Ok(Value::int64(
            to_int(a.any(0)).wrapping_sub(to_int(a.any(1))),
        ))
    });
    r.add_variadic("mul", &[ANY], ANY, INT64, |a| {
        Ok(Value::int64(
            a.rest(0).iter().map(to_int).fold(1, i64::wrapping_mul),
        ))
    });
    r.add("div", &[ANY, ANY], INT64, |a| {
        division(a, i64::wrapping_div)
    });
    r.add("mod", &[ANY, ANY], INT64, |a| {
        division(a, i64::wrapping_rem)
    });
    for name in ["max", "biggest"] {
        r.add_variadic(name, &[ANY], ANY, INT64, |a| {
            Ok(Value::int64(
                a.rest(0).iter().map(to_int).max().unwrap_or(0),
            ))
        });
    }
    r.add_variadic("min", &[ANY], ANY, INT64, |a| {
        Ok(Value::int64(
            a.rest(0).iter().map(to_int).min().unwrap_or(0),
        ))
    });
}

fn division(a: Args<'_>, divide: fn(i64, i64) -> i64) -> Returned {
    match (to_int(a.any(0)), to_int(a.any(1))) {
        (_, 0) => fail("runtime error: integer divide by zero"),
        (x, y) => Ok(Value::int64(divide(x, y))),
    }
}

/// What a decimal operation makes of its arguments, from left to right. Numbers with too many
/// digits for it are calculated as floats.
fn decimals(
    first: f64,
    rest: &[Value],
    exact: fn(Decimal, Decimal) -> Option<Decimal>,
    float: fn(f64, f64) -> f64,
) -> Value {
    let numbers = rest.iter().map(to_float);
    let result = numbers.fold(first, |left, right| {
        let operands = Decimal::from_float(left).zip(Decimal::from_float(right));
        let result = operands.and_then(|(left, right)| exact(left, right));
        result.map_or_else(|| float(left, right), Decimal::to_float)
    });
    Value::float(result)
}

fn decimal_operations(r: &mut Registry) {
    r.add_variadic("addf", &[], ANY, FLOAT, |a| {
        Ok(decimals(0.0, a.rest(0), Decimal::add, |x, y| x + y))
    });
    r.add("add1f", &[ANY], FLOAT, |a| {
        Ok(decimals(
            to_float(a.any(0)),
            &[Value::int(1)],
            Decimal::add,
            |x, y| x + y,
        ))
    });
    r.add_variadic("subf", &[ANY], ANY, FLOAT, |a| {
        Ok(decimals(
            to_float(a.any(0)),
            a.rest(1),
            Decimal::sub,
            |x, y| x - y,
        ))
    });
    r.add_variadic("mulf", &[ANY], ANY, FLOAT, |a| {
        Ok(decimals(
            to_float(a.any(0)),
            a.rest(1),
            Decimal::mul,
            |x, y| x * y,
        ))
    });
    r.add_variadic("divf", &[ANY], ANY, FLOAT, |a| {
        if a.rest(1).iter().any(|divisor| to_float(divisor) == 0.0) {
            return fail("decimal division by 0");
        }
        Ok(decimals(
            to_float(a.any(0)),
            a.rest(1),
            Decimal::div,
            |x, y| x / y,
        ))
    });
}

fn floats(r: &mut Registry) {
    decimal_operations(r);
    r.add_variadic("maxf", &[ANY], ANY, FLOAT, |a| {
        Ok(Value::float(
            a.rest(0)
                .iter()
                .map(to_float)
                .fold(f64::NEG_INFINITY, f64::max),
        ))
    });
    r.add_variadic("minf", &[ANY], ANY, FLOAT, |a| {
        Ok(Value::float(
            a.rest(0).iter().map(to_float).fold(f64::INFINITY, f64::min),
        ))
    });
    r.add("floor", &[ANY], FLOAT, |a| {
        Ok(Value::float(to_float(a.any(0)).floor()))
    });
    r.add("ceil", &[ANY], FLOAT, |a| {
        Ok(Value::float(to_float(a.any(0)).ceil()))
    });
    r.add_variadic("round", &[ANY, INT], FLOAT, FLOAT, |a| {
        let on = if a.rest(2).is_empty() {
            0.5
        } else {
            a.float(2)
        };
        let scale = 10f64.powf(a.int(1) as f64);
        let digits = scale * to_float(a.any(0));
        let up = digits - digits.trunc() >= on;
        Ok(Value::float(
            if up { digits.ceil() } else { digits.floor() } / scale,
        ))
    });
}

fn int_list(numbers: Option<Vec<i64>>) -> Returned {
    let Some(numbers) = numbers else {
        return fail("runtime error: makeslice: len out of range");
    };
    let items = numbers
        .into_iter()
        .map(|v| Value::Int(IntKind::Int, v))
        .collect();
    Ok(Value::List(List::new(&Type::INT, items)))
}

/// The numbers from `start` to before `stop`; `None` if they are too many.
fn steps(start: i64, stop: i64, step: i64) -> Option<Vec<i64>> {
    let mut numbers = Vec::new();
    if step == 0 || (stop < start) != (step < 0) {
        return Some(numbers);
    }
    let mut i = start;
    while if step > 0 { i < stop } else { i > stop } {
        if numbers.len() >= MAX_RANGE {
            return None;
        }
        numbers.push(i);
        i = i.checked_add(step)?;
    }
    Some(numbers)
}

fn seq(a: Args<'_>) -> Returned {
    let toward = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let numbers = match a.rest(0).len() {
        1 => steps(
            1,
            a.int(0).saturating_add(toward(1, a.int(0))),
            toward(1, a.int(0)),
        ),
        2 => {
            let step = toward(a.int(0), a.int(1));
            steps(a.int(0), a.int(1).saturating_add(step), step)
        }
        3 => {
            let (start, step, end) = (a.int(0), a.int(1), a.int(2));
            let direction = toward(start, end);
            if direction < 0 && step > 0 {
                return Ok(Value::from(""));
            }
            steps(start, end.saturating_add(direction), step)
        }
        _ => return Ok(Value::from("")),
    };
    let Some(numbers) = numbers else {
        return fail("runtime error: makeslice: len out of range");
    };
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    Ok(Value::str(texts.join(" ")))
}

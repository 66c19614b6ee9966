//! Template values of a TOML document.

use gotmpl::{Error, Value};
use toml::value::Datetime;

use crate::dates;
use crate::sources::Sources;

/// The table that a document is.
///
/// # Errors
/// When it is no TOML; with the line, and what is wrong in the words of our parser.
pub(super) fn parse(text: &str, world: &Sources) -> Result<Value, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let start = e.span().map_or(0, |span| span.start).min(text.len());
        let line = 1 + text[..start].matches('\n').count();
        let message = e.message().replace('\n', ", ");
        Error::call(format!("toml: line {line}: {message}"))
    })?;
    Ok(from_table(table, world))
}

fn from_table(table: toml::Table, world: &Sources) -> Value {
    let entry = |(key, value)| (key, from_toml(value, world));
    Value::map::<String>(table.into_iter().map(entry))
}

fn from_toml(value: toml::Value, world: &Sources) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(v) => Value::int64(v),
        toml::Value::Float(v) => Value::float(v),
        toml::Value::Boolean(v) => Value::Bool(v),
        toml::Value::Datetime(at) => time(&at, world),
        toml::Value::Array(items) => list(items, world),
        toml::Value::Table(table) => from_table(table, world),
    }
}

/// A list; one of tables alone has a type of its own in Go.
fn list(items: Vec<toml::Value>, world: &Sources) -> Value {
    Value::list(
        items
            .into_iter()
            .map(|item| from_toml(item, world))
            .collect(),
    )
}

/// A time; what has no zone is at the local one, under a name that tells it apart.
fn time(at: &Datetime, world: &Sources) -> Value {
    let (date, clock) = (at.date.as_ref(), at.time.as_ref());
    let date_text = date.map_or_else(|| "0000-01-01".to_owned(), ToString::to_string);
    let clock_text = clock.map_or_else(|| "00:00:00".to_owned(), ToString::to_string);
    let zone = match (at.offset, date, clock) {
        (Some(offset), ..) => {
            return dates::toml_at(&format!("{date_text}T{clock_text}{offset}"), None, world);
        }
        (None, Some(_), Some(_)) => "datetime-local",
        (None, Some(_), None) => "date-local",
        (None, None, _) => "time-local",
    };
    dates::toml_at(&format!("{date_text}T{clock_text}"), Some(zone), world)
}

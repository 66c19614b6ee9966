//! Laying values over a chart's defaults: a user's null removes a default, globals reach every subchart.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{Chart, Error, Values};

const GLOBAL: &str = "global";

/// Values with the chart's own below them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Coalesced {
    /// The values.
    pub values: Values,
    /// What Helm logs on the way, such as a table that meets something else.
    pub warnings: Vec<String>,
}

/// Lays `user` over the values of a chart and its subcharts, as Helm's `CoalesceValues`: nulls remove keys.
///
/// # Errors
/// When something else than a map stands where a subchart's values belong.
pub fn coalesce_values(chart: &Chart, user: &Values) -> Result<Coalesced, Error> {
    run(chart, user, false)
}

/// The same, but nulls stay, as in Helm's `MergeValues`.
///
/// # Errors
/// As [`coalesce_values`].
pub fn merge_values(chart: &Chart, user: &Values) -> Result<Coalesced, Error> {
    run(chart, user, true)
}

fn run(chart: &Chart, user: &Values, merge: bool) -> Result<Coalesced, Error> {
    let mut values = user.clone();
    let mut warnings = Vec::new();
    coalesce(chart, &mut values, "", merge, &mut warnings)?;
    Ok(Coalesced { values, warnings })
}

fn joined(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

fn coalesce(
    chart: &Chart,
    values: &mut Values,
    prefix: &str,
    merge: bool,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let prefix = joined(prefix, chart.name());
    lay_over_defaults(chart, values, &prefix, merge, warnings);
    for subchart in &chart.dependencies {
        let name = subchart.name();
        let mut below = match values.remove(name) {
            None => Map::new(),
            Some(Value::Object(below)) => below,
            Some(other) => {
                return Err(Error::SubchartValues {
                    name: name.to_owned(),
                    found: as_go_bool(&other),
                });
            }
        };
        let shared = pass_globals(&mut below, values, &prefix, warnings);
        coalesce(subchart, &mut below, &prefix, merge, warnings)?;
        take_back(values, &below, &shared);
        values.insert(name.to_owned(), Value::Object(below));
    }
    Ok(())
}

fn lay_over_defaults(
    chart: &Chart,
    values: &mut Values,
    prefix: &str,
    merge: bool,
    warnings: &mut Vec<String>,
) {
    for (key, default) in &chart.values {
        let mut default = default.clone();
        match values.get_mut(key) {
            None => {
                if !merge {
                    if default.is_null() {
                        continue;
                    }
                    remove_nulls(&mut default);
                }
                values.insert(key.clone(), default);
            }
            Some(Value::Null) if !merge => {
                values.remove(key);
            }
            Some(Value::Object(over)) => match &mut default {
                Value::Object(below) => {
                    // A subchart's defaults come later; until then its nulls must live.
                    let keep_nulls =
                        merge || chart.dependencies.iter().any(|sub| sub.name() == key);
                    if !keep_nulls {
                        below.values_mut().for_each(remove_nulls);
                        below.retain(|_, value| !value.is_null());
                    }
                    coalesce_tables(over, below, &joined(prefix, key), keep_nulls, warnings);
                }
                Value::Null => {}
                _ => warnings.push(format!(
                    "warning: skipped value for {prefix}.{key}: Not a table."
                )),
            },
            Some(_) => {}
        }
    }
}

/// Lays `over` over `below`, as Helm's `CoalesceTables`: maps are merged, all else of `below` is replaced, and a null removes a key.
pub fn coalesce_maps(over: &Values, below: &Values) -> Values {
    let (mut over, mut below) = (over.clone(), below.clone());
    coalesce_tables(&mut over, &mut below, "", false, &mut Vec::new());
    over
}

/// Lays `over` over `below`, in `over`.
pub(crate) fn coalesce_tables(
    over: &mut Values,
    below: &mut Values,
    prefix: &str,
    merge: bool,
    warnings: &mut Vec<String>,
) {
    let set_below: BTreeSet<String> = below
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, _)| key.clone())
        .collect();
    for (key, _) in over.iter().filter(|(_, value)| value.is_null()) {
        below.insert(key.clone(), Value::Null);
    }
    for (key, value) in below.iter_mut() {
        let path = joined(prefix, key);
        match (over.get_mut(key), value) {
            (None, value) => {
                over.insert(key.clone(), value.clone());
            }
            // Of a default the user's null makes nothing; of no default it stays null.
            (Some(Value::Null), _) if !merge && set_below.contains(key) => {
                over.remove(key);
            }
            (Some(Value::Null), _) => {}
            (Some(Value::Object(over)), Value::Object(below)) => {
                coalesce_tables(over, below, &path, merge, warnings);
            }
            (Some(_), Value::Object(below)) => {
                let text = as_go_value(&Value::Object(below.clone()));
                warnings.push(format!(
                    "warning: cannot overwrite table with non table for {path} ({text})"
                ));
            }
            (Some(Value::Object(_)), value) if !value.is_null() => {
                let text = as_go_value(value);
                warnings.push(format!(
                    "warning: destination for {path} is a table. Ignoring non-table value ({text})"
                ));
            }
            _ => {}
        }
    }
}

/// A map below a map of the globals: `global.FIRST.SECOND`.
type Shared = (String, String);

/// Gives the parent's globals to a subchart; in maps the parent's keys win, and the subchart's own stay.
///
/// Helm copies the globals one map deep, so that parent and subchart share the maps below. Gives back which these are.
fn pass_globals(
    below: &mut Values,
    parent: &Values,
    prefix: &str,
    warnings: &mut Vec<String>,
) -> Vec<Shared> {
    let skipped =
        |side: &str| format!("warning: skipping globals because {side} {GLOBAL} is not a table.");
    let mut globals = match below.get(GLOBAL) {
        None => Map::new(),
        Some(Value::Object(globals)) => globals.clone(),
        Some(_) => {
            warnings.push(skipped("destination"));
            return Vec::new();
        }
    };
    let empty = Map::new();
    let from_parent = match parent.get(GLOBAL) {
        None => &empty,
        Some(Value::Object(globals)) => globals,
        Some(_) => {
            warnings.push(skipped("source"));
            return Vec::new();
        }
    };
    let mut shared = Vec::new();
    for (key, value) in from_parent {
        let maps_below = value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, below)| below.is_object());
        shared.extend(maps_below.map(|(second, _)| (key.clone(), second.clone())));
        match (value, globals.get_mut(key)) {
            (Value::Object(table), Some(Value::Object(own))) => {
                let mut table = table.clone();
                coalesce_tables(&mut table, own, &joined(prefix, key), true, warnings);
                globals.insert(key.clone(), Value::Object(table));
            }
            (Value::Object(_), Some(_)) => {
                warnings.push(format!(
                    "Conflict: cannot merge map onto non-map for {key:?}. Skipping."
                ));
            }
            (Value::Object(_), None) => {
                globals.insert(key.clone(), value.clone());
            }
            (_, Some(Value::Object(_))) => warnings.push(format!("key {key} is table. Skipping")),
            _ => {
                globals.insert(key.clone(), value.clone());
            }
        }
    }
    below.insert(GLOBAL.to_owned(), Value::Object(globals));
    shared
}

/// What a subchart's own globals put into the maps that it shares with its parent, the parent and all further subcharts see.
fn take_back(parent: &mut Values, below: &Values, shared: &[Shared]) {
    for (first, second) in shared {
        let Some(Value::Object(found)) = below
            .get(GLOBAL)
            .and_then(|global| global.get(first)?.get(second))
        else {
            continue;
        };
        let kept = parent
            .get_mut(GLOBAL)
            .and_then(|global| global.get_mut(first)?.get_mut(second));
        if let Some(Value::Object(kept)) = kept {
            kept.clone_from(found);
        }
    }
}

fn remove_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(remove_nulls);
    }
}

/// A value as Go's `%v` prints it.
fn as_go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.to_string(),
            (None, Some(float)) => goyaml::format_json(float).unwrap_or_default(),
            (None, None) => number.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_go_value).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", as_go_value(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// A value as Go's `%t` prints it, which is meant for booleans and says so.
fn as_go_bool(value: &Value) -> String {
    match value {
        Value::Null => "%!t(<nil>)".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::String(text) => format!("%!t(string={text})"),
        Value::Number(number) if number.is_f64() => format!("%!t(float64={})", as_go_value(value)),
        Value::Number(number) => format!("%!t(int64={number})"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_go_bool).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("%!t(string={key}):{}", as_go_bool(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

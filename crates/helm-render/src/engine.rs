//! Parses all templates into one set and executes them, in Helm's order.

mod messages;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gotmpl::{FuncMap, Map, MissingKey, TemplateSet, Type, Value};
use helm_funcs::without_no_value;

use crate::error::Error;
use crate::scope::Template;
use crate::values::ValuesObject;

/// Renders all templates that are no partials; returns the texts by path.
pub(crate) fn render(
    templates: &BTreeMap<String, Template>,
    functions: FuncMap,
) -> Result<BTreeMap<String, String>, Error> {
    let mut set = TemplateSet::new("gotpl", functions, MissingKey::Zero);
    // The deepest path comes first, so that definitions of a parent replace those of subcharts.
    let mut paths: Vec<&String> = templates.keys().collect();
    paths.sort_by_key(|path| Reverse((path.matches('/').count(), path.as_str())));
    for path in &paths {
        set.parse(path, &templates[*path].text)
            .map_err(|e| messages::parse_error(path, e))?;
    }
    let mut rendered = BTreeMap::new();
    for path in paths {
        if path
            .rsplit('/')
            .next()
            .is_some_and(|base| base.starts_with('_'))
        {
            continue;
        }
        let template = &templates[path];
        let about = Map::new(&Type::Any);
        about.set("Name", Value::from(path.as_str()));
        about.set("BasePath", Value::from(template.base_path.as_str()));
        template.dot.set("Template", ValuesObject::value(about));
        let text = set
            .execute(path, &ValuesObject::value(template.dot.clone()))
            .map_err(|e| messages::execution_error(path, e))?;
        let text = without_no_value(&text);
        rendered.insert(path.clone(), gotmpl::text(&text).into_owned());
    }
    Ok(rendered)
}

//! Templates as registries of MCP servers describe servers: a `server.json` of the newest schema.

use mcpt_source::{NpmVersion, PypiVersion, Source, server_json};
use serde_json::{Map, Value, json};

use crate::{
    schema_error::plain,
    template::{CommandArg, Property, Template},
};

/// Longest description and title, by the schema.
const LONGEST: usize = 100;

/// The document of a template, under the name `OWNER/ID`. `None` for one that others cannot run: its package or image is nowhere
/// to be had, or its version is not said exactly.
pub fn server_json(template: &Template, owner: &str) -> Option<Map<String, Value>> {
    if !template
        .transport
        .supported
        .iter()
        .any(|name| name == "stdio")
    {
        return None;
    }
    let mut package = package(template)?;
    package.insert("transport".to_owned(), json!({"type": "stdio"}));
    let properties = &template.config.properties;
    let fixed = template.environment.iter();
    let fixed = fixed.map(|(name, value)| json!({"name": name, "value": plain(value)}));
    let settings = properties.iter().filter_map(|(name, property)| {
        let variable = property.env_name(name)?;
        let mut input = input(template, name, property);
        input.insert("name".to_owned(), json!(variable));
        Some(Value::Object(input))
    });
    let variables: Vec<Value> = fixed.chain(settings).collect();
    if !variables.is_empty() {
        package.insert("environmentVariables".to_owned(), Value::Array(variables));
    }
    let stdio = template.transport.args.get("stdio").into_iter().flatten();
    let fixed = stdio.map(|word| json!({"type": "positional", "value": word}));
    let given = properties
        .iter()
        .filter_map(|(name, property)| argument(template, name, property));
    let image = template
        .command
        .iter()
        .skip(1)
        .filter(|_| template.package.is_none());
    let own = image.map(|word| json!({"type": "positional", "value": word}));
    let arguments: Vec<Value> = own.chain(fixed).chain(given).collect();
    if !arguments.is_empty() {
        package.insert("packageArguments".to_owned(), Value::Array(arguments));
    }
    let document = json!({
        "name": format!("{owner}/{}", template.id),
        "title": cut(&template.name),
        "description": cut(&template.description),
        "version": template.version,
        "packages": [package],
    });
    match server_json::newest(&document) {
        Value::Object(document) if template.version != "latest" => Some(document),
        _ => None,
    }
}

fn package(template: &Template) -> Option<Map<String, Value>> {
    let value = match (&template.package, &template.image) {
        (Some(Source::Npm(package)), _) => {
            let Some(NpmVersion::Exact(version)) = &package.version else {
                return None;
            };
            if package.bin.is_some() || !package.with.is_empty() {
                return None;
            }
            let (name, version) = (package.name.as_str(), version.to_string());
            json!({"registryType": "npm", "identifier": name, "version": version})
        }
        (Some(Source::Pypi(package)), _) => {
            let Some(PypiVersion::Exact(version)) = &package.version else {
                return None;
            };
            if Source::Pypi(package.clone()).to_string()
                != format!("pypi:{}=={version}", package.name.as_str())
            {
                return None;
            }
            json!({"registryType": "pypi", "identifier": package.name.as_str(), "version": version})
        }
        (None, Some(image)) if !image.repository.starts_with("localhost/") => {
            let mut value = json!({"registryType": "oci", "identifier": image.reference()});
            if let Some(program) = template.command.first() {
                let entrypoint = json!({"type": "named", "name": "--entrypoint", "value": program});
                value["runtimeHint"] = json!("docker");
                value["runtimeArguments"] = json!([entrypoint]);
            }
            value
        }
        _ => return None,
    };
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// What stands for a setting.
fn input(template: &Template, name: &str, property: &Property) -> Map<String, Value> {
    let mut input = Map::new();
    if let Some(description) = property.description.as_ref().or(property.title.as_ref()) {
        input.insert("description".to_owned(), json!(description));
    }
    if template
        .config
        .required
        .iter()
        .any(|required| required == name)
    {
        input.insert("isRequired".to_owned(), json!(true));
    }
    if property.is_sensitive(name) {
        input.insert("isSecret".to_owned(), json!(true));
    }
    let format = match property.type_name() {
        "integer" | "number" => "number",
        "boolean" => "boolean",
        _ if property.volume_mount => "filepath",
        _ => "string",
    };
    input.insert("format".to_owned(), json!(format));
    if let Some(default) = property
        .real_default()
        .filter(|_| !property.is_sensitive(name))
    {
        let text = match default {
            Value::Array(items) => items
                .iter()
                .map(plain)
                .collect::<Vec<_>>()
                .join(property.separator()),
            other => plain(other),
        };
        input.insert("default".to_owned(), json!(text));
    }
    if let Some(choices) = property.choices() {
        let choices: Vec<String> = choices.iter().map(plain).collect();
        input.insert("choices".to_owned(), json!(choices));
    }
    input
}

/// The argument that a setting becomes, if it becomes one.
fn argument(template: &Template, name: &str, property: &Property) -> Option<Value> {
    let mut input = input(template, name, property);
    match &property.command_arg {
        CommandArg::Bare(false) => return None,
        CommandArg::Bare(true) => {
            input.insert("type".to_owned(), json!("positional"));
            input.insert("valueHint".to_owned(), json!(name));
        }
        CommandArg::Flag(flag) => {
            input.insert("type".to_owned(), json!("named"));
            input.insert("name".to_owned(), json!(flag));
        }
    }
    if property.type_name() == "array" {
        input.insert("isRepeated".to_owned(), json!(true));
    }
    Some(Value::Object(input))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(LONGEST - 1).collect();
    cut.push('…');
    cut
}

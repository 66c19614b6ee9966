//! Arguments of a recipe: those with secrets refer to variables.

use std::collections::BTreeMap;

use mcpt_core::{ARGUMENT_VARIABLE, Arg, ArgPart, Secret};
use mcpt_source::{Part, Recipe};

use super::{holds_secret, is_secret};

/// The arguments whose settings have values; what is missing has been told. Each secret in them becomes a variable.
pub(super) fn of(
    recipe: &Recipe,
    values: &BTreeMap<String, String>,
    secrets: &mut BTreeMap<String, Secret>,
) -> Vec<Arg> {
    let mut variables: BTreeMap<&str, String> = BTreeMap::new();
    let mut arguments = Vec::new();
    for text in &recipe.args {
        let Ok(filled) = text.fill(|name| values.get(name).map(String::as_str)) else {
            continue;
        };
        if !holds_secret(recipe, text) {
            arguments.push(Arg::Text(filled));
            continue;
        }
        let parts = text.parts().iter().map(|part| match part {
            Part::Plain(text) => ArgPart::Text(text.clone()),
            Part::Setting(name) => {
                let value = values.get(name).cloned().unwrap_or_default();
                if !is_secret(recipe, name) {
                    return ArgPart::Text(value);
                }
                let variable = variables.entry(name).or_insert_with(|| {
                    let mut variable = argument_variable(name);
                    while secrets.contains_key(&variable) {
                        variable.push_str("_2");
                    }
                    secrets.insert(variable.clone(), Secret::new(value));
                    variable
                });
                ArgPart::Variable(variable.clone())
            }
        });
        arguments.push(Arg::Secret(parts.collect()));
    }
    arguments
}

/// A variable for a setting, of the characters that each platform takes.
fn argument_variable(setting: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    ARGUMENT_VARIABLE.to_owned() + &setting.chars().map(plain).collect::<String>()
}

#[cfg(test)]
mod tests {
    use mcpt_source::{Setting, Text};

    use super::*;
    use crate::{Settings, compile_recipe};

    #[test]
    fn a_secret_in_an_argument_is_a_variable_that_it_refers_to() {
        let mut recipe = Recipe::new("npm:x".parse().unwrap());
        for (name, secret, given) in [
            ("api-key", true, "hunter2"),
            ("api_key", true, "other"),
            ("region", false, "eu"),
        ] {
            let setting = Setting {
                secret,
                given: Some(Secret::new(given)),
                ..Setting::default()
            };
            recipe.settings.insert(name.to_owned(), setting);
        }
        recipe.args = vec![
            Text::plain("--key=")
                .and_setting("api-key")
                .and_plain("$")
                .and_setting("region"),
            Text::setting("api-key"),
            Text::setting("api_key"),
            Text::setting("region"),
        ];
        let plan = compile_recipe(&recipe, &Settings::default()).unwrap();
        assert!(plan.has_secret_arguments());
        assert!(!format!("{plan:?}").contains("hunter2"), "{plan:?}");
        let words: Vec<_> = plan
            .args
            .iter()
            .map(|arg| arg.reference(|_| String::new()))
            .collect();
        assert_eq!(
            words,
            [
                "--key=$(MCPT_ARGUMENT_API_KEY)$$eu",
                "$(MCPT_ARGUMENT_API_KEY)",
                "$(MCPT_ARGUMENT_API_KEY_2)",
                "eu"
            ]
        );
        let secret = |name: &str| plan.secrets[name].expose();
        assert_eq!(secret("MCPT_ARGUMENT_API_KEY"), "hunter2");
        assert_eq!(secret("MCPT_ARGUMENT_API_KEY_2"), "other");
    }
}

//! From a [`Recipe`] and the user's settings to a [`Plan`]: for servers that come from no template.

mod arguments;
mod elsewhere;

use std::{collections::BTreeMap, fmt, path::PathBuf};

use mcpt_core::{
    CommandOption, Failure, FailureKind, Mount, Plan, Resources, Secret, ServerName, Sessions,
    TemplateId, near, sounds_secret,
};
use mcpt_source::{Format, Recipe, Setting, Source, Text, Transport};

use crate::settings::Settings;

/// Longest name of a server, as [`ServerName`] has it.
const LONGEST_NAME: usize = 53;

/// Port of a process that stands for a server elsewhere, where nobody gives it one.
const PORT: u16 = 8080;

/// Settings that do not fit a recipe, with everything that is wrong with them. No value of a setting is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeError {
    /// The source.
    pub source: String,
    /// What is wrong; never empty.
    pub problems: Vec<String>,
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings do not fit {}", self.source)?;
        for problem in &self.problems {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RecipeError {}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        let what = format!("the settings do not fit {}", error.source);
        let failure = Self::new(FailureKind::Usage, what);
        error.problems.into_iter().fold(failure, Self::because)
    }
}

/// Makes the plan of a recipe that speaks over standard input and output, but for what runs: a caller that knows the package or
/// the image puts it into the plan. A server that runs elsewhere becomes a process that stands for it, whole.
///
/// Precedence, from low to high: defaults of the recipe, values that were found with it, `config`, `env`. Variables whose
/// setting is secret, or whose name sounds so, go to [`Plan::secrets`]. A secret that stands in an argument goes there, too, as a
/// variable that the argument refers to.
///
/// # Errors
/// [`RecipeError`] with all problems at once.
pub fn compile_recipe(recipe: &Recipe, settings: &Settings) -> Result<Plan, RecipeError> {
    let mut problems = Vec::new();
    let values = values(recipe, settings, &mut problems);
    let value = |name: &str| values.get(name).map(String::as_str);
    let mut env = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    let mut variable = |name: &str, value: String, secret: bool| {
        env.remove(name);
        secrets.remove(name);
        if secret || sounds_secret(name) {
            secrets.insert(name.to_owned(), Secret::new(value));
        } else {
            env.insert(name.to_owned(), value);
        }
    };
    for (name, text) in &recipe.env {
        // What is missing has been told, or is a variable that need not be set.
        if let Ok(filled) = text.fill(value) {
            variable(name, filled, holds_secret(recipe, text));
        }
    }
    for (name, given) in &settings.env {
        if name.is_empty() || name.contains(['=', '\0']) || given.contains('\0') {
            problems.push(format!("{name:?} cannot be a variable"));
        }
        let text = recipe.env.get(name);
        variable(
            name,
            given.clone(),
            text.is_some_and(|text| holds_secret(recipe, text)),
        );
    }
    // What is missing has been told.
    let mounts = recipe.folders.iter().filter_map(|folder| {
        Some(Mount {
            setting: folder.container.clone(),
            host: Some(PathBuf::from(folder.host.fill(value).ok()?)),
            container: folder.container.clone(),
            read_only: folder.read_only,
        })
    });
    let mounts = mounts.collect();
    let args = arguments::of(recipe, &values, &mut secrets);
    if let Source::Remote(remote) = &recipe.source {
        let filled = |text: &Text| text.fill(value).ok();
        for (variable, value, secret) in
            elsewhere::told(recipe, remote, settings, filled, &mut problems)
        {
            let name = variable.name().to_owned();
            if secret {
                secrets.insert(name, Secret::new(value));
            } else {
                env.insert(name, value);
            }
        }
    } else if !settings.headers.is_empty() || settings.authority.is_some() {
        problems.push("headers and authorities are for servers at an address".to_owned());
    }
    let mut transport = mcpt_core::Transport::Stdio;
    if let Transport::Http { url } = &recipe.transport {
        let filled = url.fill(value).ok();
        match filled.as_deref().and_then(own_address) {
            Some(own) if matches!(recipe.source, Source::Oci(_)) => transport = own,
            _ => problems.push(
                "it speaks HTTP at an address of its own, which cannot be deployed yet".to_owned(),
            ),
        }
    }
    if let Some(transport) = settings.transport.as_deref()
        && transport != "stdio"
        && !matches!(recipe.transport, Transport::Http { .. })
        && recipe.transport != Transport::Remote
    {
        problems.push(format!(
            "transport {transport:?} is not supported: it is run over stdio, and served as HTTP"
        ));
    }
    let is_elsewhere = recipe.transport == Transport::Remote;
    let derived = derived_name(recipe);
    let name = match (&settings.name, &derived) {
        (Some(name), _) => Some(name.clone()),
        (None, Some(derived)) => ServerName::new(derived.as_str()).ok(),
        (None, None) => None,
    };
    if name.is_none() {
        problems.push(format!(
            "no name for the server can be made of it: give {} NAME",
            CommandOption::Name
        ));
    }
    let template = derived
        .as_deref()
        .or(name.as_ref().map(ServerName::as_str))
        .and_then(|name| TemplateId::new(name).ok());
    match (name, template) {
        (Some(name), Some(template)) if problems.is_empty() => Ok(Plan {
            template,
            template_version: String::new(),
            transport: if is_elsewhere {
                mcpt_core::Transport::Http {
                    port: PORT,
                    path: format!("/mcp/{name}"),
                    port_env: Some("PORT".to_owned()),
                }
            } else {
                transport
            },
            package: None,
            package_settings: BTreeMap::new(),
            image: None,
            container_command: Vec::new(),
            local_command: if is_elsewhere {
                ["mcpt", "remote", name.as_str()].map(str::to_owned).into()
            } else {
                Vec::new()
            },
            name,
            args,
            env,
            secrets,
            mounts,
            replicas: settings.replicas,
            resources: Resources {
                requests: settings.resources.requests.clone(),
                limits: settings.resources.limits.clone(),
            },
            // Nothing is known of it, so a session is taken to be bound to what it began with.
            sessions: Sessions::Stateful,
        }),
        _ => Err(RecipeError {
            source: recipe.source.shown(),
            problems,
        }),
    }
}

/// Where a server listens in its container, by its address there: `http://localhost:8080/mcp`.
fn own_address(url: &str) -> Option<mcpt_core::Transport> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = authority.rsplit_once(':').map_or("80", |(_, port)| port);
    Some(mcpt_core::Transport::Http {
        port: port.parse().ok().filter(|port| *port != 0)?,
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        port_env: None,
    })
}

/// The values of the recipe's settings.
fn values(
    recipe: &Recipe,
    settings: &Settings,
    problems: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (name, setting) in &recipe.settings {
        let found = setting.given.as_ref().map(Secret::expose);
        if let Some(value) = found.or(setting.default.as_deref()) {
            values.insert(name.clone(), value.to_owned());
        }
    }
    for (name, value) in &settings.config {
        let known = recipe.settings.get_key_value(name).or_else(|| {
            let text = recipe.env.get(name)?;
            let only = text.settings().next().filter(|_| text.parts().len() == 1)?;
            recipe.settings.get_key_value(only)
        });
        match known {
            Some((key, _)) => {
                values.insert(key.clone(), value.clone());
            }
            None if recipe.settings.is_empty() => problems.push(format!(
                "{name}: nothing is known of its settings: variables are given with -e NAME=VALUE, arguments after --"
            )),
            None => {
                let known = recipe.settings.keys().map(String::as_str);
                problems.push(format!("unknown setting {name:?}{}", near::hint(name, known)));
            }
        }
    }
    for (name, setting) in &recipe.settings {
        let by_variable = recipe.env.iter().any(|(variable, text)| {
            text.settings().any(|used| used == name)
                && settings.env.iter().any(|(given, _)| given == variable)
        });
        match values.get(name) {
            Some(value) => problems.extend(unfit(name, setting, value)),
            None if setting.required && !by_variable => problems.push(missing(name, setting)),
            None => {}
        }
    }
    // An argument cannot be left out without moving those behind it, and a folder is part of what the server is.
    let folders = recipe.folders.iter().map(|folder| &folder.host);
    for text in recipe.args.iter().chain(folders) {
        for name in text.settings().filter(|name| !values.contains_key(*name)) {
            let setting = recipe.settings.get(name);
            if setting.is_none_or(|setting| !setting.required) {
                problems.push(missing(name, setting.unwrap_or(&Setting::default())));
            }
        }
    }
    values
}

fn missing(name: &str, setting: &Setting) -> String {
    let about = match setting.description.as_str() {
        "" => String::new(),
        description => format!(" ({description})"),
    };
    format!("{name}: it is required{about}: add -c {name}=VALUE")
}

fn unfit(name: &str, setting: &Setting, value: &str) -> Option<String> {
    if !setting.choices.is_empty() && !setting.choices.iter().any(|choice| choice == value) {
        return Some(format!(
            "{name}: it must be one of {}",
            setting.choices.join(", ")
        ));
    }
    let fits = match setting.format {
        Format::Text | Format::Path => !value.contains('\0'),
        Format::Number => value.parse::<f64>().is_ok(),
        Format::Boolean => matches!(value, "true" | "false"),
    };
    (!fits).then(|| match setting.format {
        Format::Number => format!("{name}: it must be a number"),
        Format::Boolean => format!("{name}: it must be true or false"),
        Format::Text | Format::Path => format!("{name}: it contains a zero byte"),
    })
}

fn holds_secret(recipe: &Recipe, text: &Text) -> bool {
    text.settings().any(|name| is_secret(recipe, name))
}

fn is_secret(recipe: &Recipe, name: &str) -> bool {
    let setting = recipe.settings.get(name);
    setting.is_some_and(|setting| setting.secret)
}

/// Words that say nothing of which server it is.
const SAY_NOTHING: [&str; 5] = ["mcp", "server", "mcp-server", "server-mcp", "cli"];

/// The name that a server of a source has when nobody gives it one: that of the package, with its scope when it alone says
/// nothing.
fn derived_name(recipe: &Recipe) -> Option<String> {
    let (scope, name) = match &recipe.source {
        Source::Npm(package) => {
            let full = package.name.as_str();
            let scope = full
                .strip_prefix('@')
                .and_then(|full| full.split('/').next());
            (scope, package.name.unscoped().to_owned())
        }
        Source::Pypi(package) => (None, package.name.normalized()),
        Source::Remote(remote) => (None, elsewhere::host(remote)?),
        Source::Oci(image) => {
            let mut parts = image.repository.rsplit('/');
            let name = parts.next()?.to_owned();
            (parts.next(), name)
        }
        Source::Mcpb(_) => (None, recipe.name.clone()?),
        _ => return None,
    };
    let slug = |text: &str| {
        let plain: String = text
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        plain
            .split('-')
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("-")
    };
    let name = slug(&name);
    let name = match scope {
        Some(scope) if SAY_NOTHING.contains(&name.as_str()) => format!("{}-{name}", slug(scope)),
        _ => name,
    };
    let cut: String = name.chars().take(LONGEST_NAME).collect();
    let name = cut.trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(source: &str) -> Recipe {
        Recipe::new(source.parse().unwrap())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |&(a, b): &(&str, &str)| (a.to_owned(), b.to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn names_of_servers() {
        for (source, expected) in [
            (
                "npm:@modelcontextprotocol/server-everything",
                "server-everything",
            ),
            ("npm:@playwright/mcp@1", "playwright-mcp"),
            ("npm:firecrawl-mcp", "firecrawl-mcp"),
            (
                "pypi:awslabs.aws-documentation-mcp-server",
                "awslabs-aws-documentation-mcp-server",
            ),
            ("pypi:Mcp_Server_Time==1", "mcp-server-time"),
            ("oci:ghcr.io/github/github-mcp-server", "github-mcp-server"),
            ("oci:r.example/playwright/mcp:1", "playwright-mcp"),
        ] {
            let plan = compile_recipe(&recipe(source), &Settings::default()).unwrap();
            assert_eq!(plan.name.as_str(), expected);
        }
    }

    #[test]
    fn an_image_may_speak_http() {
        let mut recipe = recipe("oci:r.example/team/server");
        for (url, expected) in [
            ("http://localhost:9000/mcp", Some((9000, "/mcp"))),
            ("http://0.0.0.0:8080", Some((8080, "/"))),
            ("https://localhost:1/mcp", None),
            ("http://localhost:0/mcp", None),
            ("http://localhost:x/mcp", None),
        ] {
            recipe.transport = Transport::Http {
                url: Text::plain(url),
            };
            let transport = match compile_recipe(&recipe, &Settings::default()) {
                Ok(plan) => Some(plan.transport),
                Err(_) => None,
            };
            let expected = expected.map(|(port, path)| mcpt_core::Transport::Http {
                port,
                path: path.to_owned(),
                port_env: None,
            });
            assert_eq!(transport, expected, "{url}");
        }
    }

    #[test]
    fn values_go_where_they_belong() {
        let mut recipe = recipe("npm:x");
        let secret = Setting {
            secret: true,
            required: true,
            ..Setting::default()
        };
        recipe.settings.insert("key".to_owned(), secret);
        let region = Setting {
            default: Some("eu".to_owned()),
            ..Setting::default()
        };
        recipe.settings.insert("region".to_owned(), region);
        recipe.env.insert(
            "X_AUTH".to_owned(),
            Text::plain("Bearer ").and_setting("key"),
        );
        recipe
            .env
            .insert("REGION".to_owned(), Text::setting("region"));
        recipe
            .args
            .push(Text::plain("--region=").and_setting("region"));
        let settings = Settings {
            config: pairs(&[("key", "k1"), ("REGION", "us")]),
            env: pairs(&[("OTHER", "o"), ("MY_TOKEN", "t")]),
            ..Settings::default()
        };
        let plan = compile_recipe(&recipe, &settings).unwrap();
        assert_eq!(plan.args, [mcpt_core::Arg::Text("--region=us".to_owned())]);
        let env: Vec<_> = plan
            .env
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(env, [("OTHER", "o"), ("REGION", "us")]);
        let secrets: Vec<_> = plan
            .secrets
            .iter()
            .map(|(k, v)| (k.as_str(), v.expose()))
            .collect();
        assert_eq!(secrets, [("MY_TOKEN", "t"), ("X_AUTH", "Bearer k1")]);
        // The variable itself says more than the setting that it is made of.
        let settings = Settings {
            env: pairs(&[("X_AUTH", "whole")]),
            ..Settings::default()
        };
        let plan = compile_recipe(&recipe, &settings).unwrap();
        assert_eq!(plan.secrets["X_AUTH"].expose(), "whole");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut recipe = recipe("pypi:x");
        let number = Setting {
            format: Format::Number,
            ..Setting::default()
        };
        recipe.settings.insert("number".to_owned(), number);
        let needed = Setting {
            required: true,
            description: "What for".to_owned(),
            ..Setting::default()
        };
        recipe.settings.insert("needed".to_owned(), needed);
        recipe.args.push(Text::setting("free"));
        let settings = Settings {
            config: pairs(&[("number", "many"), ("nedeed", "x")]),
            transport: Some("http".to_owned()),
            ..Settings::default()
        };
        let error = compile_recipe(&recipe, &settings).unwrap_err();
        assert_eq!(
            error.problems,
            [
                "unknown setting \"nedeed\": did you mean \"needed\"?",
                "number: it must be a number",
                "needed: it is required (What for): add -c needed=VALUE",
                "free: it is required: add -c free=VALUE",
                "transport \"http\" is not supported: it is run over stdio, and served as HTTP",
            ]
        );
    }

    #[test]
    fn folders_are_what_users_say_and_how_they_say_it() {
        let mut recipe = recipe("oci:r.example/x");
        let setting = Setting {
            default: Some("/usual".to_owned()),
            ..Setting::default()
        };
        recipe.settings.insert("usual".to_owned(), setting);
        recipe
            .settings
            .insert("docs".to_owned(), Setting::default());
        for (name, read_only) in [("docs", true), ("usual", false)] {
            recipe.folders.push(mcpt_source::SharedFolder {
                host: Text::setting(name),
                container: format!("/in/{name}"),
                read_only,
            });
        }
        let error = compile_recipe(&recipe, &Settings::default()).unwrap_err();
        assert_eq!(error.problems, ["docs: it is required: add -c docs=VALUE"]);
        let settings = Settings {
            config: pairs(&[("docs", "/my/docs")]),
            ..Settings::default()
        };
        let plan = compile_recipe(&recipe, &settings).unwrap();
        let mount = |name: &str, host: &str, read_only| Mount {
            setting: format!("/in/{name}"),
            host: Some(host.into()),
            container: format!("/in/{name}"),
            read_only,
        };
        let expected = [
            mount("docs", "/my/docs", true),
            mount("usual", "/usual", false),
        ];
        assert_eq!(plan.mounts, expected);
    }

    #[test]
    fn where_nothing_is_known_of_settings_the_other_ways_are_named() {
        let settings = Settings {
            config: pairs(&[("a", "b")]),
            ..Settings::default()
        };
        let error = compile_recipe(&recipe("npm:x"), &settings).unwrap_err();
        assert!(error.to_string().contains("-e NAME=VALUE"), "{error}");
    }
}

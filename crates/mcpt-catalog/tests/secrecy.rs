//! Whatever the settings are, compiling ends in a plan or a report, and neither shows a secret.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{path::Path, sync::LazyLock};

use mcpt_catalog::{Catalog, Settings, Template, chart_values, compile};
use mcpt_core::Failure;
use proptest::prelude::*;

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(templates);

fn templates() -> Vec<Template> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let entries = Catalog::new([folder]).list().entries;
    entries
        .into_iter()
        .map(|entry| entry.template.expect("a good template"))
        .collect()
}

/// Texts that are nearly good: of each type, with separators, paths and JSON in them.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,20}(\\.[0-9]+)?",
        "true|false|none|token|basic|verify-ca|stdio|http|sse",
        "[/a-z:~. ,]{0,20}",
        "[\\[{]\"?[a-z]{0,3}\"?[:,]?[0-9]?[\\]}]?",
    ]
}

proptest! {
    #[test]
    fn any_settings_give_a_plan_or_a_report(
        which in 0usize..7,
        picks in prop::collection::vec((0usize..20, value()), 0..8),
        unknown in prop::collection::vec((any::<String>(), value()), 0..2),
        working_dir in prop::option::of(Just("/w")),
    ) {
        let template = &TEMPLATES[which % TEMPLATES.len()];
        let names: Vec<_> = template.config.properties.keys().cloned().chain(["transport".to_owned()]).collect();
        let mut settings = Settings {
            config: picks.into_iter().map(|(i, value)| (names[i % names.len()].clone(), value)).collect(),
            env: unknown.clone(),
            working_dir: working_dir.map(Into::into),
            ..Settings::default()
        };
        settings.config.extend(unknown);
        match compile(template, &settings) {
            Ok(plan) => {
                let values = chart_values(&plan);
                prop_assert_eq!(values["mcp"]["template"].as_str(), Some(template.id.as_str()));
                prop_assert!(plan.env.keys().all(|name| !plan.secrets.contains_key(name)));
            }
            Err(error) => prop_assert!(!error.problems.is_empty()),
        }
    }

    #[test]
    fn secrets_are_never_shown(
        which in 0usize..7,
        fits in any::<bool>(),
        secret in "[a-zA-Z0-9]{9,30}",
    ) {
        // Marked, so that no word of a report is taken for it.
        let secret = format!("§{secret}§");
        let template = &TEMPLATES[which % TEMPLATES.len()];
        let mut config: Vec<_> = template
            .config
            .properties
            .iter()
            .filter(|(name, property)| property.is_sensitive(name))
            .map(|(name, _)| (name.clone(), secret.clone()))
            .collect();
        // A mistyped name is no reason to show what was meant to be secret.
        if !fits {
            config.push(("no_such_setting".to_owned(), secret.clone()));
        }
        let settings = Settings {
            config,
            env: vec![("SOME_API_KEY".to_owned(), secret.clone())],
            ..Settings::default()
        };
        let shown = format!("{settings:?}");
        prop_assert!(!shown.contains(&secret), "{}", shown);
        match compile(template, &settings) {
            Ok(plan) => {
                prop_assert!(fits);
                let shown = format!("{plan:?}");
                prop_assert!(!shown.contains(&secret), "{}", shown);
                prop_assert_eq!(plan.secrets["SOME_API_KEY"].expose(), &secret);
                let mut values = chart_values(&plan);
                let secrets = values.remove("secrets").expect("a block of secrets");
                prop_assert_eq!(secrets["SOME_API_KEY"].as_str(), Some(secret.as_str()));
                let shown = format!("{values:?}");
                prop_assert!(!shown.contains(&secret), "{}", shown);
            }
            Err(error) => {
                let failure = Failure::from(error.clone());
                let shown = format!("{error} {error:?} {failure} {failure:?}");
                prop_assert!(!shown.contains(&secret), "{}", shown);
            }
        }
    }
}

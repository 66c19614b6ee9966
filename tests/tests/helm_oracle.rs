//! The built-in charts, rendered by our engine and by `helm template` of Helm 4, over all cases of `cases/CHART`: equal byte for
//! byte, and refused for the same reasons.
//!
//! A case is a values file. Its first line is a comment with the flags that go with it, separated by blanks: `-f FILE` (below the
//! chart's folder), `--set`, `--set-string`, `--set-json`, `--set-literal`, `--release`, `--namespace`, `--kube-version`,
//! `--api-versions`, `--is-upgrade`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use helm_chart::{Capabilities, Chart, KubeVersion, Overrides};
use helm_render::{ReleaseOptions, Sources, render};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The charts, and how many cases each has at least.
const CHARTS: [(&str, usize); 2] = [("mcp-server", 40), ("mcpt-gateway", 25)];

fn chart_folder(chart: &str) -> PathBuf {
    repository().join("charts").join(chart)
}

/// Helm 4: `MCPT_HELM4`, else where `cargo xtask tools` puts it.
fn helm() -> Command {
    let built = || Path::new(&env::var_os("HOME").unwrap()).join(".cache/mcpt/bin/helm4");
    let program = env::var_os("MCPT_HELM4").map_or_else(built, PathBuf::from);
    assert!(
        program.exists(),
        "no helm at {}: `cargo xtask tools helm4` builds it",
        program.display()
    );
    let mut helm = Command::new(program);
    // Neither the user's settings nor a cluster plays a part.
    helm.env_clear().env("HOME", "/nonexistent");
    helm
}

/// What is rendered: one values file after the other, and flags.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    chart: PathBuf,
    files: Vec<PathBuf>,
    flags: Vec<(String, String)>,
}

impl Case {
    fn read(chart: &str, path: &Path) -> Self {
        let chart = chart_folder(chart);
        let text = fs::read_to_string(path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let words = first
            .strip_prefix("# flags:")
            .unwrap_or_else(|| panic!("{} has no flags line", path.display()));
        let mut words = words.split_whitespace().map(str::to_owned);
        let (mut files, mut flags) = (Vec::new(), Vec::new());
        while let Some(flag) = words.next() {
            match flag.as_str() {
                "-f" => files.push(chart.join(words.next().unwrap())),
                "--is-upgrade" => flags.push((flag, String::new())),
                _ => flags.push((flag, words.next().unwrap())),
            }
        }
        files.push(path.to_owned());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Self {
            name,
            chart,
            files,
            flags,
        }
    }

    /// Both cases at once, the second over the first.
    fn and(&self, other: &Self) -> Self {
        Self {
            name: format!("{} + {}", self.name, other.name),
            chart: self.chart.clone(),
            files: [self.files.as_slice(), &other.files].concat(),
            flags: [self.flags.as_slice(), &other.flags].concat(),
        }
    }

    fn all(&self, flag: &str) -> Vec<String> {
        self.flags
            .iter()
            .filter(|(name, _)| name == flag)
            .map(|(_, value)| value.clone())
            .collect()
    }

    fn last(&self, flag: &str) -> Option<String> {
        self.all(flag).pop()
    }

    fn release(&self) -> ReleaseOptions {
        let name = self.last("--release").unwrap_or_else(|| "demo".to_owned());
        let namespace = self
            .last("--namespace")
            .unwrap_or_else(|| "mcp-servers".to_owned());
        ReleaseOptions {
            is_upgrade: self.last("--is-upgrade").is_some(),
            ..ReleaseOptions::install(name, namespace)
        }
    }

    fn helm_template(&self) -> Result<String, String> {
        let release = self.release();
        let mut helm = helm();
        helm.args(["template", &release.name])
            .arg(&self.chart)
            .args(["-n", &release.namespace]);
        for file in &self.files {
            helm.arg("-f").arg(file);
        }
        for (flag, value) in &self.flags {
            match flag.as_str() {
                "--release" | "--namespace" => {}
                "--is-upgrade" => drop(helm.arg(flag)),
                _ => drop(helm.args([flag, value])),
            }
        }
        let output = helm.output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        let text = String::from_utf8(output.stderr).unwrap();
        let (_, error) = text
            .split_once("Error: ")
            .unwrap_or_else(|| panic!("{}: {text}", self.name));
        let advice = "\n\nUse --debug flag to render out invalid YAML";
        Err(error.trim_end().trim_end_matches(advice).to_owned())
    }

    fn our_template(&self) -> Result<String, String> {
        let text = |path: &PathBuf| {
            (
                path.display().to_string(),
                fs::read_to_string(path).unwrap(),
            )
        };
        let overrides = Overrides {
            files: self.files.iter().map(text).collect(),
            set: self.all("--set"),
            set_string: self.all("--set-string"),
            set_json: self.all("--set-json"),
            set_literal: self.all("--set-literal"),
            ..Overrides::default()
        };
        let user = overrides.merge().map_err(|error| error.to_string())?;
        let mut capabilities = Capabilities::default();
        capabilities.api_versions.extend(self.all("--api-versions"));
        if let Some(version) = self.last("--kube-version") {
            capabilities.kube_version = KubeVersion::parse(&version).unwrap();
        }
        let chart = Chart::from_dir(&self.chart).unwrap();
        render(
            &chart,
            &user,
            &self.release(),
            &capabilities,
            &Sources::system(),
        )
        .map(|rendered| rendered.template_text())
        .map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// What differs between the two, if anything does.
    fn difference(&self) -> Option<String> {
        let (theirs, ours) = match (self.helm_template(), self.our_template()) {
            // Helm walks over maps in no order, so the problems of a schema come in any.
            (Err(theirs), Err(ours)) => (sorted_lines(&theirs), sorted_lines(&ours)),
            (Ok(theirs), Ok(ours)) => (theirs, ours),
            (Ok(_), Err(ours)) => ("rendered".to_owned(), format!("refused: {ours}")),
            (Err(theirs), Ok(_)) => (format!("refused: {theirs}"), "rendered".to_owned()),
        };
        if theirs == ours {
            return None;
        }
        let first = theirs
            .lines()
            .zip(ours.lines())
            .position(|(theirs, ours)| theirs != ours);
        let first = first.unwrap_or_else(|| theirs.lines().count().min(ours.lines().count()));
        let from = first.saturating_sub(6);
        let part = |text: &str| {
            text.lines()
                .skip(from)
                .take(12)
                .collect::<Vec<_>>()
                .join("\n")
        };
        Some(format!(
            "=== {}: from line {}\n--- helm\n{}\n--- ours\n{}\n",
            self.name,
            from + 1,
            part(&theirs),
            part(&ours)
        ))
    }
}

/// The lines of a refusal in an order of their own. Helm names additional properties in any order too, and gives the path of a
/// property's name from memory that was overwritten meanwhile.
fn sorted_lines(text: &str) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((_, message)) if message.starts_with("invalid propertyName") => message.to_owned(),
            Some((path, message)) if message.starts_with("additional properties") => {
                let mut words: Vec<&str> = message.split([' ', ',']).collect();
                words.sort_unstable();
                format!("{path}: {}", words.join(" "))
            }
            _ => line.to_owned(),
        })
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn cases(chart: &str) -> Vec<Case> {
    let folder = repository().join("tests/cases").join(chart);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(chart, path)).collect()
}

fn assert_no_difference(cases: &[Case]) {
    let differences: Vec<String> = cases.iter().filter_map(Case::difference).collect();
    assert!(
        differences.is_empty(),
        "{} of {} cases differ\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n")
    );
}

#[test]
fn every_case_renders_as_helm_renders_it() {
    for (chart, least) in CHARTS {
        let cases = cases(chart);
        assert!(
            cases.len() >= least,
            "only {} cases of {chart}",
            cases.len()
        );
        assert_no_difference(&cases);
    }
}

/// Each case together with one further on, so that values meet that no case sets both.
#[test]
fn pairs_of_cases_render_as_helm_renders_them() {
    for (chart, _) in CHARTS {
        let cases: Vec<Case> = cases(chart)
            .into_iter()
            .filter(|case| !case.name.ends_with("-refused"))
            .collect();
        let distance = cases.len() / 3;
        let pairs: Vec<Case> = (0..cases.len())
            .map(|first| cases[first].and(&cases[(first + distance) % cases.len()]))
            .collect();
        assert_no_difference(&pairs);
    }
}

/// Releases and namespaces whose names YAML reads as something else when they are not quoted, and one of no such kind.
#[test]
fn any_legal_name_renders_as_helm_renders_it() {
    let names = [
        "42",
        "007",
        "1e3",
        "0x1f",
        "0b1",
        "0o7",
        "on",
        "no",
        "y",
        "null",
        "true",
        "nan",
        "2024-01-01",
        "12-30",
        "plain",
    ];
    for (chart, _) in CHARTS {
        let first = cases(chart).remove(0);
        let named = names.map(|name| {
            let mut case = first.clone();
            case.name = format!("{chart} as {name}");
            for flag in ["--release", "--namespace"] {
                case.flags.push((flag.to_owned(), name.to_owned()));
            }
            case
        });
        assert_no_difference(&named);
    }
}

/// Cases that are meant to be refused are, and no others.
#[test]
fn refusals_are_named_so() {
    for case in CHARTS.iter().flat_map(|(chart, _)| cases(chart)) {
        let refused = case.our_template().is_err();
        assert_eq!(
            refused,
            case.name.ends_with("-refused"),
            "{}: {:?}",
            case.name,
            case.our_template().err()
        );
    }
}

/// The policy of the prepared values lets in the namespace and gateways, and nobody else.
#[test]
fn prepared_values_guard_the_pods() {
    for name in ["03-staging", "04-prod"] {
        let cases = cases("mcp-server");
        let case = cases.into_iter().find(|case| case.name == name).unwrap();
        let rendered = case.our_template().unwrap();
        let policy = rendered
            .split("\n---\n")
            .find(|document| document.contains("kind: NetworkPolicy"))
            .unwrap();
        let (_, from) = policy.split_once("from:\n").unwrap();
        let words: Vec<&str> = from.split_whitespace().collect();
        let wanted = "- podSelector: {} - namespaceSelector: {} podSelector: matchExpressions: \
                      - key: mcpt.io/gateway operator: Exists";
        assert_eq!(words.join(" "), wanted, "{name}");
    }
}

/// The gateway lets calls in progress finish for all of the grace that its pods have.
#[test]
fn the_gateway_drains_as_long_as_its_pods_may() {
    let case = |name: &str| {
        let cases = cases("mcpt-gateway");
        cases.into_iter().find(|case| case.name == name).unwrap()
    };
    for (name, drain) in [
        ("01-defaults", "23s"),
        ("11-resources-and-drain", "58s"),
        ("34-shortest-grace", "1s"),
    ] {
        let rendered = case(name).our_template().unwrap();
        let (_, value) = rendered.split_once("- --drain\n").unwrap();
        assert_eq!(
            value.lines().next().unwrap().trim(),
            format!("- \"{drain}\"")
        );
    }
    let refused = case("33-grace-too-short-refused").our_template();
    assert!(
        refused
            .unwrap_err()
            .contains("at least drainSeconds + 3 (18)")
    );
}

/// No value of a chart is forgotten by its cases.
#[test]
fn every_value_of_the_charts_appears_in_a_case() {
    for (name, _) in CHARTS {
        let chart = Chart::from_dir(&chart_folder(name)).unwrap();
        let mut set: BTreeMap<String, usize> = BTreeMap::new();
        for case in cases(name)
            .into_iter()
            .filter(|case| !case.name.ends_with("-refused"))
        {
            let last = case.files.last().unwrap();
            let overrides = Overrides {
                files: vec![(case.name.clone(), fs::read_to_string(last).unwrap())],
                set: case.all("--set"),
                ..Overrides::default()
            };
            count_paths("", &overrides.merge().unwrap(), &mut set);
        }
        let mut wanted = BTreeMap::new();
        count_paths("", &chart.values, &mut wanted);
        let forgotten: Vec<&String> = wanted
            .keys()
            .filter(|path| !set.contains_key(*path))
            .collect();
        assert!(forgotten.is_empty(), "{name}, in no case: {forgotten:?}");
    }
}

/// Counts the paths of a values map that lead to something else than a filled map.
fn count_paths(prefix: &str, values: &helm_chart::Values, paths: &mut BTreeMap<String, usize>) {
    for (key, value) in values {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value.as_object() {
            Some(map) if !map.is_empty() => {
                *paths.entry(path.clone()).or_default() += 1;
                count_paths(&path, map, paths);
            }
            _ => *paths.entry(path).or_default() += 1,
        }
    }
}

#[test]
fn the_charts_pass_helm_lint() {
    let prepared = ["dev", "staging", "prod", "openshift"];
    let prepared = prepared.map(|name| ("mcp-server", Some(format!("values-{name}.yaml"))));
    let prepared = prepared
        .into_iter()
        .chain([("mcpt-gateway", Some("values-openshift.yaml".to_owned()))]);
    let plain = CHARTS.map(|(chart, _)| (chart, None));
    for (chart, file) in plain.into_iter().chain(prepared) {
        let mut helm = helm();
        helm.args(["lint", "--strict"]).arg(chart_folder(chart));
        if let Some(file) = &file {
            helm.arg("-f").arg(chart_folder(chart).join(file));
        }
        let output = helm.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{chart} {file:?}: {text}");
        assert!(
            !text.contains("[WARNING]") && !text.contains("[ERROR]"),
            "{chart} {file:?}: {text}"
        );
    }
}

//! Servers that run elsewhere: what a process that stands for one, `mcpt remote`, is told by its environment.

use std::collections::BTreeMap;

use mcpt_core::RemoteVariable;
use mcpt_source::{Recipe, Remote, Text};
use serde_json::json;
use url::{Host, Url};

use super::holds_secret;
use crate::settings::Settings;

/// A variable, its value, and whether that is secret.
pub(super) type RemoteSetting = (RemoteVariable, String, bool);

/// The variables for a server elsewhere. Headers are secret all of them, and so is a URL with a query.
pub(super) fn told(
    recipe: &Recipe,
    remote: &Remote,
    settings: &Settings,
    filled: impl Fn(&Text) -> Option<String>,
    problems: &mut Vec<String>,
) -> Vec<RemoteSetting> {
    if !recipe.args.is_empty() || !settings.env.is_empty() {
        problems.push("it runs elsewhere: arguments and variables cannot reach it".to_owned());
    }
    let mut told = Vec::new();
    let mut headers = BTreeMap::new();
    for (name, text) in &remote.headers {
        // What is missing has been told, or need not be set.
        if let Some(value) = filled(text) {
            headers.insert(name.clone(), value);
        }
    }
    for (name, value) in &settings.headers {
        headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in &headers {
        if !is_header(name, value) {
            problems.push(format!(
                "{name:?} cannot be a header, or its value that of one"
            ));
        }
    }
    if let Some(url) = filled(&remote.url) {
        match Url::parse(&url) {
            Ok(parsed)
                if parsed.scheme() == "http" && !headers.is_empty() && !is_loopback(&parsed) =>
            {
                problems.push("headers are sent by https alone".to_owned());
            }
            Ok(_) if url.chars().any(|c| c.is_control() || c == ' ') => {
                problems.push("its address has blanks or control characters".to_owned());
            }
            Ok(_) => {}
            Err(error) => problems.push(format!("its address is none: {error}")),
        }
        let secret = url.contains('?') || holds_secret(recipe, &remote.url);
        told.push((RemoteVariable::Url, url, secret));
    }
    if !headers.is_empty() {
        told.push((RemoteVariable::Headers, json!(headers).to_string(), true));
    }
    if let Some(file) = &settings.authority {
        match file.to_str() {
            Some(file) => told.push((RemoteVariable::Authority, file.to_owned(), false)),
            None => problems.push(format!("{}: the path is no UTF-8", file.display())),
        }
    }
    told
}

/// The name of a server at an address: its host's.
pub(super) fn host(remote: &Remote) -> Option<String> {
    let url = Url::parse(&remote.url.fill(|_| Some("0")).ok()?).ok()?;
    url.host_str().map(str::to_owned)
}

fn is_header(name: &str, value: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty()
        && name.chars().all(token)
        && !value.is_empty()
        && !value.chars().any(char::is_control)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

//! Which of the user's environment a server gets: what programs need to be found and to work, not the user's credentials.

use std::collections::BTreeMap;

/// Variables handed on by name.
const NAMES: [&str; 29] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    // Proxies and certificates.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    // Where language runtimes and their caches are.
    "NVM_DIR",
    "VOLTA_HOME",
    "FNM_DIR",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "ASDF_DIR",
    "JAVA_HOME",
];

/// Variables handed on by how their names begin: locale, base folders, npm, uv and pip.
const PREFIXES: [&str; 6] = ["LC_", "XDG_", "npm_config_", "NPM_CONFIG_", "UV_", "PIP_"];

/// The part of an environment that servers get.
pub(crate) fn inherited(
    environment: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    environment
        .into_iter()
        .filter(|(name, _)| is_inherited(name))
        .collect()
}

/// Variables of this environment that a log names and a server did not get: most likely what it fails for. `given` says which
/// ones its settings give it.
pub(crate) fn missed(
    log: &[String],
    given: impl Fn(&str) -> bool,
    is_set: impl Fn(&str) -> bool,
) -> Vec<String> {
    let named = log.iter().flat_map(|line| {
        line.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
    });
    let mut missed: Vec<String> = named
        .filter(|word| word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter(|word| is_set(word) && !is_inherited(word) && !given(word))
        .map(str::to_owned)
        .collect();
    missed.sort();
    missed.dedup();
    missed
}

fn is_inherited(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let credential = ["TOKEN", "PASSWORD", "SECRET", "_AUTH"]
        .iter()
        .any(|word| upper.contains(word));
    !credential && (NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_names_what_is_missed() {
        let log = [
            "Error: DOCKER_HOST is not set; see also GITHUB_TOKEN, NO_SUCH_THING and LC_ALL.",
            "process.env.OPENAI_API_KEY and A_GIVEN_ONE",
        ]
        .map(str::to_owned);
        let is_set = |name: &str| name != "NO_SUCH_THING";
        assert_eq!(
            missed(&log, |name| name == "A_GIVEN_ONE", is_set),
            ["DOCKER_HOST", "GITHUB_TOKEN", "OPENAI_API_KEY"]
        );
        assert!(missed(&log, |_| false, |_| false).is_empty());
    }

    #[test]
    fn what_is_handed_on() {
        for (name, expected) in [
            ("PATH", true),
            ("LC_ALL", true),
            ("npm_config_cache", true),
            ("UV_CACHE_DIR", true),
            ("UV_PUBLISH_TOKEN", false),
            ("npm_config__auth", false),
            ("UV_INDEX_CORP_PASSWORD", false),
            ("GITHUB_TOKEN", false),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("OPENAI_API_KEY", false),
            ("PATHOLOGY", false),
        ] {
            assert_eq!(is_inherited(name), expected, "{name}");
        }
    }
}

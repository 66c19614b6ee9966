//! [`Client`]: asks one registry.

use std::time::Duration;

use jiff::Timestamp;
use mcpt_source::RegistryName;
use oci_registry::{Http, Tls};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::{Host, Url};

use crate::{Error, Record, Unusable};

/// How many versions a page has at most; the official registry allows no more.
const PAGE: usize = 100;

/// The most bytes of an answer: each of a page's documents may be large.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What stays as it is in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One registry.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    token: Option<SecretString>,
    tls: Tls,
    http: Http,
}

/// A page of a registry's list.
#[derive(Debug)]
pub struct Page {
    /// What is on it, each usable or not.
    pub records: Vec<Result<Record, Unusable>>,
    /// By what the next page is asked for; `None` when there is none.
    pub next: Option<String>,
}

impl Client {
    /// Of the registry at `url`, below which `/v0.1` is. The token goes to that server alone; `tls` says whom to trust.
    ///
    /// # Errors
    /// [`Error::Address`] when it is no address, or when a token would go over a network unencrypted.
    pub fn new(url: &str, token: Option<SecretString>, tls: Tls) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Address {
            // An address may have a password in it.
            url: url
                .split_once('@')
                .map_or(url, |(_, behind)| behind)
                .to_owned(),
            reason: reason.to_owned(),
        };
        let mut base = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("registries are reached by http and https alone"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("a name and a password do not belong into it"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("nothing stands behind ? or #"));
        }
        if token.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            return Err(wrong("a token is sent by https alone"));
        }
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/v0.1").unwrap_or(path).to_owned();
        base.set_path(&path);
        Ok(Self {
            base,
            token,
            tls,
            http: Http::new(TIMEOUT).at_most(MOST_BYTES),
        })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// A page of all versions of all servers, or of those that changed since a time, deleted ones among them.
    ///
    /// # Errors
    /// [`Error`] when there is no such page.
    pub fn page(&self, since: Option<Timestamp>, cursor: Option<&str>) -> Result<Page, Error> {
        let mut url = self.at("servers");
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("limit", &PAGE.to_string());
            if let Some(since) = since {
                query.append_pair("updated_since", &since.to_string());
            }
            if let Some(cursor) = cursor {
                query.append_pair("cursor", cursor);
            }
        }
        let mut answer = self.ask(&url, || "servers".to_owned())?;
        let Some(Value::Array(servers)) = answer.get_mut("servers").map(Value::take) else {
            return Err(self.wrong("there is no list of servers"));
        };
        let metadata = answer.get("metadata");
        let next =
            metadata.and_then(|data| data.get("nextCursor").or_else(|| data.get("next_cursor")));
        let next = next.and_then(Value::as_str).filter(|next| !next.is_empty());
        Ok(Page {
            records: servers.into_iter().map(Record::read).collect(),
            next: next.map(str::to_owned),
        })
    }

    /// One version of a server; its latest when the name says none.
    ///
    /// # Errors
    /// [`Error::Unknown`] when the registry does not have it, and [`Error`] for anything else.
    pub fn server(&self, name: &RegistryName) -> Result<Record, Error> {
        let part = |text: &str| utf8_percent_encode(text, PART).to_string();
        let version = name.version().unwrap_or("latest");
        let url = self.at(&format!(
            "servers/{}/versions/{}",
            part(name.name()),
            part(version)
        ));
        let answer = self.ask(&url, || name.to_string())?;
        let record = Record::read(answer).map_err(|error| self.wrong(&error.to_string()))?;
        let is_it = record.name == name.name()
            && name
                .version()
                .is_none_or(|version| version == record.version);
        if !is_it {
            let found = format!("it was asked for {name} and answers with {}", record.name);
            return Err(self.wrong(&found));
        }
        Ok(record)
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let base = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{base}/v0.1/{path}"));
        url
    }

    fn ask(&self, url: &Url, what: impl FnOnce() -> String) -> Result<Value, Error> {
        let token = self.token.as_ref();
        let token =
            token.map(|token| SecretString::from(format!("Bearer {}", token.expose_secret())));
        let body = match self.http.get_authorized(url, token.as_ref(), &self.tls) {
            Ok(body) => body,
            Err(oci_registry::Error::Status { status: 404, .. }) => {
                return Err(Error::Unknown {
                    registry: self.base.to_string(),
                    name: what(),
                });
            }
            Err(oci_registry::Error::Status { status, .. }) if matches!(status, 401 | 403) => {
                return Err(Error::Login {
                    registry: self.base.to_string(),
                    status,
                    with_token: self.token.is_some(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        serde_json::from_slice(&body)
            .map_err(|error| self.wrong(&format!("it is no JSON: {error}")))
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::Answer {
            registry: self.base.to_string(),
            reason: reason.to_owned(),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let client = |url: &str, token: bool| {
            let token = token.then(|| SecretString::from("t0ken"));
            Client::new(url, token, Tls::default())
        };
        for (url, at) in [
            ("https://r.test", "https://r.test/v0.1/servers"),
            ("https://r.test/", "https://r.test/v0.1/servers"),
            ("https://r.test/v0.1/", "https://r.test/v0.1/servers"),
            (
                "https://r.test/api/mcp",
                "https://r.test/api/mcp/v0.1/servers",
            ),
        ] {
            assert_eq!(client(url, true).unwrap().at("servers").as_str(), at);
        }
        assert!(client("http://127.0.0.1:1", true).is_ok());
        assert!(client("http://r.test", false).is_ok());
        for url in [
            "http://r.test",
            "ftp://r.test",
            "r.test",
            "https://a:pw@r.test",
            "https://r.test/?x=1",
        ] {
            let error = client(url, true).unwrap_err().to_string();
            assert!(!error.contains("pw") && !error.contains("t0ken"), "{error}");
        }
        let shown = format!("{:?}", client("https://r.test", true).unwrap());
        assert!(!shown.contains("t0ken"), "{shown}");
    }
}

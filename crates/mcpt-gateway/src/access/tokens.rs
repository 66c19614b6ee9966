//! [`Tokens`]: JSON Web Tokens as credentials, and what clients are told so that they can get one (RFC 9728).

use std::{
    path::PathBuf,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use mcpt_access::{Principal, Token, TokenFault, VerifiedTokens};
use serde_json::json;
use url::Url;

use super::{
    credentials::CredentialFault,
    issuer::{Follower, Issuer, IssuerUrl},
    issuer_metadata::{CertificatesError, Client},
};
use crate::{directory::unix_time, outer::OuterUrl, sets::NamedHost};

/// A text is not the URL of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scheme, host and port are wanted, as in https://mcp.example.com")]
pub struct InvalidPublicUrl;

/// The URL by which clients call a gateway, without a path: `https://mcp.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPublicUrl)?;
        let origin = url.origin().ascii_serialization();
        let same = text.trim_end_matches('/') == origin;
        let known = matches!(url.scheme(), "http" | "https");
        (same && known)
            .then_some(Self(origin))
            .ok_or(InvalidPublicUrl)
    }
}

impl PublicUrl {
    /// Host with the port if it says one.
    pub fn host(&self) -> &str {
        let (_, authority) = self.0.split_once("://").unwrap_or_default();
        authority
    }
}

/// Whose tokens are taken, and which of theirs.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// Who may make them.
    pub issuers: Vec<IssuerUrl>,
    /// How clients call the gateway. Tokens for it, or for the URL of the server that is called, are taken.
    pub public_url: Option<PublicUrl>,
    /// What else tokens may be for, as their issuers name it.
    pub audiences: Vec<String>,
    /// The claim that has the groups of their subjects.
    pub groups_claim: String,
    /// File with the certificates by which issuers are trusted, instead of the system's.
    pub authority: Option<PathBuf>,
}

/// Tokens of some issuers.
#[derive(Debug)]
pub(super) struct Tokens {
    issuers: Vec<Issuer>,
    public_url: Option<PublicUrl>,
    audiences: Vec<String>,
    groups_claim: String,
    /// With the generation of keys by which they were verified.
    verified: Mutex<(u64, VerifiedTokens)>,
}

impl Tokens {
    /// # Errors
    /// [`CertificatesError`] when the file of certificates is none.
    pub(super) fn new(config: &TokenConfig) -> Result<(Self, Vec<Follower>), CertificatesError> {
        let client = Arc::new(Client::new(config.authority.as_deref())?);
        let issuers = config.issuers.iter().cloned();
        let (issuers, followers) = issuers
            .map(|url| Issuer::new(url, Arc::clone(&client)))
            .unzip();
        let tokens = Self {
            issuers,
            public_url: config.public_url.clone(),
            audiences: config.audiences.clone(),
            groups_claim: config.groups_claim.clone(),
            verified: Mutex::default(),
        };
        Ok((tokens, followers))
    }

    /// Whose a token is that was sent to a path of this gateway, maybe by a `host` of the file of sets, and until when it is
    /// valid, in seconds since 1970.
    ///
    /// # Errors
    /// [`CredentialFault`].
    pub(super) async fn subject_of(
        &self,
        token: &[u8],
        path: &str,
        host: Option<&NamedHost>,
    ) -> Result<(Arc<Principal>, u64), CredentialFault> {
        let now = u64::from(unix_time());
        let generation: u64 = self.issuers.iter().map(Issuer::generation).sum();
        let accepted = self.accepted(path, host);
        if let Some(known) = self.known(token, &accepted, generation, now) {
            return known.map_err(Into::into);
        }
        let read = Token::read(token)?;
        let mut issuers = self.issuers.iter();
        let issuer = issuers.find(|issuer| issuer.url.as_str() == read.issuer());
        let issuer = issuer.ok_or(TokenFault::Issuer)?;
        let verified = issuer.verify(&read, &self.groups_claim, now).await?;
        let owner = (Arc::clone(verified.principal()), verified.until());
        let judged = verified.is_for(accepted.iter().map(String::as_str));
        let mut cache = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.0 == generation {
            cache.1.note(token, verified);
        }
        judged?;
        Ok(owner)
    }

    /// What was found of a token before, if the keys are the same.
    fn known(
        &self,
        token: &[u8],
        accepted: &[String],
        generation: u64,
        now: u64,
    ) -> Option<Result<(Arc<Principal>, u64), TokenFault>> {
        let mut cache = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.0 != generation {
            *cache = (generation, VerifiedTokens::default());
        }
        let verified = cache.1.find(token)?;
        let judged = verified
            .is_current(now)
            .and_then(|()| verified.is_for(accepted.iter().map(String::as_str)));
        Some(judged.map(|()| (Arc::clone(verified.principal()), verified.until())))
    }

    /// What a token for a path may be meant for: it is all configured, and nothing of it is what a request says.
    fn accepted(&self, path: &str, host: Option<&NamedHost>) -> Vec<String> {
        let mut accepted = self.audiences.clone();
        let public = self.public_url.iter().map(|PublicUrl(base)| base.clone());
        let named = host.into_iter().flat_map(|host| self.bases(host));
        let path = path.trim_end_matches('/');
        for base in public.chain(named) {
            accepted.extend([
                base.clone(),
                format!("{base}/"),
                format!("{base}{path}"),
                format!("{base}{path}/"),
            ]);
        }
        accepted
    }

    /// Whether URLs of a host of the file of sets may be of http, beside https: where that cannot leave this machine, or where
    /// clients call the gateway so as configured.
    fn may_be_plain(&self, NamedHost(host): &NamedHost) -> bool {
        let local = mcpt_protocol::host_of(host).is_some_and(mcpt_protocol::is_loopback_host);
        let public = self.public_url.as_ref();
        local || public.is_some_and(|PublicUrl(base)| base.starts_with("http:"))
    }

    /// What the URLs of such a host begin with.
    fn bases(&self, host: &NamedHost) -> impl Iterator<Item = String> {
        let plain = self.may_be_plain(host).then_some("http");
        let schemes = ["https"].into_iter().chain(plain);
        schemes.map(|scheme| format!("{scheme}://{}", host.0))
    }

    /// The URL of a path at such a host. Of `outer`, which was called, it is of interest only whether it was of https.
    pub(super) fn url_at(&self, host: &NamedHost, path: &str, outer: Option<&OuterUrl>) -> String {
        let secure = outer.is_some_and(OuterUrl::is_https) || !self.may_be_plain(host);
        let scheme = if secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", host.0)
    }

    /// The URL of a path, as clients call it: the one that is configured, else by `called`.
    pub(super) fn url_of(&self, path: &str, called: Option<String>) -> Option<String> {
        match &self.public_url {
            Some(PublicUrl(base)) => Some(format!("{base}{path}")),
            None => called,
        }
    }

    /// The metadata of a protected resource (RFC 9728, section 2).
    pub(super) fn metadata(&self, resource: &str) -> String {
        let issuers: Vec<&str> = self
            .issuers
            .iter()
            .map(|issuer| issuer.url.as_str())
            .collect();
        let document = json!({
            "resource": resource,
            "authorization_servers": issuers,
            "bearer_methods_supported": ["header"],
        });
        document.to_string()
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use mcpt_core::Namespace;

    use super::*;
    use crate::{destination::Called, sets::KnownSets};

    /// What tokens may be for, that are sent with a request.
    fn accepted(tokens: &Tokens, sets: &KnownSets, headers: &[(&str, &str)]) -> Vec<String> {
        let mut request = Request::post("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let called = Called::by(&request.body(()).unwrap(), sets);
        tokens.accepted("/mcp", called.host.as_ref())
    }

    fn tokens(public_url: Option<&str>) -> Tokens {
        let config = TokenConfig {
            issuers: Vec::new(),
            public_url: public_url.map(|url| url.parse().unwrap()),
            audiences: vec!["configured".to_owned()],
            groups_claim: "groups".to_owned(),
            authority: None,
        };
        Tokens::new(&config).unwrap().0
    }

    #[tokio::test]
    async fn what_a_token_must_be_for_says_the_configuration_and_never_a_request() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sets");
        let hosts =
            "hosts: [{host: Team.example, server: one}, {host: 'a.example:8443', server: one},
            {host: 'localhost:80', server: one}]";
        std::fs::write(&file, hosts).unwrap();
        let sets = KnownSets::open(Some(&file), &Namespace::new("ns").unwrap()).unwrap();
        let urls = |base: &str| ["", "/", "/mcp", "/mcp/"].map(|path| format!("{base}{path}"));
        let own = ["configured".to_owned()];
        let team = [&own[..], &urls("https://team.example")].concat();
        let local = [
            &own[..],
            &urls("https://localhost:80"),
            &urls("http://localhost:80"),
        ];
        for (headers, wanted) in [
            (&[("host", "team.example")][..], &team),
            // Another service may listen at another port.
            (&[("host", "team.example:9999")], &team),
            (
                &[("host", "TEAM.example"), ("x-forwarded-proto", "http")],
                &team,
            ),
            // It may be another host by which the gateway is called too, or any.
            (
                &[("host", "team.example"), ("x-forwarded-host", "other")],
                &team,
            ),
            (
                &[("host", "other"), ("x-forwarded-host", "team.example:1")],
                &team,
            ),
            (
                &[("host", "a.example:8443")],
                &[&own[..], &urls("https://a.example:8443")].concat(),
            ),
            (&[("host", "a.example:8444")], &own.to_vec()),
            (&[("host", "other")], &own.to_vec()),
            (&[("host", "localhost:80")], &local.concat()),
        ] {
            assert_eq!(
                &accepted(&tokens(None), &sets, headers),
                wanted,
                "{headers:?}"
            );
        }
        let plain = tokens(Some("http://mcp.example"));
        let wanted = [
            "http://mcp.example",
            "https://team.example",
            "http://team.example",
        ];
        let wanted = wanted.map(urls).concat();
        let plain = accepted(&plain, &sets, &[("host", "team.example")]);
        assert_eq!(plain, [&own[..], &wanted].concat());
    }

    #[test]
    fn urls_of_gateways_and_issuers() {
        for (text, good) in [
            ("https://mcp.example.com", true),
            ("https://mcp.example.com/", true),
            ("http://127.0.0.1:8900", true),
            ("https://mcp.example.com/x", false),
            ("https://u@mcp.example.com", false),
            ("mcp.example.com", false),
            ("ftp://mcp.example.com", false),
        ] {
            assert_eq!(text.parse::<PublicUrl>().is_ok(), good, "{text}");
        }
        for (text, good) in [
            ("https://login.example.com/realms/x", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080/", true),
            ("http://login.example.com", false),
            ("https://login.example.com?x", false),
            ("login.example.com", false),
        ] {
            assert_eq!(text.parse::<IssuerUrl>().is_ok(), good, "{text}");
        }
    }
}

//! Requests to registries, with the login that they want.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use ureq::http::{HeaderName, Method, StatusCode, header};
use url::Url;

use crate::challenge::{Challenge, token_server};
use crate::credentials::{Credentials, Login};
use crate::http::{Answer, Ask, Sent, basic, shown};
use crate::{Access, Error, Http, Tls, go_json};

/// The most of an error's text that is read, in bytes.
const MOST_OF_ERROR: u64 = 8 * 1024;

/// The most bytes of an answer with a token.
const MOST_OF_TOKEN: u64 = 1024 * 1024;

/// What sends requests to registries.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    http: Http,
    tls: Tls,
    plain_http: bool,
    /// The login that the user named, for whichever registry.
    named: Option<Login>,
    credentials: Credentials,
    /// What was let in already, by host and scope.
    granted: Arc<Mutex<HashMap<(String, String), SecretString>>>,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    /// What is to be done where, as token servers know it; empty for nothing.
    pub(crate) scope: &'a str,
    pub(crate) headers: &'a [(HeaderName, &'a str)],
    pub(crate) body: Option<Sent<'a>>,
}

impl Session {
    pub(crate) fn new(
        http: &Http,
        access: &Access,
        plain_http: bool,
        credentials: &Credentials,
    ) -> Self {
        let password = access.password.as_ref();
        let password = password.filter(|password| !password.expose_secret().is_empty());
        let named = password
            .filter(|_| !access.username.is_empty())
            .map(|password| Login::Password(access.username.clone(), password.clone()));
        Self {
            http: http.clone(),
            tls: access.tls.clone(),
            plain_http,
            named,
            credentials: credentials.clone(),
            granted: Arc::default(),
        }
    }

    /// The same with another login.
    pub(crate) fn with_login(&self, login: Login) -> Self {
        Self {
            named: Some(login),
            granted: Arc::default(),
            ..self.clone()
        }
    }

    /// The most bytes of an answer that is held in memory.
    pub(crate) fn most(&self) -> u64 {
        self.http.most()
    }

    /// An address at a registry.
    pub(crate) fn url(&self, host: &str, path: &str) -> Result<Url, Error> {
        let scheme = if self.plain_http { "http" } else { "https" };
        crate::http::parse(&format!("{scheme}://{host}/v2/{path}"))
    }

    /// Asks; when a login is wanted, once more with it.
    pub(crate) fn ask(&self, host: &str, question: &Question<'_>) -> Result<Answer, Error> {
        let key = (host.to_owned(), question.scope.to_owned());
        // An upload may go to another server than the registry, which has no business with the login.
        let registry = self.url(host, "")?;
        let is_its_own = question.url.origin() == registry.origin();
        let granted = self.granted().get(&key).cloned().filter(|_| is_its_own);
        let answer = self.send(question, granted.as_ref())?;
        if answer.status != StatusCode::UNAUTHORIZED
            || !is_its_own
            || answer.url.origin() != registry.origin()
        {
            return Ok(answer);
        }
        let wanted = answer.header(&header::WWW_AUTHENTICATE);
        let Some(wanted) = wanted.and_then(Challenge::parse) else {
            return Ok(answer);
        };
        answer.leave();
        let login = match &self.named {
            Some(login) => Some(login.clone()),
            None => self.credentials.get(host)?,
        };
        let authorization = match (wanted, login) {
            (Challenge::Basic, Some(Login::Password(username, password))) => {
                basic(&username, &password)
            }
            (Challenge::Basic, _) => {
                return Err(Error::NoLogin {
                    method: question.method.to_string(),
                    url: shown(question.url).to_string(),
                });
            }
            (Challenge::Bearer { .. }, Some(Login::Token(token))) => bearer(&token),
            (
                Challenge::Bearer {
                    realm,
                    service,
                    scope,
                },
                login,
            ) => {
                let server = token_server(&realm, &registry)?;
                let scopes = scopes(question.scope, &scope);
                bearer(&self.token(server, &service, &scopes, login.as_ref())?)
            }
        };
        let answer = self.send(question, Some(&authorization))?;
        if answer.status != StatusCode::UNAUTHORIZED {
            self.granted().insert(key, authorization);
        }
        Ok(answer)
    }

    fn send(
        &self,
        question: &Question<'_>,
        authorization: Option<&SecretString>,
    ) -> Result<Answer, Error> {
        let ask = Ask {
            method: question.method.clone(),
            url: question.url,
            // What is put in here has none.
            is_led: true,
            authorization,
            headers: question.headers,
            body: question.body,
        };
        self.http.send(&ask, &self.tls)
    }

    fn granted(&self) -> MutexGuard<'_, HashMap<(String, String), SecretString>> {
        // What a panic has left in the table is whole: entries are only ever added.
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token for some scopes from a server of tokens.
    fn token(
        &self,
        mut server: Url,
        service: &str,
        scopes: &BTreeSet<&str>,
        login: Option<&Login>,
    ) -> Result<SecretString, Error> {
        let mut wishes = Vec::new();
        if !service.is_empty() {
            wishes.push(("service", service));
        }
        let (authorization, form) = match login {
            Some(Login::Identity(identity)) => {
                let joined = scopes.iter().copied().collect::<Vec<_>>().join(" ");
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(&wishes);
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("scope", &joined);
                form.append_pair("client_id", "mcpt");
                form.append_pair("refresh_token", identity.expose_secret());
                (None, Some(SecretString::from(form.finish())))
            }
            other => {
                wishes.extend(scopes.iter().map(|scope| ("scope", *scope)));
                server.query_pairs_mut().extend_pairs(&wishes);
                let authorization = match other {
                    Some(Login::Password(username, password)) => Some(basic(username, password)),
                    _ => None,
                };
                (authorization, None)
            }
        };
        let content = [(header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
        let ask = Ask {
            method: form.as_ref().map_or(Method::GET, |_| Method::POST),
            url: &server,
            is_led: true,
            authorization: authorization.as_ref(),
            headers: form.as_ref().map_or(&[], |_| &content),
            body: form
                .as_ref()
                .map(|form| Sent::Bytes(form.expose_secret().as_bytes())),
        };
        let answer = self.http.send(&ask, &self.tls)?;
        if answer.status != StatusCode::OK {
            return Err(refused(&ask.method, answer));
        }
        let url = answer.shown.to_string();
        let read = serde_json::from_slice::<Value>(&answer.whole(MOST_OF_TOKEN)?).ok();
        let token = read.as_ref().and_then(|read| {
            let said = |name: &str| read.get(name).and_then(Value::as_str);
            let said = |name: &str| said(name).filter(|token| !token.is_empty());
            said("access_token").or_else(|| said("token"))
        });
        let token = token.ok_or(Error::NoToken { url })?;
        Ok(SecretString::from(token.to_owned()))
    }
}

fn bearer(token: &SecretString) -> SecretString {
    SecretString::from(format!("Bearer {}", token.expose_secret()))
}

fn scopes<'a>(ours: &'a str, theirs: &'a str) -> BTreeSet<&'a str> {
    let all = theirs.split(' ').chain([ours]);
    all.filter(|scope| !scope.is_empty()).collect()
}

/// What a registry that refuses says about it, in Helm's words.
pub(crate) fn refused(method: &Method, answer: Answer) -> Error {
    let (url, status) = (answer.shown.to_string(), answer.status);
    let reason = reason(status, &answer.beginning(MOST_OF_ERROR));
    Error::Answer {
        method: method.to_string(),
        url,
        status: status.as_u16(),
        reason,
    }
}

fn reason(status: StatusCode, text: &[u8]) -> String {
    let read = serde_json::from_slice::<Value>(text).unwrap_or_default();
    let errors = read.get("errors").and_then(Value::as_array);
    let errors: Vec<String> = errors.into_iter().flatten().map(words).collect();
    if errors.is_empty() {
        status.canonical_reason().unwrap_or_default().to_owned()
    } else {
        errors.join("; ")
    }
}

fn words(error: &Value) -> String {
    let said = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = said("code").replace('_', " ").to_lowercase();
    let message = said("message");
    match error.get("detail") {
        _ if message.is_empty() => code,
        None | Some(Value::Null) => format!("{code}: {message}"),
        Some(detail) => format!("{code}: {message}: {}", go_json::shown(detail)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_helms_words() {
        for (status, body, words) in [
            (
                StatusCode::UNAUTHORIZED,
                "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":[{\"Name\":\
                 \"x\",\"Action\":\"pull\"}]},{\"code\":\"DENIED\"}]}",
                "unauthorized: authentication required: [map[Action:pull Name:x]]; denied",
            ),
            (StatusCode::BAD_GATEWAY, "<html>", "Bad Gateway"),
        ] {
            assert_eq!(reason(status, body.as_bytes()), words);
        }
    }
}

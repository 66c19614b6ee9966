//! [`Registry`]: blobs, manifests and tags of a registry, and the login there.

use secrecy::SecretString;
use serde_json::Value;
use ureq::http::{Method, StatusCode, header};
use url::Url;

use crate::credentials::Login;
use crate::descriptor::{Descriptor, digest};
use crate::reference::check_digest;
use crate::session::{Question, Session, refused};
use crate::{Access, Credentials, Error, Http, Reference};

/// The most bytes of a manifest.
const MOST_OF_MANIFEST: usize = 4 * 1024 * 1024;

/// The most pages of tags.
const MOST_PAGES: usize = 1000;

/// A client of registries. Its clones share connections and what they were let in with.
#[derive(Debug, Clone)]
pub struct Registry {
    session: Session,
    credentials: Credentials,
}

/// A manifest, or a list of manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What the registry says that it is; empty when it says nothing.
    pub media_type: String,
    /// Its text.
    pub data: Vec<u8>,
}

impl Registry {
    /// A client. A user and a password in `access` hold for every registry that is asked; without them the kept logins do.
    pub fn new(http: &Http, access: &Access, plain_http: bool, credentials: &Credentials) -> Self {
        Self {
            session: Session::new(http, access, plain_http, credentials),
            credentials: credentials.clone(),
        }
    }

    /// Tries a user and a password at a registry and keeps them.
    ///
    /// # Errors
    /// When the registry refuses them or does not answer, or they cannot be kept.
    pub fn login(&self, host: &str, username: &str, password: &SecretString) -> Result<(), Error> {
        let login = Login::Password(username.to_owned(), password.clone());
        let session = self.session.with_login(login);
        let failed = |source: Error| Error::Login {
            host: host.to_owned(),
            source: Box::new(source),
        };
        let url = session.url(host, "")?;
        let question = Question {
            method: Method::GET,
            url: &url,
            scope: "",
            headers: &[],
            body: None,
        };
        let answer = session.ask(host, &question).map_err(failed)?;
        if answer.status != StatusCode::OK {
            return Err(failed(refused(&question.method, &answer)));
        }
        self.credentials.put(host, username, password)
    }

    /// Forgets the login at a registry.
    ///
    /// # Errors
    /// When the file of logins cannot be read or written.
    pub fn logout(&self, host: &str) -> Result<(), Error> {
        self.credentials.remove(host)
    }

    /// Whether the reference's repository has a manifest of this media type and digest.
    ///
    /// # Errors
    /// When the registry refuses or does not answer.
    pub fn has_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        digest: &str,
    ) -> Result<bool, Error> {
        self.has(reference, "manifests", media_type, digest)
    }

    /// Whether the reference's repository has a blob of this digest.
    ///
    /// # Errors
    /// When the registry refuses or does not answer.
    pub fn has_blob(&self, reference: &Reference, digest: &str) -> Result<bool, Error> {
        self.has(reference, "blobs", "*/*", digest)
    }

    fn has(
        &self,
        reference: &Reference,
        kind: &str,
        accepted: &str,
        digest: &str,
    ) -> Result<bool, Error> {
        let path = format!("{}/{kind}/{digest}", reference.repository);
        let url = self.session.url(reference.host(), &path)?;
        let question = Question {
            method: Method::HEAD,
            url: &url,
            scope: &scope(reference, "pull,push"),
            headers: &[(header::ACCEPT, accepted)],
            body: None,
        };
        let answer = self.session.ask(reference.host(), &question)?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refused(&question.method, &answer)),
        }
    }

    /// Puts a blob into the reference's repository: asks for a place, and puts it there in one piece.
    ///
    /// # Errors
    /// When the registry refuses or does not answer.
    pub fn upload(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        data: &[u8],
    ) -> Result<(), Error> {
        let path = format!("{}/blobs/uploads/", reference.repository);
        let url = self.session.url(reference.host(), &path)?;
        let scope = scope(reference, "pull,push");
        let begin = Question {
            method: Method::POST,
            url: &url,
            scope: &scope,
            headers: &[],
            body: Some(&[]),
        };
        let answer = self.session.ask(reference.host(), &begin)?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(refused(&begin.method, &answer));
        }
        let place = answer.header(&header::LOCATION).unwrap_or_default();
        let place = answer.url.join(place);
        let mut place = place.map_err(|error| Error::Unreachable {
            url: url.to_string(),
            reason: format!("the place for the upload is none: {error}"),
        })?;
        place.query_pairs_mut().append_pair("digest", &blob.digest);
        let put = Question {
            method: Method::PUT,
            url: &place,
            scope: &scope,
            headers: &[(header::CONTENT_TYPE, "application/octet-stream")],
            body: Some(data),
        };
        let answer = self.session.ask(reference.host(), &put)?;
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(refused(&put.method, &answer)),
        }
    }

    /// Puts a manifest into the reference's repository, under its tag, else its digest.
    ///
    /// # Errors
    /// When the registry refuses or does not answer.
    pub fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        manifest: &[u8],
    ) -> Result<(), Error> {
        let path = format!("{}/manifests/{}", reference.repository, reference.version());
        let url = self.session.url(reference.host(), &path)?;
        let question = Question {
            method: Method::PUT,
            url: &url,
            scope: &scope(reference, "pull,push"),
            headers: &[(header::CONTENT_TYPE, media_type)],
            body: Some(manifest),
        };
        let answer = self.session.ask(reference.host(), &question)?;
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(refused(&question.method, &answer)),
        }
    }

    /// What the reference's repository has under `version`, a tag or a digest, when it is of one of the media types
    /// `accepted`. With `wanted` it is checked to have that digest.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::OtherDigest`], [`Error::TooLarge`] beyond 4 MiB; when the registry refuses or does not
    /// answer.
    pub fn manifest(
        &self,
        reference: &Reference,
        version: &str,
        accepted: &[&str],
        wanted: Option<&str>,
    ) -> Result<Manifest, Error> {
        let path = format!("{}/manifests/{version}", reference.repository);
        let accepted = accepted.join(", ");
        let manifest = self.get(reference, &path, &accepted, || reference.to_string())?;
        if manifest.data.len() > MOST_OF_MANIFEST {
            return Err(Error::TooLarge {
                url: reference.to_string(),
                most: MOST_OF_MANIFEST as u64,
            });
        }
        if let Some(wanted) = wanted {
            holds(&reference.to_string(), &manifest.data, wanted)?;
        }
        Ok(manifest)
    }

    /// A blob of the reference's repository. Its digest holds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::OtherDigest`], [`Error::TooLarge`]; when the digest is none, or the registry refuses or
    /// does not answer.
    pub fn blob(&self, reference: &Reference, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        // It becomes a part of an address.
        check_digest(&blob.digest)?;
        let path = format!("{}/blobs/{}", reference.repository, blob.digest);
        let data = self.get(reference, &path, "*/*", || blob.digest.clone())?;
        holds(&reference.to_string(), &data.data, &blob.digest)?;
        Ok(data.data)
    }

    fn get(
        &self,
        reference: &Reference,
        path: &str,
        accepted: &str,
        name: impl Fn() -> String,
    ) -> Result<Manifest, Error> {
        let url = self.session.url(reference.host(), path)?;
        let question = Question {
            method: Method::GET,
            url: &url,
            scope: &scope(reference, "pull"),
            headers: &[(header::ACCEPT, accepted)],
            body: None,
        };
        let answer = self.session.ask(reference.host(), &question)?;
        let said = answer.header(&header::CONTENT_TYPE).unwrap_or_default();
        match answer.status {
            StatusCode::OK => Ok(Manifest {
                media_type: said.split(';').next().unwrap_or_default().trim().to_owned(),
                data: answer.body,
            }),
            StatusCode::NOT_FOUND => Err(Error::NotFound(name())),
            _ => Err(refused(&question.method, &answer)),
        }
    }

    /// All tags of the reference's repository, in the registry's order.
    ///
    /// # Errors
    /// When the registry refuses or does not answer, or its list cannot be read or has no end.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>, Error> {
        let path = format!("{}/tags/list", reference.repository);
        let mut url = self.session.url(reference.host(), &path)?;
        let scope = scope(reference, "pull");
        let mut found = Vec::new();
        for _ in 0..MOST_PAGES {
            let question = Question {
                method: Method::GET,
                url: &url,
                scope: &scope,
                headers: &[],
                body: None,
            };
            let answer = self.session.ask(reference.host(), &question)?;
            if answer.status != StatusCode::OK {
                return Err(refused(&question.method, &answer));
            }
            let read = serde_json::from_slice::<Value>(&answer.body);
            let read = read.map_err(|error| unusable(&url, &error))?;
            let tags = read.get("tags").and_then(Value::as_array);
            let tags = tags.into_iter().flatten().filter_map(Value::as_str);
            found.extend(tags.map(str::to_owned));
            match answer.header(&header::LINK).and_then(next_page) {
                None => return Ok(found),
                Some(next) => url = url.join(next).map_err(|error| unusable(&url, &error))?,
            }
        }
        Err(unusable(&url, &"the list of tags has no end"))
    }
}

/// What is to be done at a reference, as token servers know it.
fn scope(reference: &Reference, actions: &str) -> String {
    format!("repository:{}:{actions}", reference.repository)
}

/// Whether something has the digest that it is asked for by.
fn holds(what: &str, data: &[u8], wanted: &str) -> Result<(), Error> {
    let found = digest(data);
    if found == wanted {
        return Ok(());
    }
    Err(Error::OtherDigest {
        what: what.to_owned(),
        found,
        wanted: wanted.to_owned(),
    })
}

fn unusable(url: &Url, reason: &dyn std::fmt::Display) -> Error {
    Error::Unreachable {
        url: url.to_string(),
        reason: reason.to_string(),
    }
}

/// The address of the next page in the header `Link`.
fn next_page(header: &str) -> Option<&str> {
    let (address, rest) = header.trim_start().strip_prefix('<')?.split_once('>')?;
    let is_next = rest.split(';').any(|parameter| {
        let parameter = parameter.trim();
        parameter == "rel=\"next\"" || parameter == "rel=next"
    });
    is_next.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_followed() {
        let link = "</v2/a/tags/list?n=1&last=x>; rel=\"next\"";
        assert_eq!(next_page(link), Some("/v2/a/tags/list?n=1&last=x"));
        assert_eq!(next_page("</v2/>; rel=\"prev\""), None);
        assert_eq!(next_page(""), None);
    }
}

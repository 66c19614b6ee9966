//! [`Registry`]: blobs, manifests and tags of a registry, and the login there.

use std::io::{self, Read, Write};

use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::http::{Method, StatusCode, header};
use url::Url;

use crate::credentials::Login;
use crate::descriptor::{Descriptor, digest, hex};
use crate::http::{Answer, Sent, shown};
use crate::reference::check_digest;
use crate::session::{Question, Session, refused};
use crate::{Access, Credentials, Error, Http, Reference};

/// The most bytes of a manifest.
const MOST_OF_MANIFEST: u64 = 4 * 1024 * 1024;

/// The most pages of tags.
const MOST_PAGES: usize = 1000;

/// The most bytes of all tags of a repository together.
const MOST_OF_TAGS: usize = 64 * 1024 * 1024;

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
            return Err(failed(refused(&question.method, answer)));
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
            _ => Err(refused(&question.method, answer)),
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
        self.put_blob(reference, blob, Sent::Bytes(data))
    }

    /// The same of bytes that are read while they are sent: as many as the descriptor says, from their first one at each call of
    /// `open`, since a registry may want a login first.
    ///
    /// # Errors
    /// When they cannot be read, or the registry refuses or does not answer.
    pub fn upload_from(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        open: &dyn Fn() -> io::Result<Box<dyn Read>>,
    ) -> Result<(), Error> {
        self.put_blob(reference, blob, Sent::From(blob.size, open))
    }

    fn put_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        data: Sent<'_>,
    ) -> Result<(), Error> {
        let path = format!("{}/blobs/uploads/", reference.repository);
        let url = self.session.url(reference.host(), &path)?;
        let scope = scope(reference, "pull,push");
        let begin = Question {
            method: Method::POST,
            url: &url,
            scope: &scope,
            headers: &[],
            body: Some(Sent::Bytes(&[])),
        };
        let answer = self.session.ask(reference.host(), &begin)?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(refused(&begin.method, answer));
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
            _ => Err(refused(&put.method, answer)),
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
            body: Some(Sent::Bytes(manifest)),
        };
        let answer = self.session.ask(reference.host(), &question)?;
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(refused(&question.method, answer)),
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
        let answer = self.get(reference, &path, &accepted, || reference.to_string())?;
        let said = answer.header(&header::CONTENT_TYPE).unwrap_or_default();
        let media_type = said.split(';').next().unwrap_or_default().trim().to_owned();
        let data = answer.whole(MOST_OF_MANIFEST);
        let data = data.map_err(|error| match error {
            Error::TooLarge { most, .. } => Error::TooLarge {
                url: reference.to_string(),
                most,
            },
            other => other,
        })?;
        if let Some(wanted) = wanted {
            holds(&reference.to_string(), digest(&data), wanted)?;
        }
        Ok(Manifest { media_type, data })
    }

    /// A blob of the reference's repository, in memory. Its digest holds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::OtherDigest`], [`Error::TooLarge`] beyond what the client takes; when the digest is none, or
    /// the registry refuses or does not answer.
    pub fn blob(&self, reference: &Reference, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        let data = self
            .answer_with(reference, blob)?
            .whole(self.session.most())?;
        holds(&reference.to_string(), digest(&data), &blob.digest)?;
        Ok(data)
    }

    /// Writes a blob of the reference's repository, which may be of any size, while it comes. Its size and its digest hold once
    /// this has ended well.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::OtherDigest`], [`Error::TooLarge`] beyond the size that the descriptor says,
    /// [`Error::Write`]; when the digest is none, or the registry refuses or does not answer.
    pub fn download(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        to: &mut dyn Write,
    ) -> Result<(), Error> {
        let mut hashing = Hashing {
            digest: Sha256::new(),
            to,
        };
        let answer = self.answer_with(reference, blob)?;
        answer.copy(blob.size, &mut hashing)?;
        let found = format!("sha256:{}", hex(&hashing.digest.finalize()));
        holds(&reference.to_string(), found, &blob.digest)
    }

    fn answer_with(&self, reference: &Reference, blob: &Descriptor) -> Result<Answer, Error> {
        // It becomes a part of an address.
        check_digest(&blob.digest)?;
        let path = format!("{}/blobs/{}", reference.repository, blob.digest);
        self.get(reference, &path, "*/*", || blob.digest.clone())
    }

    fn get(
        &self,
        reference: &Reference,
        path: &str,
        accepted: &str,
        name: impl Fn() -> String,
    ) -> Result<Answer, Error> {
        let url = self.session.url(reference.host(), path)?;
        let question = Question {
            method: Method::GET,
            url: &url,
            scope: &scope(reference, "pull"),
            headers: &[(header::ACCEPT, accepted)],
            body: None,
        };
        let answer = self.session.ask(reference.host(), &question)?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => Err(Error::NotFound(name())),
            _ => Err(refused(&question.method, answer)),
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
        let (mut found, mut bytes) = (Vec::new(), 0);
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
                return Err(refused(&question.method, answer));
            }
            let next = answer.header(&header::LINK).and_then(next_page);
            let next = next.map(|next| url.join(next)).transpose();
            let next = next.map_err(|error| unusable(&url, &error))?;
            let read = serde_json::from_slice::<Value>(&answer.whole(MOST_OF_MANIFEST)?);
            let read = read.map_err(|error| unusable(&url, &error))?;
            let tags = read.get("tags").and_then(Value::as_array);
            for tag in tags.into_iter().flatten().filter_map(Value::as_str) {
                bytes += tag.len() + size_of::<String>();
                found.push(tag.to_owned());
            }
            if bytes > MOST_OF_TAGS {
                return Err(unusable(&url, &"it has more tags than are read"));
            }
            match next {
                None => return Ok(found),
                Some(next) => url = next,
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
fn holds(what: &str, found: String, wanted: &str) -> Result<(), Error> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::OtherDigest {
        what: what.to_owned(),
        found,
        wanted: wanted.to_owned(),
    })
}

/// Hashes what is written.
struct Hashing<'a> {
    digest: Sha256,
    to: &'a mut dyn Write,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn unusable(url: &Url, reason: &dyn std::fmt::Display) -> Error {
    Error::Unreachable {
        url: shown(url).to_string(),
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

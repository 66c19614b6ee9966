//! [`Ticket`]: what a session id says once it is open, and how it is put into bytes.
//!
//! There are two forms. The first one says where one session lives:
//! ```text
//! issued 4 | n namespace | n name | n endpoint | upstream session id        n: one byte, a length
//! ```
//! The second one is made of fields, so that it can grow:
//! ```text
//! ( tag 1 | length 2 | value )*
//! 1 issued 4    2 leg: namespace, name, endpoint, upstream session id, each with its length 2    3 principal 32    5 expires 4
//! 7 client: what it said of itself
//! ```
//! Who does not know a field with an odd tag refuses the ticket; others may be left out of account. A ticket is sealed in the
//! first form for as long as that can say it: a gateway that is being replaced by a newer one still reads it.

use mcpt_core::{Namespace, ServerName};

use super::MAX_UPSTREAM_SESSION;
use crate::{EndpointId, ServerKey};

const ISSUED: u8 = 1;
const LEG: u8 = 2;
const PRINCIPAL: u8 = 3;
const EXPIRES: u8 = 5;
const CLIENT: u8 = 7;

/// The forms of a ticket, by the version in the session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    OneLeg,
    Fields,
}

/// Where a session lives, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// When it began, in seconds since 1970.
    pub issued: u32,
    /// The sessions at servers that it stands for, at least one unless the client is known.
    pub legs: Vec<Leg>,
    /// Who may use it: a digest of the identity. `None`: whoever has it.
    pub principal: Option<[u8; 32]>,
    /// When it ends, in seconds since 1970. `None`: with the sessions that it stands for.
    pub expires: Option<u32>,
    /// What the client said of itself when the session began, for whoever has to say it once more.
    pub client: Option<Box<[u8]>>,
}

/// A session at one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Server that the session belongs to.
    pub server: ServerKey,
    /// Endpoint that began it.
    pub endpoint: EndpointId,
    /// The endpoint's own session id: visible ASCII characters, and blanks, which some servers have in it.
    pub upstream_session: String,
}

impl Ticket {
    /// A session at one server, of whoever has the ticket.
    pub fn of(leg: Leg, issued: u32) -> Self {
        Self {
            issued,
            legs: vec![leg],
            principal: None,
            expires: None,
            client: None,
        }
    }

    /// The session at a server.
    pub fn leg(&self, server: &ServerKey) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.server == *server)
    }

    /// Whether it has not ended, at `now` in seconds since 1970.
    pub fn is_current(&self, now: u32) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Bytes and their form; `None` when they would not be read again.
    pub(super) fn encode(&self) -> Option<(Form, Vec<u8>)> {
        let readable = |leg: &Leg| is_session_id(&leg.upstream_session);
        let empty = self.legs.is_empty() && self.client.is_none();
        if empty || !self.legs.iter().all(readable) {
            return None;
        }
        // Room for the tag too, which is appended.
        let mut bytes = Vec::with_capacity(512 + self.legs.len() * MAX_UPSTREAM_SESSION / 4);
        let plain = self.principal.is_none() && self.expires.is_none() && self.client.is_none();
        if let ([leg], true) = (self.legs.as_slice(), plain) {
            bytes.extend_from_slice(&self.issued.to_be_bytes());
            for part in leg.names() {
                bytes.push(u8::try_from(part.len()).ok()?);
                bytes.extend_from_slice(part.as_bytes());
            }
            bytes.extend_from_slice(leg.upstream_session.as_bytes());
            return Some((Form::OneLeg, bytes));
        }
        field(&mut bytes, ISSUED, &self.issued.to_be_bytes())?;
        for leg in &self.legs {
            field(&mut bytes, LEG, &leg.encode()?)?;
        }
        if let Some(principal) = &self.principal {
            field(&mut bytes, PRINCIPAL, principal)?;
        }
        if let Some(expires) = self.expires {
            field(&mut bytes, EXPIRES, &expires.to_be_bytes())?;
        }
        if let Some(client) = &self.client {
            field(&mut bytes, CLIENT, client)?;
        }
        Some((Form::Fields, bytes))
    }

    /// The reverse; `None` when it is not what [`Ticket::encode`] made.
    pub(super) fn decode(form: Form, bytes: &[u8]) -> Option<Self> {
        match form {
            Form::OneLeg => Self::decode_one_leg(bytes),
            Form::Fields => Self::decode_fields(bytes),
        }
    }

    fn decode_one_leg(bytes: &[u8]) -> Option<Self> {
        let (issued, mut rest) = bytes.split_first_chunk::<4>()?;
        let mut part = || {
            let (length, after) = rest.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            str::from_utf8(text).ok()
        };
        let names = [part()?, part()?, part()?];
        let leg = Leg::read(names, str::from_utf8(rest).ok()?)?;
        Some(Self::of(leg, u32::from_be_bytes(*issued)))
    }

    fn decode_fields(mut bytes: &[u8]) -> Option<Self> {
        let (mut issued, mut legs) = (None, Vec::new());
        let (mut principal, mut expires, mut client) = (None, None, None);
        while let Some((tag, rest)) = bytes.split_first() {
            let value = sized(rest, &mut bytes)?;
            match *tag {
                ISSUED => issued = Some(u32::from_be_bytes(value.try_into().ok()?)),
                LEG => legs.push(Leg::decode(value)?),
                PRINCIPAL => principal = Some(value.try_into().ok()?),
                EXPIRES => expires = Some(u32::from_be_bytes(value.try_into().ok()?)),
                CLIENT => client = Some(value.into()),
                unknown if unknown % 2 == 1 => return None,
                _ => {}
            }
        }
        (!legs.is_empty() || client.is_some()).then_some(Self {
            issued: issued?,
            legs,
            principal,
            expires,
            client,
        })
    }
}

impl Leg {
    fn names(&self) -> [&str; 3] {
        [
            self.server.namespace.as_str(),
            self.server.name.as_str(),
            self.endpoint.as_str(),
        ]
    }

    fn read([namespace, name, endpoint]: [&str; 3], upstream_session: &str) -> Option<Self> {
        is_session_id(upstream_session).then_some(())?;
        Some(Self {
            server: ServerKey {
                namespace: Namespace::new(namespace).ok()?,
                name: ServerName::new(name).ok()?,
            },
            endpoint: EndpointId::new(endpoint),
            upstream_session: upstream_session.to_owned(),
        })
    }

    fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in self.names().into_iter().chain([&*self.upstream_session]) {
            bytes.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Some(bytes)
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut part = || str::from_utf8(sized(bytes, &mut bytes)?).ok();
        let names = [part()?, part()?, part()?];
        let leg = Self::read(names, part()?)?;
        bytes.is_empty().then_some(leg)
    }
}

/// Whether a text can stand in a header as a server's session id: what is sealed can be sent again.
fn is_session_id(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_graphic() || matches!(b, b' ' | b'\t');
    text.len() <= MAX_UPSTREAM_SESSION && text.bytes().all(inside)
}

fn field(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) -> Option<()> {
    bytes.push(tag);
    bytes.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(value);
    Some(())
}

/// What follows its length of two bytes; `rest` becomes what is after it.
fn sized<'a>(bytes: &'a [u8], rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = bytes.split_first_chunk::<2>()?;
    let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = after;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(name: &str, session: &str) -> Leg {
        let names = ["ns", name, "10.0.0.1:80"];
        Leg::read(names, session).unwrap()
    }

    #[test]
    fn both_forms_are_read_again() {
        let one = Ticket::of(leg("a", "s 1"), 7);
        let mut several = one.clone();
        several.legs.push(leg("b", ""));
        several.principal = Some([3; 32]);
        several.expires = Some(9);
        let mut expiring = one.clone();
        expiring.expires = Some(9);
        let mut told = one.clone();
        told.client = Some((*b"{}").into());
        let mut nowhere = told.clone();
        nowhere.legs.clear();
        for (ticket, form) in [
            (one, Form::OneLeg),
            (several, Form::Fields),
            (expiring, Form::Fields),
            (told, Form::Fields),
            (nowhere, Form::Fields),
        ] {
            let (used, bytes) = ticket.encode().unwrap();
            assert_eq!(used, form);
            assert_eq!(Ticket::decode(form, &bytes), Some(ticket));
            for end in 0..bytes.len() {
                let cut = Ticket::decode(Form::Fields, &bytes[..end]);
                assert!(cut.is_none_or(|cut| cut.encode() != Some((form, bytes.clone()))));
            }
        }
    }

    #[test]
    fn fields_of_later_versions() {
        let mut ticket = Ticket::of(leg("a", "s"), 7);
        ticket.expires = Some(9);
        let (form, bytes) = ticket.encode().unwrap();
        for (tag, read) in [(200, true), (201, false)] {
            let mut later = bytes.clone();
            field(&mut later, tag, b"?").unwrap();
            assert_eq!(Ticket::decode(form, &later).is_some(), read, "{tag}");
        }
        assert!(ticket.is_current(8) && !ticket.is_current(9));
    }

    #[test]
    fn what_could_not_be_sent_again_is_not_sealed() {
        for session in ["\u{e9}", "a\r\nb", "\u{7f}"] {
            let mut ticket = Ticket::of(leg("a", "s"), 7);
            ticket.legs[0].upstream_session = session.to_owned();
            assert_eq!(ticket.encode(), None, "{session:?}");
        }
    }
}

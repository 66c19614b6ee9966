//! [`Tag`]: ids and progress tokens that servers give, with the server put to them, so that answers find back whichever replica
//! of a gateway they come to, and two servers that count from 0 are told apart.

use serde_json::value::RawValue;

use crate::{ServerLabel, edits::quoted, object::string};

/// A server's id of a request, or its progress token.
#[derive(Debug, Clone)]
pub struct Tag {
    /// The server.
    pub server: ServerLabel,
    /// What it said: a JSON string or number, as it was written.
    pub own: Box<RawValue>,
}

impl Tag {
    /// The JSON string that stands for a server's id.
    pub fn json(server: &ServerLabel, own: &RawValue) -> String {
        quoted(&format!("{server} {}", own.get()))
    }

    /// The text that stands for a server's id of an event.
    pub fn event_id(server: &ServerLabel, own: &str) -> String {
        format!("{server} {own}")
    }

    /// Reads such a JSON string.
    pub fn read(tagged: &RawValue) -> Option<Self> {
        let text = string(tagged)?;
        let (server, own) = text.split_once(' ')?;
        if !matches!(own.as_bytes().first()?, b'"' | b'-' | b'0'..=b'9') {
            return None;
        }
        Some(Self {
            server: ServerLabel::parse(server)?,
            own: serde_json::from_str(own).ok()?,
        })
    }

    /// Reads the id of an event.
    pub fn read_event_id(tagged: &str) -> Option<(ServerLabel, &str)> {
        let (server, own) = tagged.split_once(' ')?;
        Some((ServerLabel::parse(server)?, own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were() {
        let server = ServerLabel::new(Some("ns"), "demo");
        for id in ["0", "1.0", "-3e2", r#""a b\"\u0041""#, r#""""#] {
            let raw = RawValue::from_string(id.to_owned()).unwrap();
            let tagged = RawValue::from_string(Tag::json(&server, &raw)).unwrap();
            let tag = Tag::read(&tagged).unwrap();
            assert_eq!((tag.server, tag.own.get()), (server.clone(), id));
        }
        for foreign in [
            "7",
            r#""demo""#,
            r#""demo {}""#,
            r#""demo 1 2""#,
            r#""A 1""#,
        ] {
            let raw = RawValue::from_string(foreign.to_owned()).unwrap();
            assert!(Tag::read(&raw).is_none(), "{foreign}");
        }
        let event = Tag::event_id(&server, "x y");
        assert_eq!(Tag::read_event_id(&event), Some((server, "x y")));
    }
}

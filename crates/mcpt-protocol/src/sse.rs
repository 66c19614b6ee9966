//! Server-sent events as MCP uses them: [`Reader`] takes a stream apart, [`Frame`] and [`Event::write`]
//! make one. The format is that of the HTML standard, section 9.2.

mod reader;

use bytes::Bytes;

pub use self::reader::{EventTooLong, Reader};

/// A comment, which says that a silent stream lives.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

const BEFORE: &[u8] = b"event: message\ndata: ";
const AFTER: &[u8] = b"\n\n";
/// Room for what stands after a message, and for what its writer asks for besides its length.
const SPARE: usize = 64;

/// One event: the fields that its block had.
///
/// Browsers drop an event without data. Here it is kept, since MCP gives such a one a meaning: an `id`
/// with empty data is where a stream can be taken up again, and `retry` stands alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// What sort of event; `message` when it says nothing.
    pub name: Option<String>,
    /// Its data, lines joined by line feeds.
    pub data: Option<String>,
    /// Its id, for `Last-Event-ID`.
    pub id: Option<String>,
    /// How long a client shall wait before it comes back, in milliseconds.
    pub retry: Option<u64>,
}

impl Event {
    /// Whether its data is a message: it is called so, or not called anything.
    pub fn is_message(&self) -> bool {
        matches!(self.name.as_deref(), None | Some("" | "message"))
    }

    /// Appends the event as text. Line ends within `name` and `id`, and NUL within `id`, cannot be said
    /// in this format and are left out; those of `data` all become line feeds.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut field = |name: &str, value: &str| {
            for part in [name, ": ", value, "\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        if let Some(name) = &self.name {
            field("event", &name.replace(['\r', '\n'], ""));
        }
        if let Some(id) = &self.id {
            field("id", &id.replace(['\r', '\n', '\0'], ""));
        }
        if let Some(retry) = self.retry {
            field("retry", &retry.to_string());
        }
        if let Some(data) = &self.data {
            for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
                field("data", line);
            }
        }
        out.push(b'\n');
    }
}

/// Whether a stream is between two events, as far as its last bytes tell.
#[derive(Debug, Clone, Default)]
pub struct Boundary {
    last: [u8; 4],
}

impl Boundary {
    /// Takes a piece of the stream in.
    pub fn take(&mut self, piece: &[u8]) {
        for byte in &piece[piece.len().saturating_sub(self.last.len())..] {
            self.last.rotate_left(1);
            self.last[3] = *byte;
        }
    }

    /// Whether an event may begin here: at the begin of the stream, and after an empty line.
    pub fn is_here(&self) -> bool {
        let [_, _, before, last] = self.last;
        self.last == [0; 4]
            || self.last == *b"\r\n\r\n"
            || matches!([before, last], [b'\n', b'\n'] | [b'\r', b'\r'])
    }
}

/// A message framed as an event. The message itself is a slice of it ([`message_in`]), so that it is
/// copied once whether it leaves as an event or as a JSON body.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Frames one message of about `length` bytes; `write` appends it as a single line.
    pub fn new(length: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        // Never grown, which would double it.
        let mut out = Vec::with_capacity(BEFORE.len() + length + SPARE);
        out.extend_from_slice(BEFORE);
        write(&mut out);
        out.extend_from_slice(AFTER);
        Self(out)
    }

    /// Bytes of memory that it takes.
    pub fn size(&self) -> usize {
        self.0.capacity()
    }

    /// The event.
    pub fn into_event(self) -> Vec<u8> {
        self.0
    }
}

/// The message of an event that a [`Frame`] made; nothing of what is none.
pub fn message_in(event: &Bytes) -> Bytes {
    let end = event.len().saturating_sub(AFTER.len());
    event.slice(BEFORE.len().min(end)..end)
}

#[cfg(test)]
mod tests;

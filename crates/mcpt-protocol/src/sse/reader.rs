//! [`Reader`]: events from bytes, in whatever pieces they arrive.

use super::Event;

/// An event is longer than the reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {0} bytes")]
pub struct EventTooLong(pub usize);

/// Reads events. It holds no more than one event that is not complete.
#[derive(Debug)]
pub struct Reader {
    max: usize,
    /// The line that is not complete.
    line: Vec<u8>,
    /// A carriage return has ended the last line: a line feed that follows belongs to it.
    after_return: bool,
    /// Nothing but a byte order mark may have come so far.
    first_line: bool,
    event: Event,
    /// How many bytes the event's lines had.
    taken: usize,
}

impl Reader {
    /// A reader of events of at most `max` bytes each, comments between them counted.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            line: Vec::new(),
            after_return: false,
            first_line: true,
            event: Event::default(),
            taken: 0,
        }
    }

    /// Bytes that were taken in of the event that is not complete.
    pub fn held(&self) -> usize {
        self.taken
    }

    /// Takes the next piece of the stream and appends the events that it completes to `events`. What
    /// is incomplete when the stream ends is no event.
    ///
    /// # Errors
    /// [`EventTooLong`]: the stream cannot be read any further.
    pub fn read(&mut self, mut piece: &[u8], events: &mut Vec<Event>) -> Result<(), EventTooLong> {
        if self.after_return && !piece.is_empty() {
            self.after_return = false;
            piece = piece.strip_prefix(b"\n").unwrap_or(piece);
        }
        while let Some(at) = piece.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let (line, end) = piece.split_at(at);
            self.extend_line(line)?;
            self.end_line(events);
            piece = match end {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.extend_line(piece)
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), EventTooLong> {
        self.taken = self.taken.saturating_add(bytes.len());
        if self.taken > self.max {
            return Err(EventTooLong(self.max));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let mut line = &*text;
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            self.taken = 0;
            if event != Event::default() {
                events.push(event);
            }
        } else {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            self.take_field(name, value.strip_prefix(' ').unwrap_or(value));
        }
        // The room is used again.
        self.line = bytes;
        self.line.clear();
    }

    fn take_field(&mut self, name: &str, value: &str) {
        let event = &mut self.event;
        match name {
            "event" => event.name = Some(value.to_owned()),
            "data" => match &mut event.data {
                None => event.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "id" if !value.contains('\0') => event.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => {
                event.retry = value.parse().ok();
            }
            // A comment, or a field that nobody knows yet.
            _ => {}
        }
    }
}

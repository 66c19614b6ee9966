//! Reading newline-delimited text with a limit on the length of a line, and on what all that is read holds.

use std::{io, time::Duration};

use mcpt_http::{Account, Charge};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Room of a buffer that is kept for the next line, in bytes. Each reader has it for good, so it is not charged.
const KEPT: usize = 8 * 1024;
/// How much of the end of a line that was skipped is kept, in bytes.
const END: usize = 100;
/// How long a line waits for room.
const PATIENCE: Duration = Duration::from_secs(30);

/// What [`LineReader::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line is in the buffer, without its end.
    Complete,
    /// A line was longer than the limit and was skipped; the buffer holds its beginning.
    TooLong,
    /// There was no room for a line, and it was skipped; the buffer holds its beginning.
    NoRoom,
    /// Nothing follows.
    End,
}

/// Lines of at most `max` bytes, one after the other.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    input: R,
    buffer: Vec<u8>,
    /// The end of a line that was skipped.
    end: Vec<u8>,
    max: usize,
    /// What the buffer takes beyond [`KEPT`].
    charge: Charge,
}

impl<R: AsyncBufRead + Unpin> LineReader<R> {
    pub(crate) fn new(input: R, max: usize, account: &Account) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            end: Vec::new(),
            max,
            charge: account.nothing(),
        }
    }

    /// The line that was found last.
    pub(crate) fn line(&self) -> &[u8] {
        &self.buffer
    }

    /// The end of the line that was found last, if it was skipped.
    pub(crate) fn skipped(&self) -> &[u8] {
        &self.end
    }

    /// Gives up the line that was found last, and gives the room that it took.
    pub(crate) fn release(&mut self) -> Charge {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.charge.split(usize::MAX)
    }

    /// Reads the next line. An unfinished last line counts as a line.
    ///
    /// # Errors
    /// When reading fails.
    pub(crate) async fn next(&mut self) -> io::Result<Line> {
        drop(self.release());
        self.end.clear();
        let mut found = Line::Complete;
        loop {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                return Ok(match (found, self.buffer.is_empty()) {
                    (Line::Complete, true) => Line::End,
                    (found, _) => found,
                });
            }
            let end = available.iter().position(|b| *b == b'\n');
            let part = available
                .get(..end.unwrap_or(available.len()))
                .unwrap_or_default();
            let length = self.buffer.len() + part.len();
            if found == Line::Complete && length > self.max {
                found = Line::TooLong;
            }
            if found == Line::Complete && length > self.buffer.capacity() {
                // Twice as much each time, so that a line is not copied once for each piece of it.
                let room = (self.buffer.capacity() * 2).max(KEPT).min(self.max);
                let room = room.max(length);
                let charge = self.charge.grow_when_free(room.saturating_sub(KEPT));
                if tokio::time::timeout(PATIENCE, charge).await.is_ok() {
                    self.buffer.reserve_exact(room - self.buffer.len());
                } else {
                    found = Line::NoRoom;
                }
            }
            if found == Line::Complete {
                self.buffer.extend_from_slice(part);
            } else {
                let last = part.len().saturating_sub(END);
                self.end
                    .extend_from_slice(part.get(last..).unwrap_or_default());
                self.end.drain(..self.end.len().saturating_sub(END));
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.input.consume(consumed);
            if end.is_some() {
                if self.buffer.last() == Some(&b'\r') {
                    self.buffer.pop();
                }
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mcpt_http::Budget;

    use super::*;

    #[tokio::test]
    async fn lines_and_limits() {
        // The small buffer makes lines span several reads.
        let text: &[u8] = b"one\r\n\nexactly8\nmuch too long\nlast";
        let input = tokio::io::BufReader::with_capacity(3, text);
        let account = Budget::new(0, 0).account();
        let mut lines = LineReader::new(input, 8, &account);
        for (line, content) in [
            (Line::Complete, "one"),
            (Line::Complete, ""),
            (Line::Complete, "exactly8"),
            (Line::TooLong, "much t"),
            (Line::Complete, "last"),
            (Line::End, ""),
        ] {
            assert_eq!(lines.next().await.unwrap(), line);
            assert_eq!(String::from_utf8_lossy(lines.line()), content);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_lines_take_room_while_they_are_held() {
        let text = format!("{}\n{}\nshort\n", "x".repeat(20_000), "y".repeat(90_000));
        let budget = Budget::new(100_000, 0);
        let account = budget.account();
        let input = tokio::io::BufReader::new(text.as_bytes());
        let mut lines = LineReader::new(input, 1_000_000, &account);
        assert_eq!(lines.next().await.unwrap(), Line::Complete);
        assert!(budget.held() >= 20_000 - KEPT);
        let charge = lines.release();
        assert!(lines.line().is_empty() && charge.bytes() == budget.held());
        drop(charge);
        assert_eq!(lines.next().await.unwrap(), Line::NoRoom);
        assert!(lines.line().starts_with(b"yyy"));
        assert_eq!(lines.next().await.unwrap(), Line::Complete);
        assert_eq!((lines.line(), budget.held()), (&b"short"[..], 0));
    }
}

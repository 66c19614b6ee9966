//! Reading newline-delimited text with a limit on the length of a line.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What [`read_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line is in the buffer, without its end.
    Complete,
    /// A line was longer than the limit and was skipped; the buffer holds its beginning.
    TooLong,
    /// Nothing follows.
    End,
}

/// Reads the next line into `buffer`, which is cleared first. An unfinished last line counts as a line.
///
/// # Errors
/// When reading fails.
pub(crate) async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    buffer: &mut Vec<u8>,
    max: usize,
) -> io::Result<Line> {
    buffer.clear();
    let mut too_long = false;
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok(match (too_long, buffer.is_empty()) {
                (true, _) => Line::TooLong,
                (false, true) => Line::End,
                (false, false) => Line::Complete,
            });
        }
        let end = available.iter().position(|b| *b == b'\n');
        let part = available
            .get(..end.unwrap_or(available.len()))
            .unwrap_or_default();
        if !too_long {
            if buffer.len() + part.len() > max {
                too_long = true;
            } else {
                buffer.extend_from_slice(part);
            }
        }
        let consumed = part.len() + usize::from(end.is_some());
        input.consume(consumed);
        if end.is_some() {
            if buffer.last() == Some(&b'\r') {
                buffer.pop();
            }
            return Ok(if too_long {
                Line::TooLong
            } else {
                Line::Complete
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_and_limits() {
        // The small buffer makes lines span several reads.
        let text: &[u8] = b"one\r\n\nexactly8\nmuch too long\nlast";
        let mut input = tokio::io::BufReader::with_capacity(3, text);
        let mut buffer = Vec::new();
        for (line, content) in [
            (Line::Complete, "one"),
            (Line::Complete, ""),
            (Line::Complete, "exactly8"),
            (Line::TooLong, "much t"),
            (Line::Complete, "last"),
            (Line::End, ""),
        ] {
            assert_eq!(read_line(&mut input, &mut buffer, 8).await.unwrap(), line);
            assert_eq!(String::from_utf8_lossy(&buffer), content);
        }
    }
}

//! Standard input, which can be read once: the second value from there would silently be empty.

use std::{
    io::{self, Read as _},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::user_file::MOST_BYTES;

/// Whether an argument has taken it.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// All of standard input.
///
/// # Errors
/// When it was read before, is larger than any file may be, or is no text.
pub(crate) fn read() -> io::Result<String> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other(
            "standard input is already taken by another argument",
        ));
    }
    let mut text = String::new();
    io::stdin().take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!(
            "standard input is larger than {MOST_BYTES} bytes"
        )));
    }
    Ok(text)
}

//! Standard input, which can be read once: the second value from there would silently be empty.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether an argument has taken it.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// All of standard input.
///
/// # Errors
/// When it was read before, or is no text.
pub(crate) fn read() -> io::Result<String> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other(
            "standard input is already taken by another argument",
        ));
    }
    io::read_to_string(io::stdin())
}

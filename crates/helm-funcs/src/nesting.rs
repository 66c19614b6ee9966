//! A limit on how deep functions follow nested values, and stack to do so.

use gotmpl::{Error, limits};

/// Values that nest deeper contain themselves.
const MAX_DEPTH: usize = 10_000;

/// What a map or a list takes at least, wherever it is copied to.
const BYTES_PER_LEVEL: usize = 64;

/// Runs one level of a recursion over a value.
///
/// # Errors
/// What `run` returns, or that the value is nested too deeply or too much for the templates' bounds.
pub(crate) fn level<T>(
    depth: usize,
    run: impl FnOnce(usize) -> Result<T, Error>,
) -> Result<T, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::call("value is nested too deeply"));
    }
    // What is shared is walked over once for each place that shares it.
    limits::step()?;
    limits::made(BYTES_PER_LEVEL)?;
    stacker::maybe_grow(128 * 1024, 4 * 1024 * 1024, || run(depth + 1))
}

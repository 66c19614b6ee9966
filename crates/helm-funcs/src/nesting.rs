//! A limit on how deep functions follow nested values, and stack to do so.

use gotmpl::Error;

/// Values that nest deeper contain themselves.
const MAX_DEPTH: usize = 10_000;

/// Runs one level of a recursion over a value.
///
/// # Errors
/// What `run` returns, or that the value is nested too deeply.
pub(crate) fn level<T>(
    depth: usize,
    run: impl FnOnce(usize) -> Result<T, Error>,
) -> Result<T, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::call("value is nested too deeply"));
    }
    stacker::maybe_grow(128 * 1024, 4 * 1024 * 1024, || run(depth + 1))
}

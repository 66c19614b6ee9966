//! Waiting, bounded, for something to become true.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Asks `check` until it says yes, at most for `timeout`.
///
/// # Errors
/// When the time is over, or what `check` fails with: that is, when waiting longer cannot help.
pub(crate) fn until(
    timeout: Duration,
    mut check: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(5);
    while !check()? {
        if Instant::now() > deadline {
            bail!("gave up after {} s", timeout.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(200));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_yes_with_an_error_or_in_time() {
        let mut answers = [false, false, true].into_iter();
        until(Duration::from_secs(5), || Ok(answers.next().unwrap())).unwrap();
        assert!(answers.next().is_none());
        let error = until(Duration::from_secs(5), || bail!("no hope")).unwrap_err();
        assert_eq!(error.to_string(), "no hope");
        assert!(until(Duration::ZERO, || Ok(false)).is_err());
    }
}

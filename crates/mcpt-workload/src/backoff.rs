//! How long to pause before a server that ended is started again.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause, as a kubelet has it.
const LONGEST: Duration = Duration::from_mins(5);
/// A run of this length counts as a good one: the pauses begin anew.
const GOOD_RUN: Duration = Duration::from_mins(10);

/// Pauses that double with each failure.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a run of this length.
    pub fn after(&mut self, run: Duration) -> Duration {
        if run >= GOOD_RUN {
            self.failures = 0;
        }
        let pause = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_starts_anew_after_a_good_run() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let pauses: Vec<u64> = (0..12)
            .map(|_| backoff.after(short).as_millis() as u64)
            .collect();
        assert_eq!(pauses[..4], [500, 1000, 2000, 4000]);
        assert_eq!(pauses[11], 300_000);
        assert_eq!(backoff.after(GOOD_RUN), FIRST);
    }
}

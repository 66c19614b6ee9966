//! [`Account`]: what one caller may still call by one entry of the limits, as one replica of the gateway has it. No I/O and no
//! clock.
//!
//! Of a rate each replica has a share: so much of the burst, and so much of what comes anew each second. Who has too little is
//! given of what others have; what is given is gone where it was, so all together never have more than the whole.

use mcpt_access::Rate;

/// What one replica has.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Calls that may begin now.
    amount: f64,
    /// When that was so, in milliseconds.
    at: u64,
    /// How many replicas there were.
    replicas: f64,
    /// Calls that go on here.
    pub(super) in_flight: u32,
    /// Until when others have nothing to give, in milliseconds.
    pub(super) fruitless_until: u64,
    /// Until when no more may go on at once, in milliseconds.
    pub(super) full_until: u64,
}

impl Account {
    /// One that has not been used for long, of so many replicas.
    pub(super) fn new(rate: Option<Rate>, replicas: usize, now: u64) -> Self {
        let replicas = replicas.max(1) as f64;
        Self {
            amount: rate.map_or(0.0, |rate| rate.burst / replicas),
            at: now,
            replicas,
            in_flight: 0,
            fruitless_until: 0,
            full_until: 0,
        }
    }

    /// Lets come what has come anew since, and takes into account how many replicas there are now.
    pub(super) fn turn(&mut self, rate: Rate, replicas: usize, now: u64) {
        let replicas = replicas.max(1) as f64;
        if replicas > self.replicas {
            // The new ones bring their own shares.
            self.amount *= self.replicas / replicas;
        }
        self.replicas = replicas;
        let seconds = now.saturating_sub(self.at) as f64 / 1000.0;
        self.at = self.at.max(now);
        let share = rate.burst / replicas;
        if self.amount < share {
            let more = seconds * rate.per_second / replicas;
            self.amount = (self.amount + more).min(share);
        }
    }

    /// Whether there was enough for one call, which is taken then.
    pub(super) fn take(&mut self) -> bool {
        // Shares of shares add up to a little less than the whole.
        let enough = self.amount > 1.0 - 1e-6;
        if enough {
            self.amount = (self.amount - 1.0).max(0.0);
        }
        enough
    }

    /// What is missing for one call.
    pub(super) fn missing(&self) -> f64 {
        (1.0 - self.amount).max(0.0)
    }

    /// Takes in what another replica gave.
    pub(super) fn receive(&mut self, amount: f64, rate: Rate) {
        if amount.is_finite() && amount > 0.0 {
            self.amount = (self.amount + amount).min(rate.burst.max(1.0));
        }
    }

    /// What another replica gets that lacks `wanted`: that, or half of what is here, so that it need not ask each time.
    pub(super) fn give(&mut self, wanted: f64) -> f64 {
        if !(wanted.is_finite() && wanted > 0.0) {
            return 0.0;
        }
        let given = wanted.max(self.amount / 2.0).min(self.amount).max(0.0);
        self.amount -= given;
        given
    }

    /// Whether a new one would be the same.
    pub(super) fn is_idle(&self, rate: Option<Rate>) -> bool {
        let full = rate.is_none_or(|rate| self.amount >= rate.burst / self.replicas - 1e-6);
        self.in_flight == 0 && full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10.0,
        burst: 20.0,
    };

    fn taken(account: &mut Account) -> usize {
        std::iter::from_fn(|| account.take().then_some(())).count()
    }

    #[test]
    fn one_replica_has_all_of_it() {
        let mut account = Account::new(Some(RATE), 1, 0);
        assert_eq!(taken(&mut account), 20);
        account.turn(RATE, 1, 100);
        assert_eq!(taken(&mut account), 1);
        account.turn(RATE, 1, 150);
        assert!(!account.take());
        assert!((account.missing() - 0.5).abs() < 1e-9);
        account.turn(RATE, 1, 1_000_000);
        assert_eq!(taken(&mut account), 20);
        // A clock that goes back brings nothing.
        account.turn(RATE, 1, 0);
        account.turn(RATE, 1, 1_000_000);
        assert_eq!(taken(&mut account), 0);
    }

    #[test]
    fn several_never_have_more_than_the_whole() {
        for replicas in [2, 3, 7] {
            let mut all: Vec<_> = (0..replicas)
                .map(|_| Account::new(Some(RATE), replicas, 0))
                .collect();
            // One gets all the calls, and asks all others for each that it has nothing for.
            let mut first = all.remove(0);
            let mut calls = 0;
            for now in (0..=10_000).step_by(10) {
                first.turn(RATE, replicas, now);
                for other in &mut all {
                    other.turn(RATE, replicas, now);
                    let given = match first.missing() {
                        missing if missing > 0.0 => other.give(missing),
                        _ => 0.0,
                    };
                    first.receive(given, RATE);
                }
                calls += taken(&mut first);
            }
            assert!((118..=120).contains(&calls), "{replicas}: {calls}");
        }
    }

    #[test]
    fn a_burst_of_one_is_one_call_wherever_it_comes() {
        let once = Rate {
            per_second: 0.001,
            burst: 1.0,
        };
        let mut all = [(); 3].map(|()| Account::new(Some(once), 3, 0));
        let [first, others @ ..] = &mut all;
        assert!(!first.take());
        for other in others {
            let given = other.give(first.missing());
            first.receive(given, once);
        }
        assert!(first.take());
        assert!(all.iter_mut().all(|account| !account.take()));
    }

    #[test]
    fn new_replicas_bring_their_shares() {
        let mut old = Account::new(Some(RATE), 1, 0);
        old.turn(RATE, 2, 0);
        let mut new = Account::new(Some(RATE), 2, 0);
        assert_eq!(taken(&mut old) + taken(&mut new), 20);
        assert!(!old.is_idle(Some(RATE)));
        old.turn(RATE, 2, 10_000);
        assert!(old.is_idle(Some(RATE)));
        assert!(old.give(f64::NAN) == 0.0 && old.give(-1.0) == 0.0);
    }
}

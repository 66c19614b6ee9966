//! [`Histogram`]: how many took how long, counted without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Times by upper bounds in microseconds.
#[derive(Debug)]
pub(crate) struct Histogram<const BOUNDS: usize> {
    bounds: &'static [u64; BOUNDS],
    within: [AtomicU64; BOUNDS],
    beyond: AtomicU64,
    /// Microseconds.
    sum: AtomicU64,
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    /// An empty one.
    pub(crate) fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        Self {
            bounds,
            within: [const { AtomicU64::new(0) }; BOUNDS],
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one.
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let place = self.bounds.partition_point(|bound| *bound < micros);
        let bucket = self.within.get(place).unwrap_or(&self.beyond);
        bucket.fetch_add(1, Relaxed);
        self.sum.fetch_add(micros, Relaxed);
    }

    /// Each bound in seconds with the number of times up to it, all of them last, without a bound.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let bounds = self.bounds.iter().map(|bound| Some(seconds(*bound)));
        let counts = self.within.iter().chain([&self.beyond]);
        bounds
            .chain([None])
            .zip(counts)
            .scan(0, |total, (bound, count)| {
                *total += count.load(Relaxed);
                Some((bound, *total))
            })
    }

    /// The sum of all times in seconds.
    pub(crate) fn sum(&self) -> f64 {
        seconds(self.sum.load(Relaxed))
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

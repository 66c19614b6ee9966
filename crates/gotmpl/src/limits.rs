//! What templates may use while they are executed: time, and memory for what they make.
//!
//! [`limited`] sets the bounds for all that runs inside it on this thread; without it there are none. The evaluator counts on its
//! own, functions that walk over values or make large ones count with [`step`] and [`made`].

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Bounds for what runs inside of [`limited`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take.
    pub time: Duration,
    /// How many bytes texts and large lists may hold that are made meanwhile, those among them that are dropped again.
    pub memory: u64,
}

/// Far more than any real chart needs: 60 s and 1 GiB.
impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_mins(1),
            memory: 1 << 30,
        }
    }
}

/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u32 = 256;

#[derive(Debug)]
struct Meter {
    limits: Limits,
    end: Option<Instant>,
    steps: u32,
    left: u64,
    /// The bound that was met. Functions may swallow errors, as Helm's `toJson` does; this one comes again.
    met: Option<String>,
}

thread_local! {
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// Runs something within bounds. Inside of other bounds, these replace them.
pub fn limited<T>(limits: Limits, run: impl FnOnce() -> T) -> T {
    /// Puts back what was there, also when a panic goes through.
    struct Restore(Option<Meter>);
    impl Drop for Restore {
        fn drop(&mut self) {
            METER.set(self.0.take());
        }
    }
    let meter = Meter {
        limits,
        end: Instant::now().checked_add(limits.time),
        steps: 0,
        left: limits.memory,
        met: None,
    };
    let _restore = Restore(METER.replace(Some(meter)));
    run()
}

/// Counts a step of work.
///
/// # Errors
/// When the time is over.
pub fn step() -> Result<(), Error> {
    METER.with_borrow_mut(|meter| {
        let Some(meter) = meter else { return Ok(()) };
        meter.steps = (meter.steps + 1) % STEPS_PER_LOOK;
        if meter.steps == 0 && meter.end.is_some_and(|end| Instant::now() > end) {
            let seconds = meter.limits.time.as_secs_f64();
            meter.met = Some(format!("the templates take longer than {seconds} s"));
        }
        meter.check()
    })
}

/// Counts bytes that are made, or are about to be.
///
/// # Errors
/// When there are more than allowed.
pub fn made(bytes: usize) -> Result<(), Error> {
    METER.with_borrow_mut(|meter| {
        let Some(meter) = meter else { return Ok(()) };
        let left = meter.left.checked_sub(bytes as u64);
        meter.left = left.unwrap_or(0);
        if left.is_none() {
            let most = meter.limits.memory >> 20;
            meter.met = Some(format!(
                "the templates make more than {most} MiB of text and lists"
            ));
        }
        meter.check()
    })
}

impl Meter {
    fn check(&self) -> Result<(), Error> {
        match &self.met {
            Some(text) => Err(Error::call(text.clone())),
            None => Ok(()),
        }
    }
}

//! [`Place`]: one of the requests that a server may have in progress at once.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// Requests in progress that count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Busy(Arc<AtomicU32>);

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub struct Place(Busy);

impl Busy {
    /// Takes a place if one of so many is free.
    pub(crate) fn take(&self, most: NonZeroU32) -> Option<Place> {
        let before = self.0.fetch_add(1, Relaxed);
        // Given back when it is one too many.
        let place = Place(self.clone());
        (before < most.get()).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

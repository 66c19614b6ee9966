//! [`Workers`]: threads that serve connections, each connection on one of them for as long as it is open.
//!
//! In a runtime that moves tasks between its threads an exchange wakes threads that find nothing to do, and the connections that it
//! needs are looked after by whichever thread looks next. Here whatever belongs to an exchange happens on one thread. The price
//! is that one which takes long to compute holds up the others of its thread.

use std::{
    cell::Cell,
    io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// The number of the worker that this thread is, from 1 on; 0 when it is none. What is kept by this number stays with the thread
/// that looks after it.
pub fn worker_number() -> usize {
    NUMBER.get()
}

/// Threads that serve connections. They end when this is dropped, with whatever they still do.
#[derive(Debug, Default)]
pub struct Workers {
    all: Vec<Worker>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    open: Arc<AtomicUsize>,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

/// A connection that a worker has, as long as this is there.
#[derive(Debug)]
pub(crate) struct Assigned {
    open: Arc<AtomicUsize>,
}

impl Drop for Assigned {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    /// When the system gives no thread or no descriptors for it.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let all = (1..=count.get())
            .map(Worker::start)
            .collect::<io::Result<_>>()?;
        Ok(Self {
            all,
            next: AtomicUsize::new(0),
        })
    }

    /// The one with the fewest connections, which gets another one now: its runtime. `None` where there are no workers.
    pub(crate) fn assign(&self) -> Option<(&Handle, Assigned)> {
        let first = self.next.fetch_add(1, Relaxed);
        let (before, after) = self.all.split_at(first.checked_rem(self.all.len())?);
        // Of those with the same number another one each time.
        let worker = after
            .iter()
            .chain(before)
            .min_by_key(|worker| worker.open.load(Relaxed))?;
        worker.open.fetch_add(1, Relaxed);
        let open = Arc::clone(&worker.open);
        Some((&worker.handle, Assigned { open }))
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                NUMBER.set(number);
                // It ends in one way only: nobody says anything.
                drop(runtime.block_on(ended));
                // A thread that asks a resolver may take for ever.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            open: Arc::default(),
            _end: end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_gets_its_share_and_keeps_what_it_got() {
        let workers = Workers::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let number = |(handle, assigned): (&Handle, Assigned)| {
            let task = handle.spawn(async { worker_number() });
            async move { (task.await.unwrap(), assigned) }
        };
        let mut kept = Vec::new();
        for _ in 0..6 {
            kept.push(number(workers.assign().unwrap()).await);
        }
        let mut numbers: Vec<_> = kept.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 1, 2, 2, 3, 3]);
        // Who has fewer is next.
        kept.retain(|(number, _)| *number != 2);
        for _ in 0..2 {
            kept.push(number(workers.assign().unwrap()).await);
        }
        assert!(kept[4..].iter().all(|(number, _)| *number == 2));
        assert_eq!(worker_number(), 0);
        assert!(Workers::default().assign().is_none());
    }
}

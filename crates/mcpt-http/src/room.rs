//! [`Room`]: how many connections a server may have, and who makes room for a new one.
//!
//! A connection costs a descriptor whether it says something or not, so silent ones could keep everybody else out. Who has
//! asked something has precedence: silent connections never take more than half of the room, and when it is full
//! the one that has been silent for longest is closed, then the one that has been kept unused for longest. One in the
//! middle of an exchange is never closed for another; when there is none but those, the new one is told so.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::Notify;

/// Room is made for several at once, so that a crowd of new ones does not look through all others for each of them.
const AT_ONCE: usize = 64;

/// The connections of one server.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    seats: Mutex<BTreeMap<u64, Arc<Seat>>>,
    next: AtomicU64,
    /// Those that have never asked anything.
    silent: AtomicUsize,
    /// Those that were asked to leave and have yet to close.
    leaving: AtomicUsize,
    started: Instant,
}

/// What a connection is doing.
const SILENT: u8 = 0;
const ASKING: u8 = 1;
const KEPT: u8 = 2;
const LEAVING: u8 = 3;

/// The place of one connection.
#[derive(Debug)]
struct Seat {
    state: AtomicU8,
    /// Since when, in milliseconds of the room's clock.
    since: AtomicU64,
    leave: Notify,
}

/// A taken place, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seated {
    room: Room,
    number: u64,
    seat: Arc<Seat>,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(usize::MAX)
    }
}

impl Room {
    /// Room for so many.
    pub(crate) fn of(most: usize) -> Self {
        Self(Arc::new(Inner {
            most: most.max(1),
            seats: Mutex::default(),
            next: AtomicU64::new(0),
            silent: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            started: Instant::now(),
        }))
    }

    /// A place for a new connection; `None` when all others are in the middle of an exchange, or too many are just leaving.
    pub(crate) fn enter(&self) -> Option<Seated> {
        let inner = &*self.0;
        let mut seats = self.seats();
        if inner.leaving.load(Relaxed) > inner.most / 8 + AT_ONCE {
            return None;
        }
        if seats.len() >= inner.most {
            if !self.make_room(&mut seats, |state| matches!(state, SILENT | KEPT)) {
                return None;
            }
        } else if inner.silent.load(Relaxed) >= inner.most.div_ceil(2) {
            self.make_room(&mut seats, |state| state == SILENT);
        }
        let number = inner.next.fetch_add(1, Relaxed);
        let seat = Arc::new(Seat {
            state: AtomicU8::new(SILENT),
            since: AtomicU64::new(self.now()),
            leave: Notify::new(),
        });
        inner.silent.fetch_add(1, Relaxed);
        seats.insert(number, Arc::clone(&seat));
        Some(Seated {
            room: self.clone(),
            number,
            seat,
        })
    }

    /// Asks some of those to leave whose state is `one_of` the given: the silent first, and who is so for longest. Whether
    /// there was any.
    fn make_room(&self, seats: &mut BTreeMap<u64, Arc<Seat>>, one_of: impl Fn(u8) -> bool) -> bool {
        let wanted = AT_ONCE.min(self.0.most.div_ceil(AT_ONCE));
        let mut found: Vec<_> = seats
            .iter()
            .map(|(number, seat)| (seat.state.load(Relaxed), seat.since.load(Relaxed), *number))
            .filter(|(state, ..)| one_of(*state))
            .collect();
        if found.len() > wanted {
            found.select_nth_unstable(wanted);
            found.truncate(wanted);
        }
        let mut any = false;
        for (state, _, number) in found {
            let Some(seat) = seats.get(&number) else {
                continue;
            };
            // It may have begun to ask meanwhile.
            if seat
                .state
                .compare_exchange(state, LEAVING, Relaxed, Relaxed)
                .is_ok()
            {
                if state == SILENT {
                    self.0.silent.fetch_sub(1, Relaxed);
                }
                self.0.leaving.fetch_add(1, Relaxed);
                seat.leave.notify_one();
                seats.remove(&number);
                any = true;
            }
        }
        any
    }

    fn now(&self) -> u64 {
        self.0.started.elapsed().as_millis() as u64
    }

    /// Nothing is ever half done under the lock, so a panic elsewhere has left it whole.
    fn seats(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Seat>>> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seated {
    /// Notes the begin of an exchange.
    pub(crate) fn asks(&self) {
        self.becomes(ASKING);
    }

    /// Notes its end.
    pub(crate) fn rests(&self) {
        self.becomes(KEPT);
    }

    /// One that leaves goes on leaving: what it asks meanwhile is its last.
    fn becomes(&self, next: u8) {
        let seat = &*self.seat;
        seat.since.store(self.room.now(), Relaxed);
        let before = seat
            .state
            .fetch_update(Relaxed, Relaxed, |state| (state != LEAVING).then_some(next));
        if before == Ok(SILENT) {
            self.room.0.silent.fetch_sub(1, Relaxed);
        }
    }

    /// Completes when it has to make room for others.
    pub(crate) async fn leave(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let inner = &*self.room.0;
        // Under the lock: nobody asks one to leave that is gone.
        let mut seats = self.room.seats();
        seats.remove(&self.number);
        match self.seat.state.load(Relaxed) {
            SILENT => inner.silent.fetch_sub(1, Relaxed),
            LEAVING => inner.leaving.fetch_sub(1, Relaxed),
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(seated: &Seated) -> bool {
        seated.seat.state.load(Relaxed) == LEAVING
    }

    #[test]
    fn the_silent_make_room_before_the_kept_and_nobody_else_does() {
        let room = Room::of(4);
        let asking = room.enter().unwrap();
        asking.asks();
        let kept = room.enter().unwrap();
        kept.asks();
        kept.rests();
        let silent = [room.enter().unwrap(), room.enter().unwrap()];
        let _new = room.enter().unwrap();
        assert_eq!([leaves(&silent[0]), leaves(&silent[1])], [true, false]);
        silent[1].asks();
        let new = room.enter().unwrap();
        new.asks();
        assert!(!leaves(&asking) && !leaves(&silent[1]));
        let busy = room.enter();
        assert!(busy.is_some() && leaves(&kept), "the kept one made room");
        busy.as_ref().unwrap().asks();
        assert!(room.enter().is_none(), "all are busy");
        drop(asking);
        assert!(room.enter().is_some());
    }

    #[test]
    fn half_of_the_room_is_for_those_who_ask() {
        let room = Room::of(100);
        let silent: Vec<_> = (0..300).filter_map(|_| room.enter()).collect();
        let left = silent.iter().filter(|one| !leaves(one)).count();
        assert!((40..=50).contains(&left), "{left}");
        drop(silent);
        assert_eq!(room.0.silent.load(Relaxed), 0);
        assert_eq!(room.0.leaving.load(Relaxed), 0);
        assert_eq!(room.seats().len(), 0);
    }
}

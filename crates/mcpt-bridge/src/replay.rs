//! [`Recorded`]: what was said on the stream of a call, for a client that has lost it and asks for the rest by `Last-Event-ID`.
//!
//! Events are numbered by call and place. A stream goes on being recorded while its client is away, and is kept for a while
//! after its answer, since what was written to a connection need not have arrived. All of it is charged to the session, and the
//! oldest gives way.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::sse::Event;

/// Streams of a session that can be taken up again.
const MOST: usize = 32;
/// Bytes of all of them that are kept once they have ended.
const ALL_BYTES: usize = 256 * 1024;
/// Bytes and events that are kept of one, besides what its client has yet to read.
const BYTES: usize = 128 * 1024;
const EVENTS: usize = 256;
/// How long after its last event, unless its client has read that; and then.
const KEPT: Duration = Duration::from_mins(5);
const KEPT_WHEN_READ: Duration = Duration::from_mins(1);
/// Events that may wait for a client that reads; at more, the server waits.
const UNREAD: u64 = 16;

/// The number of who reads a stream first.
const FIRST_READER: u64 = 1;

/// The streams of one session.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    streams: Mutex<BTreeMap<u64, Arc<Recorded>>>,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Recorded {
    call: u64,
    state: Mutex<State>,
    changed: Notify,
    /// Whether its client is away.
    away: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    /// The number of the first event that is there.
    first: u64,
    /// The number of the next one that its client reads.
    read: u64,
    /// Counts who have read it: a later one takes it over.
    reader: u64,
    ended: bool,
    last: Instant,
}

impl State {
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// Whether an event id is one that the stream of a call has.
pub(crate) fn is_of_a_call(event: &str) -> bool {
    numbers(event).is_some()
}

/// The call of an event, and its place in the stream.
fn numbers(event: &str) -> Option<(u64, u64)> {
    let (call, number) = event.split_once('-')?;
    Some((call.parse().ok()?, number.parse().ok()?))
}

impl Replay {
    /// A stream for the call of this number; what its recorder takes, and its first reader.
    pub(crate) fn begin(&self, call: u64, away: Arc<AtomicBool>) -> (Arc<Recorded>, Reader) {
        let recorded = Arc::new(Recorded {
            call,
            state: Mutex::new(State {
                events: VecDeque::new(),
                bytes: 0,
                first: 1,
                read: 1,
                reader: FIRST_READER,
                ended: false,
                last: Instant::now(),
            }),
            changed: Notify::new(),
            away,
        });
        let reader = Reader {
            stream: Arc::clone(&recorded),
            number: FIRST_READER,
        };
        self.sweep();
        let mut streams = locked(&self.streams);
        while streams.len() >= MOST {
            // The one that began first and has ended, or else the first.
            let ended = streams.iter().find(|(_, stream)| stream.state().ended);
            let Some(call) = ended.or(streams.iter().next()).map(|(call, _)| *call) else {
                break;
            };
            streams.remove(&call);
        }
        streams.insert(call, Arc::clone(&recorded));
        (recorded, reader)
    }

    /// Forgets those that are too old, and of those that have ended the oldest of too many bytes.
    pub(crate) fn sweep(&self) {
        let mut streams = locked(&self.streams);
        streams.retain(|_, stream| !stream.is_too_old());
        let mut bytes = 0;
        let newest_first = streams.iter().rev().filter_map(|(call, stream)| {
            let state = stream.state();
            bytes += state.bytes;
            (state.ended && bytes > ALL_BYTES).then_some(*call)
        });
        for call in newest_first.collect::<Vec<_>>() {
            streams.remove(&call);
        }
    }

    /// The stream that an event belongs to, from the one after that on; `None` when it is not there any more.
    pub(crate) fn after(&self, event: &str) -> Option<Reader> {
        let (call, number) = numbers(event)?;
        let stream = locked(&self.streams).get(&call).cloned()?;
        stream.reader_after(number)
    }

    /// Forgets all of them, with the session.
    pub(crate) fn clear(&self) {
        locked(&self.streams).clear();
    }

    /// Gives room: the oldest event that was read, or whose reader is away; `false` when there is none.
    pub(crate) fn give_way(&self) -> bool {
        let streams = locked(&self.streams);
        streams.values().any(|stream| stream.forget_oldest())
    }
}

impl Recorded {
    /// Records `first` and what comes then, until it ends.
    pub(crate) async fn record(
        self: Arc<Self>,
        mut first: Option<Event>,
        mut events: mpsc::Receiver<Event>,
    ) {
        loop {
            let event = if let Some(first) = first.take() {
                Some(first)
            } else {
                self.until_there_is_room().await;
                events.recv().await
            };
            let mut state = self.state();
            let Some(event) = event else {
                state.ended = true;
                state.last = Instant::now();
                drop(state);
                self.changed.notify_waiters();
                return;
            };
            state.bytes += event.length();
            state.last = Instant::now();
            state.events.push_back(event);
            self.trim(&mut state);
            drop(state);
            self.changed.notify_waiters();
        }
    }

    fn trim(&self, state: &mut State) {
        while (state.bytes > BYTES || state.events.len() > EVENTS) && self.may_forget(state) {
            state.forget();
        }
    }

    async fn until_there_is_room(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let state = self.state();
                if self.is_away() || state.next() - state.read < UNREAD {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Whether its first event need not be kept: it was read, or is not the last, which may be the answer.
    fn may_forget(&self, state: &State) -> bool {
        let read = state.first < state.read;
        !state.events.is_empty() && (read || self.is_away() && state.events.len() > 1)
    }

    fn forget_oldest(&self) -> bool {
        let mut state = self.state();
        let may = self.may_forget(&state);
        if may {
            state.forget();
        }
        may
    }

    fn is_away(&self) -> bool {
        self.away.load(Relaxed)
    }

    fn is_too_old(&self) -> bool {
        let state = self.state();
        let read = state.read == state.next() && !self.is_away();
        let kept = if read { KEPT_WHEN_READ } else { KEPT };
        state.ended && state.last.elapsed() > kept
    }

    /// Who reads it from now on, from the event after that on; `None` when that is not there any more, or not there yet. One
    /// that has read it before reads no more.
    pub(crate) fn reader_after(self: &Arc<Self>, number: u64) -> Option<Reader> {
        let next = number.checked_add(1)?;
        // Until it is taken over, what it lacks may still be forgotten: all of this at once.
        let mut state = self.state();
        if next < state.first || next > state.next() {
            return None;
        }
        state.reader += 1;
        state.read = next;
        let number = state.reader;
        self.away.store(false, Relaxed);
        drop(state);
        self.changed.notify_waiters();
        Some(Reader {
            stream: Arc::clone(self),
            number,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn forget(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.first += 1;
            self.read = self.read.max(self.first);
            self.bytes -= event.length();
        }
    }
}

/// Who reads a stream. When it is dropped, its client is away.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: Arc<Recorded>,
    number: u64,
}

impl Reader {
    /// The id of what comes before its first event, for a client that may have to come back before there is one.
    pub(crate) fn beginning(&self) -> String {
        format!("{}-{}", self.stream.call, self.stream.state().read - 1)
    }

    /// The next event and its id; `None` when nothing more comes, or comes to this one.
    pub(crate) async fn next(&self) -> Option<(String, Event)> {
        loop {
            let mut changed = std::pin::pin!(self.stream.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.stream.state();
                if state.reader != self.number {
                    return None;
                }
                let at = state.read - state.first;
                if let Some(event) = state.events.get(at as usize).cloned() {
                    let id = format!("{}-{}", self.stream.call, state.read);
                    state.read += 1;
                    self.stream.trim(&mut state);
                    drop(state);
                    self.stream.changed.notify_waiters();
                    return Some((id, event));
                }
                if state.ended {
                    return None;
                }
            }
            changed.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let state = self.stream.state();
        if state.reader == self.number && !state.ended {
            self.stream.away.store(true, Relaxed);
        }
        drop(state);
        self.stream.changed.notify_waiters();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_taken_up_where_it_still_is_or_not_at_all() {
        let replay = Replay::default();
        let away = Arc::new(AtomicBool::new(true));
        let (recorded, reader) = replay.begin(7, away);
        drop(reader);
        let (say, events) = mpsc::channel(4);
        for _ in 0..3 {
            let event = Event::error(None, mcpt_protocol::ErrorCode::SERVER_ERROR, "x");
            say.send(event).await.unwrap();
        }
        drop(say);
        Arc::clone(&recorded).record(None, events).await;
        assert!(recorded.reader_after(3).is_some(), "at its end");
        assert!(recorded.reader_after(4).is_none(), "not there yet");
        assert!(recorded.reader_after(u64::MAX).is_none());
        assert!(recorded.reader_after(0).is_some(), "from its beginning");
        recorded.away.store(true, Relaxed);
        // As happens between the question for a stream and the answer.
        assert!(recorded.forget_oldest());
        assert!(recorded.reader_after(0).is_none(), "forgotten");
        assert!(replay.after("7-0").is_none());
        let reader = replay.after("7-1").unwrap();
        for wanted in ["7-2", "7-3"] {
            assert_eq!(reader.next().await.unwrap().0, wanted);
        }
        assert!(reader.next().await.is_none());
    }
}

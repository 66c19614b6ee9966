//! [`JoinedSessions`]: sessions with many servers at once, and where each of their legs is.
//!
//! A client gets the id of its session before it has called any server, and the id cannot change. So the legs stand here, in
//! the memory of each replica: whoever begins one tells all others before its first answer leaves. A session that nobody
//! knows is over: it may have had legs.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use mcpt_core::{Namespace, ServerName};
use serde::{Deserialize, Serialize};

use crate::ServerKey;

/// Parts with a lock each, and those in which all sessions are told.
pub const JOINED_PARTS: usize = 64;

/// Most sessions of one part. What is more takes the place of the one that its most busy owner has not used for longest.
const MOST: usize = 4096;

/// Whose a session is: the beginning of a digest, which says nothing by itself.
type Owner = [u8; 8];

/// Which session: the beginning of a hash of its id, so that nobody learns the id from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinedId(u128);

/// A text is no [`JoinedId`]: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("32 hexadecimal digits are wanted")]
pub struct InvalidJoinedId;

impl JoinedId {
    /// That of the session with this id.
    pub fn of(session: &[u8]) -> Self {
        let hash = digest(&SHA256, session);
        let hash = hash.as_ref().first_chunk().copied().unwrap_or_default();
        Self(u128::from_be_bytes(hash))
    }
}

impl fmt::Display for JoinedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for JoinedId {
    type Err = InvalidJoinedId;

    fn from_str(text: &str) -> Result<Self, InvalidJoinedId> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let id = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        id.map(Self).ok_or(InvalidJoinedId)
    }
}

/// The session with one of the servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinedLeg {
    /// Its id as a client of that server alone would have it; `None` when the server gives none.
    pub session: Option<String>,
    /// The protocol version that the server chose.
    pub version: String,
    /// When it began, in milliseconds since 1970.
    pub begun: u64,
}

impl JoinedLeg {
    /// Of two that began at the same time at different replicas, all take the same one.
    fn is_before(&self, other: &Self) -> bool {
        (self.begun, &self.session) < (other.begun, &other.session)
    }
}

/// What is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// Nothing.
    Unknown,
    /// It goes on.
    Open,
    /// It is over.
    Ended,
}

/// From which level on a client wants log messages, and when it said so, in milliseconds since 1970.
type Level = (u64, String);

/// A session as one replica tells it to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldSession {
    id: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    #[serde(default)]
    owner: Owner,
    /// By `NAMESPACE/NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    legs: BTreeMap<String, JoinedLeg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
}

/// All sessions of this sort that a gateway knows.
#[derive(Debug)]
pub struct JoinedSessions {
    shards: Vec<Mutex<HashMap<JoinedId, Entry>>>,
    idle_ms: u64,
}

#[derive(Debug, Default)]
struct Entry {
    last: u64,
    ended: bool,
    owner: Owner,
    legs: BTreeMap<ServerKey, JoinedLeg>,
    level: Option<Level>,
}

impl JoinedSessions {
    /// None yet; one is forgotten after `idle_ms` milliseconds without a request. `now` is any monotonic clock throughout.
    pub fn new(idle_ms: u64) -> Self {
        Self {
            shards: (0..JOINED_PARTS).map(|_| Mutex::default()).collect(),
            idle_ms,
        }
    }

    /// Notes a session of an owner that begins; `None` is whoever is not known. Where there are too many, another one gives way:
    /// it is unknown from then on, and what it had with servers is given.
    pub fn begin(
        &self,
        id: JoinedId,
        owner: Option<[u8; 32]>,
        now: u64,
    ) -> Vec<(ServerKey, JoinedLeg)> {
        let owner = owner.and_then(|owner| owner.first_chunk().copied());
        let mut shard = self.shard(id);
        let gone = make_room(&mut shard, id);
        let entry = shard.entry(id).or_default();
        entry.last = now;
        entry.owner = owner.unwrap_or_default();
        gone
    }

    /// Notes that a session was used, if it goes on.
    pub fn used(&self, id: JoinedId, now: u64) -> Joined {
        match self.shard(id).get_mut(&id) {
            None => Joined::Unknown,
            Some(entry) if entry.ended => Joined::Ended,
            Some(entry) => {
                entry.last = now;
                Joined::Open
            }
        }
    }

    /// Its session with a server, if that has begun.
    pub fn leg(&self, id: JoinedId, server: &ServerKey) -> Option<JoinedLeg> {
        self.shard(id).get(&id)?.legs.get(server).cloned()
    }

    /// Its sessions with all servers.
    pub fn legs(&self, id: JoinedId) -> Vec<(ServerKey, JoinedLeg)> {
        let shard = self.shard(id);
        let legs = shard.get(&id).into_iter().flat_map(|entry| &entry.legs);
        legs.map(|(server, leg)| (server.clone(), leg.clone()))
            .collect()
    }

    /// Notes a session with a server, and gives the one that counts: another may have begun meanwhile. `None` when the whole
    /// session is over or unknown.
    pub fn join(&self, id: JoinedId, server: ServerKey, leg: JoinedLeg) -> Option<JoinedLeg> {
        let mut shard = self.shard(id);
        let entry = shard.get_mut(&id).filter(|entry| !entry.ended)?;
        Some(entry.take(server, leg))
    }

    /// Notes from which level on its client wants log messages, said at `at`, in milliseconds since 1970. It is the last word, also
    /// when the clock of the replica that took the one before is ahead.
    pub fn set_level(&self, id: JoinedId, level: &str, at: u64) {
        if let Some(entry) = self.shard(id).get_mut(&id) {
            let before = entry.level.as_ref().map_or(0, |(at, _)| *at);
            entry.level = Some((at.max(before.saturating_add(1)), level.to_owned()));
        }
    }

    /// From which level on its client wants log messages, if it has said so.
    pub fn level(&self, id: JoinedId) -> Option<String> {
        let shard = self.shard(id);
        shard
            .get(&id)?
            .level
            .as_ref()
            .map(|(_, level)| level.clone())
    }

    /// Ends a session, and gives what it had with servers. It is known to be over for as long as it would have been known.
    pub fn end(&self, id: JoinedId, now: u64) -> Vec<(ServerKey, JoinedLeg)> {
        let mut shard = self.shard(id);
        let entry = shard.entry(id).or_default();
        entry.last = now;
        entry.ended = true;
        std::mem::take(&mut entry.legs).into_iter().collect()
    }

    /// Forgets what was not used for long.
    pub fn sweep(&self, now: u64) {
        for shard in &self.shards {
            locked(shard).retain(|_, entry| entry.last.saturating_add(self.idle_ms) > now);
        }
    }

    /// What is told of a session, if it is known.
    pub fn told(&self, id: JoinedId) -> Option<ToldSession> {
        let shard = self.shard(id);
        shard.get(&id).map(|entry| entry.told(id))
    }

    /// What is told of all of them.
    pub fn all_told(&self) -> Vec<ToldSession> {
        let parts = 0..self.shards.len();
        parts.flat_map(|part| self.part_told(part)).collect()
    }

    /// What is told of one of [`JOINED_PARTS`] parts of them; nothing of a part that there is not.
    pub fn part_told(&self, part: usize) -> Vec<ToldSession> {
        let shard = self.shards.get(part).map(locked);
        let told = |shard: MutexGuard<'_, HashMap<JoinedId, Entry>>| {
            shard.iter().map(|(id, entry)| entry.told(*id)).collect()
        };
        shard.map(told).unwrap_or_default()
    }

    /// Takes in what another replica tells. What cannot be read is left out: another version may tell more.
    pub fn merge(&self, told: ToldSession, now: u64) {
        let Ok(id) = told.id.parse() else { return };
        let mut shard = self.shard(id);
        // The replica where that one is in use ends what it had with servers.
        let _gone = make_room(&mut shard, id);
        let entry = shard.entry(id).or_insert_with(|| Entry {
            last: now,
            owner: told.owner,
            ..Entry::default()
        });
        entry.ended |= told.ended;
        entry.level = entry.level.take().max(told.level);
        for (server, leg) in told.legs {
            if let Some(server) = server_key(&server) {
                entry.take(server, leg);
            }
        }
        if entry.ended {
            entry.legs.clear();
        }
    }

    fn shard(&self, id: JoinedId) -> MutexGuard<'_, HashMap<JoinedId, Entry>> {
        locked(&self.shards[id.0 as usize % JOINED_PARTS])
    }
}

/// Makes room for a session in a part that is full: of the owner with the most in it, one that is over, else the one that was
/// not used for longest. So whoever begins ever more sessions ends his own.
fn make_room(part: &mut HashMap<JoinedId, Entry>, id: JoinedId) -> Vec<(ServerKey, JoinedLeg)> {
    if part.len() < MOST || part.contains_key(&id) {
        return Vec::new();
    }
    let mut owners = HashMap::<Owner, usize>::new();
    for entry in part.values() {
        *owners.entry(entry.owner).or_default() += 1;
    }
    let busiest = owners
        .into_iter()
        .max_by_key(|(owner, count)| (*count, *owner));
    let own = part
        .iter()
        .filter(|(_, entry)| busiest.is_some_and(|(owner, _)| entry.owner == owner));
    let oldest = own.min_by_key(|(id, entry)| (!entry.ended, entry.last, **id));
    let oldest = oldest.map(|(id, _)| *id);
    let gone = oldest.and_then(|id| part.remove(&id));
    gone.map(|entry| entry.legs.into_iter().collect())
        .unwrap_or_default()
}

impl Entry {
    fn take(&mut self, server: ServerKey, leg: JoinedLeg) -> JoinedLeg {
        let kept = self.legs.entry(server).or_insert_with(|| leg.clone());
        if leg.is_before(kept) {
            *kept = leg;
        }
        kept.clone()
    }

    fn told(&self, id: JoinedId) -> ToldSession {
        let legs = self.legs.iter();
        ToldSession {
            id: id.to_string(),
            ended: self.ended,
            owner: self.owner,
            legs: legs
                .map(|(server, leg)| (server.to_string(), leg.clone()))
                .collect(),
            level: self.level.clone(),
        }
    }
}

fn server_key(text: &str) -> Option<ServerKey> {
    let (namespace, name) = text.split_once('/')?;
    Some(ServerKey {
        namespace: Namespace::new(namespace).ok()?,
        name: ServerName::new(name).ok()?,
    })
}

/// Nothing is ever half done under the lock, so a panic elsewhere has left it whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> ServerKey {
        server_key(&format!("ns/{name}")).unwrap()
    }

    fn leg(session: &str, begun: u64) -> JoinedLeg {
        JoinedLeg {
            session: Some(session.to_owned()),
            version: "2025-11-25".to_owned(),
            begun,
        }
    }

    #[test]
    fn replicas_come_to_know_the_same() {
        let (one, two) = (JoinedSessions::new(100), JoinedSessions::new(100));
        let id = JoinedId::of(b"sealed");
        assert_eq!(one.used(id, 1), Joined::Unknown);
        one.begin(id, None, 1);
        two.merge(one.told(id).unwrap(), 1);
        // Both begin a session with the same server at once.
        one.join(id, server("a"), leg("x", 5)).unwrap();
        two.join(id, server("a"), leg("y", 4)).unwrap();
        two.join(id, server("b"), leg("z", 6)).unwrap();
        one.set_level(id, "error", 8);
        two.set_level(id, "info", 7);
        two.merge(one.told(id).unwrap(), 2);
        one.merge(two.told(id).unwrap(), 2);
        for replica in [&one, &two] {
            assert_eq!(replica.used(id, 2), Joined::Open);
            assert_eq!(replica.leg(id, &server("a")), Some(leg("y", 4)));
            assert_eq!(replica.leg(id, &server("b")), Some(leg("z", 6)));
            assert_eq!(replica.level(id).as_deref(), Some("error"));
        }
        assert_eq!(one.end(id, 3).len(), 2);
        two.merge(one.told(id).unwrap(), 3);
        one.merge(two.told(id).unwrap(), 3);
        for replica in [&one, &two] {
            assert_eq!(replica.used(id, 4), Joined::Ended);
            assert_eq!(replica.leg(id, &server("a")), None);
            assert_eq!(replica.join(id, server("a"), leg("x", 9)), None);
        }
        one.sweep(200);
        assert_eq!(one.used(id, 200), Joined::Unknown);
        assert_eq!(one.all_told(), []);
    }

    #[test]
    fn who_begins_ever_more_ends_his_own() {
        let sessions = JoinedSessions::new(u64::MAX);
        let numbers = (0_u32..).map(|number| JoinedId::of(&number.to_be_bytes()));
        // All in one part, so that it is full.
        let mut ids = numbers.filter(|id| id.0 as usize % JOINED_PARTS == 7);
        let (alice, mallory) = (Some([1; 32]), Some([2; 32]));
        let [first, second] = [ids.next().unwrap(), ids.next().unwrap()];
        sessions.begin(first, alice, 1);
        sessions.begin(second, mallory, 2);
        sessions.join(second, server("a"), leg("x", 5)).unwrap();
        for (now, id) in (3..).zip(ids.by_ref().take(MOST - 2)) {
            assert_eq!(sessions.begin(id, mallory, now), []);
        }
        let gone = sessions.begin(ids.next().unwrap(), mallory, 10_000);
        assert_eq!(gone, [(server("a"), leg("x", 5))]);
        assert_eq!(sessions.used(second, 10_001), Joined::Unknown);
        assert_eq!(sessions.used(first, 10_001), Joined::Open);
        for (now, id) in (10_002..).zip(ids.take(100)) {
            sessions.begin(id, mallory, now);
        }
        assert_eq!(sessions.used(first, 20_000), Joined::Open);
        assert_eq!(sessions.part_told(7).len(), MOST);
    }

    #[test]
    fn what_is_told_is_read_again() {
        let sessions = JoinedSessions::new(100);
        let id = JoinedId::of(b"sealed");
        sessions.begin(id, None, 1);
        sessions.join(id, server("a"), leg("x", 5));
        let told = sessions.told(id).unwrap();
        let text = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<ToldSession>(&text).unwrap(), told);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "+1", &"g".repeat(32)] {
            assert_eq!(text.parse::<JoinedId>(), Err(InvalidJoinedId));
        }
        for foreign in [r#"{"id":"x"}"#, &text.replace("ns/a", "nobody")] {
            sessions.merge(serde_json::from_str(foreign).unwrap(), 1);
        }
        assert_eq!(sessions.legs(id).len(), 1);
    }
}

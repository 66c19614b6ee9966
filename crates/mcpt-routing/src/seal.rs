//! Sealed session ids: the client carries, encrypted and authenticated, where its session lives.
//!
//! ```text
//! base64url( version 1 | key id 4 | nonce 12 | AES-256-GCM-SIV( ticket ) | tag 16 )      version and key id: associated data
//! ```
//! The version says which form the ticket has, see `ticket.rs`, or that something else is sealed: [`Carried`].
//! Any replica with the same key opens any id; none needs a store. A key is derived once when it is read. Nonces are
//! random; the SIV mode is chosen since many replicas draw them independently and a repeated one must do no harm.

mod ticket;

use std::{collections::BTreeSet, fmt};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hkdf,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcpt_core::Secret;

use self::ticket::Form;
pub use self::ticket::{Leg, Ticket};

/// Longest session id that a client is given, in characters. Far below what clients and proxies take as a header.
pub const MAX_SEALED: usize = 2048;
/// Longest session id of an upstream server that can be sealed, in bytes.
pub const MAX_UPSTREAM_SESSION: usize = 1024;

/// What a session id begins with, by the form of its ticket.
const VERSIONS: [(u8, Form); 2] = [(1, Form::OneLeg), (2, Form::Fields)];
const KEY_ID_LEN: usize = 4;
const HEADER_LEN: usize = 1 + KEY_ID_LEN;
/// Shortest text that a key is derived from: 32 characters hold more than the 128 bits that nobody can try out.
const MIN_KEY_TEXT: usize = 32;

/// What else than a session id a client carries to and fro: bytes that only a gateway makes and reads. One sort is never
/// taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Where a server has something that it has referred to.
    Path,
    /// What replicas of a gateway tell each other of sessions. No client has it.
    Legs,
    /// Which call waits for what a client is asked.
    Round,
    /// What replicas of a gateway give each other of what their callers may still call. No client has it.
    Shares,
    /// The next round of a call, on its way to the replica of a gateway that has the call. No client has it.
    NextRound,
    /// Which stream a client of the older transport has, and where.
    OlderSession,
    /// A message of such a client, on its way to the replica of a gateway that has its stream. No client has it.
    OlderMessage,
    /// A request in a session with a server of the older transport, on its way to the replica of a gateway that has the session's
    /// stream. No client has it.
    OlderRequest,
}

impl Carried {
    fn version(self) -> u8 {
        match self {
            Self::Path => 3,
            Self::Legs => 4,
            Self::Round => 5,
            Self::Shares => 6,
            Self::NextRound => 7,
            Self::OlderSession => 8,
            Self::OlderMessage => 9,
            Self::OlderRequest => 10,
        }
    }
}

/// The keys of a gateway: the first seals, all open.
pub struct SessionKeys {
    keys: Vec<SessionKey>,
}

struct SessionKey {
    id: [u8; KEY_ID_LEN],
    key: LessSafeKey,
}

/// Key ids are no secret; keys are not shown.
impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| key.id))
            .finish()
    }
}

/// Why there are no usable keys.
#[derive(Debug, thiserror::Error)]
pub enum SessionKeysError {
    /// The text is empty.
    #[error("there is no key in it")]
    Empty,
    /// A line is too short to be a key.
    #[error("line {0} is shorter than 32 characters")]
    Short(usize),
    /// A line is long enough, but anybody could guess it.
    #[error("line {0} can be guessed: it repeats a few characters")]
    Trivial(usize),
    /// The system gave no random bytes.
    #[error("no random bytes from the system")]
    Random(#[source] getrandom::Error),
    /// The cryptographic library refused.
    #[error("the key could not be derived")]
    Derive,
}

/// Why a session id could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The server's own session id could not be sent to it again.
    #[error(
        "the server's session id is longer than {MAX_UPSTREAM_SESSION} bytes, or has characters that no header has"
    )]
    Unfit,
    /// There is more in the ticket than a session id may hold.
    #[error("the session id would be longer than {MAX_SEALED} characters")]
    TooLong,
    /// The system gave no random bytes.
    #[error("no random bytes from the system")]
    Random(#[source] getrandom::Error),
    /// The cryptographic library refused.
    #[error("the session id could not be encrypted")]
    Encrypt,
}

impl SessionKeys {
    /// Reads keys, one a line, each of at least 32 characters (`openssl rand -base64 32` makes a good one). To rotate:
    /// add the new key as last line everywhere, then move it to the first, then remove the old one.
    ///
    /// # Errors
    /// [`SessionKeysError`] when there is none, or one is too short or can be guessed.
    pub fn parse(text: &Secret) -> Result<Self, SessionKeysError> {
        let mut keys = Vec::new();
        for (index, line) in text.expose().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if line.len() < MIN_KEY_TEXT {
                return Err(SessionKeysError::Short(index + 1));
            }
            if is_trivial(line.as_bytes()) {
                return Err(SessionKeysError::Trivial(index + 1));
            }
            keys.push(SessionKey::derive(line.as_bytes())?);
        }
        if keys.is_empty() {
            return Err(SessionKeysError::Empty);
        }
        Ok(Self { keys })
    }

    /// One key that nobody else has: sessions end with this process.
    ///
    /// # Errors
    /// [`SessionKeysError::Random`] when the system has no random bytes.
    pub fn random() -> Result<Self, SessionKeysError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(SessionKeysError::Random)?;
        Ok(Self {
            keys: vec![SessionKey::derive(&bytes)?],
        })
    }

    /// Seals a ticket into a session id of visible ASCII characters, at most [`MAX_SEALED`] of them.
    ///
    /// # Errors
    /// [`SealError`], usually since the server's own id is too long.
    pub fn seal(&self, ticket: &Ticket) -> Result<String, SealError> {
        let (form, payload) = ticket.encode().ok_or(SealError::Unfit)?;
        let sealed = self.seal_as(version_of(form), payload)?;
        if sealed.len() > MAX_SEALED {
            return Err(SealError::TooLong);
        }
        Ok(sealed)
    }

    /// Opens a session id; `None` when it is not one of ours, was changed, or its key is no longer known.
    pub fn open(&self, sealed: &[u8]) -> Option<Ticket> {
        if sealed.len() > MAX_SEALED {
            return None;
        }
        self.open_as(sealed, |version, plain| {
            let (_, form) = VERSIONS.into_iter().find(|(known, _)| *known == version)?;
            Ticket::decode(form, plain)
        })
    }

    /// Seals what a client shall carry, into characters of base64url; a third longer than it is.
    ///
    /// # Errors
    /// [`SealError::Random`] and [`SealError::Encrypt`].
    pub fn seal_carried(&self, sort: Carried, bytes: &[u8]) -> Result<String, SealError> {
        self.seal_as(sort.version(), bytes.to_vec())
    }

    /// Opens what [`SessionKeys::seal_carried`] has sealed as the same sort; `None` for anything else.
    pub fn open_carried(&self, sort: Carried, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open_as(sealed, |version, plain| {
            (version == sort.version()).then(|| plain.to_vec())
        })
    }

    fn seal_as(&self, version: u8, mut payload: Vec<u8>) -> Result<String, SealError> {
        let [key, ..] = self.keys.as_slice() else {
            return Err(SealError::Encrypt);
        };
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let header = key.header(version);
        key.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(header),
                &mut payload,
            )
            .map_err(|Unspecified| SealError::Encrypt)?;
        let mut bytes = Vec::with_capacity(HEADER_LEN + NONCE_LEN + payload.len());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&payload);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn open_as<T>(&self, sealed: &[u8], read: impl FnOnce(u8, &[u8]) -> Option<T>) -> Option<T> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (header, rest) = bytes.split_first_chunk_mut::<HEADER_LEN>()?;
        let (nonce, payload) = rest.split_first_chunk_mut::<NONCE_LEN>()?;
        // The key id is no secret, so it may be compared as any other number.
        let [version, ..] = *header;
        let key = self
            .keys
            .iter()
            .find(|key| key.header(version) == *header)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key
            .key
            .open_in_place(nonce, Aad::from(*header), payload)
            .ok()?;
        read(version, plain)
    }
}

impl SessionKey {
    fn derive(secret: &[u8]) -> Result<Self, SessionKeysError> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"mcpt session id 1").extract(secret);
        let failed = |Unspecified| SessionKeysError::Derive;
        let key = UnboundKey::from(prk.expand(&[b"key"], &AES_256_GCM_SIV).map_err(failed)?);
        let mut id = [0; KEY_ID_LEN];
        prk.expand(&[b"id"], KeyIdLength)
            .and_then(|okm| okm.fill(&mut id))
            .map_err(failed)?;
        Ok(Self {
            id,
            key: LessSafeKey::new(key),
        })
    }

    fn header(&self, version: u8) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = self.id;
        [version, a, b, c, d]
    }
}

fn version_of(form: Form) -> u8 {
    let [(one_leg, _), (fields, _)] = VERSIONS;
    match form {
        Form::OneLeg => one_leg,
        Form::Fields => fields,
    }
}

/// Whether a text of at least 32 characters cannot have been drawn at random: a few characters, or a short word again and
/// again. Of random hexadecimal digits, one text of 10 million is taken for such.
fn is_trivial(text: &[u8]) -> bool {
    let characters: BTreeSet<u8> = text.iter().copied().collect();
    let pairs: BTreeSet<&[u8]> = text.windows(2).collect();
    characters.len() < 8 || pairs.len() < 14
}

/// Length of a key id, as HKDF wants it told.
struct KeyIdLength;

impl hkdf::KeyType for KeyIdLength {
    fn len(&self) -> usize {
        KEY_ID_LEN
    }
}

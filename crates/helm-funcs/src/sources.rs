//! What functions may ask of the world: the time, randomness, the cluster.

use std::fmt;
use std::rc::Rc;

use gotmpl::Error;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// Reads objects of the cluster, for the function `lookup`.
pub trait Lookup {
    /// The object of that name; the list of all, if the name is empty. An empty map if there is
    /// none. An empty namespace means all namespaces, or an object without a namespace.
    ///
    /// # Errors
    /// What went wrong ([`Error::call`]); rendering then fails with its text.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Map<String, Value>, Error>;
}

/// Finds nothing, as `helm template` and `helm lint` do.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLookup;

impl Lookup for NoLookup {
    fn lookup(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Map<String, Value>, Error> {
        Ok(Map::new())
    }
}

/// Fills a buffer with random bytes, or says why it cannot.
pub type RandomSource = Rc<dyn Fn(&mut [u8]) -> Result<(), Error>>;

/// Where functions get from what is not in their arguments.
#[derive(Clone)]
pub struct Sources {
    /// The time.
    pub now: Rc<dyn Fn() -> Timestamp>,
    /// The time zone that `date` and others call local.
    pub local: TimeZone,
    /// Fills a buffer with random bytes.
    pub random: RandomSource,
    /// The cluster.
    pub lookup: Rc<dyn Lookup>,
    /// The address of a host, for `getHostByName`; empty when it is not known, or not to be asked for.
    pub host: Rc<dyn Fn(&str) -> String>,
}

impl Sources {
    /// The system's clock, time zone and randomness, and no cluster.
    pub fn system() -> Self {
        Self {
            now: Rc::new(Timestamp::now),
            local: TimeZone::system(),
            random: Rc::new(|buffer| {
                getrandom::fill(buffer).map_err(|e| Error::call(e.to_string()))
            }),
            lookup: Rc::new(NoLookup),
            host: Rc::new(|_| String::new()),
        }
    }

    /// The same, and somebody who knows the addresses of hosts, as with Helm's `--enable-dns`. A chart may tell things to others by
    /// what it asks for.
    #[must_use]
    pub fn asking(self, host: impl Fn(&str) -> String + 'static) -> Self {
        Self {
            host: Rc::new(host),
            ..self
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

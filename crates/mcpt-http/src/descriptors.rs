//! How many descriptors, and so connections, a process may have.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are needed for something else than clients and what they make a server open.
const OTHERS: usize = 128;
/// Most connections of clients, however many descriptors there are: each takes some memory.
const MOST_CONNECTIONS: usize = 65_536;

/// How many descriptors this process may have now.
pub fn descriptor_limit() -> usize {
    let now = getrlimit(Resource::Nofile).current;
    // None is no limit.
    now.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    })
}

/// How many connections of clients a server may take that may have so many descriptors: half of them, since each client may
/// need another one, to a server behind or to a process.
pub fn connections_within(descriptors: usize) -> usize {
    (descriptors.saturating_sub(OTHERS) / 2).clamp(1, MOST_CONNECTIONS)
}

/// Lets this process have as many descriptors as it may, and says how many those are. Not for a process that starts others,
/// which would inherit it: old programs fail with descriptors beyond 1023.
///
/// # Errors
/// When the system does not let it be raised to what it has named as possible.
pub fn raise_descriptor_limit() -> io::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    // None is no limit.
    Ok(limit.maximum.map_or(usize::MAX, |most| most as usize))
}

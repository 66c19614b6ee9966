//! How many descriptors, and so connections, a process may have.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

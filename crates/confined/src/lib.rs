//! Files of a folder that came from somebody else, and nothing outside it.
//!
//! A link that stays within the folder is followed, one that leaves it is refused and named, also when it appears while the
//! folder is being read: the kernel resolves each path beneath the opened folder. Only regular files are read, and no more of
//! them than the caller allows, so that neither a FIFO nor an endless device holds anybody up.

mod checkout;
mod error;
mod folder;
mod index;
mod links;
mod named;

pub use error::Error;
pub use folder::{Folder, Kind};
pub use named::{read_file, read_named};

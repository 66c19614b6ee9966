//! What backends share that start servers themselves, on this machine or by way of an engine on it.
//!
//! A backend starts a server beside the one that it replaces, looks at it with [`Readiness`], tells of it as [`Event`]s and
//! lets [`until_ready`] decide what becomes of the trial. Clients use the port of a [`Forward`], which stays the same. Output
//! goes to a [`LogFile`] and is read with [`LogReader`]; [`Backoff`] says when a server that ended is started again. All files
//! are opened by way of [`own_files`].

mod backoff;
mod forward;
mod log_file;
mod log_reader;
pub mod own_files;
mod ports;
mod readiness;
mod trial;

pub use self::{
    backoff::Backoff,
    forward::Forward,
    log_file::{LogFile, older},
    log_reader::LogReader,
    ports::{free_port, is_free},
    readiness::{BRIDGE_PATH, Endpoint, News, Readiness},
    trial::{Event, Unready, until_ready, until_started},
};

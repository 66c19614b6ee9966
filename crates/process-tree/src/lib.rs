//! A process with all that it starts: kept together, found again, ended whole.
//!
//! A signal to a process group misses what has left the group, and a mark in the environment what has cleared it. What no
//! process can do is to get away from a parent that takes in orphans ([`keep`]): whatever its descendants do, they are its
//! descendants, and it ends after all of them. [`Mark`] finds those whose keeper was itself killed.

mod children;
mod exit;
mod keeper;
mod mark;

pub use self::{
    children::{adopted, has_children, is_child_of},
    exit::ExitWords,
    keeper::{KeepError, Keeper, cannot_start, keep, not_started},
    mark::{Mark, end_processes, variable_of},
};

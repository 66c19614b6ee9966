//! `mcpt chart install`, `upgrade`, `rollback`, `uninstall` and `diff` on the real cluster: interrupted at a step, ended by a signal,
//! and beside one another and helm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod charts;
mod diff;
mod interrupted;
mod signals;
mod tools;
mod unserved;

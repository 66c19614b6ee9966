//! The commands, one file each: arguments and what they do.

pub(crate) mod bridge;
pub(crate) mod demo;
pub(crate) mod install;
mod listen;
pub(crate) mod probe;
mod version;

use crate::{
    args::{Command, Global},
    ending::Ending,
};

/// Runs a command to its end.
pub(crate) fn run(command: Command, global: &Global) -> Result<(), Ending> {
    match command {
        Command::Bridge(bridge) => bridge.run(global),
        Command::Version => version::run(global),
        Command::Demo(demo) => demo.run(global),
        Command::Probe(probe) => probe.run(),
        Command::Install(install) => install.run(),
    }
}

//! The last step of starting a server: a process that ties its life to its supervisor's and then becomes the server.

use std::{ffi::OsString, io, os::unix::process::CommandExt as _, process::Command};

/// Replaces this process by a command that gets SIGTERM when the supervisor `parent` dies, however it dies. Returns only
/// when that fails.
pub fn become_server(parent: u32, command: &[OsString]) -> io::Error {
    if let Err(error) = die_with(parent) {
        return error;
    }
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no command");
    };
    let error = Command::new(program).args(arguments).exec();
    io::Error::new(error.kind(), format!("{}: {error}", program.display()))
}

#[cfg(target_os = "linux")]
fn die_with(parent: u32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)?;
    // Had it died before the line above, no signal would ever come.
    if nix::unistd::getppid().as_raw().cast_unsigned() != parent {
        return Err(io::Error::other("the supervisor is gone"));
    }
    Ok(())
}

/// Elsewhere only the next command that changes the server ends what a killed supervisor left.
#[cfg(not(target_os = "linux"))]
fn die_with(_parent: u32) -> io::Result<()> {
    Ok(())
}

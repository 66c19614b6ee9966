//! Running other programs: one way to say what was run and what it printed when it failed.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The command line as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(OsStr::to_string_lossy)
            .map(|word| match word {
                word if word.contains([' ', '\n']) => format!("'{word}'"),
                word => word.into_owned(),
            }),
    );
    words.join(" ")
}

/// Runs `command` and returns its standard output.
///
/// # Errors
/// When it cannot be started or does not end with 0; then with what it wrote to stderr.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    finish(command, None)
}

/// Runs `command` with `input` on its standard input and returns its standard output.
///
/// # Errors
/// As [`output`].
pub(crate) fn output_with_input(command: &mut Command, input: &[u8]) -> anyhow::Result<String> {
    finish(command, Some(input))
}

fn finish(command: &mut Command, input: Option<&[u8]>) -> anyhow::Result<String> {
    let mut child = command
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that ends before it has read everything says why on stderr.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{} failed ({}): {}{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
            String::from_utf8_lossy(&output.stdout).trim(),
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` with its output shown as progress.
///
/// # Errors
/// When it cannot be started or does not end with 0.
pub(crate) fn show(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

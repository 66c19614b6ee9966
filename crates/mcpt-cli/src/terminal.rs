//! The terminal of this process, lent to a program elsewhere: its keys as they are pressed, and its sizes.

use std::{
    io::{self, IsTerminal as _, Read as _},
    thread,
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use mcpt_core::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Bytes that are read at once.
const PART: usize = 16 * 1024;

/// Parts that wait for who takes them.
const WAITING: usize = 4;

/// The terminal without its own treatment of keys: Ctrl-C is a byte for the program that reads. As before when dropped.
#[derive(Debug)]
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// Begins it. `None` when standard input is no terminal.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub(crate) fn begin() -> io::Result<Option<Self>> {
        let keys = io::stdin();
        if !keys.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&keys)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&keys, OptionalActions::Now, &raw)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// The sizes of the terminal: that of now at once, then each one that it gets.
///
/// # Errors
/// When the system does not tell of changes.
pub(crate) fn sizes() -> io::Result<BoxStream<'static, TerminalSize>> {
    let changes = signal(SignalKind::window_change())?;
    let later = stream::unfold(changes, |mut changes| async move {
        loop {
            changes.recv().await?;
            if let Some(size) = size() {
                return Some((size, changes));
            }
        }
    });
    Ok(stream::iter(size()).chain(later).boxed())
}

fn size() -> Option<TerminalSize> {
    let (width, height) = terminal_size::terminal_size_of(io::stdin())?;
    Some(TerminalSize {
        width: width.0,
        height: height.0,
    })
}

/// What comes by standard input, until its end.
pub(crate) fn input() -> BoxStream<'static, Vec<u8>> {
    let (give, take) = mpsc::channel(WAITING);
    // A thread of its own: nothing can end a read that waits, and nobody waits for this thread.
    thread::spawn(move || {
        let mut keys = io::stdin().lock();
        let mut part = vec![0; PART];
        loop {
            match keys.read(&mut part) {
                Ok(0) => return,
                Ok(read) => {
                    let read = part.get(..read).unwrap_or_default().to_vec();
                    if give.blocking_send(read).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "standard input cannot be read further");
                    return;
                }
            }
        }
    });
    let parts = stream::unfold(take, |mut take| async move {
        let part = take.recv().await?;
        Some((part, take))
    });
    parts.boxed()
}

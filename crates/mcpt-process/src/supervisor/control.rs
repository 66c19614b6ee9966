//! What a supervisor is told: by the command that started it, through its standard input, and by signals.

use std::{io, os::fd::AsFd as _};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
};

use mcpt_workload::Event;

use crate::wire::{Order, Spec};

/// Something to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// Become the server.
    Commit,
    /// The command is gone or changed its mind: leave nothing behind.
    Undo,
    /// End the server.
    Terminate,
    /// End the server for the time of an update that cannot be tried beside it.
    StandAside,
    /// Start the server anew, by another supervisor that takes this one's place.
    Renew,
}

/// The supervisor's ear.
#[derive(Debug)]
pub(crate) struct Control {
    /// `None` once committed: the command may go.
    orders: Option<Lines<BufReader<pipe::Receiver>>>,
    terminate: Signal,
    stand_aside: Signal,
    renew: Signal,
}

impl Control {
    /// Takes standard input and the signals over.
    pub(crate) fn new() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let orders = BufReader::new(pipe::Receiver::from_owned_fd(input)?).lines();
        Ok(Self {
            orders: Some(orders),
            terminate: signal(SignalKind::terminate())?,
            stand_aside: signal(SignalKind::user_defined1())?,
            renew: signal(SignalKind::user_defined2())?,
        })
    }

    /// The spec: the first line.
    pub(crate) async fn spec(&mut self) -> io::Result<Spec> {
        let line = match &mut self.orders {
            Some(orders) => orders.next_line().await?,
            None => None,
        };
        let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
        serde_json::from_str(&line).map_err(io::Error::other)
    }

    /// The next instruction. Can be dropped and asked again without loss.
    pub(crate) async fn next(&mut self) -> Instruction {
        let Some(orders) = &mut self.orders else {
            return tokio::select! {
                _ = self.terminate.recv() => Instruction::Terminate,
                _ = self.stand_aside.recv() => Instruction::StandAside,
                _ = self.renew.recv() => Instruction::Renew,
            };
        };
        tokio::select! {
            line = orders.next_line() => {
                let order = line.ok().flatten().and_then(|line| serde_json::from_str(&line).ok());
                match order {
                    Some(Order::Commit) => {
                        self.orders = None;
                        Instruction::Commit
                    }
                    // The end of the input, or nothing that this version understands.
                    None => Instruction::Undo,
                }
            }
            _ = self.terminate.recv() => Instruction::Terminate,
        }
    }
}

/// The supervisor's reporter: tells the command that waits, if one still does.
#[derive(Debug)]
pub(crate) struct Reporter {
    output: pipe::Sender,
}

impl Reporter {
    /// Takes standard output over.
    pub(crate) fn new() -> io::Result<Self> {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self {
            output: pipe::Sender::from_owned_fd(output)?,
        })
    }

    /// Tells an event. A listener that is gone, or so slow that the pipe is full, misses it.
    pub(crate) fn tell(&self, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            drop(self.output.try_write(&line));
        }
    }
}

//! [`Relay`]: one address for several gateways, each connection to the next of them, as a Service of Kubernetes has it.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::Context;

/// Listens until the program ends.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
}

impl Relay {
    pub(super) fn start(targets: &[SocketAddr]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("a port for the relay")?;
        let address = listener.local_addr()?;
        let targets = targets.to_vec();
        thread::spawn(move || {
            let connections = listener.incoming().map_while(Result::ok);
            for (client, target) in connections.zip(targets.into_iter().cycle()) {
                thread::spawn(move || {
                    // Either side may end at any time; the other is told.
                    drop(join(&client, target));
                    drop(client.shutdown(Shutdown::Both));
                });
            }
        });
        Ok(Self { address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Passes on what comes, both ways, until both have said their last.
fn join(client: &TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || pass(from, to));
    pass(client.try_clone()?, server)?;
    back.join().unwrap_or(Ok(()))
}

fn pass(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let passed = io::copy(&mut from, &mut to);
    to.shutdown(Shutdown::Write)?;
    passed.map(drop)
}

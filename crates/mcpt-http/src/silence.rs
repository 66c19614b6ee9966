//! Connections whose other side has gone without a word, as a machine does that loses its power or its network: the system asks
//! from time to time, and ends the connection when nothing answers. Without that whoever waits for an answer waits for ever.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How long a connection may be silent before the system asks, and how long it waits between two questions.
const ASKED_AFTER: Duration = Duration::from_secs(20);
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// How many questions remain without an answer.
const ASKED_AT_MOST: u32 = 4;
/// How long what was sent to a server may wait to arrive there. One that lives but takes nothing in for so long is given up too.
const ARRIVES_WITHIN: Duration = Duration::from_mins(1);

/// A connection to a server ends when that has gone silently. A socket that refuses this works all the same.
pub(crate) fn end_when_server_is_gone(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    drop(socket.set_tcp_keepalive(&asked()));
    drop(socket.set_tcp_user_timeout(Some(ARRIVES_WITHIN)));
}

/// The same for a client, which may read as slowly as it likes as long as it is there.
pub(crate) fn end_when_client_is_gone(stream: &TcpStream) {
    drop(SockRef::from(stream).set_tcp_keepalive(&asked()));
}

fn asked() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(ASKED_AFTER)
        .with_interval(ASKED_EVERY)
        .with_retries(ASKED_AT_MOST)
}

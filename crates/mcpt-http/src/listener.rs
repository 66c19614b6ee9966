//! [`listen`]: a listener on all addresses, or the loopback, of the families that there are.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// Listens on an address, fit for an asynchronous runtime. `[::]` takes connections of IPv4 as well, whatever the system's own
/// default says, and becomes `0.0.0.0` on a system that knows no IPv6. `127.0.0.1` becomes `[::1]` on a system without IPv4. What
/// the listener says of itself is true.
///
/// # Errors
/// What the system says when the address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match (bind(address), in_the_other_family(address)) {
        (Err(error), Some(other)) if lacks_the_family(&error) => bind(other).or(Err(error)),
        (bound, _) => bound,
    }
}

/// The address that means the same where there is only the other family.
fn in_the_other_family(address: SocketAddr) -> Option<SocketAddr> {
    if is_any_of_ipv6(address) {
        Some((Ipv4Addr::UNSPECIFIED, address.port()).into())
    } else if address.ip() == Ipv4Addr::LOCALHOST {
        Some((Ipv6Addr::LOCALHOST, address.port()).into())
    } else {
        None
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if is_any_of_ipv6(address) {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    // As the standard library does: a server may take the port of one that has just ended.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_any_of_ipv6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// No such family, or none of its addresses.
fn lacks_the_family(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn port(listener: &TcpListener) -> u16 {
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn all_addresses_are_those_of_ipv4_too() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port(&listener))).unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect(format!("[::1]:{}", port(&listener))).unwrap();
        }
    }

    #[test]
    fn one_address_is_no_other() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(TcpStream::connect(("127.0.0.2", port(&listener))).is_err());
        let taken = listen(listener.local_addr().unwrap()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert!(!lacks_the_family(&taken));
    }

    #[test]
    fn the_address_in_the_other_family_means_the_same() {
        let other = |address: &str| {
            in_the_other_family(address.parse().unwrap()).map(|address| address.to_string())
        };
        assert_eq!(other("[::]:7").as_deref(), Some("0.0.0.0:7"));
        assert_eq!(other("127.0.0.1:7").as_deref(), Some("[::1]:7"));
        for address in ["0.0.0.0:7", "[::1]:7", "127.0.0.2:7", "192.0.2.1:7"] {
            assert_eq!(other(address), None, "{address}");
        }
    }

    #[test]
    fn a_system_without_a_family_is_told_by_its_error() {
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert!(lacks_the_family(&errno.into()));
        }
        assert!(!lacks_the_family(&Errno::ACCESS.into()));
    }
}

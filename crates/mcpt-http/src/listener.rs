//! [`listen`]: a listener on all addresses of both families, where there are both.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// Listens on an address, fit for an asynchronous runtime. `[::]` takes connections of IPv4 as well, whatever the system's own
/// default says, and becomes `0.0.0.0` on a system that knows no IPv6.
///
/// # Errors
/// What the system says when the address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match bind(address) {
        Err(error) if is_any_of_ipv6(address) && lacks_ipv6(&error) => {
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
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
fn lacks_ipv6(error: &io::Error) -> bool {
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
        assert!(!lacks_ipv6(&taken));
    }

    #[test]
    fn a_system_without_ipv6_is_told_by_its_error() {
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert!(lacks_ipv6(&errno.into()));
        }
        assert!(!lacks_ipv6(&Errno::ACCESS.into()));
    }
}

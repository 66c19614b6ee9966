//! Ports of this machine for servers that must be told one.

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    ops::RangeInclusive,
};

/// Ports that anybody may use.
const ALL: RangeInclusive<u16> = 10_000..=65_000;
/// How often a port is drawn before the system is asked for one.
const DRAWS: usize = 64;

/// The addresses on which a server of this machine may listen: those of `localhost`.
pub(crate) fn loopback(port: u16) -> [SocketAddr; 2] {
    [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ]
}

/// Whether nobody listens on a port of the loopback addresses.
pub fn is_free(port: u16) -> bool {
    loopback(port)
        .iter()
        .all(|address| match TcpListener::bind(address) {
            Ok(_) => true,
            // A machine without IPv6 has nobody who listens there.
            Err(error) => address.is_ipv6() && error.kind() == io::ErrorKind::AddrNotAvailable,
        })
}

/// A port that nobody uses now, for a server that is started with it a moment later. It is none that the system gives to those
/// who ask for any port, so that nobody gets it in between who did not name it.
///
/// # Errors
/// When no port can be had.
pub fn free_port() -> io::Result<u16> {
    let given_to_anybody = ephemeral();
    for _ in 0..DRAWS {
        let port = draw()?;
        if !given_to_anybody.contains(&port) && is_free(port) {
            return Ok(port);
        }
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Ok(TcpListener::bind(any)?.local_addr()?.port())
}

fn draw() -> io::Result<u16> {
    let drawn = getrandom::u32().map_err(io::Error::other)?;
    let number = u32::from(ALL.end() - ALL.start()) + 1;
    // Less than a port's range.
    Ok(ALL.start() + (drawn % number) as u16)
}

/// The ports that the system gives to those who ask for any.
fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range(&text).unwrap_or(32_768..=60_999)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace();
    Some(words.next()?.parse().ok()?..=words.next()?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_one_that_others_are_given() {
        let given = ephemeral();
        for _ in 0..20 {
            let port = free_port().unwrap();
            assert!(!given.contains(&port), "{port} in {given:?}");
            assert!(is_free(port));
        }
    }

    #[test]
    fn whoever_listens_on_either_address_has_the_port() {
        for any in loopback(0) {
            // A machine without IPv6 has one address.
            let Ok(listener) = TcpListener::bind(any) else {
                continue;
            };
            assert!(!is_free(listener.local_addr().unwrap().port()));
        }
    }

    #[test]
    fn the_range_of_the_system() {
        assert_eq!(range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(range(""), None);
    }
}

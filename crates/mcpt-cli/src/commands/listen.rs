//! [`Listen`]: where the servers inside the binary listen.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use clap::Args;

/// The port when nothing names one.
const DEFAULT_PORT: u16 = 8080;

/// Address and port of a server inside the binary.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Address to listen on: IP, IP:PORT, IPv6 in brackets; `[::]` is all addresses, of IPv4 too. Without a port: the
    /// variable PORT, else 8080
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    listen: Address,
    /// Port when --listen names none
    #[arg(long, env = "PORT", hide = true)]
    port: Option<u16>,
}

impl Listen {
    /// The address to bind.
    pub(crate) fn address(&self) -> SocketAddr {
        let port = self.listen.port.or(self.port).unwrap_or(DEFAULT_PORT);
        SocketAddr::new(self.listen.ip, port)
    }
}

/// An IP address with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address {
    ip: IpAddr,
    port: Option<u16>,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NoAddress {
    Port(String),
    Form,
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(text) => write!(f, "{text:?} is not a port"),
            Self::Form => f.write_str("expected IP, IP:PORT or [IPv6]:PORT"),
        }
    }
}

impl std::error::Error for NoAddress {}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Ok(address) = SocketAddr::from_str(text) {
            return Ok(Self {
                ip: address.ip(),
                port: Some(address.port()),
            });
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(ip) = IpAddr::from_str(bare.unwrap_or(text)) {
            return Ok(Self { ip, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let port = port.parse().map_err(|_| NoAddress::Port(port.to_owned()))?;
                (host, Some(port))
            }
            None => (text, None),
        };
        match host {
            "localhost" => Ok(Self {
                ip: Ipv4Addr::LOCALHOST.into(),
                port,
            }),
            "" => Ok(Self {
                ip: Ipv6Addr::UNSPECIFIED.into(),
                port,
            }),
            _ => Err(NoAddress::Form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, ip, port) in [
            ("127.0.0.1", "127.0.0.1", None),
            ("0.0.0.0:80", "0.0.0.0", Some(80)),
            (":80", "::", Some(80)),
            ("localhost:1", "127.0.0.1", Some(1)),
            ("::1", "::1", None),
            ("[::]:9", "::", Some(9)),
            ("[::]", "::", None),
            ("::", "::", None),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(
                (address.ip.to_string().as_str(), address.port),
                (ip, port),
                "{text}"
            );
        }
        for text in ["example.com:80", "127.0.0.1:http", "1.2.3:4"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}

//! A server of the files in a folder, over HTTP/1.1; what is below `private/` wants a user and a password.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

/// `u:w`, as basic authentication says it.
const LOGIN: &str = "Basic dTp3";

/// A server that runs to the end of the test program.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
}

impl Server {
    /// Serves a folder at a port of the system's choice.
    pub(crate) fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = folder.to_owned();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let folder = folder.clone();
                thread::spawn(move || answer(&connection, &folder));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(connection: &TcpStream, folder: &Path) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = first.split(' ').nth(1).unwrap_or_default();
    let path = path.trim_start_matches('/');
    let logged_in = head.iter().any(|line| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value == LOGIN
        })
    });
    let (status, body) = if path.starts_with("private/") && !logged_in {
        ("401 Unauthorized", Vec::new())
    } else {
        match fs::read(folder.join(path)) {
            Ok(data) => ("200 OK", data),
            Err(_) => ("404 Not Found", Vec::new()),
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut connection = connection;
    // A client that went away wants nothing more.
    drop(connection.write_all(&[head.as_bytes(), &body].concat()));
}

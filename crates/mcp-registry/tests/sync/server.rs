//! A registry that answers as it is told, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is said to a request, by its path with the query: a status, and a body or where to look instead.
pub(crate) type Answer = dyn Fn(&str) -> (u16, String) + Send + Sync;

/// A server that runs to the end of the test program.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Heads of all requests.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answer: Box<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
        };
        let heads = Arc::clone(&server.heads);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                serve(connection, &heads, &*answer);
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths of all requests, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let path = |head: &String| head.split(' ').nth(1).unwrap_or_default().to_owned();
        heads.iter().map(path).collect()
    }
}

/// Answers the one request of a connection.
fn serve(connection: TcpStream, heads: &Mutex<Vec<String>>, answer: &Answer) {
    let mut connection = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        // A client that went away.
        if !connection.read_line(&mut head).is_ok_and(|read| read > 0) {
            return;
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let (status, body) = answer(&path);
    let (place, body) = match status {
        302 => (format!("Location: {body}/v0.1/servers\r\n"), String::new()),
        _ => (String::new(), body),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{place}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // Whoever asked may be gone.
    drop(connection.get_mut().write_all((head + &body).as_bytes()));
}

//! A server over TCP or TLS that answers as it is told, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What is said to a request, by its path; none to say nothing more and keep the connection open.
pub(crate) type Answer = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A server that runs to the end of the test program.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Heads of all requests.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    /// How many connections there were.
    pub(crate) connections: Arc<AtomicUsize>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Server {
    pub(crate) fn start(tls: Option<Arc<ServerConfig>>, answer: Box<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
            connections: Arc::default(),
        };
        let (this, answer) = (server.clone(), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                this.connections.fetch_add(1, Ordering::SeqCst);
                let (this, answer, tls) = (this.clone(), Arc::clone(&answer), tls.clone());
                thread::spawn(move || this.serve(stream(connection, tls), &**answer));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often each of the requests had this in its head.
    pub(crate) fn saw(&self, word: &str) -> Vec<bool> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.contains(word)).collect()
    }

    fn serve(&self, stream: Box<dyn Stream>, answer: &Answer) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                // A client that went away, or does not trust this server.
                if !stream.read_line(&mut head).is_ok_and(|read| read > 0) {
                    return;
                }
            }
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            self.heads.lock().unwrap().push(head);
            let Some(text) = answer(&path) else {
                // Until the client gives up.
                drop(stream.read_to_end(&mut Vec::new()));
                return;
            };
            let written = stream.get_mut().write_all(text.as_bytes());
            if written.and_then(|()| stream.get_mut().flush()).is_err() {
                return;
            }
        }
    }
}

fn stream(connection: TcpStream, tls: Option<Arc<ServerConfig>>) -> Box<dyn Stream> {
    match tls {
        None => Box::new(connection),
        Some(config) => {
            let session = ServerConnection::new(config).unwrap();
            Box::new(StreamOwned::new(session, connection))
        }
    }
}

/// An answer with a body.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An answer that leads somewhere else.
pub(crate) fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

//! A server that answers as the test says, one connection per request.

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
};

/// What came to a server.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: String,
    /// Its path and query.
    pub(crate) target: String,
    /// All headers, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body; `null` if there is none.
    pub(crate) message: Value,
}

impl ReceivedRequest {
    /// The value of a header, its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The method of its message.
    pub(crate) fn rpc(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// The response with a result.
    pub(crate) fn result(&self, result: &Value) -> Said {
        let message = json!({"jsonrpc": "2.0", "id": self.message["id"], "result": result});
        Said::Json(message.to_string())
    }
}

/// What a server answers.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// One message.
    Json(String),
    /// Pieces of a stream that ends after them.
    Events(Vec<String>),
    /// The stream goes on when the test says more.
    Open(Vec<String>),
    /// One message, once it is let.
    Held(Arc<Semaphore>, String),
    /// Nothing, with a status.
    Status(u16),
    /// Nothing at all.
    Silence,
    /// The end of the connection.
    Broken,
}

/// A running server.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    /// What came to it.
    pub(crate) asked: UnboundedReceiver<ReceivedRequest>,
    /// What it says on streams that are open.
    pub(crate) say: tokio::sync::broadcast::Sender<String>,
}

/// Starts one. What `script` does not answer is answered as a server with one tool, `tool`, and whatever capabilities are
/// given; it begins sessions with the id `own`.
pub(crate) async fn scripted(
    capabilities: Value,
    script: impl Fn(&ReceivedRequest) -> Option<Said> + Send + Sync + 'static,
) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (note, asked) = unbounded_channel();
    let (say, _) = tokio::sync::broadcast::channel(64);
    let script = Arc::new(script);
    let said = say.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (script, note) = (Arc::clone(&script), note.clone());
            let (said, capabilities) = (said.clone(), capabilities.clone());
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let Some(asked) = read(&mut stream).await else {
                    return;
                };
                // The test may have no interest in it any more.
                drop(note.send(asked.clone()));
                let answer = script(&asked).unwrap_or_else(|| usual(&asked, &capabilities));
                answer_with(stream.into_inner(), answer, &said).await;
            });
        }
    });
    Scripted {
        address,
        asked,
        say,
    }
}

fn usual(asked: &ReceivedRequest, capabilities: &Value) -> Said {
    match asked.rpc() {
        "initialize" => asked.result(&json!({
            "protocolVersion": asked.message["params"]["protocolVersion"],
            "capabilities": capabilities,
            "serverInfo": {"name": "scripted", "version": "1"},
        })),
        "tools/list" => asked.result(&json!({"tools": [{"name": "tool"}]})),
        _ if asked.method == "GET" => Said::Status(405),
        _ => Said::Status(202),
    }
}

pub(crate) async fn read(stream: &mut BufReader<TcpStream>) -> Option<ReceivedRequest> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(ReceivedRequest {
        method,
        target,
        headers,
        message: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

async fn answer_with(
    mut stream: TcpStream,
    said: Said,
    more: &tokio::sync::broadcast::Sender<String>,
) {
    let session = "Mcp-Session-Id: own\r\nConnection: close\r\n";
    let (head, pieces, open) = match said {
        Said::Json(text) => {
            let length = text.len();
            let head =
                format!("200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}");
            (head, vec![text], false)
        }
        Said::Events(pieces) => {
            let head = "200 OK\r\nContent-Type: text/event-stream".to_owned();
            (head, pieces, false)
        }
        Said::Open(pieces) => {
            let head = "200 OK\r\nContent-Type: text/event-stream".to_owned();
            (head, pieces, true)
        }
        Said::Status(status) => (
            format!("{status} X\r\nContent-Length: 0"),
            Vec::new(),
            false,
        ),
        Said::Held(let_through, text) => {
            let_through.acquire().await.unwrap().forget();
            let length = text.len();
            let head =
                format!("200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}");
            (head, vec![text], false)
        }
        Said::Silence => return std::future::pending().await,
        Said::Broken => return,
    };
    let mut more = more.subscribe();
    let head = format!("HTTP/1.1 {head}\r\n{session}\r\n");
    // The client may be gone.
    let mut sent = stream.write_all(head.as_bytes()).await;
    for piece in pieces {
        if sent.is_ok() {
            sent = stream.write_all(piece.as_bytes()).await;
        }
    }
    while open && sent.is_ok() {
        let Ok(piece) = more.recv().await else { return };
        sent = stream.write_all(piece.as_bytes()).await;
    }
}

/// A message as an event.
pub(crate) fn event(message: &Value) -> String {
    format!("event: message\r\ndata: {message}\r\n\r\n")
}

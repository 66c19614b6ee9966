//! What commands and the host say to each other: one request and one answer on each connection, a JSON document a line.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

use mcpt_workload::Endpoint;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

/// A server to be started. Its secrets are in `env`, and so it is never written but to the socket.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) template: String,
    pub(crate) command: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Duration,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    Deploy(Wanted),
    List,
    Log(String),
    Delete(String),
}

/// A server that runs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) template: String,
    pub(crate) command: Vec<String>,
    pub(crate) transport: String,
    pub(crate) url: String,
    pub(crate) process: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    Servers(Vec<Running>),
    Lines(Vec<String>),
    Deleted,
    NotFound,
    Failed { why: String, log: Vec<String> },
}

/// Asks the host; `None` when there is none, and so nothing runs.
pub(crate) async fn ask(socket: &Path, request: &Request) -> io::Result<Option<Answer>> {
    let gone = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
    let mut stream = match UnixStream::connect(socket).await {
        Err(error) if gone.contains(&error.kind()) => return Ok(None),
        stream => stream?,
    };
    write(&mut stream, request).await?;
    read(&mut stream).await.map(Some)
}

pub(crate) async fn write(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

pub(crate) async fn read<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}

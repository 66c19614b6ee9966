//! A client that shows each connection as it is: kept or closed, ended in order or broken.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// One connection.
pub(crate) struct Wire(BufReader<TcpStream>);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    pub(crate) retry_after: bool,
    /// All headers, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Whether the other side keeps the connection.
    pub(crate) kept: bool,
    pub(crate) text: String,
}

/// How the end of an answer is known.
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

impl From<TcpStream> for Wire {
    fn from(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<()> {
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let headers = lines.concat();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).await
    }

    /// Sends bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Reads, as it comes, what ends with `end`.
    pub(crate) async fn until(&mut self, end: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            bytes.push(self.0.read_u8().await?);
        }
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    /// Reads up to the first byte of the body.
    async fn head(&mut self) -> io::Result<(Answer, Framing)> {
        let line = self.line().await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut answer = Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            session: None,
            retry_after: false,
            headers: Vec::new(),
            kept: true,
            text: String::new(),
        };
        let mut framing = Framing::Close;
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else {
                if answer.status < 200 || answer.status == 204 {
                    framing = Framing::Length(0);
                }
                return Ok((answer, framing));
            };
            answer
                .headers
                .push((name.to_ascii_lowercase(), value.to_owned()));
            match name {
                "mcp-session-id" => answer.session = Some(value.to_owned()),
                "retry-after" => answer.retry_after = true,
                "connection" if value == "close" => answer.kept = false,
                "content-length" => framing = Framing::Length(value.parse().unwrap()),
                "transfer-encoding" => framing = Framing::Chunked,
                _ => {}
            }
        }
    }

    /// Reads the answer; an error when it breaks off.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let (mut answer, framing) = self.head().await?;
        let mut bytes = Vec::new();
        match framing {
            Framing::Length(length) => bytes = self.exactly(length).await?,
            Framing::Close => drop(self.0.read_to_end(&mut bytes).await?),
            Framing::Chunked => loop {
                let line = self.line().await?;
                let size = usize::from_str_radix(&line, 16).unwrap();
                bytes.extend(self.exactly(size).await?);
                self.line().await?;
                if size == 0 {
                    break;
                }
            },
        }
        answer.text = String::from_utf8(bytes).unwrap();
        Ok(answer)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        self.send(method, path, headers, body).await?;
        self.answer().await
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Answer {
    /// The value of a header, its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The instance that answered `whoami`.
    pub(crate) fn instance(&self) -> &str {
        let found = self
            .text
            .split_once("\"structuredContent\":{\"instance\":\"");
        let Some((_, rest)) = found else {
            panic!("no instance in {self:?}")
        };
        rest.split('"').next().unwrap()
    }
}

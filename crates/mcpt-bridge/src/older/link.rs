//! [`Link`]: the connection of one session with such a server.

use std::{io, sync::Arc, time::Duration};

use axum::http::{
    HeaderMap, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http_body_util::BodyExt as _;
use mcpt_http::Account;
use mcpt_protocol::{
    ErrorCode, Kind, Message, error_response, media,
    sse::{Event, Reader},
};
use tokio::{
    io::{AsyncRead, AsyncWriteExt as _, BufReader, DuplexStream, duplex},
    sync::{Mutex, mpsc, watch},
    task::JoinHandle,
};

use super::{OlderServer, OlderStream, carried};
use crate::{
    child::{Ended, Input, Process, Said, Started},
    lines::LineReader,
};

/// Bytes that wait between the session and the link, each way.
const PIPE: usize = 64 * 1024;
/// How long the server may take to begin its stream, and then to say where messages go.
const BEGIN: Duration = Duration::from_secs(30);
/// How long a message is waited for to have been taken before the next one is posted all the same: some servers answer when
/// they have done what it asks, and may ask something meanwhile.
const TAKEN: Duration = Duration::from_secs(1);
/// Most messages whose posting is not over.
const MOST: usize = 256;

/// One session with the server: dropping it ends the session.
#[derive(Debug)]
pub(crate) struct Link {
    task: JoinHandle<String>,
}

/// The stream of a session that is to begin.
#[derive(Debug)]
pub(crate) struct Opened {
    server: Arc<dyn OlderServer>,
    headers: HeaderMap,
    stream: OlderStream,
}

/// Opens the stream of a session on behalf of who has sent these headers.
///
/// # Errors
/// [`Unopened`].
pub(crate) async fn open(
    server: &Arc<dyn OlderServer>,
    headers: &HeaderMap,
) -> Result<Opened, Unopened> {
    let headers = carried(headers);
    let mut asked = headers.clone();
    asked.insert(ACCEPT, HeaderValue::from_static(media::EVENT_STREAM));
    let opened = tokio::time::timeout(BEGIN, server.listen(asked)).await;
    let response = opened
        .map_err(|_| Unopened::Late)?
        .map_err(Unopened::Unreachable)?;
    if !response.status().is_success() || !media::is_type(response.headers(), media::EVENT_STREAM) {
        let challenges = response.headers().get_all(WWW_AUTHENTICATE);
        return Err(Unopened::NoStream {
            status: response.status(),
            challenges: challenges.iter().cloned().collect(),
        });
    }
    Ok(Opened {
        server: Arc::clone(server),
        headers,
        stream: response.into_body(),
    })
}

/// Begins the session of a stream. What it says is held by `account`, in messages of at most `max` bytes.
pub(crate) fn connect(opened: Opened, max: usize, account: &Account) -> Started {
    let (stdout, output) = duplex(PIPE);
    let (posts, said) = mpsc::channel(1);
    let wire = Wire {
        server: opened.server,
        max,
    };
    let task = tokio::spawn(wire.run(opened.stream, said, opened.headers, output));
    let stdout: Box<dyn AsyncRead + Send + Sync + Unpin> = Box::new(stdout);
    Started {
        process: Process::elsewhere(Link { task }),
        input: Input::Posts(posts),
        stdout: LineReader::new(BufReader::new(stdout), max, account),
    }
}

impl Link {
    /// Why it has ended, once it has.
    pub(crate) async fn how_it_ended(&mut self) -> Ended {
        Ended::Otherwise(match (&mut self.task).await {
            Ok(why) => why,
            Err(error) => format!("the connection to the server was lost: {error}"),
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why there is no stream, and so no session: nothing was said in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    #[error("the server did not begin its stream of events in time")]
    Late,
    #[error("the server cannot be reached: {0}")]
    Unreachable(io::Error),
    #[error("the server answers {status} where its stream of events should be")]
    NoStream {
        status: StatusCode,
        /// How it wants to be told who asks.
        challenges: Vec<HeaderValue>,
    },
}

/// What the session says and hears.
type Output = Mutex<DuplexStream>;

/// The way to the server.
#[derive(Debug)]
struct Wire {
    server: Arc<dyn OlderServer>,
    max: usize,
}

impl Wire {
    /// Passes messages on both ways until one of them ends; why it has ended.
    async fn run(
        self,
        stream: OlderStream,
        said: mpsc::Receiver<Said>,
        headers: HeaderMap,
        output: DuplexStream,
    ) -> String {
        let output = Mutex::new(output);
        let (told, endpoint) = watch::channel(None);
        tokio::select! {
            why = self.hear(stream, &told, &output) => why,
            why = self.post_all(said, headers, endpoint, &output) => why,
        }
    }

    /// Hears the server. What it says first is where messages go.
    async fn hear(
        &self,
        mut stream: OlderStream,
        told: &watch::Sender<Option<String>>,
        output: &Output,
    ) -> String {
        let mut reader = Reader::new(self.max);
        loop {
            let frame = match stream.frame().await {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return format!("the server's stream broke off: {error}"),
                None => return "the server has ended its stream of events".to_owned(),
            };
            let mut events = Vec::new();
            if let Some(piece) = frame.data_ref()
                && let Err(error) = reader.read(piece, &mut events)
            {
                return format!("the server's stream cannot be read: {error}");
            }
            for event in events {
                self.take(event, told, output).await;
            }
        }
    }

    async fn take(&self, event: Event, told: &watch::Sender<Option<String>>, output: &Output) {
        let is_message = event.is_message();
        let Some(data) = event.data else {
            return;
        };
        if event.name.as_deref() == Some("endpoint") {
            // Sessions have one.
            told.send_if_modified(|known| {
                let first = known.is_none();
                known.get_or_insert(data);
                first
            });
            return;
        }
        if is_message {
            // Between two tokens of JSON, where alone a line feed stands, a blank means the same.
            say(output, data.replace('\n', " ")).await;
        }
    }

    /// Posts what the session says, in its order, each message with the headers of its client; what the bridge says by itself
    /// with those that came last, at first `latest`.
    async fn post_all(
        &self,
        mut said: mpsc::Receiver<Said>,
        mut latest: HeaderMap,
        mut endpoint: watch::Receiver<Option<String>>,
        output: &Output,
    ) -> String {
        let known = async {
            let known = endpoint.wait_for(Option::is_some).await;
            known.ok().and_then(|known| known.clone())
        };
        let Ok(Some(endpoint)) = tokio::time::timeout(BEGIN, known).await else {
            return "the server did not say in time where messages go".to_owned();
        };
        let mut posting = FuturesUnordered::new();
        loop {
            let Said { message, headers } = tokio::select! {
                said = said.recv() => match said {
                    None => return "the session was ended".to_owned(),
                    Some(said) => said,
                },
                Some(over) = posting.next() => match over {
                    Some(why) => return why,
                    None => continue,
                },
            };
            if let Some(headers) = headers {
                latest = headers;
            }
            let mut post = Box::pin(self.post(&endpoint, latest.clone(), message, output));
            match tokio::time::timeout(TAKEN, &mut post).await {
                Ok(Some(why)) => return why,
                Ok(None) => {}
                Err(_) => posting.push(post),
            }
            while posting.len() > MOST {
                if let Some(Some(why)) = posting.next().await {
                    return why;
                }
            }
        }
    }

    /// Posts one message. When it does not arrive, who waits for its answer is told; why the session is over, if it is.
    async fn post(
        &self,
        endpoint: &str,
        mut headers: HeaderMap,
        message: Bytes,
        output: &Output,
    ) -> Option<String> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::JSON));
        let posted = self.server.post(endpoint, headers, message.clone());
        let why = match posted.await {
            Ok(status) if status.is_success() => return None,
            Ok(status @ (StatusCode::NOT_FOUND | StatusCode::GONE)) => {
                return Some(format!(
                    "the server answers {status} to a message, as if it did not know the session"
                ));
            }
            Ok(status) => format!("the server answers {status} to the message"),
            Err(error) => format!("the message did not get to the server: {error}"),
        };
        let read = Message::parse(&message);
        if let Ok(Kind::Request { id, .. }) = read.as_ref().map(Message::kind) {
            let error = error_response(Some(*id), ErrorCode::INTERNAL_ERROR, &why, None);
            say(output, error).await;
        } else {
            tracing::warn!("a message is lost: {why}");
        }
        None
    }
}

/// Says a line to the session. One that is over hears nothing any more.
async fn say(output: &Output, mut line: String) {
    line.push('\n');
    if let Err(error) = output.lock().await.write_all(line.as_bytes()).await {
        tracing::debug!(%error, "the session is over");
    }
}

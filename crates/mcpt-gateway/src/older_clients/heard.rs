//! What an older client hears of the answers to its messages, and of what its server says by itself.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper::{
    Method, Response, StatusCode,
    body::Incoming,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use mcpt_http::client::ExchangeError;
use mcpt_protocol::{
    ErrorCode, MalformedMessage, Message, MessageId, Part, error_response,
    handshake::Initialized,
    header::SESSION_ID,
    media,
    sse::{self, EventTooLong},
};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::session::{Head, Sent, Session};
use crate::answers::{NoRoom, gathered};

/// How long a stream that has ended is left alone before it is taken up again, if the server does not say so itself.
const PAUSE: Duration = Duration::from_secs(1);
/// The shortest and the longest that a server can ask for.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// What the pause grows to, doubled each time that nothing has come.
const QUIET_PAUSE: Duration = Duration::from_secs(5);
/// How often in a row a stream is taken up again on which nothing comes.
const ATTEMPTS: u32 = 5;

/// How far a stream was heard.
#[derive(Debug, Default)]
struct Mark {
    event: Option<String>,
    retry: Option<u64>,
    /// Whether anything was heard since it was taken up, and how often in a row nothing was.
    any: bool,
    quiet: u32,
    /// Whether the answer that is waited for was.
    answered: bool,
    /// What the message takes among those in progress, until it is answered.
    place: Option<OwnedSemaphorePermit>,
}

impl Mark {
    fn pause(&self) -> Duration {
        let said = self.retry.map_or(PAUSE, Duration::from_millis);
        let said = said.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let grown = said.saturating_mul(1 << self.quiet.min(8));
        said.max(grown.min(QUIET_PAUSE))
    }

    /// Notes that a stream is over, or that there was none.
    fn ended(&mut self) {
        self.quiet = if self.any {
            0
        } else {
            self.quiet.saturating_add(1)
        };
    }
}

/// What a server says cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    /// However often it says it.
    #[error(transparent)]
    TooLong(#[from] EventTooLong),
    /// Now.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl Session {
    /// Passes an answer on to the client: how the message was taken by `told`, all else on the stream. `id` is that of the request,
    /// if it was one: whatever happens, it is answered.
    pub(super) async fn heard(
        &self,
        answer: Result<Response<Incoming>, ExchangeError>,
        id: Option<Box<RawValue>>,
        sent: &Sent,
        told: oneshot::Sender<Head>,
        place: OwnedSemaphorePermit,
    ) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "a message of an older client was not answered");
                return self
                    .fail(id.as_deref(), "the gateway has not answered it")
                    .await;
            }
        };
        let status = answer.status();
        let gone = status == StatusCode::NOT_FOUND && self.begun().session.is_some();
        let forbidden = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        if status.is_success()
            && let Some(session) = answer.headers().get(SESSION_ID)
        {
            self.begun().session.get_or_insert(session.clone());
        }
        let status_told = if forbidden || id.is_none() {
            status
        } else {
            StatusCode::ACCEPTED
        };
        let challenge = answer.headers().get(WWW_AUTHENTICATE).cloned();
        let told = told.send(Head {
            status: status_told,
            challenge,
        });
        // A client that was not told in time is told on the stream.
        if forbidden && told.is_ok() {
            return;
        }
        if status.is_success() && media::is_type(answer.headers(), media::EVENT_STREAM) {
            self.follow(answer, id.as_deref(), sent, place).await;
        } else {
            self.whole(answer, id.as_deref()).await;
        }
        if gone {
            self.over.cancel();
        }
    }

    /// An answer that is one message, or none.
    async fn whole(&self, answer: Response<Incoming>, id: Option<&RawValue>) {
        let status = answer.status();
        let body = match gathered(answer.into_body(), self.longest(), self.room()).await {
            Ok(body) => body,
            Err(why) => return self.fail(id, &why.to_string()).await,
        };
        let Some(id) = id else {
            if let (Err(MalformedMessage::Batch), Ok(answers)) =
                (Message::parse(&body), str::from_utf8(&body))
                && let Err(why) = self.say_message(answers).await
            {
                tracing::warn!(%why, "answers to an older client are lost");
            }
            return;
        };
        let awaited = MessageId::of(Part::alone(id));
        let answers =
            |message: &Message<'_>| awaited.as_ref().is_some_and(|id| message.answers(id));
        match Message::parse(&body) {
            Ok(message) if answers(&message) => {
                self.note_version(&message);
                if let Err(why) = self.say_message(message.text()).await {
                    self.fail(Some(id), &why.to_string()).await;
                }
            }
            Ok(message) => {
                let why = message.error().map(|error| error.message);
                let why = why.unwrap_or_else(|| format!("the answer is HTTP {status}"));
                self.fail(Some(id), &why).await;
            }
            Err(_) => {
                let why = format!("the answer is HTTP {status}");
                self.fail(Some(id), &why).await;
            }
        }
    }

    /// An answer that is a stream. One that ends before the answer is taken up again, if the server provides for that.
    async fn follow(
        &self,
        answer: Response<Incoming>,
        id: Option<&RawValue>,
        sent: &Sent,
        place: OwnedSemaphorePermit,
    ) {
        let mut mark = Mark {
            place: Some(place),
            ..Mark::default()
        };
        let mut left = ATTEMPTS;
        let mut stream = answer;
        loop {
            let heard = self.hear(stream, id, &mut mark).await;
            if id.is_none() || mark.answered {
                return;
            }
            if let Err(unreadable) = heard {
                return self.fail(id, &unreadable.to_string()).await;
            }
            mark.ended();
            left = if mark.any { ATTEMPTS } else { left - 1 };
            let Some(event) = mark.event.clone().filter(|_| left > 0) else {
                return self
                    .fail(id, "its connection ended before the answer")
                    .await;
            };
            tokio::time::sleep(mark.pause()).await;
            stream = match self.ask(Method::GET, sent, Some(&event), None).await {
                Ok(again) if is_stream(&again) => again,
                Ok(_) | Err(_) => {
                    let why =
                        "its connection ended before the answer, and cannot be taken up again";
                    return self.fail(id, why).await;
                }
            };
        }
    }

    /// Listens for as long as the session lasts to what the server says by itself, if it does.
    pub(super) fn listen(self: &Arc<Self>, sent: &Sent) {
        let first = {
            let mut begun = self.begun();
            begun.session.is_some() && !std::mem::replace(&mut begun.listens, true)
        };
        if !first {
            return;
        }
        let (this, sent) = (Arc::clone(self), sent.clone());
        tokio::spawn(async move {
            let listening = async {
                let mut mark = Mark::default();
                loop {
                    let event = mark.event.clone();
                    let stream = this.ask(Method::GET, &sent, event.as_deref(), None).await;
                    mark.any = false;
                    match stream {
                        Ok(stream) if is_stream(&stream) => {
                            match this.hear(stream, None, &mut mark).await {
                                Ok(()) => {}
                                // It is asked for again, where its server keeps it.
                                Err(Unheard::NoRoom(why)) => {
                                    tracing::warn!(%why, "what a server says has to wait");
                                }
                                Err(Unheard::TooLong(why)) => {
                                    // It would come again.
                                    tracing::warn!(%why, "a server is not listened to any more");
                                    return;
                                }
                            }
                        }
                        // It has nothing to say, or is gone, which the next message shows.
                        Ok(refused) if refused.status().is_client_error() => return,
                        Ok(_) | Err(_) => {}
                    }
                    mark.ended();
                    tokio::time::sleep(mark.pause()).await;
                }
            };
            this.over.run_until_cancelled(listening).await;
        });
    }

    /// Passes on what comes on a stream until it ends.
    ///
    /// # Errors
    /// [`Unheard`].
    async fn hear(
        &self,
        stream: Response<Incoming>,
        id: Option<&RawValue>,
        mark: &mut Mark,
    ) -> Result<(), Unheard> {
        let awaited = id.and_then(|id| MessageId::of(Part::alone(id)));
        let (mut reader, mut events) = (sse::Reader::new(self.longest()), Vec::new());
        let (mut body, mut room) = (stream.into_body(), self.room());
        mark.any = false;
        loop {
            room.more(reader.held()).await?;
            let Some(Ok(frame)) = body.frame().await else {
                return Ok(());
            };
            let Some(piece) = frame.data_ref() else {
                continue;
            };
            reader.read(piece, &mut events)?;
            for event in events.drain(..) {
                mark.any |= event.id.is_some() || event.data.is_some();
                mark.retry = event.retry.or(mark.retry);
                let is_message = event.is_message();
                let data = event.data.filter(|data| is_message && !data.is_empty());
                if let Some(data) = data {
                    self.hear_message(&data, awaited.as_ref(), mark).await?;
                }
                mark.event = event.id.or(mark.event.take()).filter(|id| !id.is_empty());
            }
        }
    }

    /// Passes on a message of a stream. `awaited`: the request that the stream answers, if there is one.
    async fn hear_message(
        &self,
        data: &str,
        awaited: Option<&MessageId>,
        mark: &mut Mark,
    ) -> Result<(), NoRoom> {
        let message = Message::parse(data.as_bytes());
        let answers = match (awaited, &message) {
            (Some(id), Ok(message)) => message.answers(id),
            _ => false,
        };
        if answers && let Ok(message) = &message {
            self.note_version(message);
        }
        self.say_message(data).await?;
        if answers {
            mark.answered = true;
            // What else the server says on it may come or not.
            mark.place = None;
        }
        Ok(())
    }

    /// Longest message, in bytes: what a client may send.
    fn longest(&self) -> usize {
        self.stages.exchange.bodies.max_body()
    }

    /// Notes the version that a server has chosen, which each further message names.
    fn note_version(&self, message: &Message<'_>) {
        let mut begun = self.begun();
        if begun.version.is_some() {
            return;
        }
        let read = message.result().map(Initialized::read);
        if let Some(Ok(initialized)) = read
            && let Ok(version) = HeaderValue::try_from(initialized.protocol_version)
        {
            begun.version = Some(version);
        }
    }

    async fn fail(&self, id: Option<&RawValue>, why: &str) {
        if let Some(id) = id {
            let id = Some(Part::alone(id));
            let text = error_response(id, ErrorCode::INTERNAL_ERROR, why, None);
            if let Err(why) = self.say_message(&text).await {
                // What is as short as this always has room.
                tracing::warn!(%why, "an error for an older client is lost");
            }
        }
    }

    /// Says a message to the client, who may be gone.
    ///
    /// # Errors
    /// [`NoRoom`]: it was not said.
    async fn say_message(&self, text: &str) -> Result<(), NoRoom> {
        // Between two tokens of JSON, where alone line ends stand, a blank means the same.
        let line = if text.contains(['\r', '\n']) {
            Cow::Owned(text.replace(['\r', '\n'], " "))
        } else {
            Cow::Borrowed(text)
        };
        let event = sse::Frame::new(line.len(), |out| out.extend_from_slice(line.as_bytes()));
        drop(line);
        let event = self.room().hold(event.into_event()).await?;
        if self.say(event).await.is_err() {
            self.over.cancel();
        }
        Ok(())
    }
}

fn is_stream(answer: &Response<Incoming>) -> bool {
    answer.status().is_success() && media::is_type(answer.headers(), media::EVENT_STREAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_not_taken_up_again_at_once_whatever_its_server_says() {
        let ms = Duration::from_millis;
        for (retry, quiet, wanted) in [
            (None, 0, PAUSE),
            (Some(0), 0, ms(200)),
            (Some(0), 1, ms(400)),
            (Some(0), u32::MAX, QUIET_PAUSE),
            (Some(30_000), 9, ms(30_000)),
            (Some(u64::MAX), 0, LONGEST_PAUSE),
        ] {
            let mark = Mark {
                retry,
                quiet,
                ..Mark::default()
            };
            assert_eq!(mark.pause(), wanted, "{retry:?} {quiet}");
        }
    }
}

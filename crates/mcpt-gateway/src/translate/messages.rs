//! [`Messages`]: the messages of a server's answer, be it JSON or a stream of events.

use std::{collections::VecDeque, time::Duration};

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use mcpt_protocol::{
    media,
    sse::{Event, Reader},
};
use mcpt_routing::InFlight;

use crate::{
    answers::{AnswerRoom, NoRoom},
    exchange::Taken,
    upstream::{ServerBody, Upstream},
};

/// An answer on its way in.
#[derive(Debug)]
pub(super) struct Messages {
    status: StatusCode,
    challenge: Option<HeaderValue>,
    body: Limited<ServerBody>,
    /// The reader of a stream; `None` when it is one message or none.
    events: Option<Reader>,
    waiting: VecDeque<Event>,
    /// Where the stream can be taken up again, and how long to wait before.
    last_id: Option<String>,
    retry: Option<Duration>,
    /// What has come of an answer that is one message.
    gathered: Vec<u8>,
    room: AnswerRoom,
    over: bool,
    in_flight: InFlight<Upstream>,
}

/// A login that a server wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(super) status: StatusCode,
    pub(super) challenge: Option<HeaderValue>,
}

/// An answer cannot be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the server closed the connection before it answered")]
    Broken,
    #[error("a message of the server is too large")]
    TooLarge,
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl Messages {
    /// Those of an answer, each of at most `max` bytes.
    pub(super) fn of(taken: Taken, max: usize, room: AnswerRoom) -> Self {
        let Taken {
            response,
            in_flight,
        } = taken;
        let (parts, body) = response.into_parts();
        let events = media::is_type(&parts.headers, media::EVENT_STREAM);
        let limit = if events { usize::MAX } else { max };
        Self {
            status: parts.status,
            challenge: parts.headers.get(WWW_AUTHENTICATE).cloned(),
            body: Limited::new(body, limit),
            events: events.then(|| Reader::new(max)),
            waiting: VecDeque::new(),
            last_id: None,
            retry: None,
            gathered: Vec::new(),
            room,
            over: false,
            in_flight,
        }
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the server wants another login of the client: how it says so.
    pub(super) fn wants_login(&self) -> Option<Login> {
        matches!(self.status.as_u16(), 401 | 403).then(|| Login {
            status: self.status,
            challenge: self.challenge.clone(),
        })
    }

    /// The endpoint that answers.
    pub(super) fn from(&self) -> &InFlight<Upstream> {
        &self.in_flight
    }

    /// Where a stream that has ended without its answer can be taken up again, and how long to wait before: a server of
    /// 2025-11-25 may close it and have its client come back. `None` when it has said nothing of that.
    pub(super) fn goes_on_after(&self) -> Option<(&str, Option<Duration>)> {
        Some((self.last_id.as_deref()?, self.retry))
    }

    /// The stream was taken up again after this event: it is where it is as long as nothing comes.
    pub(super) fn is_after(&mut self, event: String) {
        self.last_id = Some(event);
    }

    /// The next message; `None` at the end. It can be given up at any moment and asked for again.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) async fn next(&mut self) -> Result<Option<String>, Unreadable> {
        let Some(reader) = &mut self.events else {
            return self.whole().await;
        };
        loop {
            while let Some(event) = self.waiting.pop_front() {
                let is_message = event.is_message();
                if let Some(id) = event.id {
                    self.last_id = Some(id).filter(|id| !id.is_empty());
                }
                self.retry = event.retry.map(Duration::from_millis).or(self.retry);
                let data = is_message.then_some(event.data).flatten();
                if let Some(data) = data.filter(|data| !data.is_empty()) {
                    return Ok(Some(data));
                }
            }
            if self.over {
                return Ok(None);
            }
            self.room.more(reader.held()).await?;
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    let mut events = Vec::new();
                    if let Some(piece) = frame.data_ref() {
                        let read = reader.read(piece, &mut events);
                        read.map_err(|_| Unreadable::TooLarge)?;
                    }
                    self.waiting.extend(events);
                }
                Some(Err(_)) => return Err(Unreadable::Broken),
                None => self.over = true,
            }
        }
    }

    async fn whole(&mut self) -> Result<Option<String>, Unreadable> {
        if self.over {
            return Ok(None);
        }
        loop {
            self.room.more(self.gathered.len()).await?;
            let Some(frame) = self.body.frame().await else {
                break;
            };
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Unreadable::TooLarge
                } else {
                    Unreadable::Broken
                }
            })?;
            if let Some(piece) = frame.data_ref() {
                self.gathered.extend_from_slice(piece);
            }
        }
        self.over = true;
        let text = String::from_utf8(std::mem::take(&mut self.gathered))
            .map_err(|_| Unreadable::Broken)?;
        Ok((!text.trim().is_empty()).then_some(text))
    }
}

//! From the child to the client: which stream a message goes to, and under which id.

use mcpt_protocol::{Kind, Message, Part};
use tokio::time::Instant;

use super::{BACKLOG_MAX, SLOW_CLIENT, Session};
use crate::sse::Event;

/// How much of a line that is no message is logged.
const NOISE_SHOWN: usize = 200;

impl Session {
    /// Takes one line of the child's output.
    pub(super) async fn receive(&self, line: &[u8]) {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(error) => {
                if !line.iter().all(u8::is_ascii_whitespace) {
                    let shown = line.get(..NOISE_SHOWN).unwrap_or(line);
                    let text = String::from_utf8_lossy(shown);
                    tracing::warn!(%error, "dropped what the server wrote to stdout: {text}");
                }
                return;
            }
        };
        match message.kind() {
            Kind::Response { id, .. } => self.receive_response(&message, *id).await,
            Kind::Notification { method } if method == "notifications/progress" => {
                self.receive_progress(&message).await;
            }
            Kind::Notification { .. } => self.receive_other(&message, false).await,
            Kind::Request { .. } => self.receive_other(&message, true).await,
        }
    }

    async fn receive_response(&self, message: &Message<'_>, id: Part<'_>) {
        let pending = id.as_u64().and_then(|n| self.state().pending.remove(&n));
        let Some(pending) = pending else {
            tracing::debug!(id = id.text(), "dropped an answer that nobody waits for");
            return;
        };
        self.state().last_used = Instant::now();
        let event = Event::answer(|out| message.write_line(&[(id, pending.id.get())], out));
        if let Err(error) = pending.stream.send_timeout(event, SLOW_CLIENT).await {
            tracing::debug!(%error, "dropped an answer: its client is gone");
        }
    }

    async fn receive_progress(&self, message: &Message<'_>) {
        let Some(number) = message.params().progress_token else {
            return self.receive_other(message, false).await;
        };
        let (stream, event) = {
            let state = self.state();
            let pending = number.as_u64().and_then(|n| state.pending.get(&n));
            let Some((pending, token)) =
                pending.and_then(|p| Some((p, p.progress_token.as_ref()?)))
            else {
                tracing::debug!("dropped progress of a request that is not under way");
                return;
            };
            let event = Event::message(|out| message.write_line(&[(number, token.get())], out));
            (pending.stream.clone(), event)
        };
        if let Err(error) = stream.send_timeout(event, SLOW_CLIENT).await {
            tracing::debug!(%error, "dropped progress: its client is gone");
        }
    }

    /// A message that names no request of the client. A question of the server most likely belongs to the newest
    /// request; anything else goes to the GET stream first. Each takes the other way when its own is not open.
    async fn receive_other(&self, message: &Message<'_>, is_question: bool) {
        let event = Event::message(|out| message.write_line(&[], out));
        let stream = {
            let state = self.state();
            let general = state.general.as_ref().filter(|s| !s.is_closed());
            let newest = state
                .pending
                .values()
                .rev()
                .find(|p| !p.exclusive && !p.stream.is_closed())
                .map(|p| &p.stream);
            let stream = if is_question {
                newest.or(general)
            } else {
                general.or(newest)
            };
            stream.cloned()
        };
        let unsent = match stream {
            None => event,
            Some(stream) => match stream.send_timeout(event, SLOW_CLIENT).await {
                Ok(()) => return,
                Err(error) => error.into_inner(),
            },
        };
        let mut state = self.state();
        if state.backlog.len() == BACKLOG_MAX {
            tracing::warn!("dropped the oldest message that no stream of the client took");
            state.backlog.pop_front();
        }
        state.backlog.push_back(unsent);
    }
}

//! The end of a subscription (2026-07-28), as whoever serves its stream tells it.

use crate::Part;

/// The result that ends the stream of the `subscriptions/listen` request with this id: one line of JSON. Its client knows by
/// it that the stream was not broken off, and subscribes anew.
pub fn subscription_ended(id: Part<'_>) -> String {
    let id = id.text();
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::{Message, MessageId};

    #[test]
    fn it_answers_the_request() {
        for id in ["7", r#""a\"b""#, "1.0"] {
            let raw = RawValue::from_string(id.to_owned()).unwrap();
            let text = subscription_ended(Part::alone(&raw));
            let message = Message::parse(text.as_bytes()).unwrap();
            assert!(message.answers(&MessageId::of(Part::alone(&raw)).unwrap()));
            let result = message.result().unwrap().get();
            assert!(
                result.contains(&format!("subscriptionId\":{id}")),
                "{result}"
            );
        }
    }
}

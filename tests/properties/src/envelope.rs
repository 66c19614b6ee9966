//! The JSON-RPC envelope: what is read is what was sent, byte for byte.

use mcpt_protocol::{Message, find_id, split_batch, without_noise};

/// Panics when it does not hold for these bytes.
pub fn envelope(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        assert_eq!(message.text().as_bytes(), data);
        let mut line = Vec::new();
        message.write_line(&[], &mut line);
        let again = Message::parse(line.trim_ascii_end()).expect("a line of ours");
        assert_eq!(again.method(), message.method());
        let _ = (message.params(), message.error());
    }
    for message in split_batch(data, 100).into_iter().flatten() {
        let _ = Message::parse(message);
    }
    let _ = find_id(without_noise(data));
}

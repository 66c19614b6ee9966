//! The reader of event streams: pieces do not matter, no event is larger than allowed, and what is written is read.

use crate::input;
use mcpt_protocol::sse::Reader;

const MAX: usize = 256;

/// Panics when it does not hold for what these bytes stand for.
pub fn events(data: &[u8]) {
    let Some(input) = input::<(usize, &[u8])>(data) else {
        return;
    };
    let (cut, stream) = input;
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    let ended = Reader::new(MAX).read(stream, &mut whole);
    let mut reader = Reader::new(MAX);
    let size = cut % 7 + 1;
    let cut_end = stream
        .chunks(size)
        .try_for_each(|piece| reader.read(piece, &mut pieces));
    assert_eq!(whole, pieces);
    assert_eq!(ended, cut_end);
    for event in whole {
        // Bytes that are no UTF-8 become three each.
        assert!(event.data.as_ref().is_none_or(|data| data.len() <= 3 * MAX));
        let (mut text, mut read) = (Vec::new(), Vec::new());
        event.write(&mut text);
        Reader::new(usize::MAX)
            .read(&text, &mut read)
            .expect("within bounds");
        assert_eq!(read, [event]);
    }
}

//! The reader on all forms that streams come in, and the writer against it.

use proptest::prelude::*;

use super::*;

const MAX: usize = 4096;

fn read(pieces: &[&[u8]]) -> Vec<Event> {
    let mut reader = Reader::new(MAX);
    let mut events = Vec::new();
    for piece in pieces {
        reader.read(piece, &mut events).unwrap();
    }
    events
}

fn data(text: &str) -> Event {
    Event {
        data: Some(text.to_owned()),
        ..Event::default()
    }
}

#[test]
fn trap_16_forms_of_streams() {
    let named = Event {
        name: Some("endpoint".to_owned()),
        ..data("/message?a=b")
    };
    let priming = Event {
        id: Some("7".to_owned()),
        ..data("")
    };
    let pause = Event {
        retry: Some(500),
        ..Event::default()
    };
    for (stream, events) in [
        ("data: a\n\n", vec![data("a")]),
        ("data:a\r\n\r\n", vec![data("a")]),
        ("data: a\r\rdata:  b\r\r", vec![data("a"), data(" b")]),
        ("\u{feff}data: a\n\n", vec![data("a")]),
        (": hello\n\n: again\n\ndata: a\n\n", vec![data("a")]),
        ("data: a\ndata\ndata: b\n\n", vec![data("a\n\nb")]),
        ("event: endpoint\ndata: /message?a=b\n\n", vec![named]),
        ("id: 7\ndata:\n\n", vec![priming]),
        ("retry: 500\n\nretry: 5x\n\n", vec![pause]),
        ("id: a\0b\nnew: field\n\n", vec![]),
        ("data: unfinished", vec![]),
        ("data: unfinished\n", vec![]),
        ("\n\n\r\n", vec![]),
    ] {
        assert_eq!(read(&[stream.as_bytes()]), events, "{stream:?}");
    }
    assert_eq!(read(&[b"data: caf\xe9\n\n"]), [data("caf\u{fffd}")]);
}

#[test]
fn messages_and_others() {
    for (name, message) in [
        (None, true),
        (Some("message"), true),
        (Some(""), true),
        (Some("endpoint"), false),
    ] {
        let event = Event {
            name: name.map(str::to_owned),
            ..Event::default()
        };
        assert_eq!(event.is_message(), message, "{name:?}");
    }
}

#[test]
fn an_event_has_a_limit_and_a_stream_has_none() {
    let long = format!("data: {}\n\n", "x".repeat(MAX));
    let mut events = Vec::new();
    let error = Reader::new(MAX).read(long.as_bytes(), &mut events);
    assert_eq!(error, Err(EventTooLong(MAX)));
    let mut reader = Reader::new(20);
    for _ in 0..100 {
        reader.read(b"data: 0123456789\n\n", &mut events).unwrap();
    }
    assert_eq!(events.len(), 100);
    for _ in 0..2 {
        reader.read(b":3456789\n", &mut events).unwrap();
    }
    assert!(reader.read(b":3456789\n", &mut events).is_err());
}

#[test]
fn frames() {
    let frame = Frame::new(7, |out| out.extend_from_slice(br#"{"a":1}"#));
    assert!(frame.size() >= br#"{"a":1}"#.len());
    let frame = Bytes::from(frame.into_event());
    assert_eq!(&*message_in(&frame), br#"{"a":1}"#);
    assert!(message_in(&Bytes::from_static(b"\n")).is_empty());
    let event = Event {
        name: Some("message".to_owned()),
        ..data(r#"{"a":1}"#)
    };
    assert_eq!(read(&[&frame]), [event]);
}

fn event() -> impl Strategy<Value = Event> {
    let line = "[^\r\n\0]{0,12}";
    let data = "[^\r]{0,20}";
    (
        prop::option::of(line),
        prop::option::of(data),
        prop::option::of(line),
        prop::option::of(any::<u64>()),
    )
        .prop_map(|(name, data, id, retry)| Event {
            name,
            data,
            id,
            retry,
        })
        .prop_filter("an event without any field is none", |event| {
            *event != Event::default()
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read(events in prop::collection::vec(event(), 0..6)) {
        let mut text = Vec::new();
        for event in &events {
            event.write(&mut text);
        }
        prop_assert_eq!(read(&[&text]), events);
    }

    #[test]
    fn where_a_stream_is_cut_does_not_matter(
        text in r"((data|id|event|retry|):? ?[a-z0-9]{0,3}(\r|\n|\r\n)){0,12}",
        cut in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let bytes = text.as_bytes();
        let whole = read(&[bytes]);
        let (a, b) = (cut.index(bytes.len() + 1), other.index(bytes.len() + 1));
        let (a, b) = (a.min(b), a.max(b));
        prop_assert_eq!(&read(&[&bytes[..a], &bytes[a..b], &bytes[b..]]), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&read(&single), &whole);
    }

    #[test]
    fn nobody_writes_an_event_into_another(name in any::<String>(), id in any::<String>()) {
        let mut text = Vec::new();
        let event = Event { name: Some(name), id: Some(id), ..data("x") };
        event.write(&mut text);
        prop_assert!(read(&[&text]).len() == 1);
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut events = Vec::new();
        for chunk in bytes.chunks(7) {
            Reader::new(64).read(chunk, &mut events).ok();
        }
        let mut reader = Reader::new(64);
        for chunk in bytes.chunks(7) {
            if reader.read(chunk, &mut events).is_err() {
                break;
            }
        }
    }
}

#[test]
fn where_an_event_may_begin() {
    for (pieces, here) in [
        (&[][..], true),
        (&["data: a"], false),
        (&["data: a\n"], false),
        (&["data: a\n", "\n"], true),
        (&["data: a\r\n\r", "\n", ""], true),
        (&["data: a\r\r"], true),
        (&["\n\n", "data"], false),
        (&["data: a\n\n: b\r\n"], false),
    ] {
        let mut boundary = Boundary::default();
        for piece in pieces {
            boundary.take(piece.as_bytes());
        }
        assert_eq!(boundary.is_here(), here, "{pieces:?}");
    }
}

//! [`RequestStates`]: finds each `requestState` in an answer that passes by (2026-07-28): what a server hands to the client
//! that it asks for more, and wants back with the next round.
//!
//! Nothing is parsed: the name of the field, quoted as JSON quotes it, cannot stand inside a JSON string, where each of its
//! quotes would have a backslash before it. So a stream of events is read as a JSON text is.

use memchr::memmem;

/// The field, as it stands in front of its value.
const FIELD: &[u8] = b"\"requestState\"";
/// Longest value that is taken in, in bytes of JSON.
const MAX_STATE: usize = 64 * 1024;

/// Where in an answer it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Expecting {
    /// Somewhere.
    #[default]
    Anywhere,
    /// Behind the name.
    BeforeValue,
    /// In the value, whose text until here is kept.
    Value(Vec<u8>),
}

/// A reader of an answer that comes in pieces.
#[derive(Debug, Clone, Default)]
pub struct RequestStates {
    place: Expecting,
    /// The end of the last piece, as far as it may be the beginning of the field's name.
    carried: Vec<u8>,
}

impl RequestStates {
    /// Takes a piece in; `found` gets each value that ends in it.
    pub fn take(&mut self, piece: &[u8], mut found: impl FnMut(&str)) {
        let joined;
        let mut rest = piece;
        if !self.carried.is_empty() {
            joined = [&std::mem::take(&mut self.carried), piece].concat();
            rest = &joined;
        }
        while !rest.is_empty() {
            rest = match &mut self.place {
                Expecting::Anywhere => {
                    let Some(at) = memmem::find(rest, FIELD) else {
                        self.carried = beginning_of_field(rest).to_vec();
                        return;
                    };
                    self.place = Expecting::BeforeValue;
                    &rest[at + FIELD.len()..]
                }
                Expecting::BeforeValue => {
                    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b':');
                    let begin = rest.iter().take_while(|b| blank(b)).count();
                    match rest.get(begin) {
                        None => &[],
                        Some(b'"') => {
                            self.place = Expecting::Value(vec![b'"']);
                            &rest[begin + 1..]
                        }
                        Some(_) => {
                            self.place = Expecting::Anywhere;
                            &rest[begin..]
                        }
                    }
                }
                Expecting::Value(text) => {
                    let end = rest.iter().position(|b| *b == b'"');
                    let taken = end.map_or(rest.len(), |end| end + 1);
                    text.extend_from_slice(&rest[..taken]);
                    let ends = end.is_some() && !is_escaped(text);
                    let too_long = text.len() > MAX_STATE;
                    if ends
                        && !too_long
                        && let Ok(value) = serde_json::from_slice::<String>(text)
                    {
                        found(&value);
                    }
                    if ends || too_long {
                        self.place = Expecting::Anywhere;
                    }
                    &rest[taken..]
                }
            };
        }
    }
}

/// The end of a piece that may be the beginning of the field's name.
fn beginning_of_field(piece: &[u8]) -> &[u8] {
    let most = piece.len().min(FIELD.len() - 1);
    let ends = (piece.len() - most..piece.len()).map(|begin| &piece[begin..]);
    ends.into_iter()
        .find(|end| FIELD.starts_with(end))
        .unwrap_or_default()
}

/// Whether the last character of a JSON string has an odd number of backslashes before it.
fn is_escaped(text: &[u8]) -> bool {
    let before = text.iter().rev().skip(1);
    before.take_while(|b| **b == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(pieces: &[&[u8]]) -> Vec<String> {
        let mut states = RequestStates::default();
        let mut all = Vec::new();
        for piece in pieces {
            states.take(piece, |state| all.push(state.to_owned()));
        }
        all
    }

    #[test]
    fn what_is_a_state_and_what_is_not() {
        for (text, wanted) in [
            (r#"{"result":{"requestState":"a"}}"#, &["a"][..]),
            (
                "data: {\"result\": {\"requestState\" : \"a\\\\\\\"b\\u00e9\"}}\r\n\r\ndata: {\"requestState\":\"\"}",
                &["a\\\"b\u{e9}", ""],
            ),
            (r#"{"text":"say \"requestState\":\"no\""}"#, &[]),
            (r#"{"requestState":7,"requestState":"b"}"#, &["b"]),
            (r#"{"requestState":"cut"#, &[]),
            (r#"{"requestStates":"a","requestState":null}"#, &[]),
        ] {
            assert_eq!(found(&[text.as_bytes()]), wanted, "{text}");
        }
        let long = format!(
            r#""requestState":"{}" "requestState":"b""#,
            "x".repeat(MAX_STATE)
        );
        for pieces in [
            &[long.as_bytes()][..],
            &[&long.as_bytes()[..100], &long.as_bytes()[100..]],
        ] {
            assert!(found(pieces) == ["b"]);
        }
    }

    proptest! {
        #[test]
        fn pieces_are_as_the_whole(
            state in any::<String>(),
            text in any::<String>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let whole = json!({"text": text, "result": {"requestState": state, "x": text}}).to_string();
            let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len())).collect();
            places.extend([0, whole.len()]);
            places.sort_unstable();
            let pieces: Vec<_> = places.windows(2).map(|w| &whole.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(found(&pieces), [state]);
        }

        #[test]
        fn never_panics(pieces in prop::collection::vec("(\"|requestState|\\\\|:| |a){0,12}", 0..6)) {
            let pieces: Vec<_> = pieces.iter().map(String::as_bytes).collect();
            found(&pieces);
        }
    }
}

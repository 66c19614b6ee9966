//! What holds for all values and all texts.

use proptest::prelude::*;
use serde_json::Value;

// The line ends of YAML 1.1 that YAML 1.2 has no more (U+0085, U+2028, U+2029) are left out: they are written as go-yaml writes them,
// but the parser reads them as text.

/// Words that are something else than text when they stand alone, and characters that mean something.
const PIECES: &[&str] = &[
    "a",
    "yes",
    "n",
    "null",
    "~",
    "0",
    "07",
    "0x1F",
    "1_000",
    "1.5",
    "1e3",
    ".5",
    "12:30",
    "2001-01-01",
    "-",
    "- ",
    "?",
    ": ",
    ":",
    "#",
    " #",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "\r",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a",
    "*a",
    "!x",
    "|",
    ">",
    "'",
    "\"",
    "%",
    "@",
    "`",
    "---",
    "<<",
    "\\",
    "é",
    "日本",
    "\u{1f600}",
    "\u{feff}",
    "\u{7}",
    "some words in a row ",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat())
}

/// go-yaml writes the key `<<` without quotes, and then takes it for a merge.
fn key() -> impl Strategy<Value = String> {
    text().prop_filter("a merge", |key| key != "<<")
}

/// Values that JSON text, read as YAML, gives back unchanged.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number))),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(value in value()) {
        let text = goyaml::to_string(&value).unwrap();
        prop_assert_eq!(goyaml::from_str(&text).map_err(|error| format!("{error}\n{text}")), Ok(value));
    }

    #[test]
    fn no_text_makes_it_panic(text in text(), other in ".*") {
        for text in [&text, &other] {
            let _ = goyaml::from_str(text);
            let _ = goyaml::from_str_strict(text);
            let _ = goyaml::to_string(&Value::from(text.clone()));
            let _ = goyaml::documents(text);
        }
    }

    #[test]
    fn structures_that_lines_make_do_not_make_it_panic(
        pieces in prop::collection::vec(
            prop::sample::select(&["a: ", "- ", "  ", "\n", "&x ", "*x", "<<: ", "? ", "|\n", ">-\n", "[", "]", "{", "}", ", ", "x",
                "!!int ", "!!binary ", "---\n", "\t", "'", "\"", "#", "%"][..]),
            0..30,
        )
    ) {
        let text = pieces.concat();
        let _ = goyaml::from_str(&text);
        let _ = goyaml::from_str_strict(&text);
    }
}

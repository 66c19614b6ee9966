//! YAML documents, right and wrong ones. Keys and numbers that JSON has no form for are left out: which of several Helm
//! names is chance.

use crate::chance::{Chance, quoted};

const SCALARS: &[&str] = &[
    "a",
    "b c",
    "1",
    "-1",
    "1.5",
    "1e3",
    "0x1F",
    "0o17",
    "017",
    "0b1",
    "1_000",
    ".5",
    "1.",
    "+1",
    "true",
    "False",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "null",
    "~",
    "",
    "\"q\"",
    "'s'",
    "\"a\\nb\"",
    "\"\\x41\\u00e9\"",
    "'it''s'",
    "2024-01-02",
    "12:30:45",
    "2024-01-02T03:04:05Z",
    "é",
    "a: b",
    "a #c",
    "a#c",
    "#c",
    "- x",
    "[",
    "]",
    "{",
    "}",
    "&x a",
    "*x",
    "!!str 1",
    "!!int \"1\"",
    "!t a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "a:",
    ":a",
    "?a",
    "? a",
    "<<",
    "=",
    "\"",
    "'",
    "a\tb",
    "\ta",
    "9223372036854775808",
    "123456789012345678901234567890",
    "1e400",
    "-0",
    "0.1",
    "1.0",
    "1e21",
    "0777",
    "08",
    "!!binary aGk=",
    "!!float 1",
    "!!bool yes",
];
const KEYS: &[&str] = &[
    "a", "b", "c", "a b", "1", "true", "\"q\"'s'", "1.5", "<<", "é", "a.b", "", "[x]", "{y: 1}",
    "&k a", "*k", "yes",
];
fn flow(chance: &mut Chance, depth: usize) -> String {
    match chance.below(3) {
        0 if depth > 0 => {
            let inside = chance.some(3, |chance| format!("{}, ", flow(chance, depth - 1)));
            format!("[{inside}]")
        }
        1 if depth > 0 => {
            let inside = chance.some(3, |chance| {
                let key = chance.pick(KEYS);
                format!("{key}: {}, ", flow(chance, depth - 1))
            });
            format!("{{{inside}}}")
        }
        _ => chance.pick(SCALARS).to_owned(),
    }
}

fn block(chance: &mut Chance, indent: usize, depth: usize) -> String {
    let indent = if chance.once_in(40) {
        indent + 1
    } else {
        indent
    };
    let pad = " ".repeat(indent);
    let is_list = chance.once_in(3);
    let count = 1 + chance.below(3);
    let mut out = String::new();
    for _ in 0..count {
        let start = if is_list || chance.once_in(40) {
            format!("{pad}- ")
        } else {
            format!("{pad}{}: ", chance.pick(KEYS))
        };
        out.push_str(&start);
        match chance.below(8) {
            0..2 if depth > 0 => {
                out.push('\n');
                out.push_str(&block(chance, indent + 2, depth - 1));
                continue;
            }
            2 => {
                let style = chance.pick(&["|", "|-", "|+", ">", ">-", ">+", "|2", "|1-"]);
                out.push_str(style);
                out.push('\n');
                let count = chance.below(4);
                for _ in 0..count {
                    let line =
                        chance.pick(&["x", " y", "", "z: 1", "- w", "# no comment", "\tt", "é "]);
                    out.extend([pad.as_str(), "  ", line, "\n"]);
                }
                continue;
            }
            3 => out.push_str(&flow(chance, 2)),
            _ => out.push_str(chance.pick(SCALARS)),
        }
        if chance.once_in(10) {
            out.push_str(" # comment");
        }
        out.push_str(if chance.once_in(50) { "\r\n" } else { "\n" });
    }
    out
}

/// A template that reads a document and writes it again.
pub(crate) fn template(chance: &mut Chance) -> String {
    let mut text = if chance.once_in(4) {
        flow(chance, 3)
    } else {
        block(chance, 0, 3)
    };
    if chance.once_in(12) {
        text = format!("---\n{text}");
    }
    if chance.once_in(20) {
        text.push_str(chance.pick(&[
            "---\na: 1\n",
            "...\n",
            "...\nx\n",
            "--- b\n",
            "%YAML 1.1\n---\n",
        ]));
    }
    let read = chance.pick(&["fromYaml", "fromYaml", "fromYaml", "fromYamlArray"]);
    let write = chance.pick(&["toJson", "toYaml", "toYaml", "toYamlPretty"]);
    format!("{{{{ {read} {} | {write} }}}}", quoted(&text))
}

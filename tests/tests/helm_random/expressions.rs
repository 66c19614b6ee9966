//! Regular expressions out of the pieces of RE2's syntax, right and wrong ones, on texts that they may match.

use crate::chance::{Chance, quoted};

const ATOMS: &[&str] = &[
    "a",
    "b",
    "c",
    "x",
    "1",
    "_",
    "-",
    " ",
    ".",
    "é",
    "ſ",
    "K",
    "]",
    "}",
    "{",
    ",",
    "&",
    "~",
    "#",
    "/",
    "<",
    ">",
    ":",
    "=",
    "!",
    "^",
    "$",
    "\\b",
    "\\B",
    "\\A",
    "\\z",
    "\\Z",
    "\\C",
    "\\d",
    "\\D",
    "\\s",
    "\\S",
    "\\w",
    "\\W",
    "\\.",
    "\\-",
    "\\/",
    "\\_",
    "\\<",
    "\\>",
    "\\\\",
    "\\n",
    "\\t",
    "\\r",
    "\\f",
    "\\v",
    "\\a",
    "\\e",
    "\\0",
    "\\1",
    "\\12",
    "\\101",
    "\\08",
    "\\8",
    "\\x41",
    "\\x4",
    "\\xg",
    "\\x{41}",
    "\\x{1F600}",
    "\\x{110000}",
    "\\x{}",
    "\\x{4",
    "\\pL",
    "\\PL",
    "\\pN",
    "\\p{Greek}",
    "\\P{Greek}",
    "\\p{^Greek}",
    "\\p{Lu}",
    "\\p{Latin}",
    "\\p{greek}",
    "\\p{Letter}",
    "\\p{Nope}",
    "\\p{}",
    "\\p{Lu",
    "\\p",
    "\\pQ",
    "\\p{Any}",
    "\\p{ASCII}",
    "\\p{Assigned}",
    "\\p{LC}",
    "\\p{Old_Italic}",
    "\\Qa.b\\E",
    "\\Q[",
    "\\E",
    "\\é",
    "\\q",
    "\\",
];
const IN_CLASS: &[&str] = &[
    "a",
    "b",
    "a-c",
    "0-9",
    "A-Z",
    "z-a",
    "-",
    "^",
    "]",
    "[",
    ".",
    "$",
    "&&",
    "&",
    "~~",
    "~",
    "--",
    "é",
    "ſ",
    "K",
    "\\d",
    "\\w-",
    "\\s-.",
    "\\w-\\.",
    "\\D",
    "\\S",
    "\\W",
    "\\-",
    "\\]",
    "\\[",
    "\\^",
    "\\\\",
    "\\n",
    "\\x41",
    "\\x{4a}-\\x{4c}",
    "\\pL",
    "\\P{Lu}",
    "\\p{Greek}",
    "[:alpha:]",
    "[:^alpha:]",
    "[:word:]",
    "[:nope:]",
    "[:alpha",
    "[:",
    "a-\\d",
    "\\d-z",
    "+--",
    "!-/",
    "\\b",
    "\\Q",
    "\\q",
    "\\pX",
    "\\",
    " ",
    "#",
    "|",
    "(",
    ")",
    "*",
    "\\101",
    "a-",
    "-a",
    "\\a",
    "[=a=]",
    "[.a.]",
];
const REPETITIONS: &[&str] = &[
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "{2}",
    "{0}",
    "{1,}",
    "{0,2}",
    "{2,1}",
    "{1001}",
    "{1000}",
    "{,2}",
    "{a}",
    "{1",
    "{01}",
    "{2}?",
    "**",
    "*+",
    "{2}{3}",
    "{999999999}",
    "{1,1001}",
    "++",
    "???",
];
const GROUPS: &[&str] = &[
    "(", "(", "(", "(?:", "(?i)", "(?i:", "(?s:", "(?m)", "(?U)", "(?U:", "(?-i:", "(?i-s:",
    "(?is-mU)", "(?-)", "(?--i)", "(?i", "(?", "(?P<n>", "(?<n>", "(?P<n", "(?P<>", "(?<1a>",
    "(?P<a b>", "(?P=n)", "(?=", "(?!", "(?#", "(?x)", "(?'n'", "(?<=", "(?P>",
];
const PIECES: &[&str] = &[
    "a", "b", "c", "x", "A", "B", "1", "12", "_", "-", " ", ".", "\n", "\t", "é", "É", "ſ", "s",
    "S", "K", "k", "α", "Ω", "]", "[", "}", "{", "\\", "&", "~", "#", "/", "$", "^", "a.b", "aa",
    "foo-bar", "😀", ",", "<", ">", "\r", "b]",
];
const TEMPLATES: &[&str] = &[
    "", "x", "$1", "${1}", "$1x", "${1}x", "$n", "${n}", "$$", "$", "${", "${1", "$0", "$9", "$01",
    "<$0>", "${n}x", "$n_", "$é", "a$",
];

fn class(chance: &mut Chance) -> String {
    let open = if chance.once_in(4) { "[^" } else { "[" };
    let inside = chance.some(4, |chance| chance.pick(IN_CLASS).to_owned());
    let close = if chance.once_in(15) { "" } else { "]" };
    format!("{open}{inside}{close}")
}

fn expression(chance: &mut Chance, depth: usize) -> String {
    chance.some(4, |chance| {
        let mut piece = match chance.below(10) {
            0..4 => chance.pick(ATOMS).to_owned(),
            4 => chance.pick(&["a", "b", "ab", "x", "é", "."]).to_owned(),
            5 | 6 => class(chance),
            7 if depth > 0 => {
                let close = if chance.once_in(15) { "" } else { ")" };
                format!(
                    "{}{}{close}",
                    chance.pick(GROUPS),
                    expression(chance, depth - 1)
                )
            }
            8 => format!("{}|", expression(chance, depth.saturating_sub(1))),
            _ => chance.pick(&["a", "b", "\\w", ".", "[ab]", ")"]).to_owned(),
        };
        if chance.once_in(3) {
            piece.push_str(chance.pick(REPETITIONS));
        }
        piece
    })
}

/// A template that uses an expression on a text.
pub(crate) fn template(chance: &mut Chance) -> String {
    let expression = quoted(&expression(chance, 3));
    let text = quoted(&chance.some(8, |chance| chance.pick(PIECES).to_owned()));
    let with = quoted(chance.pick(TEMPLATES));
    let count = chance.pick(&["-1", "0", "1", "2", "5"]);
    let must = chance.once_in(2);
    let (name, arguments) = match chance.below(7) {
        0 => ("regexMatch", format!("{expression} {text}")),
        1 => ("regexFind", format!("{expression} {text}")),
        2 | 3 => ("regexFindAll", format!("{expression} {text} {count}")),
        4 => ("regexReplaceAll", format!("{expression} {text} {with}")),
        5 => (
            "regexReplaceAllLiteral",
            format!("{expression} {text} {with}"),
        ),
        _ => ("regexSplit", format!("{expression} {text} {count}")),
    };
    let name = if must {
        format!("mustR{}", &name[1..])
    } else {
        name.to_owned()
    };
    format!("{{{{ {name} {arguments} | toJson }}}}")
}

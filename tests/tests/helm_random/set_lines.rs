//! Lines of `--set`, right and wrong ones.

use crate::chance::Chance;

const SET_KEYS: &[&str] = &[
    "a", "b", "s", "a.b", "a.b[0]", "a.b[1].c", "a.b[5]", "q[0]", "q[1]", "q[-1]", "q[x]", "q[",
    "q[0][1]", "q[70000]", "a\\.b", "a\\,b", "", ".", "a.", ".a", "a..b", "é", "s.t", "a b",
    "a\\\\b", "q[0].x", "q[ 0 ]", "a[0]", "null", "a.b.c", "a.b[0].d",
];
const SET_VALUES: &[&str] = &[
    "1",
    "x",
    "",
    "true",
    "false",
    "null",
    "\"q\"",
    "1.5",
    "-7",
    "0",
    "007",
    "1e3",
    "0x10",
    "{a,b}",
    "{}",
    "{",
    "{a",
    "{1,{2}}",
    "a b",
    "x=y",
    "a\\,b",
    "\\",
    "\\\\",
    "\\{a\\}",
    "[1]",
    "9223372036854775807",
    "9223372036854775808",
    "é",
    "{a,}",
    "{,}",
    "{a\\,b,c}",
    "nil",
    "TRUE",
    "{null,true,1}",
    "a}b",
    "{a}b",
    " x",
    "x ",
    "~",
];

/// A line of `--set`.
pub(crate) fn set_line(chance: &mut Chance) -> String {
    let count = 1 + chance.below(3);
    let part = |chance: &mut Chance| {
        let equals = if chance.once_in(12) { "" } else { "=" };
        format!(
            "{}{equals}{}",
            chance.pick(SET_KEYS),
            chance.pick(SET_VALUES)
        )
    };
    let parts: Vec<String> = (0..count).map(|_| part(chance)).collect();
    parts.join(",")
}

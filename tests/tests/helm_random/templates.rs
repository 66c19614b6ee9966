//! Templates out of the pieces of the language: actions, blocks, variables, pipelines and all functions whose results are certain
//! (`keys` and `values` come in no order, and the whole dot prints with an address).

use crate::chance::Chance;

const VALUES: &[&str] = &[
    ".Values",
    ".Values.s",
    ".Values.i",
    ".Values.f",
    ".Values.big",
    ".Values.huge",
    ".Values.neg",
    ".Values.t",
    ".Values.no",
    ".Values.empty",
    ".Values.el",
    ".Values.em",
    ".Values.list",
    ".Values.strs",
    ".Values.dups",
    ".Values.map",
    ".Values.over",
    ".Values.nested",
    ".Values.yaml",
    ".Values.json",
    ".Values.multi",
    ".Values.uni",
    ".Values.url",
    ".Values.nope",
    ".Values.nope.nope",
    ".Values.map.c.d",
    ".Chart.Name",
    ".Chart.Version",
    ".Chart",
    ".Release.Name",
    ".Release",
    ".Files",
    ".Template.Name",
    "$x",
    "nil",
    "\"a b\"",
    "\"\"",
    "`raw`",
    "\"é,ü\"",
    "0",
    "1",
    "-3",
    "1.5",
    "1e3",
    "0x1f",
    "'a'",
    "true",
    "false",
    "(list 1 \"b\" nil)",
    "(dict \"k\" 1)",
    "(list)",
    "(dict)",
    "(list 3 1 2)",
    "(list \"b\" \"a\")",
    "(semver \"1.2.3\")",
    "(mustToDuration \"90s\")",
    "(toDate \"2006-01-02\" \"2024-02-29\")",
    "(tuple 1 2)",
    "(until 3)",
    "\"1.2.3\"",
    "\"12\"",
    "\"2024-01-02\"",
    "\"1h30m\"",
    "\"%d|%s\"",
];
const FUNCTIONS: &[&str] = &[
    "abbrev",
    "abbrevboth",
    "add",
    "add1",
    "add1f",
    "addf",
    "adler32sum",
    "all",
    "and",
    "any",
    "append",
    "atoi",
    "b32dec",
    "b32enc",
    "b64dec",
    "b64enc",
    "base",
    "biggest",
    "camelcase",
    "cat",
    "ceil",
    "chunk",
    "clean",
    "coalesce",
    "compact",
    "concat",
    "contains",
    "date",
    "dateInZone",
    "dateModify",
    "deepCopy",
    "deepEqual",
    "default",
    "dict",
    "dig",
    "dir",
    "div",
    "divf",
    "duration",
    "durationRound",
    "durationRoundTo",
    "durationSeconds",
    "empty",
    "eq",
    "ext",
    "fail",
    "first",
    "float64",
    "floor",
    "fromJson",
    "fromJsonArray",
    "fromYaml",
    "ge",
    "get",
    "gt",
    "has",
    "hasKey",
    "hasPrefix",
    "hasSuffix",
    "html",
    "htmlDate",
    "indent",
    "index",
    "initial",
    "initials",
    "int",
    "int64",
    "isAbs",
    "join",
    "js",
    "kebabcase",
    "kindIs",
    "kindOf",
    "last",
    "le",
    "len",
    "list",
    "lower",
    "lt",
    "max",
    "maxf",
    "merge",
    "mergeOverwrite",
    "min",
    "minf",
    "mod",
    "mul",
    "mulf",
    "mustAppend",
    "mustChunk",
    "mustCompact",
    "mustDeepCopy",
    "mustFirst",
    "mustFromJson",
    "mustHas",
    "mustLast",
    "mustPrepend",
    "mustRest",
    "mustReverse",
    "mustSlice",
    "mustToDate",
    "mustToJson",
    "mustUniq",
    "mustWithout",
    "ne",
    "nindent",
    "nospace",
    "not",
    "omit",
    "or",
    "osBase",
    "osDir",
    "pick",
    "pluck",
    "plural",
    "prepend",
    "print",
    "printf",
    "println",
    "quote",
    "repeat",
    "replace",
    "required",
    "rest",
    "reverse",
    "round",
    "semver",
    "semverCompare",
    "seq",
    "set",
    "sha1sum",
    "sha256sum",
    "slice",
    "snakecase",
    "sortAlpha",
    "split",
    "splitList",
    "splitn",
    "squote",
    "sub",
    "subf",
    "substr",
    "swapcase",
    "ternary",
    "title",
    "toDate",
    "toDecimal",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "toString",
    "toStrings",
    "toToml",
    "toYaml",
    "toYamlPretty",
    "tpl",
    "trim",
    "trimAll",
    "trimPrefix",
    "trimSuffix",
    "trimall",
    "trunc",
    "tuple",
    "typeIs",
    "typeIsLike",
    "typeOf",
    "uniq",
    "unixEpoch",
    "unset",
    "until",
    "untilStep",
    "untitle",
    "upper",
    "urlJoin",
    "urlParse",
    "urlquery",
    "without",
    "wrap",
    "wrapWith",
    "include",
    "lookup",
];

fn value(chance: &mut Chance, depth: usize) -> String {
    if depth > 0 && chance.once_in(4) {
        return format!("({})", pipeline(chance, depth - 1));
    }
    chance.pick(VALUES).to_owned()
}

fn call(chance: &mut Chance, depth: usize, piped: bool) -> String {
    let name = chance.pick(FUNCTIONS);
    let most = if piped { 2 } else { 3 };
    let arguments = chance.some(most, |chance| format!(" {}", value(chance, depth)));
    format!("{name}{arguments}")
}

fn pipeline(chance: &mut Chance, depth: usize) -> String {
    let first = if chance.once_in(2) {
        value(chance, depth)
    } else {
        call(chance, depth, false)
    };
    let rest = chance.some(2, |chance| format!(" | {}", call(chance, depth, true)));
    format!("{first}{rest}")
}

fn action(chance: &mut Chance, depth: usize) -> String {
    let trim = |chance: &mut Chance| if chance.once_in(5) { "-" } else { "" };
    let (left, right) = (trim(chance), trim(chance));
    let inside = pipeline(chance, 2);
    let open = format!("{{{{{left} ");
    let close = format!(" {right}}}}}");
    let body = |chance: &mut Chance| {
        if depth == 0 {
            return "x".to_owned();
        }
        chance.some(2, |chance| action(chance, depth - 1))
    };
    match chance.below(14) {
        0 => format!(
            "{open}if {inside}{close}{}{{{{ else }}}}{}{{{{ end }}}}",
            body(chance),
            body(chance)
        ),
        1 => format!("{open}with {inside}{close}{}{{{{ end }}}}", body(chance)),
        2 => format!(
            "{open}range {inside}{close}{}{{{{ else }}}}-{{{{ end }}}}",
            body(chance)
        ),
        3 => format!(
            "{open}range $k, $x := {inside}{close}{{{{ $k }}}}={}{{{{ end }}}}",
            body(chance)
        ),
        4 => format!("{open}$x := {inside}{close}"),
        5 => format!("{open}$x = {inside}{close}"),
        6 => format!(
            "{{{{ define \"t\" }}}}[{{{{ . }}}}]{{{{ end }}}}{open}template \"t\" {}{close}",
            value(chance, 1)
        ),
        7 => format!(
            "{{{{ define \"u\" }}}}<{{{{ .a }}}}>{{{{ end }}}}{open}include \"u\" {}{close}",
            value(chance, 1)
        ),
        8 => chance
            .pick(&[
                " text ",
                "\n",
                "{{/* c */}}",
                "{{ break }}",
                "}}",
                "{{ end }}",
                "{{",
                "{{ . ",
                "{{ nope }}",
                "{{ .Values.s.x }}",
            ])
            .to_owned(),
        _ => format!("{open}{inside}{close}"),
    }
}

/// A whole template, in which `$x` is known.
pub(crate) fn template(chance: &mut Chance) -> String {
    let count = 1 + chance.below(2);
    let actions: String = (0..count).map(|_| action(chance, 2)).collect();
    format!("{{{{ $x := 7 }}}}{actions}")
}

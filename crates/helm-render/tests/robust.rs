//! No template, however odd, makes the engine panic or hang.

use helm_chart::{Capabilities, Chart, Values};
use helm_render::{ReleaseOptions, Sources, render};
use proptest::prelude::*;

fn notes(template: &str) -> Result<String, String> {
    let files = [
        (
            "Chart.yaml".to_owned(),
            b"apiVersion: v2\nname: c\nversion: 1.0.0\n".to_vec(),
        ),
        (
            "values.yaml".to_owned(),
            b"a: [1, x, null]\nm: {k: {l: 1.5}}\n".to_vec(),
        ),
        ("f.txt".to_owned(), b"\xff\n\n".to_vec()),
        (
            "templates/NOTES.txt".to_owned(),
            template.as_bytes().to_vec(),
        ),
    ];
    let chart = Chart::from_files(files).map_err(|e| e.to_string())?;
    let release = ReleaseOptions::install("r", "n");
    let capabilities = Capabilities::default();
    render(
        &chart,
        &Values::new(),
        &release,
        &capabilities,
        &Sources::system(),
    )
    .map(|rendered| rendered.notes)
    .map_err(|e| e.to_string())
}

/// Every function that a template can call.
const FUNCTIONS: &[&str] = &[
    "abbrev",
    "add",
    "add1",
    "add1f",
    "addf",
    "adler32sum",
    "ago",
    "all",
    "any",
    "append",
    "atoi",
    "b32dec",
    "b32enc",
    "b64dec",
    "b64enc",
    "base",
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
    "durationTruncateTo",
    "empty",
    "ext",
    "fail",
    "first",
    "float64",
    "floor",
    "fromJson",
    "fromJsonArray",
    "fromYaml",
    "fromYamlArray",
    "get",
    "has",
    "hasKey",
    "hasPrefix",
    "hasSuffix",
    "htmlDate",
    "htmlDateInZone",
    "include",
    "indent",
    "index",
    "initial",
    "initials",
    "int",
    "int64",
    "isAbs",
    "join",
    "kebabcase",
    "keys",
    "kindIs",
    "kindOf",
    "last",
    "len",
    "list",
    "lookup",
    "lower",
    "max",
    "maxf",
    "merge",
    "mergeOverwrite",
    "min",
    "minf",
    "mod",
    "mul",
    "mulf",
    "mustFromJson",
    "mustToDate",
    "mustToDuration",
    "mustToJson",
    "mustToYaml",
    "nindent",
    "nospace",
    "now",
    "omit",
    "pick",
    "pluck",
    "plural",
    "prepend",
    "printf",
    "quote",
    "regexFind",
    "regexFindAll",
    "regexMatch",
    "regexQuoteMeta",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "regexSplit",
    "repeat",
    "replace",
    "required",
    "rest",
    "reverse",
    "round",
    "semver",
    "semverCompare",
    "set",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shuffle",
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
    "toYaml",
    "toYamlPretty",
    "tpl",
    "trim",
    "trimAll",
    "trimPrefix",
    "trimSuffix",
    "trunc",
    "typeIs",
    "typeOf",
    "uniq",
    "unixEpoch",
    "unset",
    "untilStep",
    "untitle",
    "upper",
    "urlJoin",
    "urlParse",
    "values",
    "without",
    "wrap",
    "wrapWith",
];

fn argument() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "",
        "a",
        "é\u{0}\\n",
        "2006-01-02 15:04",
        "a.b,c",
        "[",
        "(?P<x>a)|$",
        "1.2.3-x",
        "-1h",
        "{\"a\":[1]}",
        "a: b",
        "%d%[3]*.*x",
        "http://u@h:1/p?q#f",
        "{{ . }}",
        "1e400",
        "0x_",
    ]);
    prop_oneof![
        text.prop_map(|s| format!("{s:?}")
            .replace("\\u{0}", "\\x00")
            .replace("\\'", "'")),
        any::<i64>().prop_map(|v| v.to_string()),
        (-3i64..4).prop_map(|v| v.to_string()),
        prop::sample::select(vec![
            "nil",
            "true",
            ".",
            ".Values",
            ".Values.a",
            ".Values.m",
            ".Values.nope",
            "1.5",
            "-0.0",
            "1e300",
            "now",
            "list",
            "dict",
            ".Files",
            ".Chart",
            ".Capabilities",
            "(semver \"1.2.3\")",
            "(list 1 (dict \"a\" nil))",
            "(until 3)",
            "(splitList \",\" \"a,b\")",
        ])
        .prop_map(str::to_owned),
    ]
}

fn call() -> impl Strategy<Value = String> {
    let function = prop::sample::select(FUNCTIONS);
    (function, prop::collection::vec(argument(), 0..5))
        .prop_map(|(function, args)| format!("{{{{ {function} {} }}}}", args.join(" ")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn functions_never_panic(template in call()) {
        let _ = notes(&template);
    }

    #[test]
    fn random_templates_never_panic(template in "(\\{\\{|\\}\\}|[ -~\n]){0,40}") {
        let _ = notes(&template);
    }
}

#[test]
fn every_function_exists() {
    for function in FUNCTIONS {
        let message = notes(&format!(
            "{{{{ if false }}}}{{{{ {function} }}}}{{{{ end }}}}"
        ));
        assert_eq!(message, Ok(String::new()), "{function}");
    }
}

#[test]
fn includes_that_never_end_are_refused() {
    let endless = "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}";
    let message = notes(endless).err().unwrap_or_default();
    assert!(
        message.contains("rendering template has a nested reference name: a"),
        "{message:.300}"
    );
    let endless =
        "{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}";
    let message = notes(endless).err().unwrap_or_default();
    assert!(
        message.contains("rendering template has a nested reference name: a"),
        "{message:.300}"
    );
}

#[test]
fn values_that_contain_themselves_are_refused() {
    for function in ["toJson", "toYaml", "deepCopy", "toString", "toPrettyJson"] {
        let template =
            format!("{{{{ $d := dict }}}}{{{{ $_ := set $d \"d\" $d }}}}{{{{ {function} $d }}}}");
        // toJson and toYaml swallow errors.
        if let Ok(text) = notes(&template) {
            assert_eq!(text, "", "{function}");
        }
    }
    let merged = "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $e := dict }}{{ $_ := set $e \"d\" $e }}{{ merge $d $e }}";
    assert!(notes(merged).is_err());
}

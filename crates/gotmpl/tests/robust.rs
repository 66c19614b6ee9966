//! Bad input never panics, never overflows the stack, and always ends.

#![expect(clippy::unwrap_used, reason = "the checks of a test may panic")]

use gotmpl::{Error, Func, FuncMap, MissingKey, TemplateSet, Type, Value};
use proptest::prelude::*;

fn set(funcs: FuncMap) -> TemplateSet {
    TemplateSet::new("root", funcs, MissingKey::Zero)
}

fn run(text: &str) -> Result<Vec<u8>, Error> {
    let mut set = set(FuncMap::new());
    set.parse("t", text)?;
    set.execute(
        "t",
        &Value::map([("a", Value::list(vec![Value::int(1), Value::Nil]))]),
    )
}

/// Pieces of templates, so that many of the random texts get past the lexer.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "if",
        "else",
        "end",
        "range",
        "with",
        "define",
        "template",
        "block",
        "break",
        "continue",
        "nil",
        "true",
        ".",
        ".a",
        "$",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        ",",
        "1",
        "-1",
        "0x",
        "1.5e9",
        "'a'",
        "\"s\"",
        "`r`",
        "printf",
        "\"%d %[9]*.*v\"",
        "index",
        "slice",
        "len",
        "eq",
        "and",
        "or",
        "not",
        "call",
        "print",
        "/*",
        "*/",
        "\n",
        "é",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn random_text_never_panics(text in ".{0,80}") {
        let _ = run(&text);
    }

    #[test]
    fn random_actions_never_panic(text in pieces()) {
        let _ = run(&text);
    }

    #[test]
    fn random_formats_never_panic(format in "%?[ -~]{0,12}", n in any::<i64>(), s in ".{0,8}") {
        let args = [Value::int(n), Value::from(s), Value::float(n as f64 / 7.0), Value::Nil];
        let _ = gotmpl::fmt::sprintf(format.as_bytes(), &args);
    }
}

fn error_of(text: &str) -> String {
    run(text).unwrap_err().to_string()
}

#[test]
fn deep_parentheses_are_refused() {
    let text = format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(
        error_of(&text),
        "template: t:1: max expression depth exceeded"
    );
}

#[test]
fn deep_control_structures_are_refused() {
    let text = "{{if 1}}".repeat(100_000);
    assert_eq!(
        error_of(&text),
        "template: t:1: max expression depth exceeded"
    );
    let text = format!("{{{{if 0}}}}{}", "{{else if 0}}".repeat(100_000));
    assert_eq!(
        error_of(&text),
        "template: t:1: max expression depth exceeded"
    );
}

#[test]
fn a_template_that_calls_itself_ends() {
    let text = "{{define \"a\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}";
    let message = error_of(text);
    assert!(
        message.ends_with("exceeded maximum template depth (100000)"),
        "{message}"
    );
}

#[test]
fn executions_inside_each_other_end() {
    let again = Func::new(&[], Type::Str, |call, _| {
        call.templates().execute("t", &Value::Nil).map(Value::str)
    });
    let mut set = set(FuncMap::from([("again".to_owned(), again)]));
    set.parse("t", "{{again}}").unwrap();
    let message = set.execute("t", &Value::Nil).unwrap_err().to_string();
    let end = "exceeded maximum depth of nested executions (5000)";
    assert!(
        message.ends_with(end),
        "{}",
        &message[message.len().saturating_sub(200)..]
    );
}

#[test]
fn a_map_that_contains_itself_is_not_printed() {
    let put = Func::new(&[Type::MAP], Type::Str, |_, args| {
        if let [Value::Map(map)] = args {
            map.set("self", args[0].clone());
        }
        Ok(Value::from(""))
    });
    let mut set = set(FuncMap::from([("loop".to_owned(), put)]));
    set.parse("t", "{{loop .}}{{.}}").unwrap();
    let data = Value::map::<&str>([]);
    let message = set.execute("t", &data).unwrap_err().to_string();
    assert!(
        message.ends_with("cannot print a value that is nested too deeply"),
        "{message}"
    );
    if let Value::Map(map) = data {
        map.remove(b"self");
    }
}

#[test]
fn a_very_deep_list_is_dropped_without_recursion() {
    let list = Func::new(&[Type::Any], Type::LIST, |_, args| {
        Ok(Value::list(args.to_vec()))
    });
    let mut set = set(FuncMap::from([("list".to_owned(), list)]));
    set.parse(
        "t",
        "{{$x := 1}}{{range 300000}}{{$x = list $x}}{{end}}{{len $x}}",
    )
    .unwrap();
    assert_eq!(set.execute("t", &Value::Nil).unwrap(), b"1");
}

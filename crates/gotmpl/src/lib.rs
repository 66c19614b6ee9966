//! Go's text/template in Rust: lexer, parser, evaluator, built-in functions.

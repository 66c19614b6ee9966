//! Go's text/template in Rust: lexer, parser, evaluator, built-in functions.
//!
//! The engine mirrors Go 1.26: the same texts, the same refusals with the same words and
//! positions. It knows no Helm and does no I/O. Complex numbers, channels and function values
//! are left out; nothing that fills a template here has them.
//!
//! ```
//! use gotmpl::{FuncMap, MissingKey, TemplateSet, Value};
//!
//! let mut set = TemplateSet::new("root", FuncMap::new(), MissingKey::Zero);
//! set.parse("hello", "Hello, {{ .name | printf \"%q\" }}!")?;
//! let data = Value::map([("name", Value::from("Go"))]);
//! assert_eq!(set.execute("hello", &data)?, b"Hello, \"Go\"!");
//! # Ok::<(), gotmpl::Error>(())
//! ```
//!
//! [`Value`]s share: a clone of a map is the same map. [`Func`]s are closures with Go's static
//! signatures, and see the [`TemplateSet`] that calls them through [`Call`], so that functions
//! such as Helm's `include` need no state of their own.

mod builtin;
mod error;
mod exec;
pub mod fmt;
mod func;
mod gostr;
pub mod limits;
mod parse;
mod set;
mod types;
mod value;

pub use error::{Error, Stage};
pub use func::{Call, Func, FuncMap};
pub use gostr::{Str, text};
pub use set::{MissingKey, TemplateSet};
pub use types::{FloatKind, IntKind, Type, UintKind};
pub use value::{Field, List, Map, Object, Shape, Value};

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

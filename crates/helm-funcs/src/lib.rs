//! The functions of Helm templates: sprig's and Helm's own, for gotmpl.
//!
//! [`functions`] gives a [`FuncMap`] with the names, signatures and results of Helm 4's engine.
//! Where a Go function would panic the call fails, as it does in Go's templates. Time, randomness
//! and the cluster come in through [`Sources`], so that a rendering can be repeated. A function
//! that is missing here is unknown to the parser, which says so by name.

mod args;
mod convert;
mod crypto;
mod dates;
mod defaults;
mod dicts;
mod encoding;
mod errors;
mod flow;
mod lists;
mod math;
mod nesting;
mod paths;
mod random;
mod reflection;
mod regexes;
mod semvers;
mod sources;
mod strings;
mod urls;

pub use convert::{from_json, to_json};
pub use dates::time::Time;
pub use dates::{format_time, parse_time};
pub use encoding::json_text;
pub use encoding::yaml_text;
pub use flow::{WARN_END, WARN_START, without_no_value};
pub use gotmpl::Error as FunctionError;
pub use regexes::go_regex;
pub use sources::{Lookup, NoLookup, RandomSource, Sources};
pub use urls::url_scheme;

use gotmpl::FuncMap;

/// All functions. `include` counts its recursion in the map it is part of, so each rendering
/// needs a map of its own.
pub fn functions(sources: &Sources) -> FuncMap {
    registry(sources).into_map()
}

/// [`functions`] as Helm has them while it lints: `fail` and `required` end nothing and give no text.
pub fn lenient_functions(sources: &Sources) -> FuncMap {
    let mut registry = registry(sources);
    flow::register_lenient(&mut registry);
    registry.into_map()
}

fn registry(sources: &Sources) -> args::Registry {
    let mut registry = args::Registry::default();
    strings::register(&mut registry);
    lists::register(&mut registry);
    dicts::register(&mut registry);
    math::register(&mut registry);
    defaults::register(&mut registry);
    reflection::register(&mut registry);
    encoding::register(&mut registry, sources);
    crypto::register(&mut registry, sources);
    random::register(&mut registry, sources);
    dates::register(&mut registry, sources);
    regexes::register(&mut registry);
    semvers::register(&mut registry);
    paths::register(&mut registry);
    urls::register(&mut registry);
    flow::register(&mut registry, sources);
    registry
}

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

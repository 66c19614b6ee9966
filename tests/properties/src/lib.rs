//! What must hold of everything that reads what strangers send, for any bytes whatever: each function panics when it does not.
//!
//! `cargo xtask fuzz` looks for bytes with libFuzzer; the test of this crate tries those that were kept, and changes of them.

#![expect(
    clippy::expect_used,
    reason = "a panic is how a property says that it does not hold"
)]

use arbitrary::{Arbitrary, Unstructured};

mod archives;
mod constraints;
mod envelope;
mod events;
mod globs;
mod heads;
mod ignore;
mod strvals;
mod templates;
mod tickets;
mod translation;
mod yaml;

pub use self::{
    archives::archives, constraints::constraints, envelope::envelope, events::events, globs::globs,
    heads::heads, ignore::ignore, strvals::strvals, templates::templates, tickets::tickets,
    translation::translation, yaml::yaml,
};

/// A property of bytes.
pub type Property = fn(&[u8]);

/// All of them, by the names of their targets.
pub const ALL: &[(&str, Property)] = &[
    ("archives", archives),
    ("constraints", constraints),
    ("envelope", envelope),
    ("events", events),
    ("globs", globs),
    ("heads", heads),
    ("ignore", ignore),
    ("strvals", strvals),
    ("templates", templates),
    ("tickets", tickets),
    ("translation", translation),
    ("yaml", yaml),
];

/// What bytes stand for, as libFuzzer's targets take them; `None` when they are too few.
fn input<'a, T: Arbitrary<'a>>(data: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(data)).ok()
}

//! Functions that templates call, with Go's static signatures.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::error::Error;
use crate::set::TemplateSet;
use crate::types::Type;
use crate::value::Value;

/// What a function sees of the execution that calls it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    set: &'a TemplateSet,
}

impl<'a> Call<'a> {
    pub(crate) fn new(set: &'a TemplateSet) -> Self {
        Self { set }
    }

    /// The template set that is being executed.
    pub fn templates(&self) -> &'a TemplateSet {
        self.set
    }
}

type Body = dyn Fn(Call<'_>, &[Value]) -> Result<Value, Error>;

/// A function with a Go signature. Arguments reach the body checked and converted as Go's
/// `text/template` does it.
#[derive(Clone)]
pub struct Func {
    pub(crate) params: Rc<[Type]>,
    pub(crate) variadic: Option<Type>,
    pub(crate) result: Type,
    /// Why no template can call it.
    pub(crate) refusal: Option<&'static str>,
    pub(crate) body: Rc<Body>,
}

/// The functions that a template set knows, by name.
pub type FuncMap = BTreeMap<String, Func>;

impl Func {
    /// A function with fixed parameters.
    pub fn new(
        params: &[Type],
        result: Type,
        body: impl Fn(Call<'_>, &[Value]) -> Result<Value, Error> + 'static,
    ) -> Self {
        Self {
            params: params.into(),
            variadic: None,
            result,
            refusal: None,
            body: Rc::new(body),
        }
    }

    /// A function whose last parameter may be given any number of times.
    pub fn variadic(
        params: &[Type],
        rest: Type,
        result: Type,
        body: impl Fn(Call<'_>, &[Value]) -> Result<Value, Error> + 'static,
    ) -> Self {
        Self {
            params: params.into(),
            variadic: Some(rest),
            result,
            refusal: None,
            body: Rc::new(body),
        }
    }
}

impl Func {
    /// A function that no template can call, since it returns more than a value and an error.
    /// The text is that of Go's refusal.
    pub fn uncallable(params: &[Type], refusal: &'static str) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::new(params, Type::Any, |_, _| Ok(Value::Nil))
        }
    }

    /// Why no template can call it, if none can.
    pub fn refusal(&self) -> Option<&'static str> {
        self.refusal
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "func(")?;
        for (i, param) in self.params.iter().enumerate() {
            write!(f, "{}{param}", if i > 0 { ", " } else { "" })?;
        }
        if let Some(rest) = &self.variadic {
            write!(
                f,
                "{}...{rest}",
                if self.params.is_empty() { "" } else { ", " }
            )?;
        }
        write!(f, ") {}", self.result)
    }
}

//! How functions are written down: name, Go signature, body.

use std::borrow::Cow;

use gotmpl::{Call, Error, Func, FuncMap, Map, Str, Type, Value};

/// The functions gathered so far.
#[derive(Debug, Default)]
pub(crate) struct Registry(FuncMap);

/// What a function body returns.
pub(crate) type Returned = Result<Value, Error>;

impl Registry {
    /// Adds a function with fixed parameters.
    pub(crate) fn add(
        &mut self,
        name: &str,
        params: &[Type],
        result: Type,
        body: impl Fn(Args<'_>) -> Returned + 'static,
    ) {
        let func = Func::new(params, result, move |call, args| body(Args { call, args }));
        self.0.insert(name.to_owned(), func);
    }

    /// Adds a function whose last parameter repeats.
    pub(crate) fn add_variadic(
        &mut self,
        name: &str,
        params: &[Type],
        rest: Type,
        result: Type,
        body: impl Fn(Args<'_>) -> Returned + 'static,
    ) {
        let func = Func::variadic(params, rest, result, move |call, args| {
            body(Args { call, args })
        });
        self.0.insert(name.to_owned(), func);
    }

    /// A second name for a function.
    pub(crate) fn alias(&mut self, alias: &str, name: &str) {
        if let Some(func) = self.0.get(name).cloned() {
            self.0.insert(alias.to_owned(), func);
        }
    }

    /// Adds a function from text to text.
    pub(crate) fn text(&mut self, name: &str, body: impl Fn(&str) -> String + 'static) {
        self.add(name, &[Type::Str], Type::Str, move |a| {
            Ok(Value::str(body(&a.text(0))))
        });
    }

    pub(crate) fn into_map(self) -> FuncMap {
        self.0
    }
}

/// The arguments of a call. The evaluator has checked them against the signature, so an accessor
/// of the parameter's type always finds its value; of another type it gives the zero value.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    pub(crate) call: Call<'a>,
    args: &'a [Value],
}

impl<'a> Args<'a> {
    pub(crate) fn any(self, i: usize) -> &'a Value {
        self.args.get(i).unwrap_or(&Value::Nil)
    }

    /// The arguments from the `i`th on.
    pub(crate) fn rest(self, i: usize) -> &'a [Value] {
        self.args.get(i..).unwrap_or(&[])
    }

    pub(crate) fn bytes(self, i: usize) -> &'a [u8] {
        match self.any(i) {
            Value::Str(s) | Value::Bytes(s) => s,
            _ => &[],
        }
    }

    /// A string, kept as it is.
    pub(crate) fn str(self, i: usize) -> Str {
        Str::from(self.bytes(i))
    }

    /// A string as text.
    pub(crate) fn text(self, i: usize) -> Cow<'a, str> {
        gotmpl::text(self.bytes(i))
    }

    pub(crate) fn int(self, i: usize) -> i64 {
        match self.any(i) {
            Value::Int(_, v) => *v,
            _ => 0,
        }
    }

    pub(crate) fn float(self, i: usize) -> f64 {
        match self.any(i) {
            Value::Float(_, v) => *v,
            _ => 0.0,
        }
    }

    pub(crate) fn bool(self, i: usize) -> bool {
        matches!(self.any(i), Value::Bool(true))
    }

    pub(crate) fn map(self, i: usize) -> Map {
        match self.any(i) {
            Value::Map(map) => map.clone(),
            _ => Map::nil(&Type::Any),
        }
    }
}

/// An error with this text.
pub(crate) fn fail<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::call(text))
}

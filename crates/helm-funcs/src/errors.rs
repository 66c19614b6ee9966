//! Errors that are values: what methods of Go give that return an error alone.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Func, Object, Shape, Type, Value};

/// An error of a Go type, as a value.
pub(crate) fn value(of: &'static str, text: String) -> Value {
    Value::Object(Rc::new(GoError { of, text }))
}

#[derive(Debug)]
struct GoError {
    of: &'static str,
    text: String,
}

impl Object for GoError {
    fn type_name(&self) -> &str {
        self.of
    }

    fn shape(&self) -> Shape {
        Shape::Pointer(Vec::new())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        (name == "Error").then(|| {
            Func::new(&[], Type::Str, move |_, _| {
                Ok(Value::from(self.text.as_str()))
            })
        })
    }

    fn display(&self) -> Option<String> {
        Some(self.text.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

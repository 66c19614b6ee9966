//! Values with fields and methods of their own: Go's structs and named types.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use super::Value;
use crate::func::Func;
use crate::types::Type;

/// A field of a struct.
#[derive(Debug, Clone)]
pub struct Field {
    /// The name in Go.
    pub name: &'static str,
    /// The static type; [`Type::Any`] for a field that is an interface.
    pub of: Type,
    /// The value.
    pub value: Value,
}

impl Field {
    /// Whether templates and encoders see the field.
    pub fn is_exported(&self) -> bool {
        self.name.starts_with(char::is_uppercase)
    }
}

/// What a named type is made of.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A struct with these fields, in order.
    Struct(Vec<Field>),
    /// A pointer to a struct with these fields.
    Pointer(Vec<Field>),
    /// A named map, slice, string or number.
    Alias(Value),
}

/// A Go value of a named type, with methods.
pub trait Object {
    /// The type's name as `%T` prints it, e.g. `time.Duration` or `*url.URL`.
    fn type_name(&self) -> &str;

    /// What the type is made of, with the present values.
    fn shape(&self) -> Shape;

    /// A value of the same type over another plain value, for an [`Shape::Alias`] that can be changed in place: what is a
    /// copy of one must not share it. `None` for all others.
    fn with_plain(&self, _plain: Value) -> Option<Value> {
        None
    }

    /// The method of that name, bound to this value.
    fn method(self: Rc<Self>, name: &str) -> Option<Func>;

    /// The text of Go's `String` or `Error` method, if the type has one.
    fn display(&self) -> Option<String>;

    /// The text of a `String` method that only a pointer to this value has: Go finds it where a
    /// template prints the value itself, and not where it is an argument.
    fn display_in_place(&self) -> Option<String> {
        None
    }

    /// What `%#v` prints, if it is not the type's name and fields.
    fn go_string(&self) -> Option<String> {
        None
    }

    /// Go's `==` with another value of the same type: of two structs, whether all fields are
    /// equal. Two pointers are equal only when they are one, which is known without asking.
    fn equals(&self, other: &dyn Object) -> bool {
        match (self.shape(), other.shape()) {
            (Shape::Struct(ours), Shape::Struct(theirs)) => {
                let mut pairs = ours.iter().zip(&theirs);
                ours.len() == theirs.len() && pairs.all(|(a, b)| a.value.go_equals(&b.value))
            }
            _ => false,
        }
    }

    /// What a JSON encoder makes of the value; by default its fields under their Go names.
    fn marshal(&self) -> Value {
        match self.shape() {
            Shape::Alias(value) => value,
            Shape::Struct(fields) | Shape::Pointer(fields) => {
                let exported = fields.into_iter().filter(Field::is_exported);
                Value::map(exported.map(|field| (field.name, field.value)))
            }
        }
    }

    /// The value itself, for functions that know the type.
    fn as_any(&self) -> &dyn Any;
}

impl fmt::Debug for dyn Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.type_name(), self.shape())
    }
}

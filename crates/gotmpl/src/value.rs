//! Values of templates: Go's kinds, with maps and lists that all holders share.

mod collection;
mod object;

pub use collection::{List, Map};
pub use object::{Field, Object, Shape};

use std::fmt;
use std::rc::Rc;

use crate::gostr::Str;
use crate::types::{FloatKind, IntKind, Type, UintKind};

/// A Go value as a template sees it.
///
/// Clones of lists, maps and objects are the same list, map or object: a change made through
/// one holder is seen by all, as with Go's slices of one array, maps and pointers.
#[derive(Clone, Default)]
pub enum Value {
    /// The nil interface.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// A signed integer of any size.
    Int(IntKind, i64),
    /// An unsigned integer of any size.
    Uint(UintKind, u64),
    /// A floating-point number.
    Float(FloatKind, f64),
    /// `string`.
    Str(Str),
    /// `[]byte`; never changed in place.
    Bytes(Str),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A value with fields or methods of its own.
    Object(Rc<dyn Object>),
}

impl Value {
    /// A Go `int`.
    pub fn int(v: i64) -> Self {
        Value::Int(IntKind::Int, v)
    }

    /// A Go `int64`.
    pub fn int64(v: i64) -> Self {
        Value::Int(IntKind::Int64, v)
    }

    /// A Go `float64`.
    pub fn float(v: f64) -> Self {
        Value::Float(FloatKind::Float64, v)
    }

    /// A Go `string`.
    pub fn str(v: impl Into<Str>) -> Self {
        Value::Str(v.into())
    }

    /// A Go `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Self {
        Value::List(List::new(&Type::Any, items))
    }

    /// A Go `[]string`.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items.into_iter().map(|s| Value::Str(s.into())).collect();
        Value::List(List::new(&Type::Str, items))
    }

    /// A Go `map[string]interface {}`.
    pub fn map<K: Into<Str>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let map = Map::new(&Type::Any);
        for (key, value) in entries {
            map.set(key.into(), value);
        }
        Value::Map(map)
    }

    /// The dynamic type; `None` for nil, which has none.
    pub fn type_of(&self) -> Option<Type> {
        Some(match self {
            Value::Nil => return None,
            Value::Bool(_) => Type::Bool,
            Value::Int(kind, _) => Type::Int(*kind),
            Value::Uint(kind, _) => Type::Uint(*kind),
            Value::Float(kind, _) => Type::Float(*kind),
            Value::Str(_) => Type::Str,
            Value::Bytes(_) => Type::Bytes,
            Value::List(list) => Type::List(list.elem()),
            Value::Map(map) => Type::Map(map.elem()),
            Value::Object(object) => Type::Named(object.type_name().to_owned()),
        })
    }

    /// The name of the dynamic type as `%T` prints it: `<nil>` for nil.
    pub fn type_name(&self) -> String {
        self.type_of()
            .map_or_else(|| "<nil>".to_owned(), |t| t.to_string())
    }

    /// The name of the value's kind as `reflect.Kind` prints it: `invalid` for nil.
    pub fn kind_name(&self) -> String {
        match self {
            Value::Nil => "invalid".to_owned(),
            Value::Bytes(_) | Value::List(_) => "slice".to_owned(),
            Value::Map(_) => "map".to_owned(),
            Value::Object(object) => match object.shape() {
                Shape::Struct(_) => "struct".to_owned(),
                Shape::Pointer(_) => "ptr".to_owned(),
                Shape::Alias(value) => value.kind_name(),
            },
            _ => self.type_name(),
        }
    }

    /// The plain value below a named one: the map of a map type with methods, for example.
    #[must_use]
    pub fn plain(&self) -> Value {
        match self {
            Value::Object(object) => match object.shape() {
                Shape::Alias(value) => value,
                _ => self.clone(),
            },
            _ => self.clone(),
        }
    }

    /// Go's `==` of two interfaces that hold these values: of the same type and equal. Lists and
    /// maps, on which Go panics, are equal to nothing.
    #[expect(
        clippy::float_cmp,
        reason = "Go compares floats exactly, and so must we"
    )]
    pub fn go_equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(of_a, a), Value::Int(of_b, b)) => of_a == of_b && a == b,
            (Value::Uint(of_a, a), Value::Uint(of_b, b)) => of_a == of_b && a == b,
            (Value::Float(of_a, a), Value::Float(of_b, b)) => of_a == of_b && a == b,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::Object(a), Value::Object(b)) if a.type_name() == b.type_name() => {
                match (a.shape(), b.shape()) {
                    (Shape::Alias(a), Shape::Alias(b)) => a.go_equals(&b),
                    _ => Rc::ptr_eq(a, b) || a.equals(b.as_ref()),
                }
            }
            _ => false,
        }
    }

    /// Whether Go can compare values of this type with `==`.
    pub fn is_comparable(&self) -> bool {
        match self {
            Value::Bytes(_) | Value::List(_) | Value::Map(_) => false,
            Value::Object(object) => match object.shape() {
                Shape::Alias(plain) => plain.is_comparable(),
                Shape::Pointer(_) => true,
                Shape::Struct(fields) => fields.iter().all(|field| field.value.is_comparable()),
            },
            _ => true,
        }
    }

    /// Whether this is nil: the nil interface, or a nil map or list.
    pub fn is_nil(&self) -> bool {
        match self {
            Value::Nil => true,
            Value::List(list) => list.is_nil(),
            Value::Map(map) => map.is_nil(),
            Value::Object(object) => match object.shape() {
                Shape::Alias(plain) => plain.is_nil(),
                _ => false,
            },
            _ => false,
        }
    }

    /// The truth of the value in `if`, `with`, `and`, `or` and `not`: not zero and not empty.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(v) => *v,
            Value::Int(_, v) => *v != 0,
            Value::Uint(_, v) => *v != 0,
            Value::Float(_, v) => *v != 0.0,
            Value::Str(s) | Value::Bytes(s) => !s.is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Object(object) => match object.shape() {
                Shape::Struct(_) | Shape::Pointer(_) => true,
                Shape::Alias(value) => value.is_true(),
            },
        }
    }

    /// The zero value of a type.
    pub fn zero(of: &Type) -> Value {
        match of {
            Type::Any | Type::Reflect | Type::Named(_) | Type::Interface(_) => Value::Nil,
            Type::Bool => Value::Bool(false),
            Type::Int(kind) | Type::NamedInt(_, kind) => Value::Int(*kind, 0),
            Type::Uint(kind) => Value::Uint(*kind, 0),
            Type::Float(kind) => Value::Float(*kind, 0.0),
            Type::Str => Value::str(""),
            Type::Bytes => Value::Bytes(Str::from("")),
            Type::List(elem) => Value::List(List::nil(elem)),
            Type::Map(elem) => Value::Map(Map::nil(elem)),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::fmt::sprint(std::slice::from_ref(self)) {
            Ok(text) => write!(
                f,
                "{}({})",
                self.type_name(),
                String::from_utf8_lossy(&text)
            ),
            Err(_) => write!(f, "{}(..)", self.type_name()),
        }
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::str(v)
    }
}

impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::str(v)
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}

//! What the methods of a time give: months, days of the week, places.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Func, IntKind, Object, Shape, Type, Value};
use jiff::tz::TimeZone;

/// An integer whose text is a name.
#[derive(Debug)]
pub(super) struct NamedInt {
    of: &'static str,
    number: i64,
    name: &'static str,
}

impl NamedInt {
    pub(super) fn of_type(of: &str) -> Type {
        Type::Named(of.to_owned())
    }

    pub(super) fn value(of: &'static str, number: i8, name: &'static str) -> Value {
        let number = number.into();
        Value::Object(Rc::new(Self { of, number, name }))
    }
}

impl Object for NamedInt {
    fn type_name(&self) -> &str {
        self.of
    }

    fn shape(&self) -> Shape {
        Shape::Alias(Value::Int(IntKind::Int, self.number))
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        (name == "String")
            .then(|| Func::new(&[], Type::Str, move |_, _| Ok(Value::from(self.name))))
    }

    fn display(&self) -> Option<String> {
        Some(self.name.to_owned())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `*time.Location`
#[derive(Debug)]
pub(super) struct Location {
    zone: TimeZone,
    name: String,
}

impl Location {
    pub(super) fn of_type() -> Type {
        Type::Named("*time.Location".to_owned())
    }

    pub(super) fn value(zone: TimeZone, name: String) -> Value {
        Value::Object(Rc::new(Self { zone, name }))
    }

    pub(super) fn of(value: &Value) -> Option<TimeZone> {
        match value {
            Value::Object(object) => object
                .as_any()
                .downcast_ref::<Self>()
                .map(|location| location.zone.clone()),
            _ => None,
        }
    }
}

impl Object for Location {
    fn type_name(&self) -> &'static str {
        "*time.Location"
    }

    fn shape(&self) -> Shape {
        Shape::Pointer(Vec::new())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        (name == "String").then(|| {
            Func::new(&[], Type::Str, move |_, _| {
                Ok(Value::from(self.name.as_str()))
            })
        })
    }

    fn display(&self) -> Option<String> {
        Some(self.name.clone())
    }

    /// Go has each place once.
    fn equals(&self, other: &dyn Object) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| self.name == other.name && self.zone == other.zone)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

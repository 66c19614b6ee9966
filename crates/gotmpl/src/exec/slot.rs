//! A value together with what it sits in, which decides Go's rules for nil.

use crate::types::Type;
use crate::value::Value;

/// A value as `reflect.Value` holds it. A value read from a map or list of interfaces, or
/// returned by a function whose result is an interface, sits in an interface slot: nil there is
/// an interface that holds nothing, while nil elsewhere is no value at all.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) value: Value,
    pub(crate) in_interface: bool,
    /// The name of the interface if it has methods: such a one is not taken off.
    with_methods: Option<&'static str>,
}

impl Slot {
    /// No value at all; Go's zero `reflect.Value`.
    pub(crate) const INVALID: Slot = Slot {
        value: Value::Nil,
        in_interface: false,
        with_methods: None,
    };

    /// A value that is not in an interface slot.
    pub(crate) fn concrete(value: Value) -> Self {
        Self {
            value,
            in_interface: false,
            with_methods: None,
        }
    }

    /// A value of static type `of`.
    pub(crate) fn of(of: &Type, value: Value) -> Self {
        Self {
            in_interface: matches!(of, Type::Any | Type::Interface(_)),
            with_methods: match of {
                Type::Interface(name) => Some(name),
                _ => None,
            },
            value,
        }
    }

    pub(crate) fn is_invalid(&self) -> bool {
        !self.in_interface && matches!(self.value, Value::Nil)
    }

    /// Whether this is an interface that holds nothing.
    pub(crate) fn is_nil_interface(&self) -> bool {
        self.in_interface && matches!(self.value, Value::Nil)
    }

    /// The value taken out of its interface.
    pub(crate) fn unwrapped(mut self) -> Self {
        if self.with_methods.is_none() || !matches!(self.value, Value::Nil) {
            self.in_interface = false;
        }
        self
    }

    /// The name of the static type, for error texts.
    pub(crate) fn type_name(&self) -> String {
        if self.in_interface {
            self.with_methods
                .map_or_else(|| Type::Any.to_string(), str::to_owned)
        } else {
            self.value.type_name()
        }
    }
}

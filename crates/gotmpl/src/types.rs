//! Go types as templates can see them: for signatures, `%T` and error texts.

use std::fmt;

/// The size and signedness of an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntKind {
    /// `int`, 64 bits here.
    Int,
    /// `int8`.
    Int8,
    /// `int16`.
    Int16,
    /// `int32`, also called rune.
    Int32,
    /// `int64`.
    Int64,
}

impl IntKind {
    /// The value cut to the size, as a conversion in Go does.
    pub(crate) fn wrap(self, v: i64) -> i64 {
        match self {
            IntKind::Int | IntKind::Int64 => v,
            IntKind::Int8 => (v as i8).into(),
            IntKind::Int16 => (v as i16).into(),
            IntKind::Int32 => (v as i32).into(),
        }
    }
}

/// The size of an unsigned integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UintKind {
    /// `uint`, 64 bits here.
    Uint,
    /// `uint8`, also called byte.
    Uint8,
    /// `uint16`.
    Uint16,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
}

impl UintKind {
    /// The value cut to the size, as a conversion in Go does.
    pub(crate) fn wrap(self, v: u64) -> u64 {
        match self {
            UintKind::Uint | UintKind::Uint64 => v,
            UintKind::Uint8 => (v as u8).into(),
            UintKind::Uint16 => (v as u16).into(),
            UintKind::Uint32 => (v as u32).into(),
        }
    }
}

/// The size of a floating-point number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatKind {
    /// `float32`.
    Float32,
    /// `float64`.
    Float64,
}

/// A static Go type: of a parameter, of a result, of the elements of a list or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: anything, nil too.
    Any,
    /// `reflect.Value`: anything, as it is, with what it sits in.
    Reflect,
    /// `bool`.
    Bool,
    /// A signed integer.
    Int(IntKind),
    /// An unsigned integer.
    Uint(UintKind),
    /// A floating-point number.
    Float(FloatKind),
    /// `string`.
    Str,
    /// `[]uint8`.
    Bytes,
    /// A slice of the given type.
    List(&'static Type),
    /// A map from strings to the given type.
    Map(&'static Type),
    /// A named type, by its Go name.
    Named(String),
    /// A named integer, by its Go name: what is literally an integer can be given for it.
    NamedInt(&'static str, IntKind),
    /// An interface with methods, such as `error`. Nothing that is no [`Object`](crate::Object)
    /// has it.
    Interface(&'static str),
}

impl Type {
    /// `int`.
    pub const INT: Type = Type::Int(IntKind::Int);
    /// `int64`.
    pub const INT64: Type = Type::Int(IntKind::Int64);
    /// `float64`.
    pub const FLOAT64: Type = Type::Float(FloatKind::Float64);
    /// `map[string]interface {}`.
    pub const MAP: Type = Type::Map(&Type::Any);
    /// `[]interface {}`.
    pub const LIST: Type = Type::List(&Type::Any);
    /// `error`.
    pub const ERROR: Type = Type::Interface("error");
    /// `[]string`.
    pub const STRINGS: Type = Type::List(&Type::Str);

    /// Whether a value of dynamic type `found` has this type.
    pub(crate) fn is(&self, found: &Type) -> bool {
        match (self, found) {
            (Type::NamedInt(name, _), Type::Named(found)) => name == found,
            _ => self == found,
        }
    }

    /// Whether nil is a value of this type.
    pub(crate) fn can_be_nil(&self) -> bool {
        match self {
            Type::Any
            | Type::Reflect
            | Type::Bytes
            | Type::List(_)
            | Type::Map(_)
            | Type::Interface(_) => true,
            Type::Named(name) => name.starts_with('*'),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("interface {}"),
            Type::Reflect => f.write_str("reflect.Value"),
            Type::Bool => f.write_str("bool"),
            Type::Int(kind) => f.write_str(match kind {
                IntKind::Int => "int",
                IntKind::Int8 => "int8",
                IntKind::Int16 => "int16",
                IntKind::Int32 => "int32",
                IntKind::Int64 => "int64",
            }),
            Type::Uint(kind) => f.write_str(match kind {
                UintKind::Uint => "uint",
                UintKind::Uint8 => "uint8",
                UintKind::Uint16 => "uint16",
                UintKind::Uint32 => "uint32",
                UintKind::Uint64 => "uint64",
            }),
            Type::Float(FloatKind::Float32) => f.write_str("float32"),
            Type::Float(FloatKind::Float64) => f.write_str("float64"),
            Type::Str => f.write_str("string"),
            Type::Bytes => f.write_str("[]uint8"),
            Type::List(elem) => write!(f, "[]{elem}"),
            Type::Map(elem) => write!(f, "map[string]{elem}"),
            Type::Named(name) => f.write_str(name),
            Type::NamedInt(name, _) | Type::Interface(name) => f.write_str(name),
        }
    }
}

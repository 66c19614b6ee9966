//! A version as templates see it: `*semver.Version`, which `semver` gives, and `semver.Version`,
//! which a step to the next version gives.

use std::any::Any;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use gotmpl::{Call, Error, Func, Object, Shape, Str, Type, UintKind, Value};
use helm_chart::Version;

use super::{parse, version_type};
use crate::errors;

/// What Go says where a method needs a version and is given nil.
const NIL: &str = "runtime error: invalid memory address or nil pointer dereference";

/// A version with the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Semver {
    version: Version,
    original: String,
}

/// `*semver.Version`: what is read into it is seen by all who have it.
#[derive(Debug)]
pub(super) struct Pointer(RefCell<Semver>);

impl Pointer {
    pub(super) fn new(version: Version, original: String) -> Self {
        Self(RefCell::new(Semver { version, original }))
    }

    /// Reads another version into this one; what is wrong with it is the result.
    fn read(&self, text: &str) -> Value {
        match parse(text) {
            Ok(version) => {
                let original = text.to_owned();
                self.0.replace(Semver { version, original });
                Value::Nil
            }
            Err(e) => errors::value("*errors.errorString", e.to_string()),
        }
    }
}

/// `semver.Version`
#[derive(Debug)]
struct Plain(Semver);

fn plain_type() -> Type {
    Type::Named("semver.Version".to_owned())
}

impl Semver {
    /// A version that came out of this one.
    fn next(&self, version: Version) -> Value {
        let v = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        let original = format!("{v}{version}");
        Value::Object(Rc::new(Plain(Self { version, original })))
    }

    fn text(&self) -> String {
        self.version.to_string()
    }

    /// The methods that both types have.
    fn method(self, name: &str) -> Option<Func> {
        let number = |v: u64| {
            Func::new(&[], Type::Uint(UintKind::Uint64), move |_, _| {
                Ok(Value::Uint(UintKind::Uint64, v))
            })
        };
        let text = |v: &str| {
            let v = Str::from(v);
            Func::new(&[], Type::Str, move |_, _| Ok(Value::Str(v.clone())))
        };
        let bytes = |v: String| {
            let v = Str::from(v);
            Func::new(&[], Type::Bytes, move |_, _| Ok(Value::Bytes(v.clone())))
        };
        let version = self.version.clone();
        Some(match name {
            "Major" => number(version.major()),
            "Minor" => number(version.minor()),
            "Patch" => number(version.patch()),
            "Prerelease" => text(version.prerelease()),
            "Metadata" => text(version.metadata()),
            "String" => text(&self.text()),
            "MarshalText" => bytes(self.text()),
            "MarshalJSON" => bytes(format!("\"{}\"", self.text())),
            "Value" => {
                let text = Value::from(self.text());
                Func::new(&[], Type::Interface("driver.Value"), move |_, _| {
                    Ok(text.clone())
                })
            }
            "IncMajor" | "IncMinor" | "IncPatch" => {
                let step = match name {
                    "IncMajor" => Version::next_major,
                    "IncMinor" => Version::next_minor,
                    _ => Version::next_patch,
                };
                Func::new(&[], plain_type(), move |_, _| {
                    let next = step(&self.version).map_err(|e| Error::call(e.to_string()))?;
                    Ok(self.next(next))
                })
            }
            "SetPrerelease" | "SetMetadata" => {
                let set = match name {
                    "SetPrerelease" => Version::with_prerelease,
                    _ => Version::with_metadata,
                };
                Func::new(&[Type::Str], plain_type(), move |_, args| {
                    let given = match args.first() {
                        Some(Value::Str(text)) => text.text().into_owned(),
                        _ => String::new(),
                    };
                    let next = set(&self.version, &given);
                    Ok(self.next(next.map_err(|e| Error::call(e.to_string()))?))
                })
            }
            _ => return None,
        })
    }
}

impl Object for Pointer {
    fn type_name(&self) -> &'static str {
        "*semver.Version"
    }

    fn shape(&self) -> Shape {
        Shape::Pointer(Vec::new())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let name_is_equal = name == "Equal";
        let wanted: fn(Ordering) -> bool = match name {
            "Equal" => Ordering::is_eq,
            "LessThan" => Ordering::is_lt,
            "LessThanEqual" => Ordering::is_le,
            "GreaterThan" => Ordering::is_gt,
            "GreaterThanEqual" => Ordering::is_ge,
            "Original" => {
                let text = self.0.borrow().original.clone();
                return Some(Func::new(&[], Type::Str, move |_, _| {
                    Ok(Value::from(text.as_str()))
                }));
            }
            "Compare" => {
                let body = move |_: Call<'_>, args: &[Value]| {
                    let order = self.0.borrow().version.compare(&other(args)?);
                    Ok(Value::int(order as i64))
                };
                return Some(Func::new(&[version_type()], Type::INT, body));
            }
            "UnmarshalText" | "UnmarshalJSON" => {
                let is_json = name == "UnmarshalJSON";
                let body = move |_: Call<'_>, args: &[Value]| {
                    let text = match args.first() {
                        Some(Value::Bytes(text)) => text.text().into_owned(),
                        _ => String::new(),
                    };
                    Ok(if is_json {
                        match crate::encoding::json_string(&text) {
                            Ok(text) => self.read(&text),
                            Err(e) => errors::value("*json.SyntaxError", e.to_string()),
                        }
                    } else {
                        self.read(&text)
                    })
                };
                return Some(Func::new(&[Type::Bytes], Type::ERROR, body));
            }
            "Scan" => {
                let refused = |text| errors::value("*errors.errorString", text);
                let body = move |_: Call<'_>, args: &[Value]| {
                    Ok(match args.first() {
                        Some(Value::Str(text) | Value::Bytes(text)) => self.read(&text.text()),
                        None | Some(Value::Nil) => {
                            refused("cannot scan nil into Version".to_owned())
                        }
                        Some(other) => {
                            refused(format!("unsupported Scan type {}", other.type_name()))
                        }
                    })
                };
                return Some(Func::new(&[Type::Any], Type::ERROR, body));
            }
            _ => return self.0.borrow().clone().method(name),
        };
        Some(Func::new(&[version_type()], Type::Bool, move |_, args| {
            if name_is_equal && matches!(args, [Value::Nil]) {
                return Ok(Value::Bool(false));
            }
            let order = self.0.borrow().version.compare(&other(args)?);
            Ok(Value::Bool(wanted(order)))
        }))
    }

    fn display(&self) -> Option<String> {
        Some(self.0.borrow().text())
    }

    fn marshal(&self) -> Value {
        Value::from(self.0.borrow().text())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for Plain {
    fn type_name(&self) -> &'static str {
        "semver.Version"
    }

    fn shape(&self) -> Shape {
        Shape::Struct(Vec::new())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        self.0.clone().method(name)
    }

    fn display(&self) -> Option<String> {
        Some(self.0.text())
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.0 == other.0)
    }

    fn marshal(&self) -> Value {
        Value::from(self.0.text())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The version given as the only argument.
fn other(args: &[Value]) -> Result<Version, Error> {
    match args.first() {
        Some(Value::Object(object)) => object
            .as_any()
            .downcast_ref::<Pointer>()
            .map(|pointer| pointer.0.borrow().version.clone())
            .ok_or_else(|| Error::call(NIL)),
        _ => Err(Error::call(NIL)),
    }
}

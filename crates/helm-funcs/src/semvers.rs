//! Semantic versions, as Masterminds' package has them.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Error, Func, Object, Shape, Type, UintKind, Value};
use helm_chart::{Constraint, Version};

use crate::args::Registry;

pub(crate) fn register(r: &mut Registry) {
    r.add("semver", &[Type::Str], version_type(), |a| {
        let version = parse(&a.text(0))?;
        let original = a.text(0).into_owned();
        Ok(Value::Object(Rc::new(Semver { version, original })))
    });
    r.add("semverCompare", &[Type::Str, Type::Str], Type::Bool, |a| {
        let constraint = Constraint::parse(&a.text(0)).map_err(|e| Error::call(e.to_string()))?;
        Ok(Value::Bool(constraint.check(&parse(&a.text(1))?)))
    });
}

fn version_type() -> Type {
    Type::Named("*semver.Version".to_owned())
}

fn parse(text: &str) -> Result<Version, Error> {
    Version::parse(text).map_err(|e| Error::call(e.to_string()))
}

/// A version as templates see it.
#[derive(Debug)]
struct Semver {
    version: Version,
    original: String,
}

impl Object for Semver {
    fn type_name(&self) -> &'static str {
        "*semver.Version"
    }

    fn shape(&self) -> Shape {
        Shape::Pointer(Vec::new())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let number = |v: u64| {
            Func::new(&[], Type::Uint(UintKind::Uint64), move |_, _| {
                Ok(Value::Uint(UintKind::Uint64, v))
            })
        };
        let text = |v: String| Func::new(&[], Type::Str, move |_, _| Ok(Value::from(v.as_str())));
        let version = &self.version;
        Some(match name {
            "Major" => number(version.major()),
            "Minor" => number(version.minor()),
            "Patch" => number(version.patch()),
            "Prerelease" => text(version.prerelease().to_owned()),
            "Metadata" => text(version.metadata().to_owned()),
            "String" => text(version.to_string()),
            "Original" => text(self.original.clone()),
            "Compare" => {
                let this = Rc::clone(&self);
                Func::new(&[version_type()], Type::INT, move |_, args| {
                    Ok(Value::int(
                        other(args).map_or(0, |o| this.version.compare(&o) as i64),
                    ))
                })
            }
            "Equal" | "LessThan" | "GreaterThan" => {
                let this = Rc::clone(&self);
                let wanted = match name {
                    "Equal" => std::cmp::Ordering::Equal,
                    "LessThan" => std::cmp::Ordering::Less,
                    _ => std::cmp::Ordering::Greater,
                };
                Func::new(&[version_type()], Type::Bool, move |_, args| {
                    Ok(Value::Bool(
                        other(args).is_some_and(|o| this.version.compare(&o) == wanted),
                    ))
                })
            }
            _ => return None,
        })
    }

    fn display(&self) -> Option<String> {
        Some(self.version.to_string())
    }

    fn marshal(&self) -> Value {
        Value::from(self.version.to_string())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The version given as the only argument.
fn other(args: &[Value]) -> Option<Version> {
    match args.first() {
        Some(Value::Object(object)) => object
            .as_any()
            .downcast_ref::<Semver>()
            .map(|semver| semver.version.clone()),
        _ => None,
    }
}

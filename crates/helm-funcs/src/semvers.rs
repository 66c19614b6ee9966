//! Semantic versions, as Masterminds' package has them.

mod methods;

use std::rc::Rc;

use gotmpl::{Error, Type, Value};
use helm_chart::{Constraint, Version};

use crate::args::Registry;

pub(crate) fn register(r: &mut Registry) {
    r.add("semver", &[Type::Str], version_type(), |a| {
        let version = parse(&a.text(0))?;
        let original = a.text(0).into_owned();
        Ok(Value::Object(Rc::new(methods::Pointer::new(
            version, original,
        ))))
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

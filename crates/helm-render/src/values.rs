//! `.Values`, and the dot itself, as templates see them: a map with methods.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Error, Func, Map, Object, Shape, Type, Value};
use helm_funcs::yaml_text;

/// `common.Values`
#[derive(Debug)]
pub(crate) struct ValuesObject(Map);

impl ValuesObject {
    /// The template value: the very map, not a copy.
    pub(crate) fn value(map: Map) -> Value {
        Value::Object(Rc::new(Self(map)))
    }

    /// The table below a path, one key after the other.
    ///
    /// # Errors
    /// With Helm's words for the key that is no table.
    fn table(&self, path: &str) -> Result<Map, Error> {
        let mut table = self.0.clone();
        for key in path.split('.') {
            table = match table.get(key.as_bytes()) {
                Some(Value::Map(map)) if *map.elem() == Type::Any => map,
                Some(Value::Object(object)) => match object.as_any().downcast_ref::<Self>() {
                    Some(values) => values.0.clone(),
                    None => return Err(refused(key, "table")),
                },
                _ => return Err(refused(key, "table")),
            };
        }
        Ok(table)
    }

    /// What is at a path, if it is no table.
    fn at(&self, path: &str) -> Result<Value, Error> {
        if path.is_empty() {
            return Err(Error::call("YAML path cannot be empty"));
        }
        let (table, key) = match path.rsplit_once('.') {
            None => (self.0.clone(), path),
            Some((parent, key)) => {
                let table = self.table(parent).map_err(|_| refused(key, "value"))?;
                (table, key)
            }
        };
        let is_table = |value: &Value| matches!(value, Value::Map(map) if *map.elem() == Type::Any);
        match table.get(key.as_bytes()) {
            Some(value) if !is_table(&value) => Ok(value),
            _ => Err(refused(key, "value")),
        }
    }
}

fn refused(key: &str, what: &str) -> Error {
    let key = gotmpl::fmt::quote(key.as_bytes());
    Error::call(format!("{key} is not a {what}"))
}

fn values_type() -> Type {
    Type::Named("common.Values".to_owned())
}

impl Object for ValuesObject {
    fn type_name(&self) -> &'static str {
        "common.Values"
    }

    fn shape(&self) -> Shape {
        Shape::Alias(Value::Map(self.0.clone()))
    }

    fn with_plain(&self, plain: Value) -> Option<Value> {
        match plain {
            Value::Map(map) => Some(Self::value(map)),
            _ => None,
        }
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let path = |args: &[Value]| match args.first() {
            Some(Value::Str(path)) => path.text().into_owned(),
            _ => String::new(),
        };
        Some(match name {
            "AsMap" => Func::new(&[], Type::MAP, move |_, _| {
                Ok(Value::Map(if self.0.is_empty() {
                    Map::new(&Type::Any)
                } else {
                    self.0.clone()
                }))
            }),
            // No template has a writer; nil is none to write to.
            "Encode" => Func::new(&[Type::Interface("io.Writer")], Type::ERROR, |_, _| {
                let text = "runtime error: invalid memory address or nil pointer dereference";
                Err(Error::call(text))
            }),
            "PathValue" => Func::new(&[Type::Str], Type::Any, move |_, args| self.at(&path(args))),
            "Table" => Func::new(&[Type::Str], values_type(), move |_, args| {
                self.table(&path(args)).map(Self::value)
            }),
            "YAML" => Func::new(&[], Type::Str, move |_, _| {
                yaml_text(&Value::Map(self.0.clone())).map(|text| Value::from(text + "\n"))
            }),
            _ => return None,
        })
    }

    fn display(&self) -> Option<String> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

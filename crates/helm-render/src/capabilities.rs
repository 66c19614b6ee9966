//! `.Capabilities` as templates see it.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{Error, Field, Func, Object, Shape, Type, Value};
use helm_chart::{Capabilities, KubeVersion};

fn field(name: &'static str, value: Value) -> Field {
    let of = value.type_of().unwrap_or(Type::Any);
    Field { name, of, value }
}

fn text(name: &'static str, value: &str) -> Field {
    field(name, Value::from(value))
}

/// `*common.Capabilities`
#[derive(Debug)]
pub(crate) struct CapabilitiesObject(Capabilities);

impl CapabilitiesObject {
    pub(crate) fn value(capabilities: &Capabilities) -> Value {
        Value::Object(Rc::new(Self(capabilities.clone())))
    }
}

impl Object for CapabilitiesObject {
    fn type_name(&self) -> &'static str {
        "*common.Capabilities"
    }

    fn shape(&self) -> Shape {
        let versions = self.0.api_versions.iter().map(String::as_str);
        let helm = &self.0.helm_version;
        let helm = Record {
            of: "version.BuildInfo",
            fields: vec![
                text("Version", &helm.version),
                text("GitCommit", ""),
                text("GitTreeState", ""),
                text("GoVersion", &helm.go_version),
                text("KubeClientVersion", &helm.kube_client_version),
            ],
        };
        Shape::Pointer(vec![
            field(
                "KubeVersion",
                Value::Object(Rc::new(KubeObject(self.0.kube_version.clone()))),
            ),
            field(
                "APIVersions",
                Value::Object(Rc::new(VersionSet(Value::strings(versions)))),
            ),
            field("HelmVersion", Value::Object(Rc::new(helm))),
        ])
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let of = Type::Named(self.type_name().to_owned());
        (name == "Copy").then(|| Func::new(&[], of, move |_, _| Ok(Self::value(&self.0))))
    }

    fn display(&self) -> Option<String> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `common.KubeVersion`: prints as its numbers.
#[derive(Debug)]
struct KubeObject(KubeVersion);

impl Object for KubeObject {
    fn type_name(&self) -> &'static str {
        "common.KubeVersion"
    }

    fn shape(&self) -> Shape {
        Shape::Struct(vec![
            text("Version", &self.0.version),
            text("normalizedVersion", &self.0.normalized),
            text("Major", &self.0.major),
            text("Minor", &self.0.minor),
        ])
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let answer = match name {
            "String" => self.0.normalized.clone(),
            "GitVersion" => self.0.version.clone(),
            _ => return None,
        };
        Some(Func::new(&[], Type::Str, move |_, _| {
            Ok(Value::from(answer.as_str()))
        }))
    }

    fn display(&self) -> Option<String> {
        None
    }

    fn display_in_place(&self) -> Option<String> {
        Some(self.0.normalized.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `common.VersionSet`
#[derive(Debug)]
struct VersionSet(Value);

impl Object for VersionSet {
    fn type_name(&self) -> &'static str {
        "common.VersionSet"
    }

    fn shape(&self) -> Shape {
        Shape::Alias(self.0.clone())
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        (name == "Has").then(|| {
            Func::new(&[Type::Str], Type::Bool, move |_, args| {
                match (&self.0, args) {
                    (Value::List(list), [Value::Str(wanted)]) => {
                        let has = |v: &Value| matches!(v, Value::Str(s) if s == wanted);
                        Ok(Value::Bool(list.to_vec().iter().any(has)))
                    }
                    _ => Err(Error::call("Has needs an API version")),
                }
            })
        })
    }

    fn display(&self) -> Option<String> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A struct without methods.
#[derive(Debug)]
struct Record {
    of: &'static str,
    fields: Vec<Field>,
}

impl Object for Record {
    fn type_name(&self) -> &str {
        self.of
    }

    fn shape(&self) -> Shape {
        Shape::Struct(self.fields.clone())
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Func> {
        None
    }

    fn display(&self) -> Option<String> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

//! `.Files` as templates see it.

use std::any::Any;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gotmpl::{Func, Map, Object, Shape, Str, Type, Value};
use helm_chart::File;
use helm_funcs::yaml_text;

use crate::glob::Glob;

/// `engine.files`: a map from paths to contents.
#[derive(Debug)]
pub(crate) struct Files(Map);

impl Files {
    pub(crate) fn new(files: &[File]) -> Self {
        let map = Map::new(&Type::Bytes);
        for file in files {
            map.set(&file.name, Value::Bytes(Str::from(file.data.as_slice())));
        }
        Self(map)
    }

    fn content(&self, path: &[u8]) -> Str {
        match self.0.get(path) {
            Some(Value::Bytes(content)) => content,
            _ => Str::from(""),
        }
    }

    fn matching(&self, pattern: &str) -> Self {
        // Helm takes all files where the pattern is none.
        let glob = Glob::parse(pattern);
        let map = Map::new(&Type::Bytes);
        for (path, content) in self.0.entries() {
            if glob.as_ref().is_none_or(|glob| glob.matches(&path.text())) {
                map.set(path, content);
            }
        }
        Self(map)
    }

    /// YAML of file names (without their folders) and contents.
    fn as_yaml(&self, encode: impl Fn(&Str) -> Value) -> Value {
        let map = Map::new(&Type::Str);
        for (path, content) in self.0.entries() {
            let path = path.text();
            let base = path.rsplit('/').next().unwrap_or(&path);
            if let Value::Bytes(content) = content {
                map.set(base, encode(&content));
            }
        }
        Value::from(yaml_text(&Value::Map(map)).unwrap_or_default())
    }

    fn lines(&self, path: &[u8]) -> Value {
        let content = self.content(path);
        let text = content.strip_suffix(b"\n").unwrap_or(&content);
        if content.is_empty() {
            return Value::strings::<&str>([]);
        }
        Value::strings(text.split(|b| *b == b'\n'))
    }
}

impl Object for Files {
    fn type_name(&self) -> &'static str {
        "engine.files"
    }

    fn shape(&self) -> Shape {
        Shape::Alias(Value::Map(self.0.clone()))
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        let by_path = |result: Type, body: fn(&Files, &[u8]) -> Value| {
            let files = Rc::clone(&self);
            Func::new(&[Type::Str], result, move |_, args| match args {
                [Value::Str(path)] => Ok(body(&files, path)),
                _ => Ok(Value::Nil),
            })
        };
        let whole = |body: fn(&Files) -> Value| {
            let files = Rc::clone(&self);
            Func::new(&[], Type::Str, move |_, _| Ok(body(&files)))
        };
        Some(match name {
            "Get" => by_path(Type::Str, |files, path| Value::Str(files.content(path))),
            "GetBytes" => by_path(Type::Bytes, |files, path| Value::Bytes(files.content(path))),
            "Lines" => by_path(Type::STRINGS, Files::lines),
            "Glob" => by_path(Type::Named("engine.files".to_owned()), |files, pattern| {
                let pattern = String::from_utf8_lossy(pattern);
                Value::Object(Rc::new(files.matching(&pattern)))
            }),
            "AsConfig" => whole(|files| files.as_yaml(|content| Value::Str(content.clone()))),
            "AsSecrets" => whole(|files| {
                files.as_yaml(|content| Value::from(STANDARD.encode(content.as_bytes())))
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

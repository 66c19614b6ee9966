//! The data and functions of `oracle/main.go`, in Rust.

use std::any::Any;
use std::rc::Rc;

use gotmpl::{
    Error, Field, FloatKind, Func, FuncMap, IntKind, List, Map, Object, Shape, Str, Type, UintKind,
    Value,
};

/// Go's `Obj` and `*Obj`.
struct Obj {
    name: &'static str,
    v: Value,
    pointer: bool,
}

impl Object for Obj {
    fn type_name(&self) -> &str {
        if self.pointer {
            "*main.Obj"
        } else {
            "main.Obj"
        }
    }

    fn shape(&self) -> Shape {
        let fields = vec![
            Field {
                name: "Name",
                of: Type::Str,
                value: Value::from(self.name),
            },
            Field {
                name: "V",
                of: Type::Any,
                value: self.v.clone(),
            },
        ];
        if self.pointer {
            Shape::Pointer(fields)
        } else {
            Shape::Struct(fields)
        }
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        Some(match name {
            "Get" => Func::new(&[Type::Str], Type::Str, move |_, a| match a {
                [Value::Str(key)] => Ok(Value::from(format!("{}/{key}", self.name))),
                _ => Err(Error::call("Get")),
            }),
            "Sum" => Func::variadic(&[Type::INT], Type::INT, Type::INT, |_, a| match a {
                [Value::Int(_, n), more @ ..] => Ok(Value::int(n + more.len() as i64)),
                _ => Err(Error::call("Sum")),
            }),
            "Fail" => Func::new(&[], Type::Str, |_, _| Err(Error::call("method failed"))),
            "Any" => Func::new(&[], Type::Any, move |_, _| Ok(self.v.clone())),
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

/// Go's `Named`.
struct Named;

impl Object for Named {
    fn type_name(&self) -> &'static str {
        "main.Named"
    }

    fn shape(&self) -> Shape {
        Shape::Struct(vec![
            Field {
                name: "A",
                of: Type::INT,
                value: Value::int(1),
            },
            Field {
                name: "B",
                of: Type::INT,
                value: Value::int(2),
            },
        ])
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Func> {
        None
    }

    fn display(&self) -> Option<String> {
        Some("named!".to_owned())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Go's `Folder`.
struct Folder(Map);

impl Object for Folder {
    fn type_name(&self) -> &'static str {
        "main.Folder"
    }

    fn shape(&self) -> Shape {
        Shape::Alias(Value::Map(self.0.clone()))
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Func> {
        (name == "Count").then(|| {
            Func::new(&[], Type::INT, move |_, _| {
                Ok(Value::int(self.0.len() as i64))
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

fn map_of(value: Value) -> Map {
    match value {
        Value::Map(map) => map,
        _ => Map::new(&Type::Any),
    }
}

pub(crate) fn data() -> Value {
    let int = Value::int;
    let sm = Map::new(&Type::Str);
    sm.set("k", Value::from("v"));
    let z = Value::map([("z", Value::Bool(true))]);
    let folder = Folder(map_of(Value::map([("x", int(1)), ("y", z)])));
    let deep = Value::map([("deep", Value::from("v"))]);
    let ints = List::new(&Type::INT, vec![int(1), int(2), int(3)]);
    let f32 = f64::from(0.1f32);
    Value::map([
        ("n", Value::Nil),
        ("s", Value::from("hello")),
        ("empty", Value::from("")),
        ("i", int(5)),
        ("i64", Value::int64(7)),
        ("f", Value::float(1.5)),
        ("big", Value::float(1_000_000.0)),
        ("t", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("z", int(0)),
        ("neg", int(-3)),
        ("uni", Value::from("h\u{e9}llo \u{4e16}")),
        ("nl", Value::from("a\nb\t\"q\"")),
        (
            "list",
            Value::list(vec![Value::from("a"), Value::from("b"), int(3), Value::Nil]),
        ),
        ("strs", Value::strings(["x", "y"])),
        ("ints", Value::List(ints)),
        (
            "map",
            Value::map([
                ("b", int(2)),
                ("a", int(1)),
                ("nested", deep),
                ("nul", Value::Nil),
            ]),
        ),
        ("sm", Value::Map(sm)),
        ("bytes", Value::Bytes(Str::from("hi"))),
        ("u8", Value::Uint(UintKind::Uint8, 7)),
        ("u", Value::Uint(UintKind::Uint64, 9)),
        ("em", Value::map::<&str>([])),
        ("el", Value::list(vec![])),
        ("html", Value::from("<a href=\"x\">'&</a>\0")),
        (
            "obj",
            Value::Object(Rc::new(Obj {
                name: "o",
                v: Value::Nil,
                pointer: false,
            })),
        ),
        (
            "ptr",
            Value::Object(Rc::new(Obj {
                name: "p",
                v: int(1),
                pointer: true,
            })),
        ),
        ("named", Value::Object(Rc::new(Named))),
        ("folder", Value::Object(Rc::new(folder))),
        ("i32", Value::Int(IntKind::Int32, 65)),
        ("f32", Value::Float(FloatKind::Float32, f32)),
        ("bad", Value::str(b"a\xffb".as_slice())),
    ])
}

pub(crate) fn funcs() -> FuncMap {
    let text = |v: &Value| match v {
        Value::Str(s) => s.text().into_owned(),
        _ => String::new(),
    };
    let same = |of: Type| {
        Func::new(std::slice::from_ref(&of), of.clone(), |_, a| {
            Ok(a[0].clone())
        })
    };
    let size = |of: Type| {
        Func::new(&[of], Type::INT, |_, a| {
            Ok(Value::int(match &a[0] {
                Value::Map(map) => map.len() as i64,
                Value::List(list) => list.len() as i64,
                _ => -1,
            }))
        })
    };
    let funcs = [
        (
            "boom",
            Func::new(&[], Type::Str, |_, _| Err(Error::call("boom!"))),
        ),
        (
            "up",
            Func::new(&[Type::Str], Type::Str, move |_, a| {
                Ok(Value::from(text(&a[0]).to_uppercase()))
            }),
        ),
        (
            "joined",
            Func::variadic(&[Type::Str], Type::Str, Type::Str, move |_, a| {
                let parts: Vec<String> = a[1..].iter().map(text).collect();
                Ok(Value::from(parts.join(&text(&a[0]))))
            }),
        ),
        ("ident", same(Type::Any)),
        (
            "dict",
            Func::new(&[], Type::MAP, |_, _| Ok(Value::map::<&str>([]))),
        ),
        ("i64", same(Type::INT64)),
        ("fl", same(Type::FLOAT64)),
        ("bl", same(Type::Bool)),
        ("m", size(Type::MAP)),
        ("l", size(Type::LIST)),
        ("u8", same(Type::Uint(UintKind::Uint8))),
        (
            "put",
            Func::new(&[Type::MAP, Type::Str, Type::Any], Type::MAP, |_, a| {
                if let (Value::Map(map), Value::Str(key)) = (&a[0], &a[1]) {
                    map.set(key.clone(), a[2].clone());
                }
                Ok(a[0].clone())
            }),
        ),
    ];
    funcs
        .into_iter()
        .map(|(name, func)| (name.to_owned(), func))
        .collect()
}

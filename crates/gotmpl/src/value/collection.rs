//! The shared, mutable list and map.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Value;
use crate::gostr::Str;
use crate::types::Type;

/// A slice: a list that its holders share. Appending makes a new list, as `append` of a full
/// Go slice does.
#[derive(Clone, Debug)]
pub struct List {
    elem: &'static Type,
    nil: bool,
    items: Rc<Items>,
}

/// A map from strings that its holders share. Keys are ordered by bytes, the order in which
/// templates range over maps and print them.
#[derive(Clone, Debug)]
pub struct Map {
    elem: &'static Type,
    nil: bool,
    entries: Rc<Entries>,
}

#[derive(Debug)]
struct Items(RefCell<Vec<Value>>);

#[derive(Debug)]
struct Entries(RefCell<BTreeMap<Str, Value>>);

impl List {
    /// A list with elements of type `elem`.
    pub fn new(elem: &'static Type, items: Vec<Value>) -> Self {
        Self {
            elem,
            nil: false,
            items: Rc::new(Items(RefCell::new(items))),
        }
    }

    /// The nil slice: empty, and `null` in JSON.
    pub fn nil(elem: &'static Type) -> Self {
        Self {
            nil: true,
            ..Self::new(elem, Vec::new())
        }
    }

    /// Whether this is a nil slice.
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    /// The type of the elements.
    pub fn elem(&self) -> &'static Type {
        self.elem
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.items.0.borrow().len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.items.0.borrow().get(index).cloned()
    }

    /// Replaces the element at `index`; an index outside the list changes nothing.
    pub fn set(&self, index: usize, value: Value) {
        if let Some(slot) = self.items.0.borrow_mut().get_mut(index) {
            *slot = value;
        }
    }

    /// The elements as they are now.
    pub fn to_vec(&self) -> Vec<Value> {
        self.items.0.borrow().clone()
    }

    /// Whether both are the same list, not merely equal ones.
    pub fn same(&self, other: &List) -> bool {
        Rc::ptr_eq(&self.items, &other.items)
    }
}

impl Map {
    /// An empty map with values of type `elem`.
    pub fn new(elem: &'static Type) -> Self {
        Self {
            elem,
            nil: false,
            entries: Rc::new(Entries(RefCell::new(BTreeMap::new()))),
        }
    }

    /// The nil map: empty, `null` in JSON, and not to be written to.
    pub fn nil(elem: &'static Type) -> Self {
        Self {
            nil: true,
            ..Self::new(elem)
        }
    }

    /// Whether this is a nil map.
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    /// The type of the values.
    pub fn elem(&self) -> &'static Type {
        self.elem
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.0.borrow().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`, if there is one.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries.0.borrow().get(key).cloned()
    }

    /// Whether there is an entry for `key`.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.entries.0.borrow().contains_key(key)
    }

    /// Sets the value of `key` for all holders of the map.
    pub fn set(&self, key: impl Into<Str>, value: Value) {
        let old = self.entries.0.borrow_mut().insert(key.into(), value);
        drop(old);
    }

    /// Removes `key` for all holders of the map.
    pub fn remove(&self, key: &[u8]) {
        let old = self.entries.0.borrow_mut().remove(key);
        drop(old);
    }

    /// The entries as they are now, in the order of their keys.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.entries
            .0
            .borrow()
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }

    /// The keys as they are now, in order.
    pub fn keys(&self) -> Vec<Str> {
        self.entries.0.borrow().keys().cloned().collect()
    }

    /// Whether both are the same map, not merely equal ones.
    pub fn same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        release(std::mem::take(self.0.get_mut()));
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        release(std::mem::take(self.0.get_mut()).into_values().collect());
    }
}

/// Drops values without recursion: a template can nest lists deeper than the stack is.
fn release(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => {
                if let Ok(mut items) = Rc::try_unwrap(list.items) {
                    pending.append(items.0.get_mut());
                }
            }
            Value::Map(map) => {
                if let Ok(mut entries) = Rc::try_unwrap(map.entries) {
                    pending.extend(std::mem::take(entries.0.get_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

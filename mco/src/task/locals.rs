//! The table of coroutine-local values, as data: whose it is, and when its values are dropped, is the
//! business of those who use it ([`local`](super::local), and the end of a coroutine).

use std::any::Any;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

/// The values of one coroutine or thread, by the address of their key. Few, so a list; mostly
/// none, so one word.
#[derive(Default)]
pub(super) struct Locals(Option<Box<List>>);

type List = Vec<Entry>;

/// The value of a key. Of several the youngest counts: to bind a key puts another one in front for a time.
struct Entry {
    key: usize,
    value: Value,
}

enum Value {
    Made(Rc<dyn Any>),
    /// Bound, by the call with this number, or by one of whoever owns the scope.
    Bound(u64, BoundValue),
    /// It has been destroyed, and is not made again.
    Destroyed,
}

type BoundValue = Arc<dyn Any + Send + Sync>;

/// What is bound where a coroutine of a scope is spawned, the oldest first.
pub(crate) struct BoundValues(Vec<(usize, BoundValue)>);

/// What there is for a key.
pub(super) enum Found {
    Nothing,
    Made(Rc<dyn Any>),
    Bound(BoundValue),
    Destroyed,
}

impl Locals {
    pub(super) const fn new() -> Locals {
        Locals(None)
    }

    pub(super) fn get(&self, key: usize) -> Found {
        let mut list = self.0.iter().flat_map(|list| list.iter().rev());
        match list.find(|entry| entry.key == key).map(|entry| &entry.value) {
            None => Found::Nothing,
            Some(Value::Destroyed) => Found::Destroyed,
            Some(Value::Made(value)) => Found::Made(value.clone()),
            Some(Value::Bound(_, value)) => Found::Bound(value.clone()),
        }
    }

    /// Enters the value of a key that has none, so behind all others: a key may be bound while its value is made.
    pub(super) fn insert(&mut self, key: usize, value: Rc<dyn Any>) {
        let list = self.0.get_or_insert_default();
        let at = list.iter().position(|entry| entry.key == key).unwrap_or(list.len());
        list.insert(at, Entry { key, value: Value::Made(value) });
    }

    /// Binds a key until [`unbind`](Locals::unbind) is called with the same number.
    pub(super) fn bind(&mut self, number: u64, key: usize, value: BoundValue) {
        let value = Value::Bound(number, value);
        self.0.get_or_insert_default().push(Entry { key, value });
    }

    /// Returns the value, to be dropped elsewhere.
    pub(super) fn unbind(&mut self, number: u64) -> Option<BoundValue> {
        let list = self.0.as_mut()?;
        let is_meant = |entry: &Entry| matches!(entry.value, Value::Bound(n, _) if n == number);
        let at = list.iter().rposition(is_meant)?;
        let Value::Bound(_, value) = list.remove(at).value else { return None };
        if list.is_empty() {
            self.0 = None;
        }
        Some(value)
    }

    /// What is bound now, if anything is.
    pub(super) fn bound(&self) -> Option<BoundValues> {
        let list = self.0.as_ref()?;
        let bound = list.iter().filter_map(|entry| match &entry.value {
            Value::Bound(_, value) => Some((entry.key, value.clone())),
            _ => None,
        });
        Some(BoundValues(bound.collect())).filter(|bound| !bound.0.is_empty())
    }

    /// Before the coroutine starts: binds all these to its end.
    pub(super) fn inherit(&mut self, bound: BoundValues) {
        const TO_ITS_END: u64 = 0;
        bound.0.into_iter().for_each(|(key, value)| self.bind(TO_ITS_END, key, value));
    }

    /// Takes a value out for good, the youngest first. When there is none any more, what is known of
    /// them is forgotten.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Popped> {
        if self.0.is_none() { None } else { self.pop_one() }
    }

    #[cold]
    fn pop_one(&mut self) -> Option<Popped> {
        let entries = self.0.as_mut().into_iter().flat_map(|list| list.iter_mut().rev());
        let mut values = entries.map(|entry| mem::replace(&mut entry.value, Value::Destroyed));
        let value = values.find_map(|value| match value {
            Value::Made(value) => Some(Popped::Made(value)),
            Value::Bound(_, value) => Some(Popped::Bound(value)),
            Value::Destroyed => None,
        });
        drop(values);
        if value.is_none() {
            self.0 = None;
        }
        value
    }
}

/// A value that is to be dropped.
pub(super) enum Popped {
    Made(#[expect(dead_code, reason = "it is only dropped")] Rc<dyn Any>),
    Bound(#[expect(dead_code, reason = "it is only dropped")] BoundValue),
}

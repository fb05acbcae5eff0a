//! The table of coroutine-local values, as data: whose it is, and when its values are dropped, is the
//! business of those who use it ([`local`](super::local), and the end of a coroutine).

use std::any::Any;
use std::rc::Rc;

/// The values of one coroutine or thread, by the address of their key. Few, so a list; mostly
/// none, so one word.
#[derive(Default)]
pub(super) struct Locals(Option<Box<List>>);

/// Without a value: it has been destroyed, and is not made again.
type List = Vec<(usize, Option<Rc<dyn Any>>)>;

/// What there is for a key.
pub(super) enum Found {
    Nothing,
    Value(Rc<dyn Any>),
    Destroyed,
}

impl Locals {
    pub(super) const fn new() -> Locals {
        Locals(None)
    }

    pub(super) fn get(&self, key: usize) -> Found {
        let mut list = self.0.iter().flat_map(|list| list.iter());
        match list.find(|(k, _)| *k == key) {
            None => Found::Nothing,
            Some((_, None)) => Found::Destroyed,
            Some((_, Some(value))) => Found::Value(value.clone()),
        }
    }

    pub(super) fn insert(&mut self, key: usize, value: Rc<dyn Any>) {
        self.0.get_or_insert_default().push((key, Some(value)));
    }

    /// Takes a value out for good, the youngest first. When there is none any more, what is known of
    /// them is forgotten.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Rc<dyn Any>> {
        if self.0.is_none() { None } else { self.pop_one() }
    }

    #[cold]
    fn pop_one(&mut self) -> Option<Rc<dyn Any>> {
        let value = self.0.as_mut()?.iter_mut().rev().find_map(|(_, value)| value.take());
        if value.is_none() {
            self.0 = None;
        }
        value
    }
}

//! Faults, collected instead of thrown, so that one compilation shows them all.
//!
//! Messages are lower case, name what is wrong and what to write instead, put code in backticks and end without a
//! full stop. Whatever two macros can both run into is worded here or in the module they share, and only there.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::fmt::Display;

/// The faults found so far, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Faults(Option<syn::Error>);

impl Faults {
    /// Records a fault; `place` is what the compiler underlines.
    pub(crate) fn add(&mut self, place: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(place, message));
    }

    pub(crate) fn push(&mut self, fault: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(fault),
            None => self.0 = Some(fault),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The faults as `compile_error!` invocations, which may stand wherever items may; nothing if there are none.
    pub(crate) fn into_items(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }

    /// Ends a step: the faults become its error.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// The error of a function-like macro, as a block: it may stand wherever an expression or a statement may.
pub(crate) fn block(error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    quote!({ #errors })
}

/// The message for what may be given once and was given before.
pub(crate) fn duplicate(what: impl Display) -> String {
    format!("duplicate {what}: keep one of the two")
}

/// `one`, `two` and `three`.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

/// What people write out of habit from other runtimes, and what mco calls it.
const HABITS: &[(&str, &str)] = &[
    ("worker_threads", "workers"),
    ("threads", "workers"),
    ("core_threads", "workers"),
    ("stack", "stack_size"),
    ("start_paused", "virtual_time"),
    ("deadline", "timeout"),
];

/// The valid name that `wrong` was probably meant to be.
pub(crate) fn meant<'a>(
    wrong: &str,
    mut valid: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let habit = HABITS.iter().find(|(habit, _)| *habit == wrong).map(|&(_, name)| name);
    if let Some(name) = valid.clone().find(|name| Some(*name) == habit) {
        return Some(name);
    }
    valid.find(|name| distance(wrong, name) <= name.len() / 3)
}

/// How many letters must be inserted, removed or replaced to turn `a` into `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::{distance, listed, meant};

    const KEYS: [&str; 3] = ["workers", "stack_size", "seed"];

    #[test]
    fn slips_and_habits_are_recognised() {
        let meant = |wrong| meant(wrong, KEYS.into_iter());
        assert_eq!(meant("worker"), Some("workers"));
        assert_eq!(meant("Workers"), Some("workers"));
        assert_eq!(meant("stacksize"), Some("stack_size"));
        assert_eq!(meant("worker_threads"), Some("workers"));
        assert_eq!(meant("start_paused"), None, "the key it stands for is not valid here");
        assert_eq!(meant("colour"), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(listed(KEYS.into_iter()), "`workers`, `stack_size` and `seed`");
        assert_eq!(listed(KEYS.into_iter().take(1)), "`workers`");
    }
}

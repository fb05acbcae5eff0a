//! Other attributes on a test: which of them make it a test by themselves, and which pass it arguments.
//!
//! `#[mco::test]` sees only the attributes below it; those above have been expanded and are gone. Either way each test
//! is registered once. Above `#[rstest]`, `#[mco::test]` leaves the registering to it; below, it finds a function
//! without parameters for each row of the table, and registers that.

use crate::function::Function;
use proc_macro2::{TokenStream, TokenTree};
use syn::Attribute;

/// Attributes that register tests, by their last name: `#[test]`, `#[tokio::test]`, `#[rstest]`.
const REGISTER: &[&str] = &[
    "test",
    "rstest",
    "test_case",
    "test_matrix",
    "parameterized",
    "quickcheck",
    "proptest",
];

/// Attributes of the language, which pass no arguments. Any other may be a macro that does.
const BUILT_IN: &[&str] = &[
    "allow",
    "cfg",
    "cfg_attr",
    "cold",
    "coverage",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "forbid",
    "ignore",
    "inline",
    "must_use",
    "should_panic",
    "track_caller",
    "warn",
];

/// Whether something else makes a test of the function, so that `#[test]` would make a second one.
pub(crate) fn is_registered(function: &Function) -> bool {
    function.attrs.iter().any(registers) || is_row_of_test_case(function)
}

/// Whether another attribute may turn the function, if it has parameters, into tests without.
pub(crate) fn may_pass_arguments(function: &Function) -> bool {
    function.attrs.iter().any(|attr| {
        let path = attr.path();
        let is_test = path
            .segments
            .last()
            .is_some_and(|last| last.ident == "test");
        !is_test && !BUILT_IN.iter().any(|name| path.is_ident(name))
    })
}

fn registers(attr: &Attribute) -> bool {
    attr.path()
        .segments
        .last()
        .is_some_and(|last| REGISTER.iter().any(|name| last.ident == name))
}

/// Whether `#[test_case]`, standing above, wrote this function for a row of its table. Alone among the attributes known
/// here it adds a `#[test]` even where it finds another, and that is expanded before we see the function. So it is known
/// by its hand: an odd `#[allow]`, and a body that calls the user's function by a path through `super`.
fn is_row_of_test_case(function: &Function) -> bool {
    let allows = |attr: &Attribute| {
        attr.path().is_ident("allow")
            && attr.meta.require_list().is_ok_and(|list| {
                idents(list.tokens.clone()) == ["clippy", "bool_assert_comparison"]
            })
    };
    let calls = |body: TokenStream| {
        idents(body.into_iter().take(4).collect()) == ["let", "_result", "super"]
    };
    function.attrs.iter().any(allows)
        && function
            .body
            .as_ref()
            .is_some_and(|body| calls(body.stream()))
}

fn idents(tokens: TokenStream) -> Vec<String> {
    let ident = |token| match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    };
    tokens.into_iter().filter_map(ident).collect()
}

//! Tables: attributes that make tests of a function, one for each row of values, such as `#[rstest]` and
//! `#[test_case]`.
//!
//! They expand to functions without parameters, which bear the attributes that stood below the table's. So
//! `#[mco::test]`, where it finds a table below it, goes below the table, and expands once it stands there. Wherever it
//! was written, each row runs in a coroutine and is registered once.

use crate::function::Function;
use proc_macro2::{TokenStream, TokenTree};
use syn::Attribute;

/// The attributes that are known to be tables, by their last name.
const TABLES: &[&str] = &["rstest", "test_case", "test_matrix"];

/// Attributes of the language, which are no tables. Any other may be one.
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

/// Whether a table stands below, or, if the function has parameters, something that may be one.
pub(crate) fn stands_below(function: &Function) -> bool {
    let wants_one = !function.sig.inputs.is_empty() || !function.sig.generics.params.is_empty();
    function.attrs.iter().any(|attr| is_one_of(attr, TABLES) || wants_one && may_be_table(attr))
}

/// Whether something else registers the function as a test already.
pub(crate) fn is_registered(function: &Function) -> bool {
    function.attrs.iter().any(|attr| is_one_of(attr, &["test"])) || is_row_of_test_case(function)
}

fn is_one_of(attr: &Attribute, names: &[&str]) -> bool {
    attr.path().segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name))
}

fn may_be_table(attr: &Attribute) -> bool {
    !is_one_of(attr, &["test"]) && !BUILT_IN.iter().any(|name| attr.path().is_ident(name))
}

/// Whether `#[test_case]` wrote this function for a row. Alone among the tables it adds a `#[test]` where there is an
/// attribute of that name already, and above it, so that it is gone when we see the function. What is left to know its
/// hand by is an odd `#[allow]`, and a body that calls the user's function by a path through `super`.
fn is_row_of_test_case(function: &Function) -> bool {
    let allows = |attr: &Attribute| {
        let list = attr.meta.require_list();
        list.is_ok_and(|list| idents(list.tokens.clone()) == ["clippy", "bool_assert_comparison"])
    };
    let calls = |body: TokenStream| {
        idents(body.into_iter().take(4).collect()) == ["let", "_result", "super"]
    };
    function.attrs.iter().any(allows)
        && function.body.as_ref().is_some_and(|body| calls(body.stream()))
}

fn idents(tokens: TokenStream) -> Vec<String> {
    let ident = |token| match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    };
    tokens.into_iter().filter_map(ident).collect()
}

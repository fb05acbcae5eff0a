//! The procedural macros of mco. Use them through `mco`, which re-exports each of them at its root: their expansions
//! name `::mco`.
//!
//! A crate that depends on mco under another name says so in each macro, as its first argument:
//!
//! ```toml
//! [dependencies]
//! rt = { package = "mco", version = "0.1" }
//! ```
//!
//! ```text
//! #[rt::main(crate = rt, workers = 2)]
//! fn main() {
//!     rt::go!(crate = rt, || println!("hello"));
//!     rt::select! { crate = rt; _ = rt::coroutine::sleep(PAUSE) => {} }
//!     rt::defer! { crate = rt, println!("bye"); }
//! }
//! ```
//!
//! # How it is built
//!
//! Each macro is a pipeline, parse → validate → expand, in a module of its own; this file holds only the entry points,
//! and `docs` what users read. `input` reads what the function-like macros are given, `call` turns a call into a
//! closure, `args` and `value` read the attributes' keys, `function` the function below them, `foreign_attrs` knows the
//! attributes of others; `select` has a module for each step. `krate` finds mco and `error` collects faults: what goes
//! wrong in two macros is worded once.
//!
//! The examples of `docs` run among the doctests of `mco-tests`: here they would need mco, built once more for the host,
//! where procedural macros run.

mod args;
mod call;
mod chan;
mod defer;
mod entry;
mod error;
mod foreign_attrs;
mod function;
mod go;
mod input;
mod join;
mod krate;
mod select;
mod value;

#[cfg(test)]
mod snapshots;

use proc_macro::TokenStream;

#[cfg_attr(not(doctest), doc = include_str!("../docs/go.md"))]
#[proc_macro]
pub fn go(input: TokenStream) -> TokenStream {
    go::expand("go", input.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/co.md"))]
#[proc_macro]
pub fn co(input: TokenStream) -> TokenStream {
    go::expand("co", input.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/spawn.md"))]
#[proc_macro]
pub fn spawn(input: TokenStream) -> TokenStream {
    go::expand("spawn", input.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/defer.md"))]
#[proc_macro]
pub fn defer(input: TokenStream) -> TokenStream {
    defer::expand(input.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/select.md"))]
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}

/// The inside of `mco::chan!`, behind the path of mco's channels.
#[doc(hidden)]
#[proc_macro]
pub fn __chan(input: TokenStream) -> TokenStream {
    chan::expand(input.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/join.md"))]
#[proc_macro]
pub fn join(input: TokenStream) -> TokenStream {
    join::expand(input.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/main.md"))]
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::main(args.into(), item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/test.md"))]
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::test(args.into(), item.into()).into()
}

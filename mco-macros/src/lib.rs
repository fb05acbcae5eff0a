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
//!     rt::defer! { crate = rt, println!("bye"); }
//! }
//! ```
//!
//! # How it is built
//!
//! Each macro is a pipeline, parse → validate → expand, in a module of its own; this file holds only the entry points
//! and what users read. `work` reads what the function-like macros are given, `call` turns a call into a closure,
//! `args` and `value` read the attributes' keys, `function` the function below them, `table` knows the attributes of others.
//! `krate` finds mco and `error` collects faults: what goes wrong in two macros is worded once.

mod args;
mod call;
mod defer;
mod entry;
mod error;
mod function;
mod go;
mod join;
mod krate;
mod select;
mod table;
mod value;
mod work;

#[cfg(test)]
mod snapshots;

use proc_macro::TokenStream;

/// Runs a function in a coroutine and hands back its `JoinHandle`.
///
/// # A closure
///
/// ```
/// use mco::go;
///
/// let answer = go!(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
///
/// let name = String::from("gopher");
/// go!(move || println!("hello, {name}"));
/// ```
///
/// A closure, or a function, that a variable holds is called just as well: `go!(task)`.
///
/// # A call, as in Go
///
/// The operands are evaluated now, in order, by the caller; the call itself runs in the coroutine.
///
/// ```
/// # use mco::go;
/// fn handle(connection: u32, id: usize) -> String {
///     format!("{connection}/{id}")
/// }
///
/// let mut ids = 0..;
/// let first = go!(handle(7, ids.next().unwrap()));
/// let second = go!(handle(7, ids.next().unwrap()));
/// assert_eq!(first.join().unwrap(), "7/0");
/// assert_eq!(second.join().unwrap(), "7/1");
/// ```
///
/// The receiver of a method is an operand, too. The coroutine takes it over by value, so that one usually clones
/// something cheap, such as an `Arc`, right there:
///
/// ```
/// # use mco::go;
/// use std::sync::Arc;
///
/// struct Server(u32);
///
/// impl Server {
///     fn answer(&self, question: u32) -> u32 {
///         self.0 + question
///     }
/// }
///
/// let server = Arc::new(Server(40));
/// let answer = go!(server.clone().answer(2));
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
///
/// It follows that of `a().b()` the caller runs `a` and the coroutine `b`; and that a function which returns a closure
/// is what the coroutine runs, not the closure: bind that to a variable first. An operand that is a closure should be
/// `move`: then it also learns the types of its parameters from the function it is passed to.
///
/// # A block
///
/// Everything else that does something is moved into the coroutine as a whole: statements, a block, a macro, a loop.
/// `return` ends the coroutine.
///
/// ```
/// # use mco::go;
/// let limit = 4;
/// let sum = go! {
///     let mut sum = 0;
///     for n in 0..limit {
///         sum += n;
///     }
///     sum
/// };
/// assert_eq!(sum.join().unwrap(), 6);
///
/// go!(println!("one call of a macro"));
/// go!({ println!("a block") });
/// ```
///
/// A single call is a call, whichever brackets stand around it: what `go! { f(x()) }` evaluates first is `x()`. And
/// `go! { .. }` is an expression, which as a statement wants its `;`.
///
/// # A target
///
/// Before what to run may come where and how to run it: a name, a stack size in bytes, both, a `Builder`, or the
/// `Scope` that lets the coroutine borrow. Any of the forms above may follow.
///
/// ```
/// # use mco::go;
/// use mco::coroutine::{Builder, scope};
///
/// go!("worker", || println!("named"));
/// go!(64 * 1024, || println!("small"));
/// go!(("worker", 64 * 1024usize), println!("named and small"));
/// go!(Builder::new().name("worker"), || println!("built"));
///
/// let words = vec!["a", "b"];
/// let count = scope(|s| go!(s, || words.len()).join().unwrap());
/// assert_eq!(count, 2);
/// ```
///
/// A target is whatever implements `mco::coroutine::Spawn`.
///
/// # mco under another name
///
/// `go!(crate = path, ..)` names the path of mco: see [the crate's documentation](crate).
#[proc_macro]
pub fn go(input: TokenStream) -> TokenStream {
    go::expand("go", input.into()).into()
}

/// [`go!`] under the name it had in the first versions of mco.
///
/// ```
/// let answer = mco::co!(|| 42);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[proc_macro]
pub fn co(input: TokenStream) -> TokenStream {
    go::expand("co", input.into()).into()
}

/// [`go!`] under the other name it had in the first versions of mco.
///
/// ```
/// let answer = mco::spawn!(|| 42);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[proc_macro]
pub fn spawn(input: TokenStream) -> TokenStream {
    go::expand("spawn", input.into()).into()
}

/// Runs something at the end of the enclosing scope, however the scope ends: by its last statement, `return`, `break`,
/// `?`, a panic or the coroutine's cancellation. What was deferred last runs first.
///
/// ```
/// use mco::defer;
/// use std::cell::RefCell;
///
/// fn close(log: &RefCell<Vec<&str>>) {
///     log.borrow_mut().push("closed");
/// }
///
/// let log = RefCell::new(Vec::new());
/// {
///     defer!(close(&log));
///     defer! {
///         log.borrow_mut().push("flushed");
///     }
///     defer!({ log.borrow_mut().push("drained") });
///     defer!(|| log.borrow_mut().push("stopped"));
///     log.borrow_mut().push("worked");
/// }
/// assert_eq!(*log.borrow(), ["worked", "stopped", "drained", "flushed", "closed"]);
/// ```
///
/// The body captures as any closure does: by reference what it only looks at or changes, which then stays borrowed
/// until the scope ends. Write `defer!(move || ..)` to move what it uses. Unlike Go's `defer`, and unlike [`go!`], a
/// call is deferred with its operands: they are evaluated at the end of the scope.
///
/// The body's value must be `()`. Whoever defers what may fail, decides there what to do about it; nobody else can:
///
/// ```
/// # use mco::defer;
/// # use std::io::Write;
/// let mut out = std::io::stdout();
/// defer! {
///     if let Err(error) = out.flush() {
///         eprintln!("could not flush: {error}");
///     }
/// }
/// ```
///
/// `defer!` is a statement: at the end of a block, too, it wants its `;` unless it was written with braces. In a crate
/// that knows mco under another name: `defer! { crate = path, .. }`, see [the crate's documentation](crate).
#[proc_macro]
pub fn defer(input: TokenStream) -> TokenStream {
    defer::expand(input.into()).into()
}

/// SELECT
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}

/// JOIN
#[proc_macro]
pub fn join(input: TokenStream) -> TokenStream {
    join::expand(input.into()).into()
}

/// Runs `main` as the root coroutine of a runtime; the process ends when `main` does.
///
/// ```
/// #[mco::main]
/// fn main() {
///     let handle = mco::go!(|| println!("hello from a coroutine"));
///     handle.join().unwrap();
/// }
/// ```
///
/// `main` may return what it may return without the attribute:
///
/// ```
/// #[mco::main(workers = 2, stack_size = 262_144)]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let number: u32 = "42".parse()?;
///     println!("{number}");
///     Ok(())
/// }
/// ```
///
/// | key | value | default |
/// | --- | --- | --- |
/// | `workers` | threads that run coroutines, a `usize` | one for each processor |
/// | `stack_size` | bytes reserved for the stack of a coroutine, a `usize` | that of `mco::config()` |
/// | `crate` | the path of mco: see [the crate's documentation](crate) | `::mco` |
///
/// A value may be any expression: `workers = WORKERS * 2`.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::main(args.into(), item.into()).into()
}

/// Makes a test of a function and runs it as the root coroutine of a runtime of its own, with one worker. A deadlock
/// fails the test.
///
/// ```
/// #[mco::test]
/// fn adds() {
///     let sum = mco::go!(|| 1 + 1);
///     assert_eq!(sum.join().unwrap(), 2);
/// }
///
/// #[mco::test(workers = 2, timeout = "5s")]
/// fn parses() -> Result<(), std::num::ParseIntError> {
///     assert_eq!("42".parse::<u32>()?, 42);
///     Ok(())
/// }
///
/// #[mco::test]
/// #[should_panic(expected = "boom")]
/// #[ignore = "shows that other attributes go on working"]
/// fn panics() {
///     panic!("boom");
/// }
/// ```
///
/// | key | value | default |
/// | --- | --- | --- |
/// | `workers` | threads that run coroutines, a `usize` | `1` |
/// | `timeout` | after which the test fails: `"5s"`, `"1.5s"`, `"500ms"`, `"2m"` | `"60s"` |
/// | `crate` | the path of mco: see [the crate's documentation](crate) | `::mco` |
///
/// Reserved for later versions, and refused by this one: `virtual_time`, `deadlock` and `leaks` (each a `bool`),
/// `seed` (a `u64`) and `seeds` (a `usize`).
///
/// # Tables
///
/// Attributes that make several tests of one function, such as `#[rstest]` and `#[test_case]`, may stand above or below
/// this one: each row of the table is a test, and runs in a coroutine.
///
/// ```text
/// #[rstest]
/// #[case(1, 1)]
/// #[case(2, 4)]
/// #[mco::test]
/// fn squares(#[case] number: u32, #[case] square: u32) {
///     assert_eq!(number * number, square);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::test(args.into(), item.into()).into()
}

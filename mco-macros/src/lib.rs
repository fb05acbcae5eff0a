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
//! Each macro is a pipeline, parse → validate → expand, in a module of its own; this file holds only the entry points
//! and what users read. `work` reads what the function-like macros are given, `call` turns a call into a closure,
//! `args` and `value` read the attributes' keys, `function` the function below them, `table` knows the attributes of
//! others; `select` has a module for each step. `krate` finds mco and `error` collects faults: what goes wrong in two
//! macros is worded once.

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
/// A call of an `async fn` returns a future, which does nothing by itself: `go!(move || mco::block_on(f(x)))` runs it. In
/// builds with debug assertions a message says so when such a result is dropped.
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
/// # Thread-local values
///
/// That `go!` is safe rests on what std assumes of a thread: an initialiser of a `thread_local!`, a scope of a crate such
/// as `scoped-tls`, and a destructor of a thread-local during `process::exit` must not wait where other coroutines of the
/// thread use the same value; use `coroutine_local!`, a `const {}` initialiser, or a value made beforehand. What of that is
/// found, says [the documentation of mco](../mco/index.html#thread-local-values).
///
/// # mco under another name
///
/// `go!(crate = path, ..)` names the path of mco: see [the documentation of `mco`](../mco/index.html#mco-under-another-name).
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
/// that knows mco under another name: `defer! { crate = path, .. }`, see [the documentation of `mco`](../mco/index.html#mco-under-another-name).
#[proc_macro]
pub fn defer(input: TokenStream) -> TokenStream {
    defer::expand(input.into()).into()
}

/// Waits for several operations at once: the first that can happen does, and no other; then its arm's body runs.
///
/// ```
/// use mco::{chan, select};
/// use mco::coroutine::sleep;
/// use std::time::Duration;
///
/// let (sender, receiver) = chan!(u32, 1);
/// sender.send(7).unwrap();
/// let number = select! {
///     value = receiver.recv() => value.unwrap(),
///     _ = sleep(Duration::from_secs(5)) => 0,
/// };
/// assert_eq!(number, 7);
/// ```
///
/// An arm is `pattern = operation => body`. The value of the `select!` is that of the chosen body, which runs in the
/// function around the `select!`: `return`, `break`, `continue` and `?` mean there what they mean elsewhere, and the
/// body may use whatever the operations borrowed. Among several operations that are ready one is chosen at random.
///
/// ```
/// # use mco::{chan, select};
/// # use std::sync::mpsc::RecvError;
/// fn sum(receiver: &mco::std::sync::Receiver<u32>) -> Result<u32, RecvError> {
///     let mut sum = 0;
///     loop {
///         select! {
///             value = receiver.recv() => match value? {
///                 0 => break,
///                 odd if odd % 2 == 1 => continue,
///                 even => sum += even,
///             }
///         }
///     }
///     Ok(sum)
/// }
///
/// let (sender, receiver) = chan!();
/// for value in [1, 2, 4, 0] {
///     sender.send(value).unwrap();
/// }
/// assert_eq!(sum(&receiver), Ok(6));
/// drop(sender);
/// assert_eq!(sum(&receiver), Err(RecvError));
/// ```
///
/// # Operations
///
/// These are waited for where the `select!` stands. One that is not chosen has not happened: nothing is lost.
///
/// | operation | of |
/// | --- | --- |
/// | `x.recv()` | a channel's `Receiver`, a `Ticker` |
/// | `x.send(value)` | a channel's `Sender` |
/// | `x.join()` | a `JoinHandle`, which stays the caller's until the arm is chosen |
/// | `x.accept()` | a listener |
/// | `x.wait()` | a `Semaphore`, a `SyncFlag`, a `WaitGroup` |
/// | `sleep(duration)` | `mco::coroutine::sleep` |
///
/// The type of `x` is what leads to one of these by references or `Deref`, as for any call of a method: `Arc<Receiver<T>>`, a
/// guard, a type of yours around a `Sender`. But if the method that is called is not mco's, since that type has one of the
/// same name, then that one is called, in a child coroutine. (So it is where something other than a reference leads to a
/// *reference* to a channel, as in `Arc<&Receiver<T>>`: write `(**x).recv()`.) As nothing of these
/// goes to another thread, the values of a channel need not be `Send`.
///
/// **Anything else runs in a child coroutine**, which may borrow, and which is cancelled when its arm is not chosen:
/// what it had done by then is done. A `read_line` that loses has taken the beginning of its line from the stream.
/// Which operations are cancel-safe, and what to do about others, says [a table](../mco/index.html#what-can-be-cut-off). So does what is written in braces, whatever it is, and so does a method of one of
/// these names on a type that is not mco's, but for `join`: `{ thread.join() }`.
///
/// ```
/// # use mco::{chan, go, select};
/// # use mco::coroutine::sleep;
/// # use std::time::Duration;
/// let handle = go!(|| 6 * 7);
/// let text = String::from("a b c");
/// let (_sender, receiver) = chan!(u32, 0);
/// select! {
///     result = handle.join() => assert_eq!(result.unwrap(), 42),
///     count = text.split(' ').count() => assert_eq!(count, 3),
///     number = { let doubled = 5 * 2; doubled + 1 } => assert_eq!(number, 11),
///     _ = receiver.recv() => unreachable!(),
/// }
/// ```
///
/// The operands are evaluated once, in order, before anything happens: the value to send, the duration to sleep, and,
/// where the receiver of a method is no place such as `x` or `self.x`, that as well. A `?` in these returns from the
/// caller.
///
/// ```
/// # use mco::select;
/// # use mco::std::sync::{Receiver, Sender};
/// # use std::sync::mpsc::RecvError;
/// struct Client {
///     inboxes: Vec<Receiver<u32>>,
/// }
///
/// impl Client {
///     fn inbox(&self) -> Option<&Receiver<u32>> {
///         self.inboxes.first()
///     }
///
///     fn next(&self) -> Option<Result<u32, RecvError>> {
///         select! {
///             value = self.inbox()?.recv() => Some(value),
///             value = self.inboxes[0].recv() => Some(value),
///         }
///     }
/// }
///
/// assert_eq!(Client { inboxes: vec![] }.next(), None);
/// ```
///
/// # Patterns
///
/// A pattern may refuse the result. Then the operation has happened, what it gave is dropped, and this `select!` goes
/// on without it. Arms whose operations are written alike share one operation, and are tried in order:
///
/// ```
/// # use mco::{chan, select};
/// # let (sender, receiver) = chan!();
/// # sender.send(Some(3)).unwrap();
/// let number = select! {
///     Ok(Some(number)) = receiver.recv() => number,
///     Ok(None) = receiver.recv() => 0,
///     Err(error) = receiver.recv() => panic!("{error}"),
/// };
/// assert_eq!(number, 3);
/// ```
///
/// A name that begins with a capital letter is taken for a constant, any other for a variable. `ref` is refused, since
/// the result moves.
///
/// # `if`, `else`
///
/// An arm with a guard takes part only if that is true. Guards are evaluated once, first of all; the operands of an
/// operation that does not take part are evaluated all the same.
///
/// So `Ok(value) = receiver.recv()` alone does not see that the channel has been closed: its operation is then out, and the
/// others are waited for. A second arm, `Err(_) = receiver.recv()`, does.
///
/// When no operation is left, because guards or patterns have refused, the body of `else` runs. Without an `else` that
/// is a panic.
///
/// ```
/// # use mco::{chan, select};
/// # let (sender, receiver) = chan!();
/// # sender.send(3).unwrap();
/// let is_open = true;
/// let text = select! {
///     Ok(0..=2) = receiver.recv(), if is_open => "small",
///     Ok(10..) = receiver.recv() => "large",
///     else => "neither",
/// };
/// assert_eq!(text, "neither");
/// ```
///
/// # `default`
///
/// With a `default` nothing waits: its body runs if there was a moment at which no operation could happen. If all operations have an arm of
/// their own, no other coroutine runs meanwhile, and the `select!` does not unwind, even if the caller is cancelled.
///
/// ```
/// # use mco::{chan, select};
/// let (sender, receiver) = chan!(u32, 0);
/// select! {
///     value = receiver.recv() => unreachable!("{value:?}"),
///     default => println!("nobody sends"),
/// }
/// # drop(sender);
/// ```
///
/// # `biased`
///
/// With `biased;` in front, the first arm in order is chosen among those that are ready.
///
/// ```
/// # use mco::{chan, select};
/// # let ((stop, stopped), (sender, receiver)) = (chan!(), chan!());
/// # stop.send(()).unwrap();
/// # sender.send(1).unwrap();
/// let is_stopped = select! {
///     biased;
///     _ = stopped.recv() => true,
///     value = receiver.recv() => value.is_err(),
/// };
/// assert!(is_stopped);
/// ```
///
/// # What was not sent
///
/// The value of a send moves into the `select!`. If it was a variable, the bodies of the other arms have it again:
///
/// ```
/// # use mco::{chan, select};
/// # let (sender, receiver) = chan!(String, 0);
/// # let (_stop, stopped) = chan!((), 0);
/// let text = String::from("long");
/// let unsent = select! {
///     result = sender.send(text) => result.err().map(|error| error.0),
///     _ = stopped.recv() => Some(text),
///     default => Some(text),
/// };
/// assert_eq!(unsent.as_deref(), Some("long"));
/// # drop(receiver);
/// ```
///
/// Not so if the patterns of the send may refuse its result, as `Ok(()) = ..` alone does: it may have been sent then.
///
/// # mco under another name
///
/// `select! { crate = path; .. }` names the path of mco: see [the documentation of `mco`](../mco/index.html#mco-under-another-name).
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

/// Evaluates expressions all at once, each in a coroutine of its own, and waits for all of them.
///
/// ```
/// use mco::join;
///
/// let text = String::from("one two three");
/// let mut words = Vec::new();
/// let (length, ()) = join!(text.len(), words.extend(text.split(' ')));
/// assert_eq!((length, words.len()), (13, 3));
/// ```
///
/// The expressions may borrow, and may be blocks; the results come as a tuple, in order. A `return` in a block ends the
/// block, and `?` wants a function to return from: apply it to the results.
///
/// ```
/// # use mco::join;
/// fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// fn sum(one: &str, two: &str) -> Result<u32, std::num::ParseIntError> {
///     let (one, two) = join!(parse(one), {
///         let trimmed = two.trim();
///         parse(trimmed)
///     });
///     Ok(one? + two?)
/// }
///
/// assert_eq!(sum("1", " 2 "), Ok(3));
/// assert!(sum("1", "two").is_err());
/// ```
///
/// If one of them panics, the others are cancelled, and when they have ended, the panic goes on in the caller with its
/// payload. If the caller is cancelled while it waits, all of them are.
///
/// ```
/// # use mco::join;
/// # use mco::coroutine::sleep;
/// # use std::time::Duration;
/// let nap = Duration::from_secs(3600);
/// let result = std::panic::catch_unwind(|| join!(sleep(nap), panic!("boom")));
/// assert_eq!(result.unwrap_err().downcast_ref(), Some(&"boom"));
/// ```
///
/// There may be one expression, or none: `join!(a())` is a tuple of one, `join!()` is `()`. In a crate that knows mco
/// under another name: `join!(crate = path, ..)`, see [the documentation of `mco`](../mco/index.html#mco-under-another-name).
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
/// | `crate` | the path of mco: see [the documentation of `mco`](../mco/index.html#mco-under-another-name) | `::mco` |
///
/// A value may be any expression: `workers = WORKERS * 2`.
///
/// # Deadlocks
///
/// When every coroutine is blocked, and no timer, socket, blocking job or other thread is left that could wake one, the
/// process prints what each of them waits for, and ends with the status 2. This is found only where the process has no
/// threads besides mco's, since any of them may be about to wake somebody, and only on Linux and Apple's systems, which
/// tell.
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
/// | `virtual_time` | whether time passes only when nothing else happens, a `bool` | `false` |
/// | `seeds` | run it so often, each time with another order of coroutines, a `usize` | none |
/// | `seed` | the order of coroutines, or with `seeds` the first of them, a `u64` | none |
/// | `deadlock` | whether a deadlock fails the test at once, a `bool` | `true` |
/// | `leaks` | whether coroutines that outlive the test fail it, a `bool` | `false` |
/// | `crate` | the path of mco: see [the documentation of `mco`](../mco/index.html#mco-under-another-name) | `::mco` |
///
/// A coroutine that panics fails the test, too, with its message, unless a join has received the panic: that is the
/// test's business then.
///
/// # Virtual time
///
/// With `virtual_time = true` the test's runtime has a clock of its own. It stands still as long as any coroutine can
/// run, and when all of them are blocked it jumps to the next point in time for which one of them waits. So a test of
/// a day takes milliseconds, and what it measures is exact:
///
/// ```
/// # use std::time::Duration;
/// use mco::std::time::{sleep, timeout, Instant};
///
/// #[mco::test(virtual_time = true)]
/// fn gives_up_after_an_hour() {
///     let start = Instant::now();
///     let result = timeout(Duration::from_secs(3600), || sleep(Duration::from_secs(86_400)));
///     assert!(result.is_err());
///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// }
/// ```
///
/// Everything in mco follows this clock: `sleep`, `timeout`, timers, tickers, and with them `Instant` and `Time`, which
/// begins at midnight of 2000-01-01 in UTC. What belongs to `std`, and all threads that are not the runtime's own, follow
/// the system's clock. A wait for a socket and a job of the blocking pool hold the clock: until they have ended, no time
/// passes, not even for their own timeouts.
///
/// # Seeds
///
/// With `seeds = 100` the test runs a hundred times, in runtimes of one worker. The seed of each run decides which of
/// the coroutines that could run does, which of the ready arms a `select!` takes, and at which of the operations of mco
/// that may wait a coroutine lets the others go first. A run that fails prints its seed, and the command that repeats it:
///
/// ```text
/// mco: the test `bank::tests::transfer` failed with the seed 17, number 18 of 100; to replay it: MCO_SEED=17 cargo test tests::transfer
/// ```
///
/// The variable `MCO_SEED` replaces the seeds of all tests that have some. The same seed gives the same run as far as
/// the test depends on nothing else: on the system's clock (add `virtual_time = true`), on sockets, on other threads, on
/// the order of a `HashMap`. What goes on between two operations that may wait is never interrupted, so a race of plain
/// atomics is not found this way; nor what would need a switch right after an unbounded `send`, a `notify_one`, or a
/// spawn: code may hold a std lock there, on which the others of the one worker would block for ever. The time limit is
/// for all runs together.
///
/// # Deadlocks
///
/// When every coroutine is blocked, and no timer, socket, blocking job or other thread is left that could wake one, the
/// test fails at once, and prints what each of them waits for. Other threads keep this from happening, since any of
/// them may be about to wake somebody, except those of mco and of the test harness. So do other tests that are still
/// running in the same process, since they may share a lock or a channel in a `static`. So beside other tests a deadlock
/// is found when those have ended, or rest as well. Systems other than Linux and Apple's do
/// not tell which threads there are: there it is the time limit that ends such a test.
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

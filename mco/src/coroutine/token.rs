//! Cancelling what is not a coroutine: a request, a phase of a program, all that a service does.
//!
//! A token is a node of a tree. A cancel sets its cause, once, under the lock of its links; then it goes on to those that
//! are linked at that moment: the tokens made of it, and the calls of `run`. What comes later finds the cause under the
//! same lock, so nothing is missed and nothing is told twice. Those who `wait` are in a queue, as those of a `SyncFlag`.
//! No lock is held while another one is taken, or anybody is woken.
//!
//! A child keeps its parents alive, since a cancel of a grandparent has to come through. A parent knows its children
//! weakly, and a child that goes removes itself.

use std::borrow::Cow;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Thread};

use parking_lot::Mutex;

use super::Cancelled;
use crate::shrinking::Slab;
use crate::task::cancel::{CancelCause, Interrupt, cause_here};
use crate::task::{Reason, current, deadline, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode, Waiter};

/// Says to whoever looks that something is to stop: Go's `context` without values, or tokio's `CancellationToken`.
///
/// Clones are the same token. To cancel it does three things: [`is_cancelled`](CancelToken::is_cancelled) is true from
/// then on; those who [`wait`](CancelToken::wait) for it go on; and what runs inside of [`run`](CancelToken::run) is cut
/// off. A token made by [`child`](CancelToken::child) is cancelled with its parent, and by itself.
///
/// # Examples
///
/// ```
/// use mco::coroutine::CancelToken;
///
/// let stop = CancelToken::new();
/// let (sender, receiver) = mco::chan!(u32);
/// let sees = stop.clone();
/// let worker = mco::spawn(move || {
///     let mut sum = 0;
///     loop {
///         mco::select! {
///             Ok(n) = receiver.recv() => sum += n,
///             _ = sees.wait() => break sum,
///         }
///     }
/// });
/// sender.send(3).unwrap();
/// # while !sender.is_empty() { mco::yield_now() }
/// stop.cancel();
/// assert_eq!(worker.join().unwrap(), 3);
/// ```
#[derive(Clone)]
pub struct CancelToken(Arc<Node>);

struct Node {
    cause: OnceLock<Arc<CancelCause>>,
    state: Spin<State>,
    links: Mutex<Links>,
    /// The token that it was made of, with the key there.
    parent: Option<(Arc<Node>, usize)>,
}

/// What the `Spin` guards. Nobody enters once it is cancelled.
pub struct State {
    is_cancelled: bool,
    waiters: Queue<()>,
}

impl State {
    pub(crate) fn waiters(&mut self) -> &mut Queue<()> {
        &mut self.waiters
    }

    pub(crate) fn try_take(&mut self) -> bool {
        self.is_cancelled
    }
}

#[derive(Default)]
struct Links {
    children: Slab<Weak<Node>>,
    runs: Slab<Runner>,
}

/// Who is inside of `run`.
#[derive(Clone)]
struct Runner {
    waiter: Waiter,
    /// If it is no coroutine, which may be in std's `park`.
    thread: Option<Thread>,
}

impl UnwindSafe for CancelToken {}
impl RefUnwindSafe for CancelToken {}

impl CancelToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> CancelToken {
        CancelToken(Arc::new(Node::new(None)))
    }

    /// A token that is cancelled when this one is, and that can be cancelled without it. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let server = mco::coroutine::CancelToken::new();
    /// let (one, other) = (server.child(), server.child());
    /// one.cancel();
    /// assert!(one.is_cancelled() && !other.is_cancelled() && !server.is_cancelled());
    /// server.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    #[must_use]
    pub fn child(&self) -> CancelToken {
        let mut links = self.0.links.lock();
        if let Some(cause) = self.0.cause.get().cloned() {
            drop(links);
            let child = CancelToken::new();
            child.0.cancel(&cause);
            return child;
        }
        let key = links.children.insert(Weak::new());
        let child = Arc::new(Node::new(Some((self.0.clone(), key))));
        *links.children.get_mut(key).expect("it is in place") = Arc::downgrade(&child);
        CancelToken(child)
    }

    /// Cancels the token, and those made of it. Only the first time counts. [Never waits](crate#what-waits).
    #[track_caller]
    pub fn cancel(&self) {
        self.0.cancel(&cause_here(Location::caller(), None));
    }

    /// As [`cancel`](CancelToken::cancel), for a reason that the [`Cancelled`] of what is cut off tells.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = mco::coroutine::CancelToken::new();
    /// token.cancel_with("the server shuts down");
    /// let cancelled = token.run(|| unreachable!()).unwrap_err();
    /// assert_eq!(cancelled.reason(), Some("the server shuts down"));
    /// ```
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<Cow<'static, str>>) {
        self.0.cancel(&cause_here(Location::caller(), Some(reason.into())));
    }

    /// Whether it has been cancelled. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cause.get().is_some()
    }

    /// Waits until it is cancelled. It is an arm of [`select!`](macro@crate::select). [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = mco::coroutine::CancelToken::new();
    /// let cancels = token.clone();
    /// mco::spawn(move || cancels.cancel());
    /// token.wait();
    /// ```
    #[track_caller]
    pub fn wait(&self) {
        spend_budget();
        let mut state = self.0.state.lock();
        if state.try_take() {
            return;
        }
        let node = pin!(WaitNode::new(&self.0.state, State::waiters, None));
        node.as_ref().enter(&mut state);
        drop(state);
        // Unless it unwinds it has been completed.
        node.wait(&Wait::new(Reason::Token).at(&*self.0));
    }

    /// Calls `f`, until the token is cancelled: whatever blocking operation of mco it is in then, or begins later, is cut
    /// off, as by a [`timeout`](crate::std::time::timeout). So nothing of what it says about that is different here. If
    /// the token has been cancelled already, `f` is not called.
    ///
    /// A coroutine of a [`scope`](super::scope()) or a [`group`](super::group()) inside is cancelled, since its owner is
    /// cut off. Calls may be nested; of several tokens that are cancelled the outermost counts.
    ///
    /// In a plain thread a wait for a socket ends some 20 ms after the cancel.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], with who, where and why, if an operation was cut off.
    ///
    /// # Panics
    ///
    /// As `timeout`.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = mco::coroutine::CancelToken::new();
    /// let (sender, receiver) = mco::chan!(u32);
    /// let runs = token.clone();
    /// let worker = mco::spawn(move || runs.run(|| receiver.recv().unwrap()));
    /// token.cancel();
    /// assert!(worker.join().unwrap().is_err());
    /// # drop(sender);
    /// assert_eq!(mco::coroutine::CancelToken::new().run(|| 5).unwrap(), 5);
    /// ```
    #[track_caller]
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> Result<T, Cancelled> {
        let cancelled = || Cancelled::of_cause(self.0.cause.get().cloned());
        let Some(_run) = Run::begin(&self.0) else { return Err(cancelled()) };
        deadline::interruptible(self.0.clone(), f).ok_or_else(cancelled)
    }

    pub(crate) fn state(&self) -> &Spin<State> {
        &self.0.state
    }
}

impl Default for CancelToken {
    fn default() -> CancelToken {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_cancelled = self.is_cancelled();
        f.debug_struct("CancelToken").field("is_cancelled", &is_cancelled).finish_non_exhaustive()
    }
}

impl Node {
    fn new(parent: Option<(Arc<Node>, usize)>) -> Node {
        Node {
            cause: OnceLock::new(),
            state: Spin::new(State { is_cancelled: false, waiters: Queue::new() }),
            links: Mutex::default(),
            parent,
        }
    }

    fn cancel(self: &Arc<Node>, cause: &Arc<CancelCause>) {
        // A list and no recursion, for a tree may be deep.
        let mut nodes = vec![self.clone()];
        while let Some(node) = nodes.pop() {
            let links = node.links.lock();
            if node.cause.set(cause.clone()).is_err() {
                continue;
            }
            let runs: Vec<Runner> = links.runs.iter().cloned().collect();
            let children: Vec<Weak<Node>> = links.children.iter().cloned().collect();
            drop(links);
            node.state.lock().is_cancelled = true;
            loop {
                let completed =
                    node.state.lock().waiters.complete_first(Outcome::Completed, |_| ());
                let Some(((), wakeup)) = completed else { break };
                wakeup.wake();
            }
            runs.iter().for_each(Runner::wake);
            nodes.extend(children.iter().filter_map(Weak::upgrade));
        }
    }
}

impl Interrupt for Node {
    fn is_due(&self) -> bool {
        self.cause.get().is_some()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // In a loop, for the chain of parents may be long.
        let mut parent = self.parent.take();
        while let Some((node, key)) = parent.take() {
            drop(node.links.lock().children.remove(key));
            parent = Arc::into_inner(node).and_then(|mut node| node.parent.take());
        }
    }
}

impl Runner {
    fn wake(&self) {
        self.waiter.wake();
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

/// A call of `run`, which a cancel finds.
struct Run<'a> {
    node: &'a Node,
    key: usize,
}

impl<'a> Run<'a> {
    /// `None`: the token is cancelled.
    fn begin(node: &'a Node) -> Option<Run<'a>> {
        let thread = current::running().is_none().then(thread::current);
        let runner = Runner { waiter: Waiter::current(), thread };
        let mut links = node.links.lock();
        if node.cause.get().is_some() {
            return None;
        }
        Some(Run { node, key: links.runs.insert(runner) })
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let runner = self.node.links.lock().runs.remove(self.key);
        drop(runner);
    }
}

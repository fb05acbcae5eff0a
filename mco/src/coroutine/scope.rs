//! Coroutines that borrow: a scope ends after they have ended.
//!
//! The closure and the result of a scoped coroutine may borrow what lives only as long as the scope. So nothing of
//! them may be left when the scope ends, whether the coroutine returns, panics, is cancelled or never starts, and
//! whether its handle is dropped or leaked. All of it is in one [`Child`], which is dropped after everything that
//! borrows, and then counts the coroutine as gone.

#![allow(unsafe_code)]

use std::any::Any;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fmt, thread};

use parking_lot::Mutex;

use super::handle::wait_until_gone;
use super::{Builder, Cancelled, Coroutine, JoinHandle};
use crate::forked;
use crate::shrinking::Slab;
use crate::task::cancel::{CancelCause, Inherited, before_start, cause_here, to_inherit};
use crate::task::inspect::{BlockedOn, WaitTarget};
use crate::task::{self, Output, Reason, SpawnOptions, TaskRef, current, spend_budget};
use crate::wait::{Wait, Waiter};

/// Spawns coroutines that may borrow from the caller. See [`scope`].
///
/// # Examples
///
/// ```
/// let words = ["a", "bc"];
/// let length: usize = mco::scope(|scope| {
///     let lengths = words.map(|word| scope.spawn(move || word.len()));
///     lengths.into_iter().map(|length| length.join().unwrap()).sum()
/// });
/// assert_eq!(length, 3);
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    data: Arc<Data>,
    /// Invariant in both, as std's: the borrow checker must not shorten them.
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

/// What a scope and its children share.
pub(super) struct Data {
    /// Children that have not been dropped.
    running: AtomicUsize,
    children: Mutex<Children>,
    /// The deadline that the children have from the scope's owner.
    inherited: Option<Inherited>,
    /// Whoever waits for the end of the scope.
    owner: Waiter,
    /// A child panicked, and nobody has asked for its result.
    panicked: AtomicBool,
}

/// What the lock of a scope guards.
struct Children {
    tasks: Slab<Option<TaskRef>>,
    /// They are cancelled, for this reason, and so are those to come.
    cancelled: Option<Arc<CancelCause>>,
}

/// Runs `f`, which may spawn coroutines that borrow, and returns when all of them have ended.
/// [May wait](crate#what-waits).
///
/// If `f` panics, or the calling coroutine is cancelled, or the deadline of a
/// [`timeout`](crate::std::time::timeout) around it passes, the children are cancelled, and the scope
/// still waits for them.
///
/// The children have the deadline of a `timeout` around the scope themselves: when it passes they unwind, as if they
/// were cancelled, whatever the scope's owner is doing then. A `timeout` inside of `f` does not hold for them, since
/// they may outlive it. Values that are [bound](crate::LocalKey::bind) where a child is spawned are bound in the child.
///
/// # Panics
///
/// With the payload of `f`, or, as in `std::thread::scope`, if a child has panicked that was not
/// joined.
///
/// # Examples
///
/// ```
/// let text = String::from("one two three");
/// let mut words = Vec::new();
/// mco::coroutine::scope(|s| {
///     let length = s.spawn(|| text.len());
///     s.spawn(|| words.extend(text.split(' ')));
///     assert_eq!(length.join().unwrap(), 13);
/// });
/// assert_eq!(words.len(), 3);
/// ```
#[track_caller]
pub fn scope<'env, F, R>(f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let wait = Wait::new(Reason::Scope);
    // Here, since at its end it must not be unwound.
    spend_budget();
    let (value, cancelled) = scope_to_the_end(&wait, f);
    if cancelled {
        // What was put off while the children were alive.
        task::cancel::check_here();
    }
    value
}

/// As [`scope`], for what must not be unwound once `f` has returned: a cancel, or a deadline, only
/// ends the children. Says whether there was one.
#[track_caller]
pub(crate) fn scope_to_the_end<'env, F, R>(wait: &Wait, f: F) -> (R, bool)
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    // At the end it is too late to refuse.
    wait.check();
    let scope = Scope::new();
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if let Err(payload) = &result {
        scope.data.cancel_all(&cause_of_unwinding(&**payload, wait.site()));
    }
    let cancelled = scope.data.wait_for_all(wait);
    match result {
        Err(payload) => task::cancel::resume_unwind(payload),
        Ok(value) if scope.data.panicked.load(Ordering::Relaxed) => {
            // Before, for if its destructor panics while this does the process is aborted.
            task::run_user_code_here(|| drop(value));
            panic!("a scoped coroutine panicked")
        }
        Ok(value) => (value, cancelled),
    }
}

/// Why the children of a scope are cancelled whose body has unwound with `payload`.
pub(super) fn cause_of_unwinding(
    payload: &(dyn Any + Send),
    scope: &'static Location<'static>,
) -> Arc<CancelCause> {
    match payload.downcast_ref::<Cancelled>() {
        Some(cancelled) => cancelled.cause_of_children(scope),
        None => cause_here(scope, Some("the body of its scope has unwound".into())),
    }
}

impl<'scope> Scope<'scope, '_> {
    /// One of the caller's. It must wait for all, [`Data::wait_for_all`], before what they may borrow goes away.
    pub(super) fn new() -> Self {
        Scope { data: Arc::new(Data::new()), _scope: PhantomData, _env: PhantomData }
    }

    pub(super) fn data(&self) -> &Arc<Data> {
        &self.data
    }

    /// Spawns a coroutine that may borrow what outlives the scope. [Never waits](crate#what-waits).
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_at(Location::caller(), f)
    }

    /// Cancels the children: those that there are, and those that are spawned later, which then do not start. The
    /// scope's own closure goes on. [Never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If the program is built with `panic = "abort"`, under which no stack can be unwound.
    ///
    /// # Examples
    ///
    /// ```
    /// mco::scope(|s| {
    ///     s.spawn(mco::coroutine::park);
    ///     s.spawn(mco::coroutine::park);
    ///     s.cancel();
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        self.data
            .cancel_all(&cause_here(Location::caller(), Some("its scope was cancelled".into())));
    }

    /// As `spawn`, for a coroutine that was written there.
    pub(crate) fn spawn_at<F, T>(
        &self,
        site: &'static Location<'static>,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(Builder::new(), site, f)
    }

    pub(crate) fn spawn_with<F, T>(
        &self,
        builder: Builder,
        site: &'static Location<'static>,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_by(f, |create| builder.spawn_task(site, create))
    }

    /// Spawns a coroutine that `spawn` creates, by its argument, and queues.
    pub(crate) fn spawn_by<F, T>(
        &self,
        f: F,
        spawn: impl FnOnce(&mut dyn FnMut(SpawnOptions) -> TaskRef) -> Coroutine,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        // Before the scope would wait for it.
        forked::check("a coroutine is spawned");
        let (child, packet) = Child::new(self.data.clone(), f);
        let key = child.key;
        let mut child = Some(child);
        let coroutine = spawn(&mut |options| {
            let child = child.take().expect("one coroutine is created");
            // SAFETY: the child counts itself off when it has been dropped, and `scope` does not
            // return before: so the closure is gone before what it borrows. The result is in the
            // packet, which the child lets go of first, and which the handle keeps for no longer
            // than `'scope`.
            let task = unsafe { TaskRef::create_scoped(move || child.run(), options) };
            // SAFETY: it has just been created, and is queued later.
            unsafe { task.inherit(self.data.inherited.as_ref(), task::bound_values()) };
            let mut children = self.data.children.lock();
            *children.tasks.get_mut(key).expect("it is in place") = Some(task.clone());
            let cancelled = children.cancelled.clone();
            drop(children);
            if let Some(cause) = cancelled {
                task.cancel(&cause);
            }
            task
        });
        ScopedJoinHandle { outer: JoinHandle::new(coroutine), packet, _scope: PhantomData }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.data.running.load(Ordering::Relaxed);
        f.debug_struct("Scope").field("running", &running).finish_non_exhaustive()
    }
}

impl Data {
    fn new() -> Data {
        Data {
            running: AtomicUsize::new(0),
            children: Mutex::new(Children { tasks: Slab::new(), cancelled: None }),
            inherited: to_inherit(),
            owner: Waiter::current(),
            panicked: AtomicBool::new(false),
        }
    }

    /// Cancels those that there are, and those to come.
    pub(super) fn cancel_all(&self, cause: &Arc<CancelCause>) {
        self.children.lock().cancelled.get_or_insert_with(|| cause.clone());
        // Not under the lock: a wake may do much. Who is entered from here on sees the cause.
        self.children().iter().for_each(|child| child.cancel(cause));
    }

    /// Those that are left.
    fn children(&self) -> Vec<TaskRef> {
        self.children.lock().tasks.iter().flatten().cloned().collect()
    }

    /// Waits until all children have been dropped. A cancel of the waiting coroutine, or a deadline of
    /// its own, must not unwind it here, and cancels the children instead; returns whether that has
    /// happened.
    pub(super) fn wait_for_all(&self, wait: &Wait) -> bool {
        if !current::is_on_own_stack() {
            // A generator that has begun the scope was passed on to another coroutine meanwhile. What the
            // children borrow lies there, so even this is better than to unwind.
            while self.running.load(Ordering::Acquire) > 0 {
                thread::sleep(Duration::from_millis(1));
            }
            return current::task().is_some_and(|task| task.is_cancelled());
        }
        // What is left of a child after that borrows nothing, but whoever looks at metrics should
        // find the children gone.
        let children = self.children();
        let (mut passed_on, mut refused) = (false, None);
        // SAFETY: `self` is borrowed during the call, in which the wait is used.
        let wait = &unsafe { wait.of(self) };
        // Acquire pairs with the Release of each child's last decrement.
        while self.running.load(Ordering::Acquire) > 0 {
            if passed_on {
                wait.park_ignoring_cancel();
                continue;
            }
            let before = wait.before();
            if before.is_cancelled() {
                passed_on = true;
                refused = before.refused();
                self.cancel_all(&cause_of_owner(wait.site()));
            } else {
                wait.park_uncancellable();
            }
        }
        for child in children {
            wait_until_gone(&child, wait);
        }
        if let Some(refused) = refused {
            refused.unwind_if_cancelled();
        }
        passed_on
    }
}

/// Why the children of a scope are cancelled whose owner, the caller, has to unwind.
fn cause_of_owner(scope: &'static Location<'static>) -> Arc<CancelCause> {
    let cause = current::task().and_then(|task| task.cancel_cause());
    cause.unwrap_or_else(|| {
        cause_here(scope, Some("the owner of its scope is out of time, or interrupted".into()))
    })
}

/// The end of all children.
impl WaitTarget for Data {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn blocked_on(&self) -> BlockedOn {
        // A child that is just starting or ending may hold the lock.
        let Some(children) = self.children.try_lock() else { return BlockedOn::Unknown };
        let ids: Option<Vec<u64>> =
            children.tasks.iter().map(|child| child.as_ref().map(TaskRef::id)).collect();
        ids.filter(|ids| !ids.is_empty()).map_or(BlockedOn::Unknown, BlockedOn::Each)
    }
}

/// A closure of a scope, from the spawn until nothing of it is left.
struct Child<F, T> {
    f: Option<F>,
    packet: Option<Arc<Packet<T>>>,
    data: Arc<Data>,
    key: usize,
}

/// Where a child leaves its result for its handle.
struct Packet<T> {
    output: Mutex<Option<Output<T>>>,
    data: Arc<Data>,
}

impl<F: FnOnce() -> T, T> Child<F, T> {
    fn new(data: Arc<Data>, f: F) -> (Child<F, T>, Arc<Packet<T>>) {
        data.running.fetch_add(1, Ordering::Relaxed);
        let key = data.children.lock().tasks.insert(None);
        let packet = Arc::new(Packet { output: Mutex::new(None), data: data.clone() });
        (Child { f: Some(f), packet: Some(packet.clone()), data, key }, packet)
    }

    fn run(mut self) {
        let f = self.f.take().expect("a child runs once");
        let output = catch_unwind(AssertUnwindSafe(f));
        self.leave(output);
    }
}

impl<F, T> Child<F, T> {
    fn leave(&mut self, output: Output<T>) {
        let packet = self.packet.as_ref().expect("the packet goes last");
        *packet.output.lock() = Some(output);
    }

    fn cancel_cause(&self) -> Option<Arc<CancelCause>> {
        let task = self.data.children.lock().tasks.get(self.key).cloned().flatten();
        task?.cancel_cause()
    }
}

impl<F, T> Drop for Child<F, T> {
    fn drop(&mut self) {
        if let Some(f) = self.f.take() {
            // It never started.
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(f)));
            let payload = dropped.err().unwrap_or_else(|| before_start(self.cancel_cause()));
            self.leave(Err(payload));
        }
        let packet = self.packet.take();
        // The destructor of a result that nobody wants may panic.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(packet))) {
            self.data.panicked.store(true, Ordering::Relaxed);
            mem::forget(payload);
        }
        let child = self.data.children.lock().tasks.remove(self.key);
        drop(child);
        // Release: everything above comes before the end of the scope.
        if self.data.running.fetch_sub(1, Ordering::Release) == 1 {
            self.data.owner.wake();
        }
    }
}

impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        let unhandled = |payload: &Box<dyn Any + Send>| !payload.is::<Cancelled>();
        if self.output.get_mut().as_ref().is_some_and(|o| o.as_ref().is_err_and(unhandled)) {
            self.data.panicked.store(true, Ordering::Relaxed);
        }
    }
}

/// The right to the result of a scoped coroutine.
///
/// # Examples
///
/// ```
/// let text = String::from("borrowed");
/// let length = mco::scope(|scope| scope.spawn(|| text.len()).join());
/// assert_eq!(length.unwrap(), 8);
/// ```
pub struct ScopedJoinHandle<'scope, T> {
    outer: JoinHandle<()>,
    packet: Arc<Packet<T>>,
    _scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the end of the coroutine and returns its result. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// The payload with which it ended, as in [`JoinHandle::join`](super::JoinHandle::join).
    ///
    /// # Panics
    ///
    /// If a coroutine joins itself. [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn join(self) -> thread::Result<T> {
        self.outer.wait();
        self.take_output()
    }

    /// The result of a coroutine that has ended. The handle is then used up.
    ///
    /// # Panics
    ///
    /// If it has been taken before.
    #[track_caller]
    pub(crate) fn take_output(&self) -> thread::Result<T> {
        // That of the coroutine around the closure: an error only if it could not start.
        self.outer.take_output()?;
        let output = self.packet.output.lock().take().expect("a child leaves a result");
        if output.as_ref().is_err_and(|payload| payload.is::<Cancelled>()) {
            // It may have been cut off by the deadline that it has from the caller, who then is as well.
            task::cancel::check_here();
        }
        output
    }

    /// Waits for the end of the coroutine and leaves its result where it is.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// As [`join`](ScopedJoinHandle::join).
    #[track_caller]
    pub fn wait(&self) {
        self.outer.wait();
    }

    /// Whether the coroutine has ended, so that `join` would not wait.
    /// [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.outer.is_finished()
    }

    /// Asks the coroutine to stop. See [`Coroutine::cancel`]. [Never waits](crate#what-waits).
    #[track_caller]
    pub fn cancel(&self) {
        self.outer.cancel();
    }

    /// The coroutine itself.
    #[must_use]
    pub fn coroutine(&self) -> &Coroutine {
        self.outer.coroutine()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("coroutine", self.coroutine())
            .finish_non_exhaustive()
    }
}

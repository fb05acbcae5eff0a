//! Coroutines that succeed or fail together.
//!
//! A group is a scope that also knows how its children have ended, and what follows from that. The scope sees to it that
//! all have ended when the call returns, whichever way it does.
//!
//! # A child's end
//!
//! A child ends by one of four ways. Each takes the lock, counts the child as ended, and wakes those who wait.
//!
//! - `Ok`, or `Err`: the result is left in `ended`, in the order of the ends. The first `Err` of a group is its *failure*,
//!   unless the group was cancelled before, or keeps going.
//! - A panic: kept as the group's `payload`, if it is the first. It is the failure, too, if there is none.
//! - A cancel, if the group has cancelled its children: leaves nothing. If it has not, somebody else has cancelled that
//!   child, and the group cannot be complete: as a panic, with `Cancelled` as the payload.
//!
//! # What a failure does, and when
//!
//! It cancels the children, and it ends the body. But the body may be about to say that it wants the first success
//! ([`first_ok`](Group::first_ok)), in which case it is no failure. So it depends on what the body does:
//!
//! | the body | what happens at once |
//! | --- | --- |
//! | is in `next` or `join_all`, or has returned | the children are cancelled, by the one that has failed |
//! | is in `first_ok` | nothing: an `Err` is no failure; a panic is as above |
//! | runs, or waits elsewhere, also in `spawn` | the [`Signal`] is set and the body woken. Its next wait, or the one that it is in, is cut off; or its next call of `next` or `join_all` cancels the children |
//!
//! The cut is an [`Interrupt`] around the body. Once the body has received the `Err`, what becomes of it is the body's
//! business: nothing is cut off any more, and the group returns what the body does.
//!
//! # Who may touch what
//!
//! `State` is touched under its lock, which is never held while user code runs: results, payloads and closures are
//! dropped outside. `Signal` is atomic, and read by the body's coroutine or thread alone, before and after each of its
//! waits: so its loads and stores need no order among them. What sets it wakes the body afterwards, and that publishes it.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

use parking_lot::Mutex;

use super::Cancelled;
use super::scope::{Data, Scope, cause_of_unwinding};
use crate::task::cancel::{
    CancelCause, Interrupt, before_start, cause_here, check_here, pending_unwind_here,
    resume_unwind,
};
use crate::task::inspect::LockOwner;
use crate::task::{Reason, WaiterList, current, deadline, run_user_code_here, spend_budget};
use crate::wait::{Wait, Waiter};

/// Runs `f`, which spawns coroutines into a group, and returns when all of them have ended: either all have succeeded, or
/// the call fails. [May wait](crate#what-waits).
///
/// The first of the coroutines that returns an `Err` or panics cancels the others, and cuts off the wait that `f` is in, or
/// the next one; then the call returns that `Err`, whatever `f` returns, or passes the panic on. Only if `f` has
/// received the `Err` itself, by a method of the group, it goes on and decides. So `f` may accept connections for ever, and
/// ends when one of its coroutines fails. If `f` returns an `Err`, panics, or is cancelled, the coroutines are cancelled.
///
/// Whichever way the call ends, no coroutine of the group is left, and they may borrow what outlives the call, as in a
/// [`scope`](super::scope()). That one of them was cancelled by the group is no failure of the group. They have the
/// deadline of a [`timeout`](crate::std::time::timeout) around the group, and values that are
/// [bound](crate::LocalKey::bind) where they are spawned.
///
/// # Errors
///
/// The `Err` of the coroutine that failed first, or that of `f`.
///
/// # Panics
///
/// With the panic of `f`, or of the coroutine that panicked first, after all have ended. If one of them was cancelled by
/// somebody else than the group, the caller unwinds with its [`Cancelled`].
///
/// # Examples
///
/// ```
/// # fn fetch(url: &str) -> std::io::Result<usize> { Ok(url.len()) }
/// let urls = ["/one", "/three", "/two"];
/// let sizes = mco::group(|g| {
///     g.limit(2);
///     for url in &urls {
///         g.spawn(|| fetch(url));
///     }
///     g.join_all()
/// })?;
/// assert_eq!(sizes, [4, 6, 4]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The first `Err` ends all of it:
///
/// ```
/// let failed = mco::group(|g| {
///     mco::go!(g, || Err::<(), _>("no such host"));
///     mco::go!(g, || {
///         mco::coroutine::park();
///         Ok(())
///     });
///     Ok(())
/// });
/// assert_eq!(failed, Err("no such host"));
/// ```
#[track_caller]
pub fn group<'env, T, E, R, F>(f: F) -> Result<R, E>
where
    T: Send + 'env,
    E: Send + 'env,
    F: for<'scope> FnOnce(&'scope Group<'scope, 'env, T, E>) -> Result<R, E>,
{
    let wait = Wait::new(Reason::Scope);
    // Here, since at its end it must not be unwound; and there it is too late to refuse.
    spend_budget();
    wait.check();
    let scope = Scope::new();
    let shared = Arc::new(Shared::new(scope.data().clone()));
    let group = Group { scope, shared: shared.clone() };
    let body = || deadline::interruptible(shared.signal.clone(), || f(&group));
    let result = catch_unwind(AssertUnwindSafe(body));
    if let Some(cause) = shared.end_body(&result, wait.site()) {
        shared.scope.cancel_all(&cause);
    }
    let is_cut_off = shared.scope.wait_for_all(&wait);
    shared.conclude(result, is_cut_off)
}

/// Coroutines that succeed or fail together. See [`group`].
///
/// # Examples
///
/// ```
/// use mco::coroutine::Group;
///
/// fn lengths<'env>(g: &Group<'_, 'env, usize, String>, words: &'env [&'env str]) {
///     for word in words {
///         g.spawn(|| if word.is_empty() { Err("an empty word".to_owned()) } else { Ok(word.len()) });
///     }
/// }
///
/// let sum = mco::group(|g| {
///     lengths(g, &["a", "bc"]);
///     g.join_all()
/// });
/// assert_eq!(sum, Ok(vec![1, 2]));
/// ```
pub struct Group<'scope, 'env, T: 'env, E: 'env> {
    scope: Scope<'scope, 'env>,
    shared: Arc<Shared<T, E>>,
}

/// What a group and its children share.
struct Shared<T, E> {
    state: Mutex<State<T, E>>,
    signal: Arc<Signal>,
    /// To cancel the children.
    scope: Arc<Data>,
    /// Who runs the body.
    owner: LockOwner,
}

/// What cuts the body off.
struct Signal {
    /// There is a failure that the body has not received.
    failed: AtomicBool,
    /// The body is in a method of the group that looks at failures itself. Set by the body.
    attending: AtomicBool,
    owner: Waiter,
    /// Of an owner that is no coroutine, which may be in std's `park`.
    thread: Option<Thread>,
}

struct State<T, E> {
    /// Children that have been spawned and not ended.
    running: usize,
    spawned: usize,
    limit: usize,
    keeps_going: bool,
    phase: Phase,
    /// How children have ended that nobody has asked for yet, with their numbers, in the order of their ends.
    ended: VecDeque<(usize, Result<T, E>)>,
    failure: Failure,
    /// The first panic, or the `Cancelled` of a child that somebody else has cancelled.
    payload: Option<Box<dyn Any + Send>>,
    /// The children have been cancelled, by the group.
    is_cancelled: bool,
    waiters: WaiterList,
}

/// What the body does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It runs, or waits for something else.
    Elsewhere,
    /// It is in `next` or `join_all`.
    Attending,
    /// It is in `first_ok`.
    Racing,
    /// It has returned or unwound.
    Over,
}

/// Whether the group has failed.
enum Failure {
    None,
    /// By a child's `Err`, which is in `ended`, or the panic.
    Pending(Arc<CancelCause>),
    /// The body has received the `Err`.
    Received,
}

impl<'scope, 'env, T, E> Group<'scope, 'env, T, E>
where
    T: Send + 'env,
    E: Send + 'env,
{
    /// Spawns a coroutine into the group, which may borrow what outlives it. If the group has been cancelled, `f` is
    /// dropped instead. With a [`limit`](Group::limit) it waits for a place; without it never waits.
    ///
    /// # Panics
    ///
    /// As [`spawn`](super::spawn()). Unwinds if the calling coroutine is cancelled while it waits, or the group has failed.
    #[track_caller]
    pub fn spawn<F>(&self, f: F)
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let site = Location::caller();
        let Some(number) = self.shared.take_place(site) else {
            drop(f);
            return;
        };
        let member = Member { f: Some(f), shared: self.shared.clone(), number, site };
        drop(self.scope.spawn_at(site, move || member.run()));
    }

    /// From now on at most `n` coroutines of the group run at once: [`spawn`](Group::spawn) waits until there is a
    /// place. [Never waits](crate#what-waits).
    ///
    /// Coroutines of the group that spawn others hold their own places meanwhile: if all of them wait for one, none gets
    /// it.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    #[track_caller]
    pub fn limit(&self, n: usize) -> &Self {
        assert!(n > 0, "a group with a limit of 0 coroutines could not run any: ask for 1 or more");
        let mut state = self.shared.state.lock();
        state.limit = n;
        let waiters = mem::take(&mut state.waiters);
        drop(state);
        waiters.wake_all();
        self
    }

    /// From now on an `Err`, or a panic, cancels nothing and cuts nothing off: all coroutines come to their ends. Then
    /// the group fails as ever, if there is an `Err` that its closure has not received, or a panic.
    /// [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let (done, failed) = mco::group(|g| {
    ///     g.keep_going();
    ///     for n in 0..10 {
    ///         g.spawn(move || if n == 3 { Err(n) } else { Ok(n) });
    ///     }
    ///     let mut ends = (0, 0);
    ///     while let Some(end) = g.next() {
    ///         if end.is_ok() { ends.0 += 1 } else { ends.1 += 1 }
    ///     }
    ///     Ok::<_, u32>(ends)
    /// })?;
    /// assert_eq!((done, failed), (9, 1));
    /// # Ok::<(), u32>(())
    /// ```
    pub fn keep_going(&self) -> &Self {
        let mut state = self.shared.state.lock();
        state.keeps_going = true;
        if !state.is_cancelled && state.phase != Phase::Over {
            state.failure = Failure::None;
            self.shared.signal.failed.store(false, Ordering::Relaxed);
        }
        drop(state);
        self
    }

    /// Waits until another coroutine has ended, and returns its result: in the order in which they end, each once. `None`:
    /// there is none left. [May wait](crate#what-waits).
    ///
    /// After an `Err` has been received here the group has failed, and the others are cancelled; those that were cut off
    /// by that have no result. Results are kept until they are received, here or by another method, or the group ends.
    ///
    /// # Panics
    ///
    /// With the panic of a coroutine, after all have ended; if the group [keeps going](Group::keep_going), its end does
    /// that. Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn next(&self) -> Option<Result<T, E>> {
        spend_budget();
        let wait = Wait::new(Reason::Group);
        let next = self.shared.attend(wait, Phase::Attending, |state| {
            if state.is_broken() {
                return (state.running == 0).then(|| Err(state.take_payload()));
            }
            match state.ended.pop_front() {
                Some((_, result)) => {
                    if result.is_err() {
                        state.receive();
                    }
                    Some(Ok(Some(result)))
                }
                None => (state.running == 0).then_some(Ok(None)),
            }
        });
        next.unwrap_or_else(|payload| pass_on(payload))
    }

    /// Waits until all coroutines have ended, and returns their results in the order in which they were spawned, but for
    /// those that were received before. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// The `Err` of the one that failed first; the others have been cancelled, unless the group
    /// [keeps going](Group::keep_going), and have ended.
    ///
    /// # Panics
    ///
    /// With the panic of a coroutine, after all have ended. Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn join_all(&self) -> Result<Vec<T>, E> {
        spend_budget();
        let wait = Wait::new(Reason::Group);
        let all = self.shared.attend(wait, Phase::Attending, |state| {
            if state.running > 0 {
                return None;
            }
            if let payload @ Some(_) = state.take_payload() {
                return Some(Err(payload));
            }
            let has_failed = state.ended.iter().any(|(_, result)| result.is_err());
            if has_failed {
                state.receive();
            }
            Some(Ok(mem::take(&mut state.ended)))
        });
        let mut all: Vec<_> = all.unwrap_or_else(|payload| pass_on(payload)).into();
        if let Some(first) = all.iter().position(|(_, result)| result.is_err()) {
            let failed = all.swap_remove(first).1.err().expect("it is the one that failed");
            discard_each(all);
            return Err(failed);
        }
        all.sort_by_key(|(number, _)| *number);
        Ok(all.into_iter().filter_map(|(_, result)| result.ok()).collect())
    }

    /// Waits for the first coroutine that succeeds, and cancels the others: a race. An `Err` fails nothing here.
    /// [May wait](crate#what-waits).
    ///
    /// If coroutines of the group may fail while its closure still waits elsewhere, for instance in
    /// [`spawn`](Group::spawn) for its turn by a [`limit`](Group::limit), have the group
    /// [`keep_going`](Group::keep_going) first.
    ///
    /// # Errors
    ///
    /// The last `Err`, if none succeeds.
    ///
    /// # Panics
    ///
    /// With the panic of a coroutine, after all have ended; if there is no coroutine that comes to a result. Unwinds if
    /// the calling coroutine is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let fastest = mco::group(|g| {
    ///     g.spawn(|| Err("refused"));
    ///     g.spawn(|| Ok(1));
    ///     g.spawn(|| loop { mco::coroutine::park() });
    ///     g.first_ok()
    /// });
    /// assert_eq!(fastest, Ok(1));
    /// ```
    #[track_caller]
    pub fn first_ok(&self) -> Result<T, E> {
        spend_budget();
        let site = Location::caller();
        // What has lost goes when nobody holds the lock any more.
        let mut lost = Discarded(Vec::new());
        let mut failed = Discarded(None);
        let winner = self.shared.attend(Wait::new(Reason::Group), Phase::Racing, |state| {
            if state.payload.is_some() {
                return (state.running == 0).then(|| Err(state.take_payload()));
            }
            while let Some((_, result)) = state.ended.pop_front() {
                match result {
                    Ok(value) => return Some(Ok(Some(value))),
                    Err(error) => lost.0.extend(failed.0.replace(error)),
                }
            }
            (state.running == 0).then_some(Ok(None))
        });
        let winner = winner.unwrap_or_else(|payload| pass_on(payload));
        let Some(value) = winner else {
            return Err(failed.0.take().unwrap_or_else(|| {
                panic!(
                    "the race at {site} has no result: the group had no coroutine, or all were cancelled before \
                     they had one"
                )
            }));
        };
        let mut value = Discarded(Some(value));
        let cause = cause_here(site, Some("another one of its group has succeeded".into()));
        self.shared.cancel(&cause);
        let wait = Wait::new_at(Reason::Group, site);
        let (ended, payload) = self.shared.attend(wait, Phase::Racing, |state| {
            (state.running == 0).then(|| (mem::take(&mut state.ended), state.take_payload()))
        });
        discard_each(ended);
        if payload.is_some() {
            pass_on(payload);
        }
        Ok(value.0.take().expect("it has won"))
    }

    /// Cancels the coroutines: those that there are, and those that are spawned later, which do not start. That is no
    /// failure: the group's closure goes on, and the group returns what that returns.
    /// [Never waits](crate#what-waits).
    #[track_caller]
    pub fn cancel(&self) {
        self.shared.cancel(&cause_here(Location::caller(), Some("its group was cancelled".into())));
    }

    /// How many coroutines have been spawned and have not ended. [Never waits](crate#what-waits).
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state.lock().running
    }

    /// Whether there is none that has not ended. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, E> fmt::Debug for Group<'_, '_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.shared.state.lock().running;
        f.debug_struct("Group").field("running", &running).finish_non_exhaustive()
    }
}

impl<T, E> State<T, E> {
    /// A panic, or a cancel from elsewhere, has ended the group.
    fn is_broken(&self) -> bool {
        self.payload.is_some() && !self.keeps_going
    }

    /// What the body is to unwind with, if a child has.
    fn take_payload(&mut self) -> Option<Box<dyn Any + Send>> {
        let payload = self.payload.take();
        if payload.is_some() {
            self.receive();
        }
        payload
    }

    /// The body gets what the failure is.
    fn receive(&mut self) {
        if matches!(self.failure, Failure::Pending(_)) {
            self.failure = Failure::Received;
        }
    }
}

impl<T, E> Shared<T, E> {
    fn new(scope: Arc<Data>) -> Shared<T, E> {
        let state = State {
            running: 0,
            spawned: 0,
            limit: usize::MAX,
            keeps_going: false,
            phase: Phase::Elsewhere,
            ended: VecDeque::new(),
            failure: Failure::None,
            payload: None,
            is_cancelled: false,
            waiters: WaiterList::new(),
        };
        let signal = Signal {
            failed: AtomicBool::new(false),
            attending: AtomicBool::new(false),
            owner: Waiter::current(),
            thread: current::running().is_none().then(thread::current),
        };
        let owner = LockOwner::current();
        Shared { state: Mutex::new(state), signal: Arc::new(signal), scope, owner }
    }

    /// Counts a child as spawned, when there is a place, and numbers it. `None`: the group is cancelled.
    fn take_place(&self, site: &'static Location<'static>) -> Option<usize> {
        let take = |state: &mut State<T, E>| {
            if state.is_cancelled {
                return Some(None);
            }
            let has_place = state.running < state.limit;
            has_place.then(|| {
                state.running += 1;
                state.spawned += 1;
                Some(state.spawned)
            })
        };
        // The lock is free when it waits.
        let at_once = take(&mut self.state.lock());
        at_once.unwrap_or_else(|| self.wait_until(Wait::new_at(Reason::Group, site), take))
    }

    /// Waits until `done` says something.
    fn wait_until<R>(&self, wait: Wait, mut done: impl FnMut(&mut State<T, E>) -> Option<R>) -> R {
        let entered = Entered { shared: self, waiter: Waiter::current() };
        let mut result = None;
        wait.at(self).wait_for(|| {
            let mut state = self.state.lock();
            result = done(&mut state);
            if result.is_some() {
                return true;
            }
            let replaced = state.waiters.add(entered.waiter.clone());
            drop(state);
            drop(replaced);
            false
        });
        result.expect("there is no deadline")
    }

    /// As `wait_until`, in a method that looks at failures. Has the children cancelled if there is one.
    fn attend<R>(
        &self,
        wait: Wait,
        phase: Phase,
        done: impl FnMut(&mut State<T, E>) -> Option<R>,
    ) -> R {
        if LockOwner::current() != self.owner {
            return self.wait_until(wait, done);
        }
        struct Attending<'a, T, E>(&'a Shared<T, E>);
        impl<T, E> Drop for Attending<'_, T, E> {
            fn drop(&mut self) {
                let mut state = self.0.state.lock();
                state.phase = Phase::Elsewhere;
                let is_pending = matches!(state.failure, Failure::Pending(_));
                // Under the lock, as all who store it.
                self.0.signal.failed.store(is_pending, Ordering::Relaxed);
                self.0.signal.attending.store(false, Ordering::Relaxed);
            }
        }
        self.signal.attending.store(true, Ordering::Relaxed);
        let _attending = Attending(self);
        let mut state = self.state.lock();
        state.phase = phase;
        if phase == Phase::Racing && state.payload.is_none() && !state.is_cancelled {
            state.failure = Failure::None;
        }
        let cause = match &state.failure {
            Failure::Pending(cause) => Some(cause.clone()),
            _ => None,
        };
        drop(state);
        if let Some(cause) = cause {
            self.cancel(&cause);
        }
        self.wait_until(wait, done)
    }

    /// By the group: cancels the children.
    fn cancel(&self, cause: &Arc<CancelCause>) {
        let mut state = self.state.lock();
        state.is_cancelled = true;
        let waiters = mem::take(&mut state.waiters);
        drop(state);
        self.scope.cancel_all(cause);
        waiters.wake_all();
    }

    /// A child has ended.
    fn end_child(&self, number: usize, end: End<T, E>, site: &'static Location<'static>) {
        let mut unwanted = None;
        let mut state = self.state.lock();
        state.running -= 1;
        let failed = match end {
            End::Returned(result) => {
                let failed = result.is_err() && state.phase != Phase::Racing;
                state.ended.push_back((number, result));
                failed.then_some("another one of its group has failed")
            }
            End::Unwound(payload) if payload.is::<Cancelled>() && state.is_cancelled => {
                unwanted = Some(payload);
                None
            }
            End::Unwound(payload) => {
                let text = match payload.is::<Cancelled>() {
                    true => "another one of its group was cancelled",
                    false => "another one of its group has panicked",
                };
                match state.payload {
                    None => state.payload = Some(payload),
                    Some(_) => unwanted = Some(payload),
                }
                Some(text)
            }
        };
        let is_first = matches!(state.failure, Failure::None) && !state.is_cancelled;
        let mut cause = None;
        if let Some(text) = failed.filter(|_| is_first && !state.keeps_going) {
            let new = cause_here(site, Some(text.into()));
            state.failure = Failure::Pending(new.clone());
            cause = Some(new);
        }
        let is_elsewhere = state.phase == Phase::Elsewhere;
        if cause.is_some() && is_elsewhere {
            self.signal.failed.store(true, Ordering::Relaxed);
        }
        let waiters = mem::take(&mut state.waiters);
        drop(state);
        match cause {
            None => {}
            Some(_) if is_elsewhere => self.signal.wake(),
            Some(cause) => self.cancel(&cause),
        }
        waiters.wake_all();
        discard(unwanted);
    }

    /// The body is over. Says why the children are to be cancelled, if they are.
    fn end_body<R>(
        &self,
        result: &thread::Result<Option<Result<R, E>>>,
        site: &'static Location<'static>,
    ) -> Option<Arc<CancelCause>> {
        let mut state = self.state.lock();
        state.phase = Phase::Over;
        let cause = match (&state.failure, result) {
            (_, Err(payload)) => Some(cause_of_unwinding(&**payload, site)),
            (Failure::Pending(cause), _) => Some(cause.clone()),
            (_, Ok(Some(Err(_)))) => {
                Some(cause_here(site, Some("the body of its group has failed".into())))
            }
            // It has received the failure, and the children are cancelled.
            (_, Ok(_)) => None,
        };
        if cause.is_some() {
            state.is_cancelled = true;
        }
        cause
    }

    /// What becomes of the call, when all have ended. `is_cut_off`: the caller was to unwind meanwhile.
    fn conclude<R>(
        &self,
        body: thread::Result<Option<Result<R, E>>>,
        is_cut_off: bool,
    ) -> Result<R, E> {
        let mut state = self.state.lock();
        let (payload, keeps_going) = (state.payload.take(), state.keeps_going);
        let failure = mem::replace(&mut state.failure, Failure::Received);
        let mut ended: Vec<_> = mem::take(&mut state.ended).into();
        drop(state);
        let is_failure = match (&body, &failure) {
            // It was there first.
            (_, Failure::Pending(_)) => true,
            (Ok(Some(Ok(_))), Failure::None) => keeps_going,
            _ => false,
        };
        let first = ended.iter().position(|(_, result)| result.is_err()).filter(|_| is_failure);
        let failed = first.and_then(|first| ended.remove(first).1.err());
        discard_each(ended);
        let value = match body {
            Err(payload_of_body) => {
                discard(payload);
                discard(failed);
                resume_unwind(payload_of_body)
            }
            Ok(value) => value,
        };
        if payload.is_some() {
            discard(value);
            discard(failed);
            pass_on(payload);
        }
        if is_cut_off && let Some(pending) = pending_unwind_here() {
            discard(value);
            discard(failed);
            pending.unwind();
        }
        match (failed, value) {
            (Some(error), value) => {
                discard(value);
                Err(error)
            }
            (None, Some(result)) => result,
            (None, None) => panic!(
                "the group has failed, and another coroutine than its owner has received the `Err`: call `next` in \
                 the group's own closure"
            ),
        }
    }
}

/// Removes a waiter from the list, whichever way its wait ends.
struct Entered<'a, T, E> {
    shared: &'a Shared<T, E>,
    waiter: Waiter,
}

impl<T, E> Drop for Entered<'_, T, E> {
    fn drop(&mut self) {
        // Dropped without the lock.
        let _removed = self.shared.state.lock().waiters.remove(&self.waiter);
    }
}

impl Signal {
    /// After `failed` has been set: has the body look.
    fn wake(&self) {
        self.owner.wake();
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Interrupt for Signal {
    fn is_due(&self) -> bool {
        self.failed.load(Ordering::Relaxed) && !self.attending.load(Ordering::Relaxed)
    }
}

/// How a child's closure has ended.
enum End<T, E> {
    Returned(Result<T, E>),
    Unwound(Box<dyn Any + Send>),
}

/// A closure of a group, from the spawn until nothing of it is left.
struct Member<F, T, E> {
    f: Option<F>,
    shared: Arc<Shared<T, E>>,
    number: usize,
    site: &'static Location<'static>,
}

impl<F: FnOnce() -> Result<T, E>, T, E> Member<F, T, E> {
    fn run(mut self) {
        let f = self.f.take().expect("a child runs once");
        let end = match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => End::Returned(result),
            Err(payload) => End::Unwound(payload),
        };
        self.shared.end_child(self.number, end, self.site);
    }
}

impl<F, T, E> Drop for Member<F, T, E> {
    fn drop(&mut self) {
        let Some(f) = self.f.take() else { return };
        // It never started.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(f)));
        let cause = || current::task().and_then(|task| task.cancel_cause());
        let payload = dropped.err().unwrap_or_else(|| before_start(cause()));
        self.shared.end_child(self.number, End::Unwound(payload), self.site);
    }
}

/// A value of the user's that nobody gets, unless it is taken: what its destructor does goes no further.
struct Discarded<V: Discard>(V);

impl<V: Discard> Drop for Discarded<V> {
    fn drop(&mut self) {
        self.0.discard();
    }
}

trait Discard {
    fn discard(&mut self);
}

impl<V> Discard for Option<V> {
    fn discard(&mut self) {
        discard(self.take());
    }
}

impl<V> Discard for Vec<V> {
    fn discard(&mut self) {
        discard_each(mem::take(self));
    }
}

/// Drops a value of the user's that nobody gets.
fn discard<V>(value: Option<V>) {
    if let Some(value) = value {
        run_user_code_here(|| drop(value));
    }
}

/// One by one: see `discard`.
fn discard_each<V>(values: impl IntoIterator<Item = V>) {
    values.into_iter().for_each(|value| discard(Some(value)));
}

/// Unwinds with what a child has unwound with: or, if that was a cancel, for the caller's own reason, if it has one.
fn pass_on(payload: Option<Box<dyn Any + Send>>) -> ! {
    let payload = payload.expect("a child has unwound");
    if payload.is::<Cancelled>() {
        check_here();
    }
    resume_unwind(payload)
}

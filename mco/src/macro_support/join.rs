//! What `join!` expands to calls: scoped coroutines of which none goes on when one has failed.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::coroutine::{Cancelled, Coroutine, Scope, ScopedJoinHandle, scope};
use crate::task;
use crate::task::cancel::{CancelCause, cause_here};

/// Runs `f`, which spawns the members, and returns when all of them have ended.
#[track_caller]
pub fn all<'env, R>(f: impl for<'scope> FnOnce(Joint<'scope, 'env>) -> R) -> R {
    scope(|scope| f(Joint { scope, spawned: Cell::new(0), group: Arc::default() }))
}

/// The members of one `join!`.
pub struct Joint<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    spawned: Cell<usize>,
    group: Arc<Mutex<Group>>,
}

#[derive(Default)]
struct Group {
    members: Vec<Coroutine>,
    /// The number of the member that panicked, or was cancelled from outside, before any other; and why the others are
    /// cancelled.
    first_to_fail: Option<(usize, Arc<CancelCause>)>,
}

impl<'scope> Joint<'scope, '_> {
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let number = self.spawned.replace(self.spawned.get() + 1);
        let guard = Guard { number, site: Location::caller(), group: Some(self.group.clone()) };
        let handle = self.scope.spawn(move || {
            let value = f();
            guard.disarm();
            value
        });
        let member = handle.coroutine().clone();
        let mut group = self.group.lock();
        let late = group.first_to_fail.as_ref().map(|(_, cause)| cause.clone());
        group.members.push(member.clone());
        drop(group);
        if let Some(cause) = late {
            member.cancel_for(&cause);
        }
        handle
    }

    /// Why a member has failed, if it has. If not its value is dropped, which nobody gets: whatever its destructor
    /// does, the panic of the first to fail is passed on.
    pub fn failure<T>(&self, result: std::thread::Result<T>) -> Option<Box<dyn Any + Send>> {
        result.map(|value| task::run_user_code_here(|| drop(value))).err()
    }

    /// Panics with what the first member to fail panicked with.
    ///
    /// # Panics
    ///
    /// Always.
    pub fn pass_on<const N: usize>(&self, mut payloads: [Option<Box<dyn Any + Send>>; N]) -> ! {
        let first = self.group.lock().first_to_fail.take();
        let payload = first.and_then(|(number, _)| payloads.get_mut(number)?.take());
        // One by one, and before: see `failure`.
        payloads.into_iter().flatten().for_each(|other| task::run_user_code_here(|| drop(other)));
        let payload = payload.expect("one that has failed says so");
        if payload.is::<Cancelled>() {
            // Maybe by the deadline that it has from the caller, who then is cut off as well.
            task::cancel::check_here();
        }
        task::cancel::resume_unwind(payload)
    }
}

impl fmt::Debug for Joint<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joint").field("spawned", &self.spawned).finish_non_exhaustive()
    }
}

/// Belongs to a member. If it is dropped armed, the member unwinds, or has never started.
struct Guard {
    number: usize,
    /// Where it was spawned.
    site: &'static Location<'static>,
    group: Option<Arc<Mutex<Group>>>,
}

impl Guard {
    fn disarm(mut self) {
        self.group = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(group) = self.group.take() else { return };
        let mut group = group.lock();
        if group.first_to_fail.is_some() {
            return;
        }
        let cause = cause_here(self.site, Some("another part of its `join!` has failed".into()));
        group.first_to_fail = Some((self.number, cause.clone()));
        // Not under the lock: a wake may do much. Those that are spawned later see for themselves.
        let members = group.members.clone();
        drop(group);
        members.iter().for_each(|member| member.cancel_for(&cause));
    }
}

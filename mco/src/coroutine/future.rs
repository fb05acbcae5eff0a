//! Waiting for the end of a coroutine in async code.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use super::JoinHandle;
use super::handle::assert_not_self;
use crate::task::{TaskWaiter, has_budget};
use crate::wait::Waiter;

/// The end of a coroutine as a future: what `.await` makes of a [`JoinHandle`].
///
/// It may be polled by anyone, in a coroutine or in a thread. Dropping it lets the coroutine go on alone.
///
/// # Examples
///
/// ```
/// let length = mco::block_on(async {
///     let text = mco::spawn(|| String::from("gopher"));
///     text.await.unwrap().len()
/// });
/// assert_eq!(length, 6);
/// ```
#[must_use = "a future does nothing unless it is polled"]
pub struct JoinFuture<T> {
    /// `None` when the result has been taken.
    handle: Option<JoinHandle<T>>,
}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = thread::Result<T>;
    type IntoFuture = JoinFuture<T>;

    /// Waits as [`join`](JoinHandle::join) does, and returns the same.
    ///
    /// # Examples
    ///
    /// ```
    /// let three = mco::coroutine::spawn(|| 3);
    /// let four = mco::coroutine::spawn(|| 4);
    /// let sum = mco::block_on(async { three.await.unwrap() + four.await.unwrap() });
    /// assert_eq!(sum, 7);
    /// ```
    fn into_future(self) -> JoinFuture<T> {
        JoinFuture { handle: Some(self) }
    }
}

impl<T> Future for JoinFuture<T> {
    type Output = thread::Result<T>;

    /// # Panics
    ///
    /// If it was ready before, or if the coroutine waits for itself.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<thread::Result<T>> {
        let place = &mut self.get_mut().handle;
        let handle = place.as_ref().expect("a `JoinFuture` is polled after it was ready");
        let task = handle.coroutine().task();
        assert_not_self(task);
        if !has_budget() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !task.is_finished() && task.add_joiner(Waiter::Task(TaskWaiter::new(context.waker()))) {
            return Poll::Pending;
        }
        let output = handle.take_output();
        *place = None;
        Poll::Ready(output)
    }
}

impl<T> Drop for JoinFuture<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            // Any task stands for the one that polled last.
            handle.coroutine().task().remove_joiner(&Waiter::Task(TaskWaiter::new(Waker::noop())));
        }
    }
}

impl<T> fmt::Debug for JoinFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinFuture").field("handle", &self.handle).finish()
    }
}

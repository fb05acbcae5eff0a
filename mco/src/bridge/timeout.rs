//! A limit for the time that a future takes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::sleep::Sleep;
use crate::clock::Timestamp;
use crate::std::time::Elapsed;

/// A future that is given up when it has not ended in `duration`, counted from this call.
///
/// The future is dropped with this one. It can be given up only where it is pending: one that blocks inside of a
/// poll is not interrupted; for that, [`std::time::timeout`](crate::std::time::timeout) stands inside of it.
///
/// # Errors
///
/// The output is [`Elapsed`] if the time was over first.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::Elapsed;
///
/// let answer = mco::block_on(async {
///     let slow = mco::spawn(mco::coroutine::park);
///     let result = mco::bridge::timeout(Duration::from_millis(5), slow).await;
///     assert_eq!(result.unwrap_err(), Elapsed);
///     mco::bridge::timeout(Duration::from_secs(60), async { 42 }).await
/// });
/// assert_eq!(answer, Ok(42));
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    let sleep = Sleep::until(Timestamp::after(duration));
    Timeout { future: future.into_future(), sleep }
}

pin_project! {
    /// What [`timeout`] returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mco::bridge::Timeout;
    ///
    /// let answer: Timeout<_> = mco::bridge::timeout(Duration::from_secs(60), async { 42 });
    /// assert_eq!(mco::block_on(answer), Ok(42));
    /// ```
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<F::Output, Elapsed>> {
        let this = self.project();
        // It comes first: what is done is done, however late.
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(context).map(|()| Err(Elapsed))
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").finish_non_exhaustive()
    }
}

//! [`::std::io`], and streams: results that come one after the other.
//!
//! What is std's here blocks its thread, as the standard streams do. Sockets are in [`mco::net`](crate::net), pipes and other
//! descriptors in `mco::io`.

#[doc(no_inline)]
pub use std::io::*;
pub use std::iter::Iterator as Stream;

use crate::std::sync::{Receiver, Sender, unbounded};

/// A [`Stream`] of results, which an iterator of them is.
///
/// # Examples
///
/// ```
/// use mco::std::io::TryStream;
///
/// fn sum(mut numbers: impl TryStream<Ok = u32, Error = String>) -> Result<u32, String> {
///     let mut sum = 0;
///     while let Some(number) = numbers.try_next() {
///         sum += number?;
///     }
///     Ok(sum)
/// }
///
/// assert_eq!(sum([Ok(1), Ok(2)].into_iter()), Ok(3));
/// assert!(sum([Ok(1), Err("no".to_owned())].into_iter()).is_err());
/// ```
pub trait TryStream: Stream {
    /// What comes.
    type Ok;

    /// Why nothing comes.
    type Error;

    /// The next one; `None`: there are no more. It may wait for it, if the iterator does.
    fn try_next(&mut self) -> Option<std::result::Result<Self::Ok, Self::Error>>;
}

impl<S, T, E> TryStream for S
where
    S: ?Sized + Stream<Item = std::result::Result<T, E>>,
{
    type Ok = T;
    type Error = E;

    #[track_caller]
    fn try_next(&mut self) -> Option<std::result::Result<T, E>> {
        self.next()
    }
}

/// What goes through the channel of a [`ChanStream`]; `None` ends the stream.
type Message<T, E> = Option<std::result::Result<T, E>>;

/// A stream of what is sent into a channel.
///
/// # Examples
///
/// ```
/// use mco::std::io::ChanStream;
///
/// let stream = ChanStream::new(|sender| {
///     // Sent here, it would all be in memory before the first one is received.
///     mco::spawn(move || (1..=3).for_each(|n| sender.send(Some(Ok(n))).unwrap_or_default()));
///     Ok::<_, String>(())
/// });
/// assert_eq!(stream.collect::<Result<Vec<_>, _>>(), Ok(vec![1, 2, 3]));
/// ```
#[derive(Debug)]
pub struct ChanStream<T, E> {
    /// `None` when the stream has ended.
    receiver: Option<Receiver<Message<T, E>>>,
}

impl<T, E> ChanStream<T, E> {
    /// The stream of what `f` sends, and whoever it has given the sender to. It ends when all senders are gone, or when
    /// one has sent `None`. The error of `f` is the last that comes.
    pub fn new<F>(f: F) -> ChanStream<T, E>
    where
        F: FnOnce(Sender<Message<T, E>>) -> std::result::Result<(), E>,
    {
        let (sender, receiver) = unbounded();
        if let Err(error) = f(sender.clone()) {
            // The receiver is here.
            let _ = sender.send(Some(Err(error)));
            let _ = sender.send(None);
        }
        ChanStream { receiver: Some(receiver) }
    }
}

/// Each waits for the next one.
impl<T, E> Iterator for ChanStream<T, E> {
    type Item = std::result::Result<T, E>;

    #[track_caller]
    fn next(&mut self) -> Option<std::result::Result<T, E>> {
        let received = self.receiver.as_ref()?.recv().ok().flatten();
        if received.is_none() {
            // Who still sends is told so.
            self.receiver = None;
        }
        received
    }
}

impl<T, E> std::iter::FusedIterator for ChanStream<T, E> {}

//! `chan!`, Go's `make(chan T, n)`.

/// Makes a channel: a pair of a [`Sender`](crate::std::sync::Sender) and a
/// [`Receiver`](crate::std::sync::Receiver).
///
/// ```
/// use mco::chan;
///
/// // Unbounded: sending never waits.
/// let (sender, receiver) = chan!();
/// sender.send("hello").unwrap();
/// assert_eq!(receiver.recv(), Ok("hello"));
///
/// // Bounded: sending waits while two values are in the channel. With 0 it waits for a receiver.
/// let (sender, receiver) = chan!(2);
/// sender.send(1).unwrap();
/// assert_eq!(receiver.recv(), Ok(1));
///
/// // The same with the type of the values, first bounded, then not.
/// let (sender, receiver) = chan!(Vec<u8>, 1);
/// sender.send(vec![1]).unwrap();
/// assert_eq!(receiver.recv(), Ok(vec![1]));
/// let (_sender, receiver) = chan!(i32);
/// assert!(receiver.try_recv().is_err());
/// ```
///
/// The capacity may be any expression. A name alone is taken for a type if it is one of the language's own (`i32`), or
/// is written as types are (`String`, `Job`); for a constant or a variable otherwise (`SIZE`, `N`, `size`). What that
/// gets wrong goes with both: `chan!(T, 4)`, or as `unbounded::<T>()`.
#[macro_export]
macro_rules! chan {
    ($($argument:tt)*) => {
        $crate::__chan!($crate::std::sync::channel, $($argument)*)
    };
}

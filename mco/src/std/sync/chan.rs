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
/// // The same with the type of the values.
/// let (sender, receiver) = chan!(Vec<u8>, 1);
/// sender.send(vec![1]).unwrap();
/// assert_eq!(receiver.recv(), Ok(vec![1]));
/// ```
///
/// The capacity may be any expression. One with a comma of its own that no brackets enclose, such as
/// `max::<u8, u8>(a, b)`, wants parentheses around it.
#[macro_export]
macro_rules! chan {
    () => {
        $crate::std::sync::channel::unbounded()
    };
    ($($argument:tt)+) => {
        $crate::__chan!([$($argument)+] $($argument)+)
    };
}

// Whether `Vec<u8>, 4` begins with an expression or a type cannot be tried: what begins like the one
// and goes on unlike it is an error at once. So the comma is looked for first.
#[doc(hidden)]
#[macro_export]
macro_rules! __chan {
    ([$(,)?] $capacity:expr $(,)?) => {
        $crate::std::sync::channel::bounded($capacity)
    };
    ([, $($rest:tt)+] $type:ty, $capacity:expr $(,)?) => {
        $crate::std::sync::channel::bounded::<$type>($capacity)
    };
    ([$first:tt $($rest:tt)*] $($all:tt)+) => {
        $crate::__chan!([$($rest)*] $($all)+)
    };
}

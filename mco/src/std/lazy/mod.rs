//! Values that are made when they are first needed.
//!
//! Those of [`sync`] may be shared: who needs a value that another one is making waits for it, as
//! a coroutine or as a thread. Those of [`unsync`] are for one thread, and cost less.

pub mod sync;

/// For one thread: the types of the crate `once_cell`.
///
/// Their initialisers may block. Nobody can wait for them, though: a coroutine of the same thread
/// that comes to the same value meanwhile, through an `Rc`, is treated as the initialiser's own call
/// would be. A [`Lazy`](unsync::Lazy) panics at the second one; a [`OnceCell`](unsync::OnceCell)
/// takes the value that is ready first, and panics at the other. If the initialiser is cancelled, a
/// `OnceCell` stays empty, and a `Lazy` is of no use any more.
///
/// ```
/// use mco::std::lazy::unsync::{Lazy, OnceCell};
///
/// let cell = OnceCell::new();
/// assert_eq!(cell.get_or_init(|| 1), &1);
/// assert_eq!(*Lazy::new(|| 2), 2);
/// ```
pub mod unsync {
    pub use once_cell::unsync::{Lazy, OnceCell};
}

//! Coroutine-local values: what `thread_local!` is to threads.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::current;

/// A value of which each coroutine has its own; declared with
/// [`coroutine_local!`](crate::coroutine_local).
///
/// Outside a coroutine it is the thread's. Coroutines of one worker share what `thread_local!`
/// declares, so state that belongs to one of them goes here. The value is made on first use and
/// dropped when its coroutine ends; it need not be `Send`, since a coroutine never changes its
/// thread.
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> LocalKey<T> {
        LocalKey { init }
    }

    /// Calls `f` with the value of the current coroutine, or of the thread outside one.
    ///
    /// # Panics
    ///
    /// In a thread, if called while the thread's local values are being destroyed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// mco::coroutine_local! {
    ///     static DEPTH: Cell<u32> = Cell::new(0);
    /// }
    ///
    /// DEPTH.with(|depth| depth.set(7));
    /// let other = mco::coroutine::spawn(|| DEPTH.with(Cell::get));
    /// assert_eq!(other.join().unwrap(), 0);
    /// assert_eq!(DEPTH.with(Cell::get), 7);
    /// ```
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let value = self.find().unwrap_or_else(|| {
            // Not under a borrow of the table: it may use other keys, and even suspend.
            let value = Rc::new((self.init)());
            with_table(|table| table.insert(self.id(), value.clone()));
            value
        });
        f(&value)
    }

    fn find(&'static self) -> Option<Rc<T>> {
        let value = with_table(|table| table.get(self.id()))?;
        Some(value.downcast().expect("a key has one type"))
    }

    /// A key is a static, so its address names it.
    fn id(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// Declares [`LocalKey`]s, in the form of `thread_local!`.
///
/// ```
/// use std::cell::RefCell;
///
/// mco::coroutine_local! {
///     /// Who asked.
///     pub static USER: RefCell<String> = RefCell::new(String::from("nobody"));
///     static RETRIES: u32 = 3
/// }
///
/// USER.with(|user| user.borrow_mut().push_str(", yet"));
/// assert_eq!(RETRIES.with(|n| *n), 3);
/// ```
#[macro_export]
macro_rules! coroutine_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr) => {
        $(#[$attr])*
        $vis static $name: $crate::LocalKey<$t> = {
            fn init() -> $t {
                $init
            }
            $crate::LocalKey::new(init)
        };
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr ; $($rest:tt)*) => {
        $crate::coroutine_local!($(#[$attr])* $vis static $name: $t = $init);
        $crate::coroutine_local!($($rest)*);
    };
}

/// The values of one coroutine or thread, by the address of their key. Few, so a list; mostly
/// none, so one word.
#[derive(Default)]
pub(super) struct Locals(Option<Box<List>>);

type List = Vec<(usize, Rc<dyn Any>)>;

impl Locals {
    fn get(&self, key: usize) -> Option<Rc<dyn Any>> {
        let mut list = self.0.iter().flat_map(|list| list.iter());
        list.find(|(k, _)| *k == key).map(|(_, value)| value.clone())
    }

    fn insert(&mut self, key: usize, value: Rc<dyn Any>) {
        self.0.get_or_insert_default().push((key, value));
    }

    /// Takes a value out, the youngest first.
    pub(super) fn pop(&mut self) -> Option<Rc<dyn Any>> {
        self.0.as_mut()?.pop().map(|(_, value)| value)
    }
}

fn with_table<R>(f: impl FnOnce(&mut Locals) -> R) -> R {
    thread_local! { static OF_THREAD: RefCell<Locals> = RefCell::default(); }
    match current::running() {
        Some(running) => running.with_owned(|owned| f(&mut owned.locals)),
        None => OF_THREAD.with_borrow_mut(f),
    }
}

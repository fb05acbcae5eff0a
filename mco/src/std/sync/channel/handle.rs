//! What the two kinds of handles consist of: a counted pointer to the channel that says, by its lowest
//! bit, of which end it is.
//!
//! To those who use it that makes no difference, since the offset is known to the compiler. It is for
//! dumps, which look for these words where handles may lie.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use super::shared::Channel;

pub(super) const SENDER: usize = 0;
pub(super) const RECEIVER: usize = 1;

/// An `Arc` of the channel. See the module.
pub(super) struct Handle<T, const END: usize> {
    /// From `Arc::into_raw`, plus `END` bytes.
    pointer: NonNull<u8>,
    _owns: PhantomData<Arc<Channel<T>>>,
}

// SAFETY: as an `Arc`, which it is.
unsafe impl<T, const END: usize> Send for Handle<T, END> where Arc<Channel<T>>: Send {}
// SAFETY: as above.
unsafe impl<T, const END: usize> Sync for Handle<T, END> where Arc<Channel<T>>: Sync {}

impl<T, const END: usize> Handle<T, END> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Handle<T, END> {
        const { assert!(END < align_of::<Channel<T>>()) };
        let pointer = Arc::into_raw(channel).cast::<u8>().wrapping_add(END).cast_mut();
        let pointer = NonNull::new(pointer).expect("it points into an allocation");
        Handle { pointer, _owns: PhantomData }
    }

    /// The word that it consists of.
    pub(super) fn word(&self) -> usize {
        self.pointer.addr().get()
    }

    #[inline]
    fn channel(&self) -> *const Channel<T> {
        // SAFETY: so much was added in `new`, within the allocation.
        unsafe { self.pointer.as_ptr().cast_const().sub(END) }.cast()
    }
}

impl<T, const END: usize> Deref for Handle<T, END> {
    type Target = Channel<T>;

    #[inline]
    fn deref(&self) -> &Channel<T> {
        // SAFETY: this reference keeps it alive.
        unsafe { &*self.channel() }
    }
}

impl<T, const END: usize> Clone for Handle<T, END> {
    fn clone(&self) -> Handle<T, END> {
        // SAFETY: from `Arc::into_raw`, and this reference keeps it alive.
        unsafe { Arc::increment_strong_count(self.channel()) }
        Handle { pointer: self.pointer, _owns: PhantomData }
    }
}

impl<T, const END: usize> Drop for Handle<T, END> {
    fn drop(&mut self) {
        // SAFETY: from `Arc::into_raw`, once for each handle.
        drop(unsafe { Arc::from_raw(self.channel()) });
    }
}

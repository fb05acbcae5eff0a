//! Where a read leaves its bytes.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;

/// Memory of somebody who reads, which need not be initialised, so that none is zeroed first.
pub(crate) struct Room<'a> {
    /// Bytes that are initialised stay so, whatever is written here: what it was made of may be a slice
    /// of them.
    bytes: &'a mut [MaybeUninit<u8>],
}

impl<'a> Room<'a> {
    #[cfg(feature = "futures-io")]
    pub(crate) fn of_bytes(bytes: &'a mut [u8]) -> Room<'a> {
        let bytes = std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>];
        // SAFETY: the same memory, for as long; nothing uninitialised is written to it.
        Room { bytes: unsafe { &mut *bytes } }
    }

    #[cfg(any(feature = "tokio-io", feature = "hyper"))]
    pub(crate) fn of_memory(bytes: &'a mut [MaybeUninit<u8>]) -> Room<'a> {
        Room { bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Copies as many of `bytes` as there is room for behind the first `at`, and returns how many.
    #[cfg(feature = "tls")]
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> usize {
        let to = &mut self.bytes[at..];
        let count = to.len().min(bytes.len());
        to[..count].write_copy_of_slice(&bytes[..count]);
        count
    }

    /// Has `read` write to it, which returns how many bytes. It may be called again if that failed.
    ///
    /// # Safety
    ///
    /// `read` must have initialised as many bytes, at the beginning, as it returns, and may write
    /// nothing uninitialised anywhere.
    pub(super) unsafe fn fill(
        &mut self,
        read: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = read(self.bytes)?;
        assert!(count <= self.bytes.len(), "{count} bytes were read into {}", self.bytes.len());
        Ok(count)
    }
}

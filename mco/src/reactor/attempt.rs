//! What one attempt at an operation says about the next one.
//!
//! A transfer that was shorter than asked for says that there is nothing more, or no more room: only then the
//! system reports when that changes, and only then what is remembered of the readiness may be cleared. But a
//! system call does not look at all that it is given: at a limited number of slices, and bytes. What it
//! leaves aside it was not asked for, so a transfer is compared with what the call has looked at.

/// What a successful attempt says about the next one.
pub(crate) enum Attempt<R> {
    /// It may succeed too.
    More(R),
    /// It did less than it was asked for, so the next one would block.
    Partial(R),
}

/// The most slices that a call surely looks at: what std passes on, or less.
const SLICES: usize =
    if cfg!(any(target_os = "linux", target_os = "android", target_vendor = "apple")) {
        1024
    } else {
        16
    };

/// The most bytes that a call surely looks at. Linux takes 2 GiB less a page, which has 64 KiB at most; std asks
/// others for no more than 2 GiB less a byte.
const BYTES: usize = (1 << 31) - (64 << 10);

/// How many bytes a system call was asked to move, of those that its caller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requested(usize);

impl Requested {
    /// By a call for so many bytes.
    #[inline]
    pub(crate) fn bytes(len: usize) -> Requested {
        Requested(len.min(BYTES))
    }

    /// By a call for slices of these lengths.
    pub(crate) fn slices(lens: impl Iterator<Item = usize>) -> Requested {
        Requested::bytes(lens.take(SLICES).fold(0, usize::saturating_add))
    }
}

impl Attempt<usize> {
    /// The outcome of moving `done` bytes through a stream.
    #[inline]
    pub(crate) fn of_bytes(done: usize, requested: Requested) -> Attempt<usize> {
        // On Windows a short transfer says nothing.
        if done > 0 && done < requested.0 && cfg!(unix) {
            Attempt::Partial(done)
        } else {
            Attempt::More(done)
        }
    }
}

/// Where the first slice begins that is not empty, in a list of slices of these lengths; `None`: all are empty.
/// A call must not be given more empty ones than it looks at, before the first that is not: it would move
/// nothing, which stands for the end.
pub(crate) fn first_nonempty(mut lens: impl Iterator<Item = usize>) -> Option<usize> {
    lens.position(|len| len > 0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn is_partial(done: usize, requested: Requested) -> bool {
        matches!(Attempt::of_bytes(done, requested), Attempt::Partial(_))
    }

    #[test]
    fn a_short_transfer_is_partial_and_a_full_one_is_not() {
        assert!(is_partial(1, Requested::bytes(2)));
        assert!(!is_partial(2, Requested::bytes(2)));
        // The end.
        assert!(!is_partial(0, Requested::bytes(2)));
        assert!(is_partial(3, Requested::slices([2, 0, 2].into_iter())));
        assert!(!is_partial(4, Requested::slices([2, 0, 2].into_iter())));
    }

    #[test]
    fn slices_beyond_the_limit_of_the_system_do_not_count() {
        let taken = 2 * SLICES;
        for count in [SLICES, SLICES + 1, 100 * SLICES] {
            let requested = Requested::slices(std::iter::repeat_n(2, count));
            assert!(!is_partial(taken, requested), "of {count}");
            assert!(is_partial(taken - 1, requested), "of {count}");
        }
    }

    /// With pages of 4, 16 and 64 KiB.
    #[test]
    fn bytes_beyond_the_limit_of_the_system_do_not_count() {
        const GIB: usize = 1 << 30;
        for page in [4 << 10, 16 << 10, 64 << 10] {
            let taken = 2 * GIB - page;
            for len in [taken, taken + 1, 2 * GIB - 1, 2 * GIB, 3 * GIB, isize::MAX as usize] {
                assert!(!is_partial(taken, Requested::bytes(len)), "of {len}");
                assert!(
                    !is_partial(taken, Requested::slices([GIB, len - GIB].into_iter())),
                    "of {len}"
                );
            }
            assert!(is_partial(GIB, Requested::bytes(taken)));
        }
        // Slices may overlap.
        assert!(!is_partial(2 * GIB, Requested::slices([usize::MAX, usize::MAX].into_iter())));
    }
}

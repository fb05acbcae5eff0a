//! Whether the caller's stack can be unwound from where it is, read off the stack itself.
//!
//! `std::thread::panicking` speaks of the thread. A coroutine may be suspended inside a destructor that
//! an unwinding runs, and then it is true for all its neighbours. So what is asked is not "does somebody
//! unwind" but the very question on which it depends whether an unwinding may begin here: would it
//! come to a frame that aborts the process instead of letting it pass?
//!
//! The compiler writes down for each call what an unwinding out of it does in that frame; the unwinder
//! looks it up in the frame's *exception table*. [`can_begin`] walks the frames as the unwinder would and
//! reads the same entries:
//!
//! | the call's entry | what it is | an unwinding out of it |
//! | --- | --- | --- |
//! | no landing pad, or one that cleans up | any code | passes |
//! | a landing pad that catches | `catch_unwind` | stops, and may be resumed by who caught it |
//! | a landing pad with a filter | a destructor that an unwinding runs; an `extern "C"` function | aborts |
//! | none | a call that the compiler has found never to unwind | aborts |
//!
//! (Not every `extern "C"` function has a filter: one with values to be dropped cleans up first, and aborts then. Who
//! waits below such a function must not be cancelled.)
//!
//! All frames down to the coroutine's first one count, not only those up to the first that catches:
//! who catches inside a destructor (a scope, a `timeout`) may resume the unwinding after. The exception is a
//! call of the last kind around one that catches: the compiler has proved that nothing gets out of
//! it, so what lies further out does not matter.
//!
//! Nothing is counted and nobody has to announce anything: neither a panic hook that was replaced nor
//! a payload that was kept, passed on or resumed makes a difference.
//!
//! The tables' form is that of the Itanium C++ ABI as `rustc` and C++ compilers write it (LSB 5.0,
//! chapter 8, and "Exception Handling ABI for the ARM 64-bit Architecture"). Elsewhere, on Windows and
//! 32-bit ARM, the answer is that an unwinding cannot begin while anybody on the thread unwinds.

#![allow(unsafe_code)]

/// Whether an unwinding that begins here passes every frame of this stack up to `base`, an address in
/// the frame of who has started what runs here, on the same stack. Takes some microseconds for ten frames.
///
/// Wherever `std::thread::panicking` is false it is spared: then nobody unwinds on this thread.
#[cold]
#[inline(never)]
pub(super) fn can_begin(base: usize) -> bool {
    frames::can_begin(base)
}

#[cfg(all(unix, not(target_arch = "arm"), not(miri)))]
mod frames {
    use std::ffi::{c_int, c_void};

    use super::table::{self, Entry};
    use crate::task::unwind::unwinder::{
        _Unwind_Backtrace, _Unwind_GetCFA, _Unwind_GetIPInfo, _Unwind_GetLanguageSpecificData,
        _Unwind_GetRegionStart, Context, END, GO_ON,
    };

    struct Walk {
        base: usize,
        /// A frame that catches has been passed.
        is_caught: bool,
        /// Known once the walk is over.
        can_begin: Option<bool>,
    }

    pub(super) fn can_begin(base: usize) -> bool {
        let mut walk = Walk { base, is_caught: false, can_begin: None };
        // SAFETY: `visit` is what is asked for, and `walk` is there until the call is over.
        unsafe { _Unwind_Backtrace(visit, (&raw mut walk).cast()) };
        // A walk that ends before the base has come to a frame that an unwinding does not pass either.
        walk.can_begin.unwrap_or(false)
    }

    extern "C" fn visit(context: *mut Context, walk: *mut c_void) -> c_int {
        // SAFETY: it is what `can_begin` has passed on, and nobody else uses it meanwhile.
        let walk = unsafe { &mut *walk.cast::<Walk>() };
        // SAFETY: the context is the unwinder's, for the call. Where the stack pointer was in this frame.
        if unsafe { _Unwind_GetCFA(context) } > walk.base {
            walk.can_begin = Some(true);
            return END;
        }
        let mut before = 0;
        // SAFETY: as above.
        let (ip, function, table) = unsafe {
            (
                _Unwind_GetIPInfo(context, &raw mut before),
                _Unwind_GetRegionStart(context),
                _Unwind_GetLanguageSpecificData(context),
            )
        };
        if table.is_null() {
            return GO_ON;
        }
        // Where the call would return to may be the next call's already.
        let call = if before == 0 { ip.wrapping_sub(1) } else { ip };
        // SAFETY: what the unwinder gives as a function's table is one.
        let outcome = match unsafe { table::entry_of(table, function, call) } {
            Some(Entry::Passes) => None,
            Some(Entry::Catches) => {
                walk.is_caught = true;
                None
            }
            Some(Entry::NeverUnwinds) => Some(walk.is_caught),
            Some(Entry::Aborts) | None => Some(false),
        };
        walk.can_begin = outcome;
        if outcome.is_some() { END } else { GO_ON }
    }
}

#[cfg(not(all(unix, not(target_arch = "arm"), not(miri))))]
mod frames {
    pub(super) fn can_begin(_base: usize) -> bool {
        !std::thread::panicking()
    }
}

/// Reading an exception table.
#[cfg(any(test, all(unix, not(target_arch = "arm"), not(miri))))]
mod table {
    /// What an unwinding out of a call does in the caller's frame.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Entry {
        Passes,
        Catches,
        Aborts,
        /// There is none: the compiler has found that the call does not unwind.
        NeverUnwinds,
    }

    /// How numbers are written.
    mod form {
        pub(super) const ULEB128: u8 = 0x01;
        pub(super) const UDATA2: u8 = 0x02;
        pub(super) const UDATA4: u8 = 0x03;
        pub(super) const UDATA8: u8 = 0x04;
        pub(super) const SLEB128: u8 = 0x09;
        pub(super) const SDATA2: u8 = 0x0a;
        pub(super) const SDATA4: u8 = 0x0b;
        pub(super) const SDATA8: u8 = 0x0c;
        pub(super) const OMITTED: u8 = 0xff;
    }

    /// The entry for the call at `call` in the function that begins at `function`. `None`: the table is in a
    /// form that is not known here.
    ///
    /// # Safety
    ///
    /// `table` must point to a function's exception table.
    pub(super) unsafe fn entry_of(table: *const u8, function: usize, call: usize) -> Option<Entry> {
        // SAFETY: what is read is laid out as the head of each part says, by the caller's promise.
        unsafe {
            let mut reader = Reader(table);
            // Where landing pads are counted from is of no interest: whether there is one is.
            if reader.u8() != form::OMITTED {
                return None;
            }
            if reader.u8() != form::OMITTED {
                // Where the types are.
                reader.uleb128();
            }
            let calls = reader.u8();
            let length = usize::try_from(reader.uleb128()).ok()?;
            let actions = reader.0.add(length);
            let call = u64::try_from(call.checked_sub(function)?).ok()?;
            while reader.0 < actions {
                let start = reader.number(calls)?;
                let size = reader.number(calls)?;
                let landing_pad = reader.number(calls)?;
                let action = usize::try_from(reader.uleb128()).ok()?;
                if call < start {
                    // They are sorted.
                    break;
                }
                if call >= start + size {
                    continue;
                }
                if landing_pad == 0 || action == 0 {
                    return Some(Entry::Passes);
                }
                return Some(outcome_of(actions.add(action - 1)));
            }
            Some(Entry::NeverUnwinds)
        }
    }

    /// What a chain of actions comes to, whose first record lies there.
    ///
    /// A frame into which others were inlined has one for each of them, the innermost first. If one of them has a
    /// filter, that one is a destructor that an unwinding runs, though another one inside it may catch.
    ///
    /// # Safety
    ///
    /// There must be one.
    unsafe fn outcome_of(first: *const u8) -> Entry {
        let mut outcome = Entry::Passes;
        let mut record = Reader(first);
        loop {
            // SAFETY: the caller's promise.
            let (index, here, next) = unsafe { (record.sleb128(), record.0, record.sleb128()) };
            match index {
                0 => {}
                1.. => outcome = Entry::Catches,
                _ => return Entry::Aborts,
            }
            let Ok(distance @ (1.. | ..=-1)) = isize::try_from(next) else { return outcome };
            // SAFETY: the next record lies so far from where the distance is written.
            record = Reader(unsafe { here.offset(distance) });
        }
    }

    /// Reads from there on.
    struct Reader(*const u8);

    /// # Safety
    ///
    /// Of each: what is read must be there.
    impl Reader {
        unsafe fn u8(&mut self) -> u8 {
            // SAFETY: the caller's promise.
            unsafe { u8::from_le_bytes(self.bytes()) }
        }

        unsafe fn bytes<const N: usize>(&mut self) -> [u8; N] {
            // SAFETY: the caller's promise; any address is aligned for bytes.
            unsafe {
                let bytes = self.0.cast::<[u8; N]>().read();
                self.0 = self.0.add(N);
                bytes
            }
        }

        unsafe fn uleb128(&mut self) -> u64 {
            // SAFETY: the caller's promise.
            unsafe { self.leb128().0 }
        }

        unsafe fn sleb128(&mut self) -> i64 {
            // SAFETY: the caller's promise.
            let (bits, count) = unsafe { self.leb128() };
            let unused = 64_u32.saturating_sub(count);
            // Extends the sign.
            (bits << unused).cast_signed() >> unused
        }

        /// The bits of a number, and how many they are.
        unsafe fn leb128(&mut self) -> (u64, u32) {
            let (mut bits, mut count) = (0, 0);
            loop {
                // SAFETY: the caller's promise.
                let byte = unsafe { self.u8() };
                if count < 64 {
                    bits |= u64::from(byte & 0x7f) << count;
                }
                count += 7;
                if byte & 0x80 == 0 {
                    return (bits, count);
                }
            }
        }

        /// A number of the table of calls. None of them is negative.
        unsafe fn number(&mut self, form: u8) -> Option<u64> {
            // SAFETY: the caller's promise.
            unsafe {
                match form {
                    form::ULEB128 => Some(self.uleb128()),
                    form::SLEB128 => u64::try_from(self.sleb128()).ok(),
                    form::UDATA2 | form::SDATA2 => Some(u16::from_ne_bytes(self.bytes()).into()),
                    form::UDATA4 | form::SDATA4 => Some(u32::from_ne_bytes(self.bytes()).into()),
                    form::UDATA8 | form::SDATA8 => Some(u64::from_ne_bytes(self.bytes())),
                    _ => None,
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn entry(table: &[u8], call: usize) -> Option<Entry> {
            // SAFETY: the tests' tables are whole.
            unsafe { entry_of(table.as_ptr(), 1000, 1000 + call) }
        }

        /// Calls at 16 to 19 pass, at 32 clean up, at 33 catch, at 34 abort, at 35 catch inside of what would
        /// abort, at 36 clean up inside of what catches; all else does not unwind.
        const CALLS: [u8; 24] =
            [16, 4, 0, 0, 32, 1, 90, 0, 33, 1, 91, 1, 34, 1, 92, 3, 35, 1, 93, 5, 36, 1, 94, 7];
        /// Records: an index, and the distance from there to the next record. One that catches, one with a
        /// filter, one that catches with the second behind it, one that cleans up with the first behind it.
        const ACTIONS: [u8; 8] = [1, 0, 0x7f, 0, 1, 0x7d, 0, 0x79];

        fn table(head: &[u8]) -> Vec<u8> {
            [head, &[form::ULEB128, CALLS.len() as u8], &CALLS, &ACTIONS].concat()
        }

        #[test]
        fn each_call_has_the_entry_that_was_written_for_it() {
            let table = table(&[form::OMITTED, form::OMITTED]);
            let expected = [
                (0, Entry::NeverUnwinds),
                (16, Entry::Passes),
                (19, Entry::Passes),
                (20, Entry::NeverUnwinds),
                (32, Entry::Passes),
                (33, Entry::Catches),
                (34, Entry::Aborts),
                (35, Entry::Aborts),
                (36, Entry::Catches),
                (37, Entry::NeverUnwinds),
            ];
            for (call, expected) in expected {
                assert_eq!(entry(&table, call), Some(expected), "at {call}");
            }
        }

        #[test]
        fn where_the_types_are_is_passed_over() {
            assert_eq!(entry(&table(&[form::OMITTED, 0x9b, 0x80, 0x01]), 33), Some(Entry::Catches));
        }

        #[test]
        fn fixed_sizes_are_read_too() {
            let mut table = vec![form::OMITTED, form::OMITTED, form::UDATA4, 13];
            for number in [300_u32, 5, 7] {
                table.extend(number.to_ne_bytes());
            }
            table.push(0);
            assert_eq!(entry(&table, 299), Some(Entry::NeverUnwinds));
            assert_eq!(entry(&table, 304), Some(Entry::Passes));
        }

        #[test]
        fn what_is_not_known_is_not_guessed() {
            assert_eq!(entry(&table(&[0x1b, form::OMITTED]), 33), None);
            assert_eq!(entry(&[form::OMITTED, form::OMITTED, 0x55, 4, 1, 1, 1, 1], 0), None);
        }

        #[test]
        fn signed_numbers_keep_their_sign() {
            let read = |bytes: &[u8]| {
                // SAFETY: the numbers are whole.
                unsafe { Reader(bytes.as_ptr()).sleb128() }
            };
            assert_eq!(read(&[0x7f]), -1);
            assert_eq!(read(&[0x3f]), 63);
            assert_eq!(read(&[0x80, 0x7f]), -128);
            assert_eq!(read(&[0xff, 0x00]), 127);
        }
    }
}

#[cfg(all(test, unix, not(target_arch = "arm"), not(miri)))]
mod tests {
    use std::hint::black_box;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    /// Asks when it is dropped.
    struct Asks<'a>(&'a mut Vec<bool>, usize);

    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            self.0.push(super::can_begin(self.1));
        }
    }

    /// What `f` finds on this stack.
    #[inline(never)]
    fn found(f: impl FnOnce(&mut Vec<bool>, usize)) -> Vec<bool> {
        let mut found = Vec::new();
        let base = (&raw const found).addr();
        f(&mut found, base);
        found
    }

    fn unwind() {
        resume_unwind(Box::new("quiet"))
    }

    #[test]
    fn in_ordinary_code_it_can_begin() {
        assert_eq!(found(|found, base| found.push(super::can_begin(base))), [true]);
    }

    #[test]
    fn in_a_destructor_at_the_end_of_a_block_it_can_begin() {
        assert_eq!(found(|found, base| drop(black_box(Asks(found, base)))), [true]);
    }

    #[test]
    fn in_a_destructor_that_an_unwinding_runs_it_cannot() {
        let found = found(|found, base| {
            let unwinds = || {
                let _asks = Asks(found, base);
                unwind();
            };
            catch_unwind(AssertUnwindSafe(unwinds)).unwrap_err();
        });
        assert_eq!(found, [false]);
    }

    #[test]
    fn nor_where_such_a_destructor_catches_what_it_calls() {
        struct Catches<'a>(&'a mut Vec<bool>, usize);
        impl Drop for Catches<'_> {
            fn drop(&mut self) {
                let asks = || self.0.push(super::can_begin(self.1));
                let _: Result<(), _> = catch_unwind(AssertUnwindSafe(asks));
            }
        }
        let found = found(|found, base| {
            let unwinds = || {
                let _catches = Catches(found, base);
                unwind();
            };
            catch_unwind(AssertUnwindSafe(unwinds)).unwrap_err();
        });
        assert_eq!(found, [false]);
    }

    #[test]
    fn once_it_was_caught_it_can_begin_again_though_the_payload_is_kept() {
        let mut payloads = Vec::new();
        let found = found(|found, base| {
            payloads.push(catch_unwind(unwind).unwrap_err());
            found.push(super::can_begin(base));
        });
        assert_eq!(found, [true]);
    }

    #[test]
    fn while_another_unwinding_waits_outside_of_the_base_it_can_begin() {
        struct Runs<'a>(&'a mut Vec<bool>);
        impl Drop for Runs<'_> {
            fn drop(&mut self) {
                assert!(std::thread::panicking());
                *self.0 = found(|found, base| found.push(super::can_begin(base)));
            }
        }
        let mut inner = Vec::new();
        let unwinds = || {
            let _runs = Runs(&mut inner);
            unwind();
        };
        catch_unwind(AssertUnwindSafe(unwinds)).unwrap_err();
        assert_eq!(inner, [true]);
    }

    #[test]
    fn under_a_function_of_c_it_cannot() {
        extern "C" fn callback(found: &mut Vec<bool>, base: usize) {
            found.push(super::can_begin(base));
        }
        let callback: extern "C" fn(&mut Vec<bool>, usize) = black_box(callback);
        assert_eq!(found(|found, base| callback(found, base)), [false]);
    }
}

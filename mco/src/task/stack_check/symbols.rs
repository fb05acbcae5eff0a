//! Where the initialisers of `thread_local!` lie, by the table of symbols in the program's file.

#![allow(unsafe_code)]

use super::used::used;
use crate::fiber::Bounds;

/// What walking a stack takes of it, with a good margin. With less left it is let be.
const ROOM: usize = 9 * 1024;

/// Frames further out than this are not looked at.
const MAX_FRAMES: usize = 512;

/// Reads the table, unless that has been done.
pub(super) fn read() {
    elf::initialisers();
}

/// Whether one of std's functions that call such an initialiser is on this stack.
pub(super) fn has_initialiser(bounds: Bounds) -> bool {
    let has_room = used(bounds).is_some_and(|used| used.start - bounds.bottom >= ROOM);
    let ranges = elf::initialisers();
    if !has_room || ranges.is_empty() {
        return false;
    }
    let (mut found, mut left) = (false, MAX_FRAMES);
    elf::walk(bounds, |call| {
        found = ranges[..ranges.partition_point(|range| range.start <= call)]
            .last()
            .is_some_and(|range| range.contains(&call));
        left -= 1;
        !found && left > 0
    });
    found
}

#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    target_pointer_width = "64",
    not(miri)
))]
mod elf {
    use std::ffi::{c_int, c_void};
    use std::fs::File;
    use std::io;
    use std::ops::Range;
    use std::os::unix::fs::FileExt;
    use std::sync::OnceLock;

    use crate::fiber::Bounds;
    use crate::task::unwind::unwinder::{
        _Unwind_Backtrace, _Unwind_GetCFA, _Unwind_GetIPInfo, Context, END, GO_ON,
    };

    /// Calls `visit`, which does not panic, with an address in each call on this stack, which lies in `bounds`, the
    /// innermost first, until it says `false`. Further out there may be the worker's frames.
    pub(super) fn walk<F: FnMut(usize) -> bool>(bounds: Bounds, visit: F) {
        extern "C" fn step<F: FnMut(usize) -> bool>(
            context: *mut Context,
            visit: *mut c_void,
        ) -> c_int {
            let mut before = 0;
            // SAFETY: it is the closure below, which nobody else uses meanwhile, and the unwinder's own context.
            let ((bounds, visit), ip, frame) = unsafe {
                let ip = _Unwind_GetIPInfo(context, &raw mut before);
                (&mut *visit.cast::<(Bounds, F)>(), ip, _Unwind_GetCFA(context))
            };
            // Where the call would return to may be behind the end of its function.
            let call = if before == 0 { ip.wrapping_sub(1) } else { ip };
            if bounds.contains(frame) && visit(call) { GO_ON } else { END }
        }
        let mut visit = (bounds, visit);
        // SAFETY: the walk is over when it returns, and the closure lives that long.
        unsafe {
            _Unwind_Backtrace(step::<F>, (&raw mut visit).cast());
        }
    }

    /// Where they lie in memory, in order; empty if that cannot be told.
    pub(super) fn initialisers() -> &'static [Range<usize>] {
        static RANGES: OnceLock<Vec<Range<usize>>> = OnceLock::new();
        RANGES.get_or_init(|| {
            // A file that cannot be read or makes no sense is no reason to fail.
            let mut ranges = read().ok().flatten().unwrap_or_default();
            ranges.sort_unstable_by_key(|range| range.start);
            ranges
        })
    }

    /// Marks, among these names, the beginning of each that is one of std's functions that call an initialiser of
    /// a user's: `get_or_init_slow` in a module `thread_local`, however the name is mangled.
    ///
    /// There are many names, and this crate may not be optimised: so the C library looks through them.
    fn mark(names: &mut [u8]) {
        const FUNCTION: &[u8] = b"16get_or_init_slow";
        let mut from = 0;
        while let Some(at) = find(&names[from..], FUNCTION) {
            let at = from + at;
            let start = names[..at].iter().rposition(|byte| *byte == 0).map_or(0, |end| end + 1);
            if find(&names[start..at], b"12thread_local").is_some() {
                names[start] = MARK;
            }
            from = at + FUNCTION.len();
        }
    }

    /// No name begins with it.
    const MARK: u8 = 0xff;

    fn find(text: &[u8], part: &[u8]) -> Option<usize> {
        let (start, len) = (text.as_ptr(), text.len());
        // SAFETY: both are memory of their lengths.
        let found = unsafe { libc::memmem(start.cast(), len, part.as_ptr().cast(), part.len()) };
        (!found.is_null()).then(|| found.addr() - start.addr())
    }

    /// A part of the file.
    fn part(file: &File, at: u64, len: u64) -> io::Result<Vec<u8>> {
        if at.checked_add(len).is_none_or(|end| file.metadata().is_ok_and(|file| end > file.len()))
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
        Some(u64::from_le_bytes(wide))
    }

    /// Reads them from the file of the program, whose format `man 5 elf` describes.
    fn read() -> io::Result<Option<Vec<Range<usize>>>> {
        const SECTION: usize = 64;
        const SYMTAB: u64 = 2;
        let file = File::open("/proc/self/exe")?;
        let header = part(&file, 0, 64)?;
        // 64 bits, least significant byte first.
        if !header.starts_with(b"\x7fELF\x02\x01") || cfg!(target_endian = "big") {
            return Ok(None);
        }
        let fields = (number::<8>(&header, 24), number::<8>(&header, 40), number::<2>(&header, 60));
        let (Some(entry), Some(sections_at), Some(sections)) = fields else { return Ok(None) };
        let sections = part(&file, sections_at, sections * SECTION as u64)?;
        let section = |index: usize| {
            let at = index.checked_mul(SECTION)?;
            let field = |offset| number::<8>(&sections, at + offset);
            let kind = number::<4>(&sections, at + 4)?;
            Some((kind, field(24)?, field(32)?, number::<4>(&sections, at + 40)?))
        };
        let symtab = (0..).map_while(section).find(|(kind, ..)| *kind == SYMTAB);
        let Some((_, at, len, names)) = symtab else { return Ok(None) };
        let Some((_, names_at, names_len, _)) = section(names as usize) else { return Ok(None) };
        let (symbols, mut names) = (part(&file, at, len)?, part(&file, names_at, names_len)?);
        mark(&mut names);
        // SAFETY: it only reads what the kernel has told the process.
        let loaded_entry = unsafe { libc::getauxval(libc::AT_ENTRY) };
        let moved = loaded_entry.wrapping_sub(entry) as usize;
        Ok(Some(ranges(&symbols, &names, moved)))
    }

    /// The memory of the functions among these symbols whose names are marked, for a program that was loaded so
    /// far from where its file says.
    fn ranges(symbols: &[u8], names: &[u8], moved: usize) -> Vec<Range<usize>> {
        const SYMBOL: usize = 24;
        const FUNCTION: u8 = 2;
        let (symbols, _) = symbols.as_chunks::<SYMBOL>();
        let mut ranges = Vec::new();
        for symbol in symbols {
            let name = u32::from_le_bytes([symbol[0], symbol[1], symbol[2], symbol[3]]) as usize;
            if names.get(name) == Some(&MARK)
                && symbol[4] & 0xf == FUNCTION
                && let (Some(start), Some(len)) = (number::<8>(symbol, 8), number::<8>(symbol, 16))
            {
                let start = (start as usize).wrapping_add(moved);
                ranges.push(start..start.wrapping_add(len as usize));
            }
        }
        ranges
    }
}

#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    target_pointer_width = "64",
    not(miri)
)))]
mod elf {
    /// It is not told.
    pub(super) fn initialisers() -> &'static [std::ops::Range<usize>] {
        &[]
    }

    /// Nothing is looked for.
    pub(super) fn walk(_bounds: super::Bounds, _visit: impl FnMut(usize) -> bool) {}
}

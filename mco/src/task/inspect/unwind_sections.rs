//! What the program and its libraries say of their frames, for a walk over a stack: the sections `.eh_frame_hdr` and
//! `.eh_frame`, copied out of memory, since a library may be unloaded at any time.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ops::Range;
use std::slice;

use framehop::{ExplicitModuleSectionInfo, Module};

/// The modules in which any of the addresses lies.
pub(super) fn of(addresses: &mut dyn Iterator<Item = u64>) -> Vec<Module<Vec<u8>>> {
    let mut search = Search { addresses: addresses.collect(), found: Vec::new() };
    search.addresses.sort_unstable();
    // SAFETY: `visit` gets the pointer that is passed here, and expects what it is.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

struct Search {
    /// In order.
    addresses: Vec<u64>,
    found: Vec<Module<Vec<u8>>>,
}

/// Called for each module, which is not unloaded meanwhile.
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, search: *mut c_void) -> i32 {
    // SAFETY: the callers' promise: `dl_iterate_phdr` passes a description, and `of` a `Search`.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    // SAFETY: so many headers are there.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    // SAFETY: `dl_iterate_phdr` describes a module that is loaded.
    if let Some(module) = unsafe { module(info.dlpi_addr, headers, &search.addresses) } {
        search.found.push(module);
    }
    0
}

/// # Safety
///
/// The headers must be those of a module that is loaded at `base`.
unsafe fn module(
    base: u64,
    headers: &[libc::Elf64_Phdr],
    addresses: &[u64],
) -> Option<Module<Vec<u8>>> {
    let range = |header: &libc::Elf64_Phdr| header.p_vaddr..header.p_vaddr + header.p_memsz;
    let loaded = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let all = loaded().map(range).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))?;
    let all = base + all.start..base + all.end;
    let first = addresses.partition_point(|address| *address < all.start);
    addresses.get(first).filter(|address| all.contains(address))?;
    let index = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME).map(range)?;
    // SAFETY: the section lies in a segment that is loaded.
    let index_data = unsafe { copy(base, &index) };
    let frames_at = frames_address(&index_data, index.start)?;
    // Where it ends is not said; a walk looks at what the index names.
    let end = loaded().map(range).find(|range| range.contains(&frames_at))?.end;
    let frames = frames_at..end;
    // SAFETY: as above.
    let frames_data = unsafe { copy(base, &frames) };
    let sections = ExplicitModuleSectionInfo {
        eh_frame_hdr_svma: Some(index),
        eh_frame_hdr: Some(index_data),
        eh_frame_svma: Some(frames),
        eh_frame: Some(frames_data),
        ..ExplicitModuleSectionInfo::default()
    };
    Some(Module::new(String::new(), all, base, sections))
}

/// # Safety
///
/// The memory must be readable and constant during the call.
unsafe fn copy(base: u64, range: &Range<u64>) -> Vec<u8> {
    let start = std::ptr::with_exposed_provenance::<u8>((base + range.start) as usize);
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(start, (range.end - range.start) as usize) }.to_vec()
}

/// Where `.eh_frame` is, by the index at that address, if that says it as linkers do: relative to itself.
fn frames_address(index: &[u8], at: u64) -> Option<u64> {
    const VERSION: u8 = 1;
    const RELATIVE_I32: u8 = 0x1b;
    let [VERSION, RELATIVE_I32, _, _, offset @ ..] = index.get(..8)? else { return None };
    let offset = i32::from_ne_bytes(offset.try_into().ok()?);
    at.checked_add(4)?.checked_add_signed(offset.into())
}

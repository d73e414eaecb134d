//! A component's memory: it only ever grows, because it lives for one call.
//!
//! The host makes a fresh instance for each decision and throws its memory away, so giving memory back
//! buys nothing. What costs is asking the engine for more: the general allocator grows the memory at its
//! first use, in every decision. This one hands out what lies behind the program's own data first, where
//! an ordinary decision fits.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::ptr::{addr_of, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const PAGE: usize = 65_536;

unsafe extern "C" {
    /// Where the linker's own data and the stack end.
    static __heap_base: u8;
}

struct OneCall {
    /// The first free address; 0 before the first allocation. Atomic only to be a `static`: a component
    /// has one thread.
    free: AtomicUsize,
}

#[global_allocator]
static MEMORY: OneCall = OneCall {
    free: AtomicUsize::new(0),
};

impl OneCall {
    /// Makes everything below `end` usable.
    fn reach(&self, end: usize) -> bool {
        let pages = wasm32::memory_size(0);
        let wanted = end.div_ceil(PAGE);
        wanted <= pages || wasm32::memory_grow(0, wanted - pages) != usize::MAX
    }
}

// SAFETY: `alloc` hands out each address once, aligned and within the memory; `dealloc` takes back only
// the latest allocation, and `realloc` moves or extends as the default one would.
unsafe impl GlobalAlloc for OneCall {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let free = match self.free.load(Relaxed) {
            0 => addr_of!(__heap_base) as usize,
            free => free,
        };
        let Some(start) = free.checked_next_multiple_of(layout.align()) else {
            return null_mut();
        };
        match start.checked_add(layout.size()) {
            Some(end) if self.reach(end) => {
                self.free.store(end, Relaxed);
                start as *mut u8
            }
            _ => null_mut(),
        }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // Only the latest allocation can be taken back: enough for a text that is built up and dropped.
        if start as usize + layout.size() == self.free.load(Relaxed) {
            self.free.store(start as usize, Relaxed);
        }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_latest = start as usize + layout.size() == self.free.load(Relaxed);
        match (start as usize).checked_add(size) {
            Some(end) if is_latest && self.reach(end) => {
                self.free.store(end, Relaxed);
                start
            }
            _ => {
                // SAFETY: the caller's size is nonzero and fits the alignment, by this function's contract.
                let moved = unsafe {
                    self.alloc(Layout::from_size_align_unchecked(size, layout.align()))
                };
                if !moved.is_null() {
                    // SAFETY: both blocks are ours, differ, and are at least this long.
                    unsafe { moved.copy_from_nonoverlapping(start, layout.size().min(size)) };
                }
                moved
            }
        }
    }
}

//! A policy allocates from an arena that exists from the start, and then from the system's
//! allocator.
//!
//! Every decision runs in a fresh sandbox, whose memory is thrown away afterwards. So freeing gains
//! little. The cost is to ask the host for more memory: each `memory.grow` changes page tables,
//! twice per call, and Rust's own allocator on this target begins with one. The arena is part of
//! the memory that a component declares. It costs nothing until it is written, and it is used in
//! one direction. An allocation that does not fit goes to the system's allocator, which frees and
//! grows as usual: a policy with long loops runs slower, but does not run out of memory early.

#![allow(
    unsafe_code,
    reason = "a global allocator is an unsafe trait; this one gives out disjoint parts of one static"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Enough for an input of a hundred instances, and for what the standard policies allocate for it.
const ARENA_BYTES: usize = 128 * 1024;

/// The allocator of every component that is built on this crate.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: PolicyMemory = PolicyMemory::new();

struct PolicyMemory {
    arena: Arena,
    used: AtomicUsize,
}

#[repr(align(16))]
struct Arena(UnsafeCell<[u8; ARENA_BYTES]>);

// SAFETY: the bytes are reached only through pointers from `PolicyMemory`, which gives every byte
// to at most one allocation at a time.
unsafe impl Sync for Arena {}

impl PolicyMemory {
    const fn new() -> Self {
        Self {
            arena: Arena(UnsafeCell::new([0; ARENA_BYTES])),
            used: AtomicUsize::new(0),
        }
    }

    fn start(&self) -> *mut u8 {
        self.arena.0.get().cast()
    }

    /// The pointer's offset in the arena; `None` for memory of the system.
    fn offset(&self, pointer: *mut u8) -> Option<usize> {
        let offset = pointer.addr().checked_sub(self.start().addr())?;
        (offset < ARENA_BYTES).then_some(offset)
    }

    /// Makes the part at `offset` the last one in use, if it fits and `used` is still right.
    fn take(&self, used: usize, offset: usize, size: usize) -> bool {
        offset
            .checked_add(size)
            .filter(|end| *end <= ARENA_BYTES)
            .is_some_and(|end| {
                self.used
                    .compare_exchange(used, end, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            })
    }
}

// SAFETY: a part of the arena begins at or after the end of every part in use, is aligned as asked
// and lies inside the static. The system's allocator serves the rest, and gets its own pointers
// only.
unsafe impl GlobalAlloc for PolicyMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = self.used.load(Ordering::Relaxed);
        let start = self.start();
        let gap = start.wrapping_add(used).align_offset(layout.align());
        match used.checked_add(gap) {
            Some(offset) if self.take(used, offset, layout.size()) => start.wrapping_add(offset),
            // SAFETY: the caller's promises are passed on.
            _ => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match self.offset(pointer) {
            // Only the last part in use can be taken back.
            Some(offset) => {
                self.take(offset + layout.size(), offset, 0);
            }
            // SAFETY: a pointer outside the arena is from the system.
            None => unsafe { System.dealloc(pointer, layout) },
        }
    }

    /// Text and lists grow in place if they are the last part in use.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(pointer) else {
            // SAFETY: a pointer outside the arena is from the system.
            return unsafe { System.realloc(pointer, layout, size) };
        };
        if self.take(offset + layout.size(), offset, size) {
            return pointer;
        }
        // SAFETY: both parts are in use by this caller alone, and the copied bytes are in both.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(pointer, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// Allocates and fills with `byte`.
    fn filled(memory: &PolicyMemory, size: usize, align: usize, byte: u8) -> *mut u8 {
        // SAFETY: the size is not zero, and as many bytes are written.
        unsafe {
            let pointer = memory.alloc(layout(size, align));
            assert!(!pointer.is_null());
            assert_eq!(pointer.addr() % align, 0, "alignment {align}");
            pointer.write_bytes(byte, size);
            pointer
        }
    }

    fn bytes<'a>(pointer: *mut u8, size: usize) -> &'a [u8] {
        // SAFETY: `filled` has written these bytes, and they are not freed yet.
        unsafe { std::slice::from_raw_parts(pointer, size) }
    }

    #[test]
    fn parts_are_aligned_and_do_not_overlap() {
        let memory = PolicyMemory::new();
        let parts: Vec<_> = [(3, 1), (8, 8), (1, 1), (64, 32), (5, 2)]
            .into_iter()
            .zip(1u8..)
            .map(|((size, align), byte)| (filled(&memory, size, align, byte), size, byte))
            .collect();
        for (pointer, size, byte) in parts {
            assert!(memory.offset(pointer).is_some());
            assert!(bytes(pointer, size).iter().all(|found| *found == byte));
        }
    }

    #[test]
    fn the_last_part_grows_where_it_is_and_is_taken_back() {
        let memory = PolicyMemory::new();
        let pointer = filled(&memory, 10, 1, 7);
        // SAFETY: `pointer` was allocated with these layouts.
        unsafe {
            assert_eq!(memory.realloc(pointer, layout(10, 1), 1000), pointer);
            memory.dealloc(pointer, layout(1000, 1));
        }
        assert_eq!(filled(&memory, 5, 1, 8), pointer);
    }

    #[test]
    fn an_earlier_part_moves_with_its_bytes_when_it_grows() {
        let memory = PolicyMemory::new();
        let first = filled(&memory, 10, 1, 7);
        let second = filled(&memory, 10, 1, 8);
        // SAFETY: `first` was allocated with this layout.
        let moved = unsafe { memory.realloc(first, layout(10, 1), 20) };
        assert!(moved > second);
        assert!(bytes(moved, 10).iter().all(|found| *found == 7));
        assert!(bytes(second, 10).iter().all(|found| *found == 8));
    }

    #[test]
    fn an_allocation_that_does_not_fit_is_the_system_s() {
        let memory = PolicyMemory::new();
        let small = filled(&memory, 100, 1, 1);
        let large = filled(&memory, ARENA_BYTES, 8, 2);
        assert_eq!(memory.offset(large), None);
        // SAFETY: `large` and then `larger` were allocated with these layouts.
        unsafe {
            let larger = memory.realloc(large, layout(ARENA_BYTES, 8), 2 * ARENA_BYTES);
            assert!(bytes(larger, ARENA_BYTES).iter().all(|found| *found == 2));
            memory.dealloc(larger, layout(2 * ARENA_BYTES, 8));
        }
        // A part of the arena that outgrows it moves out.
        // SAFETY: `small` was allocated with this layout.
        let moved = unsafe { memory.realloc(small, layout(100, 1), ARENA_BYTES + 1) };
        assert_eq!(memory.offset(moved), None);
        assert!(bytes(moved, 100).iter().all(|found| *found == 1));
        // SAFETY: `moved` was allocated with this layout.
        unsafe { memory.dealloc(moved, layout(ARENA_BYTES + 1, 1)) };
    }
}

//! Reads the input as a journal's file, as `reeve journal` does and as a host does that starts.
//!
//! Must hold: no panic, an entry is one harmless line for people, and what is written of an entry is
//! read as the same entry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve::fuzzing;
use reeve_core::journal::Entry;
use reeve_core::text::{escaped, is_unsafe, to_json};

fuzz_target!(|bytes: &[u8]| {
    for (entry, line) in fuzzing::journal(bytes) {
        assert!(!escaped(&line).contains(is_unsafe), "{line:?}");
        let written = to_json(&entry).expect("an entry has a JSON form");
        let read: Entry = serde_json::from_str(&written).expect("a written entry can be read");
        assert_eq!(read, entry);
    }
});

//! Reads the input as the body of every request that has one, as a `?wait=` and as a token.
//!
//! Must hold: no panic, and a refusal is short and has no effect on a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve::fuzzing;
use reeve_fuzz::assert_harmless;

fuzz_target!(|bytes: &[u8]| {
    for refusal in fuzzing::bodies(bytes) {
        assert_harmless(refusal.trim_end());
    }
});

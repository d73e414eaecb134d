//! Reads the input as a configuration file.
//!
//! Must hold: no panic, and a file that is refused has a finding for a person to read.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use reeve::config::Config;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = Config::parse(Path::new("/etc/reeve.toml"), &text) {
        assert!(!error.to_string().is_empty());
    }
});

//! Doors for the fuzz targets of `fuzz/`, which read bytes as the host does. No part of the interface.

use reeve_core::journal::Entry;

use crate::journal::{history, recovered_from};
use crate::{api, cli};

/// The entries of a journal with these bytes, each with its line in `reeve journal`, read once more as
/// a host reads it that starts.
pub fn journal(bytes: &[u8]) -> Vec<(Entry, String)> {
    let mut entries = Vec::new();
    let mut show = |entry: Entry| {
        let line = cli::journal_line(&entry);
        entries.push((entry, line));
    };
    // Bytes in memory can be read, so neither reader fails.
    let _ = history::each_of(bytes, &mut show);
    let _ = recovered_from(bytes);
    entries
}

/// The refusals of a body of these bytes.
pub fn bodies(bytes: &[u8]) -> Vec<String> {
    api::refusals::of(bytes)
}

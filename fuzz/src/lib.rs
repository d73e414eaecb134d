//! What the fuzz targets share.

pub mod sections;

use reeve_core::text::is_unsafe;

/// Panics if a text for an operator has an effect on a terminal, or is longer than the host's own words
/// and a few foreign texts are.
///
/// # Panics
/// This is how a target reports a finding.
pub fn assert_harmless(text: &str) {
    const BYTES_MAX: usize = 2048;
    assert!(text.len() <= BYTES_MAX, "{} bytes: {text:?}", text.len());
    assert!(!text.contains(is_unsafe), "{text:?}");
}

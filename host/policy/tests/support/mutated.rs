//! Components with random changes, the same for the same seed.

use std::fs;
use std::path::Path;

#[path = "../../../../fuzz/src/sections.rs"]
mod sections;

/// The number in this variable.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().expect("a number"))
}

/// The components of a directory, in the order of their names.
pub fn components(directory: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    });
    paths.sort();
    let read = |path| fs::read(path).expect("a component");
    paths.iter().map(read).collect()
}

/// The component with one to three changes, most of them within a section.
pub fn mutated(component: &[u8], seed: u64) -> Vec<u8> {
    let mut bytes = component.to_vec();
    for change in 0..=seed % 3 {
        let seed = u32::try_from(seed * 3 + change).expect("small");
        let flip = |buffer: &mut [u8], size: usize, _: usize| {
            if let Some(at) = (seed as usize).wrapping_mul(0x9e37_79b9).checked_rem(size) {
                buffer[at] ^= 1 << (seed % 8);
            }
            size
        };
        bytes = sections::mutate(&bytes, seed, &flip).unwrap_or(bytes);
    }
    bytes
}

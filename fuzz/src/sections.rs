//! Changes a component section by section.
//!
//! A change of a single byte mostly breaks the length of a section, and the rest of the file is not
//! read. Here the lengths are written anew, so that the readers behind them see the change.

/// The bytes before the first section: `\0asm`, the version and the layer.
const HEADER_BYTES: usize = 8;
/// The version of a core module; any other header is taken as a component's.
const OF_MODULE: [u8; 4] = [1, 0, 0, 0];
/// The sections of a component that hold a core module and a component.
const WITH_PARTS: [u8; 2] = [1, 4];
/// The section of a component that holds a component.
const COMPONENT: u8 = 4;

/// Fills a buffer, whose first `size` bytes are the input, with another input; returns its size.
pub type MutateBytes<'a> = &'a dyn Fn(&mut [u8], usize, usize) -> usize;

struct Section {
    id: u8,
    payload: Vec<u8>,
}

/// The component with one change of its sections; `None`: it cannot be split into sections.
pub fn mutate(bytes: &[u8], seed: u32, mutate_bytes: MutateBytes<'_>) -> Option<Vec<u8>> {
    let mut dice = Dice(u64::from(seed) + 1);
    mutate_part(bytes, &mut dice, mutate_bytes)
}

fn mutate_part(bytes: &[u8], dice: &mut Dice, mutate_bytes: MutateBytes<'_>) -> Option<Vec<u8>> {
    let (header, mut sections) = split(bytes)?;
    let is_module = header.ends_with(&OF_MODULE);
    let at = dice.below(sections.len())?;
    let inner = WITH_PARTS.contains(&sections[at].id) && !is_module;
    if inner
        && dice.below(4) != Some(0)
        && let Some(changed) = mutate_part(&sections[at].payload, dice, mutate_bytes)
    {
        sections[at].payload = changed;
        return Some(join(header, &sections));
    }
    change(&mut sections, at, header, dice, mutate_bytes)?;
    Some(join(header, &sections))
}

/// One change: of the section's bytes mostly, else of the order.
fn change(
    sections: &mut Vec<Section>,
    at: usize,
    header: &[u8],
    dice: &mut Dice,
    mutate_bytes: MutateBytes<'_>,
) -> Option<()> {
    let other = dice.below(sections.len())?;
    match dice.below(10)? {
        0 => drop(sections.remove(at)),
        1 => {
            let Section { id, payload } = &sections[at];
            let copy = Section {
                id: *id,
                payload: payload.clone(),
            };
            sections.insert(other, copy);
        }
        2 => sections.swap(at, other),
        3 => sections[at].payload = sections[other].payload.clone(),
        4 => {
            let payload = join(header, sections);
            sections.insert(
                at,
                Section {
                    id: COMPONENT,
                    payload,
                },
            );
        }
        _ => sections[at].payload = mutated(&sections[at].payload, mutate_bytes),
    }
    Some(())
}

fn mutated(payload: &[u8], mutate_bytes: MutateBytes<'_>) -> Vec<u8> {
    /// How far a section may grow in one change.
    const GROWTH: usize = 64;
    let mut buffer = payload.to_vec();
    buffer.resize(payload.len() + GROWTH, 0);
    let max = buffer.len();
    let size = mutate_bytes(&mut buffer, payload.len(), max);
    buffer.truncate(size);
    buffer
}

fn split(bytes: &[u8]) -> Option<(&[u8], Vec<Section>)> {
    let (header, mut rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let mut sections = Vec::new();
    while let Some((&id, after)) = rest.split_first() {
        let (length, after) = read_length(after)?;
        let (payload, after) = after.split_at_checked(length)?;
        let payload = payload.to_vec();
        sections.push(Section { id, payload });
        rest = after;
    }
    Some((header, sections))
}

fn join(header: &[u8], sections: &[Section]) -> Vec<u8> {
    let mut bytes = header.to_vec();
    for Section { id, payload } in sections {
        bytes.push(*id);
        write_length(&mut bytes, payload.len());
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// An unsigned LEB128 of at most 32 bits.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[index + 1..]));
        }
    }
    None
}

fn write_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

/// A generator (splitmix64): the same seed gives the same change.
struct Dice(u64);

impl Dice {
    /// A number below `bound`; `None`: there is none.
    fn below(&mut self, bound: usize) -> Option<usize> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed as usize).checked_rem(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with a core module, which has a type section, and a custom section of 200 bytes.
    fn component() -> Vec<u8> {
        let mut custom = vec![0];
        write_length(&mut custom, 200);
        custom.resize(custom.len() + 200, 7);
        let module = b"\0asm\x01\0\0\0\x01\x01\0";
        let mut bytes = b"\0asm\x0d\0\x01\0\x01".to_vec();
        write_length(&mut bytes, module.len());
        bytes.extend_from_slice(module);
        bytes.extend(custom);
        bytes
    }

    #[test]
    fn sections_that_are_split_and_joined_are_the_same_bytes() {
        let bytes = component();
        let (header, sections) = split(&bytes).unwrap();
        assert_eq!(sections.len(), 2);
        assert_eq!(join(header, &sections), bytes);
    }

    #[test]
    fn a_changed_component_can_be_split_again_and_changes_within_its_module() {
        let bytes = component();
        let flip = |buffer: &mut [u8], size: usize, _: usize| {
            if let Some(first) = buffer.first_mut() {
                *first ^= 1;
            }
            size
        };
        let mut within = 0;
        for seed in 0..1000 {
            let changed = mutate(&bytes, seed, &flip).unwrap();
            let (_, sections) = split(&changed).unwrap();
            let is_of_module =
                |one: &Section| one.payload.starts_with(b"\0asm\x01\0\0\0\x01\x01\x01");
            within += usize::from(sections.iter().any(is_of_module));
        }
        assert!(within > 50, "{within}");
    }

    #[test]
    fn bytes_that_are_no_sections_are_left_to_others() {
        let never = |_: &mut [u8], size: usize, _: usize| size;
        assert_eq!(mutate(b"\0asm", 0, &never), None);
        assert_eq!(mutate(b"\0asm\x0d\0\x01\0\x01\x7f", 0, &never), None);
    }
}

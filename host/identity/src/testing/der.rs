//! Writes ASN.1 values.

/// A value with a definite length in its shortest form.
///
/// # Panics
/// If the content is longer than 65,535 bytes.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a test's value is short");
    let [high, low] = length.to_be_bytes();
    let mut bytes = vec![tag];
    match length {
        0..0x80 => bytes.push(low),
        0x80..0x100 => bytes.extend([0x81, low]),
        _ => bytes.extend([0x82, high, low]),
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A value with an end mark instead of a length.
pub(super) fn open_value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, 0x80];
    bytes.extend_from_slice(content);
    bytes.extend([0, 0]);
    bytes
}

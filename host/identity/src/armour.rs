//! Decodes base64, with or without line breaks, and with or without PEM armour.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ber::Malformed;

/// The PEM label of a signed document, from AWS's guide.
pub(crate) const PKCS7: &str = "PKCS7";

/// The PEM label of a certificate.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

/// The bytes of a text with or without armour. The base64 must be canonical: the alphabet with `+`
/// and `/`, padded, no surplus bits. So apart from line breaks, each sequence of bytes has one
/// text.
pub(crate) fn strip(text: &str, label: &str) -> Result<Vec<u8>, Malformed> {
    let text = text.trim_ascii();
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let body = match text.strip_prefix(begin.as_str()) {
        None => text,
        Some(rest) => rest.strip_suffix(end.as_str()).ok_or_else(|| {
            Malformed::new(
                "armour with one closing line, at the end",
                format!("{begin} without {end} as the last line"),
            )
        })?,
    };
    let base64: String = body
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    STANDARD
        .decode(base64)
        .map_err(|error| Malformed::new("canonical base64", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_and_armour_make_no_difference() {
        let texts = [
            "aGVsbG8h",
            "aGVs\nbG8h\n",
            " aGVs\r\nbG8h ",
            "-----BEGIN PKCS7-----\naGVsbG8h\n-----END PKCS7-----",
            "\n-----BEGIN PKCS7-----aGVsbG8h-----END PKCS7-----\n\n",
        ];
        for text in texts {
            assert_eq!(strip(text, PKCS7).unwrap(), b"hello!", "{text:?}");
        }
    }

    #[test]
    fn anything_but_canonical_base64_is_refused() {
        let texts = [
            "aGVsbG8",                                                  // a digit is missing
            "aGVsbA",                                                   // no padding
            "aGVsbB==",                                                 // bits left over
            "aGVsbA==aGVsbA==",                                         // two texts
            "aGVs-_8h",                                                 // another alphabet
            "aGVsbG8h\u{a0}",                                           // a space that is not ASCII
            "-----BEGIN PKCS7-----\naGVsbG8h",                          // not closed
            "-----BEGIN PKCS7-----\naGVsbG8h\n-----END PKCS7-----x",    // text after the armour
            "-----BEGIN CERTIFICATE-----aGVs-----END CERTIFICATE-----", // another label
        ];
        for text in texts {
            assert!(strip(text, PKCS7).is_err(), "{text:?}");
        }
    }

    #[test]
    fn no_text_is_no_bytes() {
        assert_eq!(strip("", PKCS7).unwrap(), b"");
    }
}

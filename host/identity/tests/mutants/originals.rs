//! The good documents that mutants are made from.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use reeve_core::time::Instant;
use reeve_identity::testing::{Issuer, Lengths, Parts, content, text};
use reeve_identity::{Document, Verifier};

/// The region of the first issuer.
pub(crate) const HERE: &str = "us-east-1";
/// The region of the other issuer.
pub(crate) const THERE: &str = "eu-west-1";

/// Good documents, and the verifier that proves them.
pub(crate) struct Originals {
    pub(crate) verifier: Verifier,
    pub(crate) here: Issuer,
    pub(crate) there: Issuer,
    /// The parts of two documents of the first issuer and one of the other.
    pub(crate) parts: [Parts; 3],
    /// The encoded documents, and one that AWS signed.
    pub(crate) bytes: [Vec<u8>; 4],
}

impl Originals {
    pub(crate) fn new() -> Self {
        let (here, there) = (Issuer::new(), Issuer::other());
        let verifier = Verifier::pinned()
            .with_certificate(HERE.into(), here.certificate())
            .and_then(|known| known.with_certificate(THERE.into(), there.certificate()))
            .expect("the tests' certificates are read");
        let parts = [
            here.parts(&content(&document("i-0123456789abcdef0", HERE))),
            here.parts(&content(&document("i-0fedcba9876543210", HERE))),
            there.parts(&content(&document("i-0aaaabbbbccccdddd", THERE))),
        ];
        let [one, two, three] = parts.each_ref().map(|parts| parts.encode(Lengths::AsAws));
        let aws = decode(include_str!("../aws/ap-southeast-2.rsa2048")).expect("AWS's base64");
        Self {
            verifier,
            here,
            there,
            parts,
            bytes: [one, two, three, aws],
        }
    }

    /// The texts of all documents, each with a name.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let numbered = self.bytes.iter().enumerate();
        numbered
            .map(|(number, bytes)| (format!("original {number}"), text(bytes)))
            .collect()
    }

    /// Whether a text, leniently decoded, has the bytes of a good document.
    pub(crate) fn are_the_bytes_of(&self, text: &str) -> bool {
        decode(text).is_some_and(|bytes| self.bytes.contains(&bytes))
    }
}

/// A document of this instance.
pub(crate) fn document(instance: &str, region: &str) -> Document {
    Document {
        instance: instance.into(),
        region: region.into(),
        account: "123456789012".to_owned(),
        launched_at: Instant::from_ms(1_700_000_000_000),
    }
}

/// Lenient base64: any white space, padding and surplus bits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let generous = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let base64: String = text
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .collect();
    generous.decode(base64).ok()
}

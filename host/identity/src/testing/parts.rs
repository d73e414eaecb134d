//! The parts of a signed document, and how to combine them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use super::der::{open_value, value};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT_0: u8 = 0xa0;

const OID_SIGNED_DATA: &str = "06092a864886f70d010702";
const OID_DATA: &str = "06092a864886f70d010701";
const OID_CONTENT_TYPE: &str = "06092a864886f70d010903";
const OID_MESSAGE_DIGEST: &str = "06092a864886f70d010904";
const OID_SIGNING_TIME: &str = "06092a864886f70d010905";
const OID_ALGORITHM_PROTECTION: &str = "06092a864886f70d010934";
const SHA_256: &str = "300b0609608648016503040201";
const RSA_WITH_SHA_256: &str = "300d06092a864886f70d01010b0500";

/// The size of a piece of an OCTET STRING in AWS's library.
const PIECE_BYTES_MAX: usize = 1000;

/// The encoding of the frame's lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// End marks, and the content in pieces.
    AsAws,
    /// Definite lengths, as in DER.
    Definite,
}

/// The parts of a signed document. A `Vec<u8>` is a whole encoded value unless its doc says
/// otherwise. A test changes a part and encodes all of them.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The digest algorithms, named before the content.
    pub digest_algorithms: Vec<Vec<u8>>,
    /// The document as plain bytes.
    pub content: Vec<u8>,
    /// Values after the content: AWS writes none, other signers write certificates.
    pub after_content: Vec<u8>,
    /// The signers; AWS has one.
    pub signers: Vec<Signer>,
}

/// One signer of a document.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The issuer's name in the signer's certificate.
    pub issuer: Vec<u8>,
    /// The serial number of the signer's certificate.
    pub serial: Vec<u8>,
    /// The digest algorithm.
    pub digest_algorithm: Vec<u8>,
    /// The signed attributes in DER order: contentType, signingTime, CMSAlgorithmProtection,
    /// messageDigest.
    pub attributes: Vec<Vec<u8>>,
    /// The signature algorithm.
    pub signature_algorithm: Vec<u8>,
    /// The signature as plain bytes.
    pub signature: Vec<u8>,
    /// Values after the signature: AWS writes none, other signers write unsigned attributes.
    pub after_signature: Vec<u8>,
}

impl Parts {
    /// All parts except the signature.
    pub(super) fn unsigned(content: &[u8], issuer: &[u8], serial: &[u8]) -> Self {
        let mut signer = Signer {
            issuer: issuer.to_vec(),
            serial: serial.to_vec(),
            digest_algorithm: hex(SHA_256),
            attributes: Vec::new(),
            signature_algorithm: hex(RSA_WITH_SHA_256),
            signature: Vec::new(),
            after_signature: Vec::new(),
        };
        signer.state(content);
        Self {
            digest_algorithms: vec![hex(SHA_256)],
            content: content.to_vec(),
            after_content: Vec::new(),
            signers: vec![signer],
        }
    }

    /// Combines and encodes the parts.
    pub fn encode(&self, lengths: Lengths) -> Vec<u8> {
        let frame = |tag, content: &[u8]| match lengths {
            Lengths::AsAws => open_value(tag, content),
            Lengths::Definite => value(tag, content),
        };
        let content = match lengths {
            Lengths::AsAws => {
                let pieces = self.content.chunks(PIECE_BYTES_MAX);
                let pieces: Vec<u8> = pieces.flat_map(|piece| value(0x04, piece)).collect();
                open_value(0x24, &pieces)
            }
            Lengths::Definite => value(0x04, &self.content),
        };
        let content = [hex(OID_DATA), frame(EXPLICIT_0, &content)].concat();
        let signers: Vec<u8> = self.signers.iter().flat_map(Signer::encode).collect();
        let signed_data = [
            value(0x02, &[1]),
            value(SET, &self.digest_algorithms.concat()),
            frame(SEQUENCE, &content),
            self.after_content.clone(),
            value(SET, &signers),
        ];
        let signed_data = frame(SEQUENCE, &signed_data.concat());
        let whole = [hex(OID_SIGNED_DATA), frame(EXPLICIT_0, &signed_data)];
        frame(SEQUENCE, &whole.concat())
    }
}

impl Signer {
    /// Sets the attributes for this content and these algorithms. The signature must then be
    /// renewed.
    pub fn state(&mut self, content: &[u8]) {
        let attribute =
            |kind: &str, of: &[u8]| value(SEQUENCE, &[hex(kind), value(SET, of)].concat());
        let digest = digest::digest(&digest::SHA256, content);
        let mut used = self.digest_algorithm.clone();
        used.push(0xa1);
        used.extend_from_slice(&self.signature_algorithm[1..]);
        self.attributes = vec![
            attribute(OID_CONTENT_TYPE, &hex(OID_DATA)),
            // A fixed time, so that the test is reproducible. No code reads it.
            attribute(OID_SIGNING_TIME, &value(0x17, b"260216003828Z")),
            attribute(OID_ALGORITHM_PROTECTION, &value(SEQUENCE, &used)),
            attribute(OID_MESSAGE_DIGEST, &value(0x04, digest.as_ref())),
        ];
    }

    /// The bytes that the signature covers: the attributes as a SET.
    pub(super) fn signed_message(&self) -> Vec<u8> {
        value(SET, &self.attributes.concat())
    }

    fn encode(&self) -> Vec<u8> {
        let name = [self.issuer.clone(), self.serial.clone()].concat();
        let fields = [
            value(0x02, &[1]),
            value(SEQUENCE, &name),
            self.digest_algorithm.clone(),
            value(EXPLICIT_0, &self.attributes.concat()),
            self.signature_algorithm.clone(),
            value(0x04, &self.signature),
            self.after_signature.clone(),
        ];
        value(SEQUENCE, &fields.concat())
    }
}

/// The text for these bytes: base64 in lines of 76 characters, like the metadata service's.
pub fn text(bytes: &[u8]) -> String {
    let base64 = STANDARD.encode(bytes);
    let mut text = String::new();
    for (place, character) in base64.chars().enumerate() {
        if place > 0 && place % 76 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text
}

fn hex(digits: &str) -> Vec<u8> {
    hex::decode(digits).expect("a constant in hexadecimal digits")
}

//! A signed document taken apart, and put together again.

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

/// The pieces of an OCTET STRING that AWS's library writes.
const PIECE_BYTES_MAX: usize = 1000;

/// How the frame's lengths are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// With end marks, and the content in pieces.
    AsAws,
    /// All definite, as DER has them.
    Definite,
}

/// What a signed document consists of; every part that is `Vec<u8>` is a whole encoded value, unless it
/// says otherwise. A test changes one and puts them together.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The digest algorithms, named before the content.
    pub digest_algorithms: Vec<Vec<u8>>,
    /// The document: plain bytes.
    pub content: Vec<u8>,
    /// What follows the content: AWS writes nothing, others certificates.
    pub after_content: Vec<u8>,
    /// Who signed. AWS has one.
    pub signers: Vec<Signer>,
}

/// One signer of a document.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The issuer's name of the signer's certificate.
    pub issuer: Vec<u8>,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// The digest algorithm.
    pub digest_algorithm: Vec<u8>,
    /// The signed attributes, in the order of DER: contentType, signingTime, CMSAlgorithmProtection,
    /// messageDigest.
    pub attributes: Vec<Vec<u8>>,
    /// The signature algorithm.
    pub signature_algorithm: Vec<u8>,
    /// The signature: plain bytes.
    pub signature: Vec<u8>,
    /// What follows the signature: AWS writes nothing, others attributes that are not signed.
    pub after_signature: Vec<u8>,
}

impl Parts {
    /// Everything but the signature.
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

    /// Puts the parts together.
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
    /// States in the attributes what is signed, with which algorithms. The signature is then an old one.
    pub fn state(&mut self, content: &[u8]) {
        let attribute =
            |kind: &str, of: &[u8]| value(SEQUENCE, &[hex(kind), value(SET, of)].concat());
        let digest = digest::digest(&digest::SHA256, content);
        let mut used = self.digest_algorithm.clone();
        used.push(0xa1);
        used.extend_from_slice(&self.signature_algorithm[1..]);
        self.attributes = vec![
            attribute(OID_CONTENT_TYPE, &hex(OID_DATA)),
            // Always the same time, so that a test is. Nobody reads it.
            attribute(OID_SIGNING_TIME, &value(0x17, b"260216003828Z")),
            attribute(OID_ALGORITHM_PROTECTION, &value(SEQUENCE, &used)),
            attribute(OID_MESSAGE_DIGEST, &value(0x04, digest.as_ref())),
        ];
    }

    /// What the signature covers: the attributes as a SET.
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

/// The text for these bytes: base64 in lines of 76 characters, as the metadata service gives it.
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

//! The one form of CMS that AWS writes (RFC 5652, section 5): the document inside, one signer,
//! signed attributes, no certificate.
//!
//! ```text
//!   SignedData
//!     version 1
//!     digestAlgorithms   { SHA-256 }
//!     encapContentInfo   data: the document
//!     signerInfos        {
//!       version 1
//!       sid              issuer and serial number of the region's certificate
//!       digestAlgorithm  SHA-256
//!       signedAttrs      contentType, signingTime, CMSAlgorithmProtection, messageDigest
//!       algorithm        sha256WithRSAEncryption
//!       signature        over the signedAttrs
//!     }
//! ```
//!
//! The frame is BER with end marks, and the document is an OCTET STRING in pieces; the signed part
//! is DER. The signature covers the attributes, and through `messageDigest` the document, but
//! nothing else of the frame. So each other part of the frame has one accepted form, or is compared
//! with a signed part.

use std::borrow::Cow;

use ring::digest;

use crate::ber::{self, Malformed, Reader, Rules};
use crate::certificate::Certificate;
use crate::error::DocumentError;

const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const CONTENT_TYPE: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const ALGORITHM_PROTECTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x34];

/// SHA-256 as an algorithm identifier: AWS writes it without parameters, and older documents have
/// NULL. Both are valid (RFC 5754, section 2).
const SHA_256: [&[u8]; 2] = [
    &[
        0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
    ],
    &[
        0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    ],
];

/// `sha256WithRSAEncryption` with its NULL.
const RSA_WITH_SHA_256: [&[u8]; 1] = [&[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00,
]];

/// Algorithms of other documents of AWS, so that a refusal can name them.
const KNOWN_ALGORITHMS: [(&[u8], &str); 6] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05], "MD5"),
    (&[0x2b, 0x0e, 0x03, 0x02, 0x1a], "SHA-1"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "DSA"),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03],
        "DSA with SHA-1",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
        "RSA with SHA-1",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
        "RSASSA-PSS",
    ),
];

/// A parsed document that is not proved.
#[derive(Debug)]
pub(crate) struct SignedData<'a> {
    content: Cow<'a, [u8]>,
    signer: Signer<'a>,
}

#[derive(Debug)]
struct Signer<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
    digest_algorithm: &'a [u8],
    attributes: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> SignedData<'a> {
    /// Parses a document.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, DocumentError> {
        let mut reader = Reader::new(bytes, Rules::Ber);
        let (digest_algorithm, signed) = reader.constructed(ber::SEQUENCE, |info| {
            exactly(info, ber::OBJECT_IDENTIFIER, &SIGNED_DATA, "SignedData")?;
            info.constructed(ber::EXPLICIT_0, |explicit| {
                explicit.constructed(ber::SEQUENCE, read_signed_data)
            })
        })?;
        reader.finish()?;
        let signer = &signed.signer;
        accept(digest_algorithm, &SHA_256, "SHA-256")?;
        accept(signer.digest_algorithm, &SHA_256, "SHA-256")?;
        accept(
            signer.signature_algorithm,
            &RSA_WITH_SHA_256,
            "RSA with SHA-256",
        )?;
        if digest_algorithm != signer.digest_algorithm {
            return Err(Malformed::new(
                "one way of writing the digest algorithm",
                "two: one before the content, another with the signer",
            )
            .into());
        }
        Ok(signed)
    }

    /// Whether the signer names this certificate.
    pub(crate) fn names(&self, certificate: &Certificate) -> bool {
        certificate.is_named(self.signer.issuer, self.signer.serial)
    }

    /// The serial number that the signer names, in hexadecimal digits. Certificates have at most 20
    /// bytes (RFC 5280, section 4.1.2.2).
    pub(crate) fn serial(&self) -> String {
        let number = self.signer.serial.get(2..).unwrap_or_default();
        hex::encode(&number[..number.len().min(20)])
    }

    /// The document, if the certificate's key signed it; otherwise `None`.
    ///
    /// # Errors
    /// A signed part contradicts the frame.
    pub(crate) fn proved_by(
        &self,
        certificate: &Certificate,
    ) -> Result<Option<&[u8]>, DocumentError> {
        // The signature covers the attributes as a SET, not with their tag in the frame (RFC 5652,
        // section 5.4).
        let mut message = self.signer.attributes.to_vec();
        if let Some(tag) = message.first_mut() {
            *tag = 0x31;
        }
        if !certificate.signed(&message, self.signer.signature) {
            return Ok(None);
        }
        let attributes = Attributes::read(&message)?;
        let digest = digest::digest(&digest::SHA256, &self.content);
        let stated = attributes.one(&MESSAGE_DIGEST)?;
        if !stated.is_some_and(|value| is(value, ber::OCTET_STRING, digest.as_ref())) {
            return Ok(None);
        }
        self.agrees_with(&attributes)?;
        Ok(Some(&self.content))
    }

    /// Checks that the frame and the signed attributes name the same content type and algorithms.
    fn agrees_with(&self, attributes: &Attributes) -> Result<(), DocumentError> {
        let contradictory = |one: &str, other: &str| DocumentError::Contradictory {
            one: one.to_owned(),
            other: other.to_owned(),
        };
        let kind = attributes.one(&CONTENT_TYPE)?;
        if !kind.is_some_and(|value| is(value, ber::OBJECT_IDENTIFIER, &DATA)) {
            return Err(contradictory(
                "the frame says that the content is data",
                "the signed attributes do not",
            ));
        }
        if let Some(protected) = attributes.one(&ALGORITHM_PROTECTION)? {
            // RFC 6211: the digest algorithm unchanged, the signature algorithm with the tag [1].
            let mut used = self.signer.digest_algorithm.to_vec();
            used.push(0xa1);
            used.extend_from_slice(&self.signer.signature_algorithm[1..]);
            if !is(protected, ber::SEQUENCE, &used) {
                return Err(contradictory(
                    "the frame names one pair of algorithms",
                    "the signed attributes name another",
                ));
            }
        }
        Ok(())
    }
}

/// The signed attributes: pairs of a type and its encoded value.
struct Attributes<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Attributes<'a> {
    fn read(set: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(set, Rules::Der);
        reader.constructed(ber::SET, |set| {
            let mut attributes = Vec::new();
            while !set.is_empty() {
                attributes.push(set.constructed(ber::SEQUENCE, |attribute| {
                    let kind = attribute.primitive(ber::OBJECT_IDENTIFIER)?;
                    let value = attribute.constructed(ber::SET, Reader::any_element)?;
                    Ok::<_, Malformed>((kind, value))
                })?);
            }
            Ok(Self(attributes))
        })
    }

    /// The value of an attribute that may occur once.
    fn one(&self, kind: &[u8]) -> Result<Option<&'a [u8]>, Malformed> {
        let mut values = self.0.iter().filter(|(of, _)| *of == kind);
        let value = values.next().map(|(_, value)| *value);
        if values.next().is_some() {
            return Err(Malformed::new(
                "each signed attribute once",
                "one of them twice",
            ));
        }
        Ok(value)
    }
}

fn read_signed_data<'a>(
    fields: &mut Reader<'a>,
) -> Result<(&'a [u8], SignedData<'a>), DocumentError> {
    exactly(fields, ber::INTEGER, &[1], "version 1 of SignedData")?;
    let digest_algorithm = fields.constructed(ber::SET, |set| set.element(ber::SEQUENCE))?;
    let content = fields.constructed(ber::SEQUENCE, |info| {
        exactly(
            info,
            ber::OBJECT_IDENTIFIER,
            &DATA,
            "content of the kind data",
        )?;
        info.constructed(ber::EXPLICIT_0, Reader::octets)
    })?;
    // CMS allows certificates and revocations here. AWS sends none, and only a pinned certificate
    // would count.
    let signer = fields.constructed(ber::SET, |set| set.constructed(ber::SEQUENCE, read_signer))?;
    Ok((digest_algorithm, SignedData { content, signer }))
}

fn read_signer<'a>(fields: &mut Reader<'a>) -> Result<Signer<'a>, Malformed> {
    exactly(fields, ber::INTEGER, &[1], "version 1 of SignerInfo")?;
    let (issuer, serial) = fields.constructed(ber::SEQUENCE, |name| {
        let issuer = name.element(ber::SEQUENCE)?;
        Ok::<_, Malformed>((issuer, name.element(ber::INTEGER)?))
    })?;
    // CMS allows unsigned attributes after the signature. AWS sends none.
    Ok(Signer {
        issuer,
        serial,
        digest_algorithm: fields.element(ber::SEQUENCE)?,
        attributes: fields.element(ber::EXPLICIT_0)?,
        signature_algorithm: fields.element(ber::SEQUENCE)?,
        signature: fields.primitive(ber::OCTET_STRING)?,
    })
}

/// Reads a value with one accepted content.
fn exactly(
    reader: &mut Reader,
    tag: ber::Tag,
    content: &[u8],
    name: &'static str,
) -> Result<(), Malformed> {
    let found = reader.primitive(tag)?;
    if found == content {
        return Ok(());
    }
    Err(Malformed::new(name, shortened(found)))
}

/// Refuses an algorithm identifier that is not accepted.
fn accept(algorithm: &[u8], accepted: &[&[u8]], name: &'static str) -> Result<(), DocumentError> {
    if accepted.contains(&algorithm) {
        return Ok(());
    }
    let object = Reader::new(algorithm, Rules::Der).constructed(ber::SEQUENCE, |fields| {
        let object = fields.primitive(ber::OBJECT_IDENTIFIER)?;
        fields.skip_rest();
        Ok::<_, Malformed>(object)
    })?;
    let known = KNOWN_ALGORITHMS.iter().find(|(known, _)| *known == object);
    Err(DocumentError::Unsupported {
        found: match known {
            Some((_, known)) => (*known).to_owned(),
            None => format!("the algorithm {}", shortened(algorithm)),
        },
        accepted: name,
    })
}

/// Whether an encoded value has this tag and content.
fn is(value: &[u8], tag: ber::Tag, content: &[u8]) -> bool {
    Reader::new(value, Rules::Der).primitive(tag) == Ok(content)
}

/// The first bytes, in hexadecimal digits.
fn shortened(bytes: &[u8]) -> String {
    let end = if bytes.len() > 20 { "…" } else { "" };
    format!("0x{}{end}", hex::encode(&bytes[..bytes.len().min(20)]))
}

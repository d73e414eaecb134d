//! Refusals of documents and certificates. Each has a stable code.

use reeve_core::id::Region;

use crate::ber::Malformed;
use crate::verifier::TEXT_BYTES_MAX;

/// Why a text does not prove an instance.
///
/// Quotes from the text are short and escaped, so the error texts are safe to log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The text is longer than any document and was not read.
    #[error(
        "the signed identity document has {bytes} bytes, and at most {TEXT_BYTES_MAX} are read: send only the \
         text of /latest/dynamic/instance-identity/rsa2048"
    )]
    TooLong {
        /// The text's length in bytes.
        bytes: usize,
    },
    /// The text does not have AWS's format.
    #[error(
        "cannot read the signed identity document: expected {expected}, found {found}; send the text of \
         /latest/dynamic/instance-identity/rsa2048 as it is"
    )]
    Malformed {
        /// What is accepted at that place.
        expected: &'static str,
        /// What the text has there.
        found: String,
    },
    /// The signature algorithm is not accepted, such as the SHA-1 of the `pkcs7` document.
    #[error(
        "the identity document is signed with {found}, and only {accepted} is accepted: send the text of \
         /latest/dynamic/instance-identity/rsa2048, not of `pkcs7` or `signature`"
    )]
    Unsupported {
        /// The algorithm that the text names.
        found: String,
        /// The accepted algorithm.
        accepted: &'static str,
    },
    /// The signer's certificate is not known, so the region is not known either.
    #[error(
        "the identity document names a signer that is not known (serial number {serial}): if the box is in \
         a new region, add that region's RSA-2048 certificate, from AWS's page `regions-certs`"
    )]
    RegionUnknown {
        /// The serial number of the certificate, in hexadecimal digits.
        serial: String,
    },
    /// The signature was made with another key than the named certificate's, or over other content.
    #[error(
        "the signature does not fit the identity document with the certificate of {region}: the text is \
         forged or was changed in transit"
    )]
    SignatureWrong {
        /// The region of the named certificate.
        region: Region,
    },
    /// Parts of the document contradict each other.
    #[error("the identity document contradicts itself: {one}, but {other}; it proves nothing")]
    Contradictory {
        /// The statement of one part.
        one: String,
        /// The statement of another part.
        other: String,
    },
}

impl DocumentError {
    /// A stable word for the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "document_too_long",
            Self::Malformed { .. } => "document_malformed",
            Self::Unsupported { .. } => "document_unsupported",
            Self::RegionUnknown { .. } => "region_unknown",
            Self::SignatureWrong { .. } => "signature_wrong",
            Self::Contradictory { .. } => "document_contradictory",
        }
    }
}

impl From<Malformed> for DocumentError {
    fn from(Malformed { expected, found }: Malformed) -> Self {
        Self::Malformed { expected, found }
    }
}

/// Why a certificate cannot be used for a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The text is not one X.509 certificate in PEM.
    #[error(
        "cannot read the certificate: expected {expected}, found {found}; it is one X.509 certificate in \
         PEM, as on AWS's page `regions-certs`"
    )]
    Malformed {
        /// What is accepted at that place.
        expected: &'static str,
        /// What the text has there.
        found: String,
    },
    /// The key cannot make RSA-2048 signatures.
    #[error(
        "the certificate's key is {found}, and only RSA of 2048 bits with the exponent 65537 is accepted: \
         take the region's certificate under `RSA-2048`, not `DSA` or `RSA`"
    )]
    Unsupported {
        /// The kind of key found.
        found: String,
    },
}

impl CertificateError {
    /// A stable word for the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "certificate_malformed",
            Self::Unsupported { .. } => "certificate_unsupported",
        }
    }
}

impl From<Malformed> for CertificateError {
    fn from(Malformed { expected, found }: Malformed) -> Self {
        Self::Malformed { expected, found }
    }
}

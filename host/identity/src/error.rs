//! What is refused, and why. Every refusal has a stable code.

use reeve_core::id::Region;

use crate::ber::Malformed;
use crate::verifier::TEXT_BYTES_MAX;

/// Why a text does not prove an instance.
///
/// What comes from the text itself is quoted in short and escaped: the texts are safe to log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Longer than any document; nothing of it was read.
    #[error(
        "a signed identity document of {bytes} bytes is not read, at most {TEXT_BYTES_MAX} are: send the \
         text of /latest/dynamic/instance-identity/rsa2048 and nothing else"
    )]
    TooLong {
        /// The text's length in bytes.
        bytes: usize,
    },
    /// Not in the form in which AWS writes such a document.
    #[error(
        "cannot read the signed identity document: expected {expected}, found {found}; send the text of \
         /latest/dynamic/instance-identity/rsa2048 as it is"
    )]
    Malformed {
        /// What is accepted at that place.
        expected: &'static str,
        /// What stood there.
        found: String,
    },
    /// Signed in a way that is not accepted, such as the SHA-1 of the `pkcs7` document.
    #[error(
        "the identity document is signed with {found}, and only {accepted} is accepted: send the text of \
         /latest/dynamic/instance-identity/rsa2048, not of `pkcs7` or `signature`"
    )]
    Unsupported {
        /// The algorithm that the text names.
        found: String,
        /// The one that is accepted in its place.
        accepted: &'static str,
    },
    /// The signer names a certificate that is not known, so its region is not either.
    #[error(
        "the identity document names a signer that is not known (serial number {serial}): if the box is in \
         a new region, add that region's RSA-2048 certificate, from AWS's page `regions-certs`"
    )]
    RegionUnknown {
        /// The serial number of the certificate, in hexadecimal digits.
        serial: String,
    },
    /// The signature was not made with the key of the certificate that the signer names, or not for this
    /// content.
    #[error(
        "the signature does not fit the identity document with the certificate of {region}: the text is \
         forged, or was changed on its way"
    )]
    SignatureWrong {
        /// The region whose certificate the signer names.
        region: Region,
    },
    /// Its parts do not agree with each other.
    #[error("the identity document contradicts itself: {one}, but {other}; it proves nothing")]
    Contradictory {
        /// What one part says.
        one: String,
        /// What another part says.
        other: String,
    },
}

impl DocumentError {
    /// What went wrong, as a word that stays the same.
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

/// Why a certificate cannot be taken for a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not one X.509 certificate in PEM.
    #[error(
        "cannot read the certificate: expected {expected}, found {found}; it is one X.509 certificate in \
         PEM, as on AWS's page `regions-certs`"
    )]
    Malformed {
        /// What is accepted at that place.
        expected: &'static str,
        /// What stood there.
        found: String,
    },
    /// Its key cannot have made an RSA-2048 signature.
    #[error(
        "the certificate's key is {found}, and only RSA of 2048 bits with the exponent 65537 is accepted: \
         take the region's certificate under `RSA-2048`, not `DSA` or `RSA`"
    )]
    Unsupported {
        /// What the key is.
        found: String,
    },
}

impl CertificateError {
    /// What went wrong, as a word that stays the same.
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

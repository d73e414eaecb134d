//! The certificates by region, and the order in which a document is proved.

use reeve_core::id::Region;

use crate::certificate::Certificate;
use crate::document::Document;
use crate::error::{CertificateError, DocumentError};
use crate::signed_data::SignedData;
use crate::{armour, pinned};

/// The longest text that is read, in bytes. AWS's are about 1,500; a list of marketplace product codes
/// makes one longer.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Knows who may sign for a region.
///
/// # Caveats
/// A document that is proved can have been read by any process on the box, and shown before: see the
/// crate's documentation for what a host checks beside it.
#[derive(Clone, Debug)]
pub struct Verifier {
    certificates: Vec<(Region, Certificate)>,
}

impl Verifier {
    /// Knows AWS's regional RSA-2048 certificates, pinned in this crate: `certificates/` has each, and
    /// says from which page it is and how a reviewer checks it.
    pub fn pinned() -> Self {
        // A test reads every one. Should one be unreadable all the same, its region is unknown and its
        // documents are refused.
        let certificates = pinned::CERTIFICATES
            .iter()
            .filter_map(|(region, pem)| Some(((*region).into(), Certificate::read(pem).ok()?)))
            .collect();
        Self { certificates }
    }

    /// Knows one more certificate for a region: of a new region, a second one of a region that changes
    /// its key, or a test's own. Those known before stay.
    ///
    /// # Errors
    /// When `pem` is not one X.509 certificate with an RSA key of 2048 bits.
    pub fn with_certificate(mut self, region: Region, pem: &str) -> Result<Self, CertificateError> {
        let certificate = Certificate::read(pem)?;
        self.certificates.push((region, certificate));
        Ok(self)
    }

    /// Whether a document of this region can be proved.
    pub fn knows(&self, region: &Region) -> bool {
        self.certificates.iter().any(|(of, _)| of == region)
    }

    /// Proves a signed document. `signed` is the text that the box read: base64 with or without line
    /// breaks, with or without the armour `-----BEGIN PKCS7-----`.
    ///
    /// The signer names its certificate, so nothing of the document is read before the signature is known
    /// to be right. Then the region that the document claims must be the certificate's.
    ///
    /// # Errors
    /// When the text is not in AWS's form, names a signer that is not known, or was not signed by it, or
    /// when its parts contradict each other. The input never makes it panic.
    pub fn verify(&self, signed: &str) -> Result<Document, DocumentError> {
        if signed.len() > TEXT_BYTES_MAX {
            return Err(DocumentError::TooLong {
                bytes: signed.len(),
            });
        }
        let bytes = armour::strip(signed, armour::PKCS7)?;
        let signed = SignedData::read(&bytes)?;
        let (content, regions) = self.prove(&signed)?;
        let document = Document::read(content)?;
        if !regions.contains(&&document.region) {
            return Err(another_region(&document, &regions));
        }
        Ok(document)
    }

    /// The document's content, and the regions for which its signer may sign. A test's certificate can be
    /// that of several regions.
    fn prove<'a>(
        &'a self,
        signed: &'a SignedData,
    ) -> Result<(&'a [u8], Vec<&'a Region>), DocumentError> {
        let named: Vec<&(Region, Certificate)> = self
            .certificates
            .iter()
            .filter(|(_, certificate)| signed.names(certificate))
            .collect();
        let Some((first, _)) = named.first() else {
            return Err(DocumentError::RegionUnknown {
                serial: signed.serial(),
            });
        };
        let mut content = None;
        let mut regions = Vec::new();
        for (region, certificate) in named.iter().copied() {
            if let Some(proved) = signed.proved_by(certificate)? {
                content = Some(proved);
                regions.push(region);
            }
        }
        let content = content.ok_or_else(|| DocumentError::SignatureWrong {
            region: first.clone(),
        })?;
        Ok((content, regions))
    }
}

fn another_region(document: &Document, regions: &[&Region]) -> DocumentError {
    let names: Vec<&str> = regions.iter().map(|region| region.as_str()).collect();
    // Signed by a known key, but a test's may sign anything: keep what is quoted short.
    let claimed: String = document.region.as_str().chars().take(40).collect();
    DocumentError::Contradictory {
        one: format!("it says that it is of the region {claimed:?}"),
        other: format!("it is signed with the key of {}", names.join(", ")),
    }
}

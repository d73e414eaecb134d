//! The certificates by region, and the steps of a proof.

use reeve_core::id::Region;

use crate::certificate::Certificate;
use crate::document::Document;
use crate::error::{CertificateError, DocumentError};
use crate::signed_data::SignedData;
use crate::{armour, pinned};

/// The longest text that is read, in bytes. AWS's texts have about 1,500; marketplace product codes
/// add to that.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Verifies documents with the certificates of the regions.
///
/// # Caveats
/// Any process on the instance may have read a proved document, and may send it again. The crate's
/// documentation lists the further checks of a host.
#[derive(Clone, Debug)]
pub struct Verifier {
    certificates: Vec<(Region, Certificate)>,
}

impl Verifier {
    /// Uses AWS's regional RSA-2048 certificates, which are pinned in this crate. `certificates/`
    /// says where each comes from and how a reviewer checks it.
    pub fn pinned() -> Self {
        // A test reads every certificate. If one were unreadable, its region would be unknown and
        // its documents refused.
        let certificates = pinned::CERTIFICATES
            .iter()
            .filter_map(|(region, pem)| Some(((*region).into(), Certificate::read(pem).ok()?)))
            .collect();
        Self { certificates }
    }

    /// Adds a certificate for a region: a new region's, a second one for a region that changes its
    /// key, or a test's. The known certificates stay.
    ///
    /// # Errors
    /// `pem` is not one X.509 certificate with an RSA key of 2048 bits.
    pub fn with_certificate(mut self, region: Region, pem: &str) -> Result<Self, CertificateError> {
        let certificate = Certificate::read(pem)?;
        self.certificates.push((region, certificate));
        Ok(self)
    }

    /// Whether documents of this region can be proved.
    pub fn knows(&self, region: &Region) -> bool {
        self.certificates.iter().any(|(of, _)| of == region)
    }

    /// Proves a signed document. `signed` is the text that the box read: base64 with or without
    /// line breaks, with or without the armour `-----BEGIN PKCS7-----`.
    ///
    /// The signer names its certificate, so the signature is checked before the document's content
    /// is parsed. Then the document's region must be the certificate's.
    ///
    /// # Errors
    /// The text is not in AWS's format, names an unknown signer, or was not signed by that signer;
    /// or its parts contradict each other. No input causes a panic.
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

    /// The document's content, and the regions that its signer may sign for. A test's certificate
    /// may belong to several regions.
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
    // The key is known, but a test's key may sign anything, so the quote is kept short.
    let claimed: String = document.region.as_str().chars().take(40).collect();
    DocumentError::Contradictory {
        one: format!("it names the region {claimed:?}"),
        other: format!("it is signed with the key of {}", names.join(", ")),
    }
}

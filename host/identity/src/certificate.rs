//! A signer's certificate: its name in documents, and its key.
//!
//! The certificate is trusted because it was pinned or configured, so its own signature and its
//! dates are not checked. AWS's certificates are valid for more than 170 years.

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use crate::armour;
use crate::ber::{self, Reader, Rules};
use crate::error::CertificateError;

/// `rsaEncryption` with its NULL: the algorithm of an RSA key in a certificate (RFC 3279, section
/// 2.3.1).
const RSA_KEY: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// The exponent 65537, which all of AWS's certificates have.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// The parts of a certificate that verification needs.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// The issuer's name in its encoded form.
    issuer: Vec<u8>,
    /// The serial number in its encoded form. Together with the issuer's name it identifies the
    /// certificate.
    serial: Vec<u8>,
    /// The `RSAPublicKey` (RFC 8017, appendix A.1.1).
    key: Vec<u8>,
}

impl Certificate {
    /// Reads one certificate in PEM.
    pub(crate) fn read(pem: &str) -> Result<Self, CertificateError> {
        let der = armour::strip(pem, armour::CERTIFICATE)?;
        let mut reader = Reader::new(&der, Rules::Der);
        let certificate = reader.constructed(ber::SEQUENCE, |certificate| {
            let read = certificate.constructed(ber::SEQUENCE, Self::read_certified_part)?;
            certificate.element(ber::SEQUENCE)?;
            certificate.element(ber::BIT_STRING)?;
            Ok::<_, CertificateError>(read)
        })?;
        reader.finish()?;
        Ok(certificate)
    }

    /// Whether this issuer and serial number identify this certificate.
    pub(crate) fn is_named(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.issuer == issuer && self.serial == serial
    }

    /// Whether this certificate's key made the signature over the message (RSASSA-PKCS1-v1_5 with
    /// SHA-256).
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.key)
            .verify(message, signature)
            .is_ok()
    }

    /// The issuer's name and the serial number in their encoded form.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn name(&self) -> (&[u8], &[u8]) {
        (&self.issuer, &self.serial)
    }

    /// `TBSCertificate` of RFC 5280, section 4.1.
    fn read_certified_part(fields: &mut Reader) -> Result<Self, CertificateError> {
        if fields.next_is(ber::EXPLICIT_0) {
            fields.element(ber::EXPLICIT_0)?; // the version, which version 1 omits
        }
        let serial = fields.element(ber::INTEGER)?.to_vec();
        fields.element(ber::SEQUENCE)?; // the algorithm of the certificate's own signature
        let issuer = fields.element(ber::SEQUENCE)?.to_vec();
        fields.element(ber::SEQUENCE)?; // its dates
        fields.element(ber::SEQUENCE)?; // the subject: the same as the issuer
        let key = fields.constructed(ber::SEQUENCE, read_key)?;
        fields.skip_rest(); // extensions
        Ok(Self {
            issuer,
            serial,
            key,
        })
    }
}

fn read_key(info: &mut Reader) -> Result<Vec<u8>, CertificateError> {
    let unsupported = |found: &str| CertificateError::Unsupported {
        found: found.to_owned(),
    };
    if info.element(ber::SEQUENCE)? != RSA_KEY {
        return Err(unsupported("of another kind"));
    }
    let bits = info.primitive(ber::BIT_STRING)?;
    let Some((0, key)) = bits.split_first().map(|(unused, key)| (*unused, key)) else {
        return Err(unsupported("not in whole bytes"));
    };
    let mut reader = Reader::new(key, Rules::Der);
    let (modulus, exponent) = reader.constructed(ber::SEQUENCE, |numbers| {
        let modulus = numbers.primitive(ber::INTEGER)?;
        Ok::<_, CertificateError>((modulus, numbers.primitive(ber::INTEGER)?))
    })?;
    reader.finish()?;
    // A number whose highest bit is set has a leading zero byte.
    let is_2048 = matches!(modulus, [0, first, rest @ ..] if *first >= 0x80 && rest.len() == 255);
    if !is_2048 || exponent != EXPONENT {
        let bits = modulus.len().saturating_sub(1) * 8;
        return Err(unsupported(&format!(
            "RSA of about {bits} bits with the exponent 0x{}",
            hex::encode(exponent)
        )));
    }
    Ok(key.to_vec())
}

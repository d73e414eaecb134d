//! Signers for tests and the demo. [`Issuer`] writes documents in AWS's exact format, with public
//! keys. A [`Verifier`](crate::Verifier) accepts them only after
//! [`with_certificate`](crate::Verifier::with_certificate).
//!
//! - [`Issuer`]: signs a document.
//! - [`Parts`]: the parts of a signed document, for tests that combine them in another way.
//! - `der`: writes ASN.1.
//! - [`sts`]: signs logins, and an STS that verifies them. `caller`: the client. `sigv4`: AWS's
//!   signature. `sts_messages`: requests and replies.
//!
//! Keys and certificates were made with the `openssl` command line tool. They are committed, so a
//! test is the same on every machine:
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 36500 \
//!     -subj "/C=US/O=reeve tests only, proves nothing" -set_serial 0x7e570000000001 \
//!     -keyout test-only-key-1.pem -out test-only-certificate-1.pem
//! ```

#![allow(
    clippy::expect_used,
    reason = "a test without its key should stop loudly"
)]

mod caller;
mod der;
mod parts;
mod sigv4;
pub mod sts;
mod sts_messages;

use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

pub use self::parts::{Lengths, Parts, Signer, text};
use crate::armour;
use crate::certificate::Certificate;
use crate::document::Document;

/// Signs documents like AWS does for a region.
#[derive(Debug)]
pub struct Issuer {
    key: RsaKeyPair,
    certificate_pem: &'static str,
    certificate: Certificate,
}

impl Issuer {
    /// The first test key; always the same.
    #[expect(
        clippy::new_without_default,
        reason = "which of the two keys should be said where it is made"
    )]
    pub fn new() -> Self {
        Self::with(
            include_str!("testing/test-only-key-1.pem"),
            include_str!("testing/test-only-certificate-1.pem"),
        )
    }

    /// The second test key, for another region or a forger; always the same.
    pub fn other() -> Self {
        Self::with(
            include_str!("testing/test-only-key-2.pem"),
            include_str!("testing/test-only-certificate-2.pem"),
        )
    }

    fn with(key_pem: &str, certificate_pem: &'static str) -> Self {
        let key = armour::strip(key_pem, "PRIVATE KEY").expect("the test key is PEM");
        Self {
            key: RsaKeyPair::from_pkcs8(&key).expect("the test key is RSA"),
            certificate_pem,
            certificate: Certificate::read(certificate_pem).expect("the test certificate is read"),
        }
    }

    /// The issuer's certificate, for [`with_certificate`](crate::Verifier::with_certificate). It
    /// can be added for several regions.
    pub fn certificate(&self) -> &'static str {
        self.certificate_pem
    }

    /// The text that a box with this identity would read: base64 in lines, no armour. The same
    /// document always gives the same text.
    ///
    /// # Panics
    /// If the launch time is after the year 9999.
    pub fn sign(&self, document: &Document) -> String {
        self.sign_content(&content(document))
    }

    /// Signs any bytes in AWS's structure, even if they are no document.
    pub fn sign_content(&self, content: &[u8]) -> String {
        text(&self.parts(content).encode(Lengths::AsAws))
    }

    /// The parts of a signed document.
    pub fn parts(&self, content: &[u8]) -> Parts {
        let (issuer, serial) = self.certificate.name();
        let mut parts = Parts::unsigned(content, issuer, serial);
        self.sign_again(&mut parts.signers[0]);
        parts
    }

    /// Signs the present attributes of a signer.
    ///
    /// # Panics
    /// If the key cannot sign, which does not happen.
    pub fn sign_again(&self, signer: &mut Signer) {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                &signer.signed_message(),
                &mut signature,
            )
            .expect("the test key signs");
        signer.signature = signature;
    }
}

/// The JSON of a document in AWS's layout.
///
/// # Panics
/// If the launch time is after the year 9999.
pub fn content(document: &Document) -> Vec<u8> {
    let milliseconds = i64::try_from(document.launched_at.as_ms()).expect("a time in reach");
    let time = Timestamp::from_millisecond(milliseconds).expect("a time in reach");
    let Document {
        instance,
        region,
        account,
        ..
    } = document;
    let time = time.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        r#"{{
  "accountId" : "{account}",
  "architecture" : "x86_64",
  "availabilityZone" : "{region}a",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : null,
  "imageId" : "ami-0abcdef1234567890",
  "instanceId" : "{instance}",
  "instanceType" : "g5.xlarge",
  "kernelId" : null,
  "pendingTime" : "{time}",
  "privateIp" : "10.0.1.242",
  "ramdiskId" : null,
  "region" : "{region}",
  "version" : "2017-09-30"
}}"#
    )
    .into_bytes()
}

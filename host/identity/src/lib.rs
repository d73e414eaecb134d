//! Proves who is speaking. This crate uses no network, no clock, and no files.
//!
//! - [`Verifier`]: which EC2 instance a box runs on, by its *instance identity document* with the
//!   RSA-2048 signature. A box reads that text at `/latest/dynamic/instance-identity/rsa2048`.
//! - [`login`]: which identity of AWS IAM a program has, by a signature that STS verifies.
//!
//! # Documents
//!
//! ```text
//!   text ──► armour ──► bytes ──► signed_data ──► content, signer
//!                                 (ber)              │
//!   certificates of the regions ───────────────► verifier ──► document ──► instance, region, account, launch time
//!   (pinned, certificate)                        signature      (JSON)
//! ```
//!
//! - [`Verifier`]: the certificates by region, and the steps of a proof.
//! - [`Document`]: the content of a proved document.
//! - [`DocumentError`], [`CertificateError`]: refusals, each with a stable code.
//! - `armour`: decodes base64 with and without PEM armour. `ber`: a strict reader of ASN.1.
//! - `signed_data`: the one form of CMS that AWS writes. `certificate`: a signer's name and key.
//! - `pinned`: AWS's certificates, compiled in.
//! - `testing` (feature of the same name): a signer with a public test key, a signer of logins, and
//!   an STS.
//!
//! # What a document proves
//!
//! A document proves that AWS stated this id and launch time for an instance of this region and
//! account. It does not prove that the sender *is* that instance. The text has no nonce and never
//! expires, every process on the instance can read it, and a copy can be sent again. So a host that
//! registers a box must also
//!
//! 1. check with DescribeInstances that the instance exists, belongs to the worker, and was
//!    launched at that time;
//! 2. register each instance once;
//! 3. issue its own secret, and require that secret from then on.
//!
//! One document can be written in several ways (line breaks, forms of ASN.1 lengths). So a host
//! must remember the instance's id, never a hash of the text.
//!
//! # Sources
//!
//! EC2 user guide: "Verify the instance identity document" (`verify-iid`, option 3) for the
//! signature, "AWS public certificates for instance identity document signatures" (`regions-certs`)
//! for the certificates, "Instance identity documents" for the fields. RFC 5652 for CMS, RFC 6211
//! for the attribute that protects the choice of algorithms, X.690 for ASN.1's encodings.

mod armour;
mod ber;
mod certificate;
mod document;
mod error;
pub mod login;
mod pinned;
mod quote;
mod signed_data;
#[cfg(feature = "testing")]
pub mod testing;
mod verifier;

pub use document::Document;
pub use error::{CertificateError, DocumentError};
pub use verifier::{TEXT_BYTES_MAX, Verifier};

//! Proves which EC2 instance is speaking, from its *instance identity document* with the RSA-2048
//! signature: the text that a box reads at `/latest/dynamic/instance-identity/rsa2048`. No network, no
//! clock, no files.
//!
//! ```text
//!   text ──► armour ──► bytes ──► signed_data ──► content, signer
//!                                 (ber)              │
//!   certificates of the regions ───────────────► verifier ──► document ──► who, where, whose, since when
//!   (pinned, certificate)                        signature      (JSON)
//! ```
//!
//! - [`Verifier`]: the certificates by region, and the order in which a document is proved.
//! - [`Document`]: what a proved document says.
//! - [`DocumentError`], [`CertificateError`]: refusals, each with a stable code.
//! - `armour`: base64 with and without its armour. `ber`: a strict reader of ASN.1.
//! - `signed_data`: the one shape of CMS that AWS writes. `certificate`: a signer's name and key.
//! - `pinned`: AWS's certificates, compiled in.
//! - `testing` (feature of the same name): a signer with a key that is no secret.
//!
//! # What a document proves, and what it does not
//!
//! That AWS stated, for an instance of this region and account, this id and this time of launch. It does
//! not prove that the one who shows it *is* that instance. The text has no nonce and no end of validity,
//! every process on the box can read it, and whoever has seen it once can show it again. So a host that
//! registers a box also
//!
//! 1. asks DescribeInstances whether the instance exists, is its own, and was launched at that time;
//! 2. registers each instance once;
//! 3. hands out a secret of its own, and asks for that one from then on.
//!
//! One document can be written in several ways (line breaks, forms of ASN.1 lengths). What a host
//! remembers is the instance's id, never a hash of the text.
//!
//! # Sources
//!
//! EC2 user guide: "Verify the instance identity document" (`verify-iid`, option 3) for the signature, "AWS
//! public certificates for instance identity document signatures" (`regions-certs`) for the certificates,
//! "Instance identity documents" for the fields. RFC 5652 for CMS, RFC 6211 for the attribute that protects
//! the choice of algorithms, X.690 for ASN.1's encodings.

mod armour;
mod ber;
mod certificate;
mod document;
mod error;
mod pinned;
mod signed_data;
#[cfg(feature = "testing")]
pub mod testing;
mod verifier;

pub use document::Document;
pub use error::{CertificateError, DocumentError};
pub use verifier::{TEXT_BYTES_MAX, Verifier};

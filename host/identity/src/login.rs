//! Login by AWS IAM: a program proves its IAM identity without a secret of this host.
//!
//! ```text
//!   POST /v1/login ──► Login ──► question ──► (the host asks STS) ──► read_reply ──► Principal
//!                      request   authorization                        xml            principal
//!                                signed_headers, date, endpoint                      pattern
//! ```
//!
//! The client signs a request to STS, `GetCallerIdentity`, but does not send it. It sends the
//! signature to the host, the host sends the request to STS, and STS answers who signed it. The
//! host never sees a secret key.
//!
//! - [`Login`]: the four members that a client sends. [`Login::question`] checks them.
//! - [`Question`]: the one request that the host sends to STS, and when to forget its signature.
//! - [`read_reply`]: the identity in STS's reply, or why there is none.
//! - [`Principal`]: an identity. [`ArnPattern`]: the identities that a rule names.
//!
//! # Flow
//! 1. [`Login::read`] the body, and build the [`Question`].
//! 2. Refuse the login if its [`Question::signature_digest`] was accepted before.
//! 3. Send the question to STS and read its reply.
//! 4. Remember the digest, in the store if hosts share one, until [`Question::remember_until`]. Of
//!    two hosts or requests with one signature, only the first to write it accepts the login.
//!
//! # Guarantees
//! An accepted login was signed with a key of the [`Principal`], at most [`SKEW_MAX`] ago, for this
//! fleet. URL, method and body are the host's own, so no other signed request can be used.
//!
//! # Caveats
//! A program that may assume a role chooses the session's name. The name proves something only if
//! the role's trust admits an AWS service alone, such as ec2 or ecs-tasks.
//!
//! SigV4 has no nonce, and its times are whole seconds. Two programs with the same credentials that
//! sign for one fleet within one second make the same signature, and the host accepts it once. The
//! other program signs again a second later.
//!
//! # Sources
//! IAM user guide: "AWS Signature Version 4 for API requests". STS API reference:
//! `GetCallerIdentity`, "Common Errors". AWS General Reference: "AWS Security Token Service
//! endpoints".

mod authorization;
pub(crate) mod date;
mod endpoint;
mod error;
mod pattern;
mod principal;
pub(crate) mod question;
pub(crate) mod reply;
mod request;
mod signed_headers;
mod xml;

pub use date::SKEW_MAX;
pub use endpoint::{Partition, sts_host};
pub use error::LoginError;
pub use pattern::{ArnPattern, PatternError};
pub use principal::{ArnError, Principal, PrincipalKind};
pub use question::{Question, REMEMBERED_FOR, check_audience};
pub use reply::{REPLY_BYTES_MAX, ReplyError, read_reply};
pub use request::{LOGIN_BYTES_MAX, Login};

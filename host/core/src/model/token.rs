//! The tokens of boxes. The host mints a token, the box keeps it, and the store holds only its
//! hash.
//!
//! A token is `rvt1.<worker>.<secret>`. It holds 256 random bits, and the worker's name in clear,
//! so that a token of another worker differs from an unknown one. The hash binds the token to
//! worker, generation and instance, so a token is worthless for any other.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::model::id::{Generation, InstanceId, WorkerId};

/// The prefix of every token; another number would mean another form.
const FORM: &str = "rvt1";
/// The longest text that is parsed: a worker's name and 256 bits need far less.
const TEXT_BYTES_MAX: usize = 1024;

/// 256 random bits, drawn outside the core.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Wraps random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A bearer token. Only the box that it was minted for gets it; no log, journal or store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    worker: WorkerId,
    secret: Secret,
}

/// The error for a text that is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not of the form {FORM}.<worker>.<secret> that a register answers with")]
pub struct NoToken;

impl Token {
    /// The token of a worker with this secret.
    pub fn new(worker: WorkerId, secret: Secret) -> Self {
        Self { worker, secret }
    }

    /// Parses the token that a box sends. Each token has one text: any other text that decodes to
    /// the same bytes is refused.
    ///
    /// # Errors
    /// [`NoToken`].
    pub fn parse(text: &str) -> Result<Self, NoToken> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NoToken);
        }
        let mut parts = text.split('.');
        let (Some(FORM), Some(worker), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoToken);
        };
        let worker = URL_SAFE_NO_PAD.decode(worker).map_err(|_| NoToken)?;
        let worker = String::from_utf8(worker).map_err(|_| NoToken)?;
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes) {
            Ok(32) => Ok(Self::new(WorkerId::new(worker), Secret(bytes))),
            _ => Err(NoToken),
        }
    }

    /// The text for the box.
    pub fn reveal(&self) -> String {
        let worker = URL_SAFE_NO_PAD.encode(self.worker.as_str());
        let secret = URL_SAFE_NO_PAD.encode(self.secret.0);
        format!("{FORM}.{worker}.{secret}")
    }

    /// The worker that the token names. The name alone proves nothing.
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// The hash that is stored, bound to this generation of the worker and this instance.
    pub fn hash(&self, generation: Generation, instance: &InstanceId) -> SecretHash {
        let generation = generation.to_string();
        SecretHash::of(&[
            b"token",
            self.worker.as_str().as_bytes(),
            generation.as_bytes(),
            instance.as_str().as_bytes(),
            &self.secret.0,
        ])
    }
}

/// The SHA-256 of a secret and of what it is bound to. The secrets have 256 bits or are used once,
/// so neither a salt nor a slow hash would add security.
///
/// The comparison takes the same time wherever two hashes differ.
#[derive(Clone, Copy, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of a nonce. It tells a box's repeated register from another box's register.
    pub fn of_nonce(nonce: &str) -> Self {
        Self::of(&[b"nonce", nonce.as_bytes()])
    }

    /// The hash of a secret that the boxes of a pool share, for comparison.
    pub fn of_shared(secret: &str) -> Self {
        Self::of(&[b"shared", secret.as_bytes()])
    }

    /// Hashes each part with its length, so that "ab", "c" and "a", "bc" differ.
    fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHash({}…)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for SecretHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for SecretHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom("a hash is 64 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::new("chat".into(), Secret::new([7; 32]))
    }

    #[test]
    fn a_token_is_read_as_it_was_revealed() {
        let text = token().reveal();
        assert_eq!(Token::parse(&text), Ok(token()));
        assert!(text.starts_with("rvt1.Y2hhdA."), "{text}");
    }

    #[test]
    fn the_debug_form_of_a_token_hides_the_secret() {
        let shown = format!("{:?}", token());
        assert_eq!(
            shown,
            r#"Token { worker: WorkerId("chat"), secret: Secret(…) }"#
        );
    }

    #[test]
    fn a_text_of_another_form_is_no_token() {
        let good = token().reveal();
        let texts = [
            "".to_owned(),
            "rvt1..".to_owned(),
            good.replace("rvt1", "rvt2"),
            format!("{good}."),
            format!("{good}A"),
            good[..good.len() - 1].to_owned(),
            format!("{good}="),
            good.replace('.', ":"),
            format!(" {good}"),
            "x".repeat(100_000),
        ];
        for text in texts {
            assert_eq!(Token::parse(&text), Err(NoToken), "{text}");
        }
    }

    #[test]
    fn a_text_that_only_decodes_to_the_same_bytes_is_no_token() {
        // 43 characters carry 258 bits: the last two must be zero.
        let good = token().reveal();
        let last = good.chars().last().unwrap();
        let others = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for other in others.chars().filter(|other| *other != last) {
            let text = format!("{}{other}", &good[..good.len() - 1]);
            assert_ne!(Token::parse(&text), Ok(token()), "{text}");
        }
    }

    #[test]
    fn a_hash_is_bound_to_worker_generation_and_instance() {
        let hash = |worker: &str, generation, instance: &str| {
            let token = Token::new(worker.into(), Secret::new([7; 32]));
            token.hash(Generation::new(generation), &instance.into())
        };
        let this = hash("chat", 1, "i-a");
        assert_eq!(this, hash("chat", 1, "i-a"));
        for other in [
            hash("cha", 1, "i-a"),
            hash("chat", 2, "i-a"),
            hash("chat", 1, "i-b"),
        ] {
            assert_ne!(this, other);
        }
        let moved = [hash("chat1", 1, "i-a"), hash("chat", 11, "i-a")];
        assert_ne!(moved[0], moved[1]);
    }
}

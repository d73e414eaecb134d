//! Bearer tokens of callers. `reeve token create` makes one and prints it once; the file has its
//! hash. Any copy of the file makes the same tokens count on another host.
//!
//! A token is `rct1.NAME.SECRET`. The name, in clear, tells people which token they hold, and the
//! form lets scanners find a token where none should be.

mod file;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use file::TokenFileError;
pub(crate) use file::{change, read};

/// The first part of every token; another number would mean another form.
const FORM: &str = "rct1";
/// The longest text that is looked at. A name has at most 64 bytes, a secret has 43.
const TEXT_BYTES_MAX: usize = 256;
/// 256 random bits, which no one guesses.
const SECRET_BYTES: usize = 32;

/// A token as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// Its name, which rules speak of.
    pub(crate) name: String,
    /// The SHA-256 of its text.
    hash: Hash,
    /// When it was made, for people.
    pub(crate) created_at: Timestamp,
    /// From when on it does not count; `None`: it never ends.
    pub(crate) expires_at: Option<Timestamp>,
}

/// A token's text. It is shown once.
pub(crate) struct Revealed(String);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Hash([u8; 32]);

/// The system gives no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no randomness, so no token is made: {0}")]
pub(crate) struct NoRandomness(getrandom::Error);

impl Token {
    /// Makes a token of this name.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub(crate) fn make(
        name: &str,
        now: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<(Self, Revealed), NoRandomness> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(NoRandomness)?;
        let text = format!("{FORM}.{name}.{}", URL_SAFE_NO_PAD.encode(secret));
        let token = Self {
            name: name.to_owned(),
            hash: Hash::of(&text),
            created_at: now,
            expires_at,
        };
        Ok((token, Revealed(text)))
    }

    /// Whether this is the token's text, and the token counts at this time. The hashes are compared in
    /// constant time, and a hash of 256 random bits needs no salt.
    pub(crate) fn is(&self, text: &str, now: Timestamp) -> bool {
        let is_over = self.expires_at.is_some_and(|at| at <= now);
        let is_same: bool = Hash::of(text).0.ct_eq(&self.hash.0).into();
        is_same && !is_over
    }
}

/// The name in a token's text. It proves nothing.
pub(crate) fn name_in(text: &str) -> Option<&str> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let (name, _secret) = text
        .strip_prefix(FORM)?
        .strip_prefix('.')?
        .rsplit_once('.')?;
    Some(name)
}

impl Revealed {
    /// The text, for the person who asked for it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl Hash {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hex::encode(hash.0)
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(|error| {
            format!("the hash of a token is no SHA-256 in hexadecimal: {error}")
        })?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_token_is_its_own_text_and_no_other_until_it_ends() {
        let (token, text) = Token::make("deploy", at(0), Some(at(100))).unwrap();
        let (_, other) = Token::make("deploy", at(0), None).unwrap();
        assert_eq!(name_in(text.text()), Some("deploy"));
        assert!(token.is(text.text(), at(99)));
        assert!(!token.is(text.text(), at(100)));
        assert!(!token.is(other.text(), at(0)));
        for (place, letter) in text.text().char_indices() {
            let mut mutated = text.text().to_owned();
            let another = if letter == 'x' { "y" } else { "x" };
            mutated.replace_range(place..=place, another);
            assert!(!token.is(&mutated, at(0)), "{place}");
        }
    }

    #[test]
    fn a_name_may_have_dots_and_other_texts_have_none() {
        assert_eq!(name_in("rct1.a.b.c.secret"), Some("a.b.c"));
        let long = format!("rct1.{}.s", "n".repeat(TEXT_BYTES_MAX));
        for text in [
            "",
            "rct1",
            "rct1.",
            "rct1.deploy",
            "rct2.deploy.x",
            "deploy.x",
            &long,
        ] {
            assert_eq!(name_in(text), None, "{text}");
        }
    }

    #[test]
    fn neither_the_file_nor_a_log_has_the_secret() {
        let (token, text) = Token::make("deploy", at(0), None).unwrap();
        let secret = text.text().rsplit('.').next().unwrap();
        let told = serde_json::to_string(&token).unwrap() + &format!("{token:?}");
        assert!(!told.contains(secret), "{told}");
    }
}

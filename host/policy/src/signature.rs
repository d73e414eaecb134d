//! Signatures of policies: a file `resolve.wasm` is signed by `resolve.wasm.minisig`, as `minisign -S`
//! writes it (<https://jedisct1.github.io/minisign/>). A signature covers the content, not the file's
//! name and not its age: a signed component may stand under another name, and an older one may come
//! back. A binding's digest holds against both.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use minisign_verify::{Error, PublicKey, Signature};

use crate::file;
use crate::report::ReloadError;

/// A signature has 300 bytes and two comments.
const SIGNATURE_BYTES_MAX: u64 = 8 * 1024;

/// A public key of minisign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerKey(PublicKey);

/// The text is no public key.
#[derive(Debug, thiserror::Error)]
#[error(
    "found no public key of minisign; accepted is the second line of a file that `minisign -G` writes, \
     such as RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
)]
pub struct NoKey;

impl FromStr for SignerKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        PublicKey::from_base64(text).map(Self).map_err(|_| NoKey)
    }
}

/// Checks that one of the keys signed the content of the file. Without keys, nothing is asked for.
///
/// # Errors
/// [`ReloadError::NotSigned`].
pub(crate) fn check(keys: &[SignerKey], path: &Path, content: &[u8]) -> Result<(), ReloadError> {
    if keys.is_empty() {
        return Ok(());
    }
    let signature = beside(path);
    verify(keys, &signature, content).map_err(|why| ReloadError::NotSigned {
        path: path.to_owned(),
        why,
    })
}

fn verify(keys: &[SignerKey], path: &Path, content: &[u8]) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = file::read(path, SIGNATURE_BYTES_MAX)
        .map_err(|error| format!("{name} cannot be read ({})", error.code()))?;
    let text = String::from_utf8_lossy(&text);
    let signature =
        Signature::decode(&text).map_err(|_| format!("{name} is no signature of minisign"))?;
    let mut why = format!("{name} is by a key that is not one of these");
    for SignerKey(key) in keys {
        match key.verify(content, &signature, false) {
            Ok(()) => return Ok(()),
            Err(Error::UnexpectedKeyId) => {}
            Err(_) => why = format!("{name} is of other content"),
        }
    }
    Err(why)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".minisig");
    name.into()
}

//! Reads the input as a signed instance identity document, in three ways by its first byte: as the
//! text that a box sends; as changes to the bytes of a signed document; as content that is signed.
//!
//! Must hold: no panic, a refusal in one short line, and no document is believed that was not signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use reeve_core::time::Instant;
use reeve_fuzz::assert_harmless;
use reeve_identity::testing::{Issuer, Lengths, content, text};
use reeve_identity::{Document, Verifier};

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let region = "us-east-1".into();
    let verifier = Verifier::pinned().with_certificate(region, ISSUER.certificate());
    verifier.expect("a certificate")
});
static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let parts = ISSUER.parts(&content(&DOCUMENT));
    parts.encode(Lengths::Definite)
});
static DOCUMENT: LazyLock<Document> = LazyLock::new(|| Document {
    instance: "i-0123456789abcdef0".into(),
    region: "us-east-1".into(),
    account: "123456789012".to_owned(),
    launched_at: Instant::from_ms(1_760_000_000_000),
});

fuzz_target!(|bytes: &[u8]| {
    let Some((way, rest)) = bytes.split_first() else {
        return;
    };
    match way % 3 {
        0 => drop(verify(&String::from_utf8_lossy(rest))),
        1 => {
            let believed = verify(&text(&patched(&SIGNED, rest)));
            assert!(believed.is_none_or(|found| found == *DOCUMENT), "a forgery");
        }
        _ => drop(verify(&ISSUER.sign_content(rest))),
    }
});

fn verify(signed: &str) -> Option<Document> {
    match VERIFIER.verify(signed) {
        Ok(document) => Some(document),
        Err(error) => {
            assert_harmless(&error.to_string());
            None
        }
    }
}

/// The bytes with one replaced for every three of the patch: its place, and the byte.
fn patched(bytes: &[u8], patch: &[u8]) -> Vec<u8> {
    let mut patched = bytes.to_vec();
    for change in patch.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let place = place % patched.len();
        patched[place] = change[2];
    }
    patched
}

//! Tests which documents are proved, and the error code of every refusal. Each forgery changes one
//! thing.

#![allow(clippy::expect_used)]

use std::sync::LazyLock;

use reeve_core::time::Instant;
use reeve_identity::testing::{Issuer, Lengths, Parts, content, text};
use reeve_identity::{CertificateError, Document, TEXT_BYTES_MAX, Verifier};

const HERE: &str = "us-east-1";
const THERE: &str = "eu-west-1";

fn document() -> Document {
    Document {
        instance: "i-0123456789abcdef0".into(),
        region: HERE.into(),
        account: "123456789012".to_owned(),
        launched_at: Instant::from_ms(1_700_000_000_000),
    }
}

/// A verifier with one issuer for `HERE` and another for `THERE`.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    Verifier::pinned()
        .with_certificate(HERE.into(), Issuer::new().certificate())
        .and_then(|known| known.with_certificate(THERE.into(), Issuer::other().certificate()))
        .expect("the tests' certificates are read")
});

/// The code of the refusal, or `proved`.
fn code(signed: &str) -> &'static str {
    match VERIFIER.verify(signed) {
        Ok(_) => "proved",
        Err(error) => error.code(),
    }
}

/// Changes the parts of a good document and encodes them.
fn forged(change: impl FnOnce(&mut Parts)) -> String {
    let mut parts = Issuer::new().parts(&content(&document()));
    change(&mut parts);
    text(&parts.encode(Lengths::AsAws))
}

/// Like [`forged`], but signed again by the known issuer.
fn signed(change: impl FnOnce(&mut Parts)) -> String {
    forged(|parts| {
        change(parts);
        Issuer::new().sign_again(&mut parts.signers[0]);
    })
}

/// Changes a good document's JSON and signs it.
fn json(change: impl FnOnce(String) -> String) -> String {
    let good = String::from_utf8(content(&document())).expect("JSON");
    Issuer::new().sign_content(change(good).as_bytes())
}

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits).expect("hexadecimal digits")
}

const SHA_256_WITH_NULL: &str = "300d06096086480165030402010500";

#[test]
fn a_signed_document_is_proved_and_says_who_speaks() {
    assert_eq!(
        VERIFIER.verify(&Issuer::new().sign(&document())),
        Ok(document())
    );
}

#[test]
fn a_document_in_awss_older_form_or_with_definite_lengths_is_proved_as_well() {
    let older = signed(|parts| {
        parts.digest_algorithms = vec![bytes(SHA_256_WITH_NULL)];
        let content = parts.content.clone();
        let signer = &mut parts.signers[0];
        signer.digest_algorithm = bytes(SHA_256_WITH_NULL);
        signer.state(&content);
    });
    assert_eq!(code(&older), "proved");
    let definite = Issuer::new().parts(&content(&document()));
    assert_eq!(code(&text(&definite.encode(Lengths::Definite))), "proved");
}

#[test]
fn a_long_document_in_pieces_is_proved() {
    let long = json(|good| {
        let codes = vec![r#""1abc2defghijklm3nopqrs4tu""#; 100].join(", ");
        good.replacen(
            "\"marketplaceProductCodes\" : null",
            &format!("\"marketplaceProductCodes\" : [ {codes} ]"),
            1,
        )
    });
    assert_eq!(code(&long), "proved");
}

#[test]
fn one_certificate_can_stand_for_several_regions() {
    let verifier = VERIFIER
        .clone()
        .with_certificate(THERE.into(), Issuer::new().certificate())
        .expect("the test's certificate is read");
    for region in [HERE, THERE] {
        let document = Document {
            region: region.into(),
            ..document()
        };
        let proved = verifier.verify(&Issuer::new().sign(&document));
        assert_eq!(proved, Ok(document));
    }
}

#[test]
fn a_document_of_one_region_with_another_regions_key_is_refused() {
    let error = VERIFIER
        .verify(&Issuer::other().sign(&document()))
        .expect_err("the key is another region's");
    assert_eq!(error.code(), "document_contradictory");
    let text = error.to_string();
    assert!(text.contains(HERE) && text.contains(THERE), "{text}");
}

#[test]
fn a_known_signers_name_with_anothers_key_is_refused() {
    let text = forged(|parts| Issuer::other().sign_again(&mut parts.signers[0]));
    assert_eq!(code(&text), "signature_wrong");
}

#[test]
fn signed_content_cannot_be_exchanged() {
    let other = Document {
        instance: "i-0123456789abcdef1".into(),
        ..document()
    };
    let exchanged = forged(|parts| parts.content = content(&other));
    assert_eq!(code(&exchanged), "signature_wrong");
    let stated_anew = forged(|parts| {
        parts.content = content(&other);
        parts.signers[0].state(&content(&other));
    });
    assert_eq!(code(&stated_anew), "signature_wrong");
    let without_digest = signed(|parts| {
        parts.signers[0].attributes.pop();
    });
    assert_eq!(code(&without_digest), "signature_wrong");
}

#[test]
fn other_algorithms_are_refused_wherever_they_are_named() {
    let digests = [
        ("MD5", "300c06082a864886f70d02050500"),
        ("SHA-1", "300906052b0e03021a0500"),
        ("SHA-512", "300b0609608648016503040203"),
    ];
    for (name, digest) in digests {
        let before = signed(|parts| parts.digest_algorithms = vec![bytes(digest)]);
        assert_eq!(code(&before), "document_unsupported", "{name} before");
        let with_signer = signed(|parts| parts.signers[0].digest_algorithm = bytes(digest));
        assert_eq!(code(&with_signer), "document_unsupported", "{name} with");
    }
    let signatures = [
        ("rsaEncryption", "300d06092a864886f70d0101010500"),
        ("RSA with SHA-1", "300d06092a864886f70d0101050500"),
        ("RSASSA-PSS", "300b06092a864886f70d01010a"),
        ("DSA with SHA-1", "300906072a8648ce380403"),
        (
            "RSA with SHA-256 without NULL",
            "300b06092a864886f70d01010b",
        ),
    ];
    for (name, signature) in signatures {
        let text = signed(|parts| parts.signers[0].signature_algorithm = bytes(signature));
        assert_eq!(code(&text), "document_unsupported", "{name}");
    }
}

#[test]
fn the_frame_must_name_the_algorithms_that_the_signer_signed() {
    let frame_only = signed(|parts| {
        parts.digest_algorithms = vec![bytes(SHA_256_WITH_NULL)];
        parts.signers[0].digest_algorithm = bytes(SHA_256_WITH_NULL);
    });
    assert_eq!(code(&frame_only), "document_contradictory");
    let one_of_two = signed(|parts| parts.digest_algorithms = vec![bytes(SHA_256_WITH_NULL)]);
    assert_eq!(code(&one_of_two), "document_malformed");
}

#[test]
fn a_frame_that_aws_does_not_write_is_refused() {
    let no_attributes = |parts: &mut Parts| parts.signers[0].attributes.clear();
    type Change<'a> = &'a dyn Fn(&mut Parts);
    let changes: [(&str, Change); 8] = [
        ("no signer", &|parts| parts.signers.clear()),
        ("two signers", &|parts| {
            let signer = parts.signers[0].clone();
            parts.signers.push(signer);
        }),
        ("no digest algorithm", &|parts| {
            parts.digest_algorithms.clear();
        }),
        ("two digest algorithms", &|parts| {
            let algorithm = parts.digest_algorithms[0].clone();
            parts.digest_algorithms.push(algorithm);
        }),
        ("a certificate", &|parts| {
            parts.after_content = bytes("a003300100");
        }),
        ("attributes that are not signed", &|parts| {
            parts.signers[0].after_signature = bytes("a1023000");
        }),
        ("no name of the signer", &|parts| {
            parts.signers[0].issuer.clear();
        }),
        ("a second messageDigest", &|parts| {
            let digest = parts.signers[0].attributes[3].clone();
            parts.signers[0].attributes.push(digest);
            Issuer::new().sign_again(&mut parts.signers[0]);
        }),
    ];
    for (name, change) in changes {
        assert_eq!(code(&forged(change)), "document_malformed", "{name}");
    }
    // Without attributes, the signature covers the content itself. AWS does not sign like that.
    assert_eq!(code(&forged(no_attributes)), "signature_wrong");
}

#[test]
fn another_kind_of_content_in_the_attributes_is_refused() {
    let signed_data = "301806092a864886f70d010903310b06092a864886f70d010702";
    let text = signed(|parts| parts.signers[0].attributes[0] = bytes(signed_data));
    assert_eq!(code(&text), "document_contradictory");
}

#[test]
fn nothing_may_follow_or_be_missing() {
    let good = Issuer::new()
        .parts(&content(&document()))
        .encode(Lengths::AsAws);
    let longer = [good.clone(), vec![0]].concat();
    assert_eq!(code(&text(&longer)), "document_malformed");
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(code(&text(&twice)), "document_malformed");
    for length in 0..good.len() {
        assert_eq!(
            code(&text(&good[..length])),
            "document_malformed",
            "{length}"
        );
    }
}

#[test]
fn a_text_is_not_read_beyond_its_bound() {
    let good = Issuer::new().sign(&document());
    let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
    assert_eq!(code(&padded(TEXT_BYTES_MAX)), "proved");
    assert_eq!(code(&padded(TEXT_BYTES_MAX + 1)), "document_too_long");
    assert_eq!(code(&"A".repeat(10_000_000)), "document_too_long");
    let deep = text(&[0x30, 0x80].repeat(6_000));
    assert_eq!(code(&deep), "document_malformed");
    for nothing in ["", "\n", "{}", "\u{fffd}", "-----BEGIN PKCS7-----", "AAAA"] {
        assert_eq!(code(nothing), "document_malformed", "{nothing:?}");
    }
}

#[test]
fn a_signed_document_that_is_none_is_refused() {
    let cases = [
        ("no JSON", json(|_| "hello".to_owned())),
        ("nothing", json(|_| String::new())),
        (
            "an id of no instance",
            json(|good| good.replace("i-0123456789abcdef0", "eni-0123456")),
        ),
        (
            "two ids",
            json(|good| good.replacen('{', "{\"instanceId\" : \"i-00000000\",", 1)),
        ),
        (
            "no account",
            json(|good| good.replace("accountId", "account")),
        ),
        ("two documents", json(|good| format!("{good}{good}"))),
    ];
    for (name, text) in cases {
        assert_eq!(code(&text), "document_malformed", "{name}");
    }
}

#[test]
fn a_verifier_says_which_regions_it_knows() {
    let pinned = Verifier::pinned();
    assert!(pinned.knows(&HERE.into()));
    assert!(!pinned.knows(&"moon-central-1".into()));
    let more = pinned
        .with_certificate("moon-central-1".into(), Issuer::new().certificate())
        .expect("the test's certificate is read");
    assert!(more.knows(&"moon-central-1".into()));
}

#[test]
fn only_one_certificate_with_an_rsa_key_of_2048_bits_is_taken() {
    let refused = |pem: &str| -> CertificateError {
        Verifier::pinned()
            .with_certificate(HERE.into(), pem)
            .expect_err("not such a certificate")
    };
    let good = Issuer::new().certificate();
    let cases = [
        "",
        "hello",
        &good.repeat(2),
        &good.replace("CERTIFICATE", "PKCS7"),
    ];
    for pem in cases {
        assert_eq!(refused(pem).code(), "certificate_malformed", "{pem:.40}");
    }
    let short = refused(include_str!("certificates/rsa-1024.pem"));
    assert_eq!(short.code(), "certificate_unsupported");
    assert!(short.to_string().contains("about 1024 bits"), "{short}");
    let dsa = refused(include_str!("certificates/dsa.pem"));
    assert_eq!(dsa.code(), "certificate_unsupported");
}

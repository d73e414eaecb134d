//! Tests that documents signed by AWS are proved with the pinned certificates.

#![allow(clippy::expect_used)]

use reeve_core::time::Instant;
use reeve_identity::testing::Issuer;
use reeve_identity::{Document, DocumentError, Verifier};

const SIGNED: &str = include_str!("aws/ap-southeast-2.rsa2048");

#[test]
fn a_document_that_aws_signed_is_proved_with_its_regions_pinned_certificate() {
    let document = Verifier::pinned().verify(SIGNED);
    let expected = Document {
        instance: "i-0c5541936caf78c12".into(),
        region: "ap-southeast-2".into(),
        account: "189292791360".to_owned(),
        launched_at: Instant::from_ms(1_771_202_307_000), // 2026-02-16T00:38:27Z
    };
    assert_eq!(document, Ok(expected));
}

#[test]
fn the_text_may_be_armoured_as_in_awss_guide_or_be_one_line() {
    let verifier = Verifier::pinned();
    let expected = verifier.verify(SIGNED);
    let armoured = format!("-----BEGIN PKCS7-----\n{SIGNED}\n-----END PKCS7-----\n");
    assert_eq!(verifier.verify(&armoured), expected);
    let one_line: String = SIGNED.lines().collect();
    assert_eq!(verifier.verify(&one_line), expected);
}

#[test]
fn the_signature_with_sha_1_and_dsa_that_aws_offers_as_well_is_refused() {
    let error = Verifier::pinned()
        .verify(include_str!("aws/ap-southeast-2.pkcs7"))
        .expect_err("SHA-1 is not accepted");
    assert_eq!(error.code(), "document_unsupported");
    let text = error.to_string();
    assert!(text.contains("signed with SHA-1"), "{text}");
    assert!(text.contains("instance-identity/rsa2048"), "{text}");
}

#[test]
fn a_signer_of_tests_is_unknown_until_its_certificate_is_given() {
    let issuer = Issuer::new();
    let document = Verifier::pinned().verify(SIGNED).expect("AWS signed it");
    let text = issuer.sign(&document);
    let error = Verifier::pinned()
        .verify(&text)
        .expect_err("the signer is not known");
    let serial = "7e570000000001".to_owned();
    assert_eq!(error, DocumentError::RegionUnknown { serial });
    assert_eq!(error.code(), "region_unknown");
    let verifier = Verifier::pinned()
        .with_certificate(document.region.clone(), issuer.certificate())
        .expect("the test's certificate is read");
    assert_eq!(verifier.verify(&text), Ok(document.clone()));
    assert_eq!(
        verifier.verify(SIGNED),
        Ok(document),
        "AWS's certificate is still known"
    );
}

/// With AWS's name and signature inserted, the test signer's text equals AWS's.
#[test]
fn the_signer_of_tests_writes_the_same_bytes_as_aws() {
    use base64::Engine as _;
    let one_line: String = SIGNED.lines().collect();
    let aws = base64::engine::general_purpose::STANDARD
        .decode(one_line)
        .expect("AWS's base64");
    // AWS's content, name and signature, found by their lengths.
    let content = &aws[56..540];
    let issuer = &aws[559..653];
    let serial = &aws[653..664];
    let mut parts = Issuer::new().parts(content);
    parts.signers[0].issuer = issuer.to_vec();
    parts.signers[0].serial = serial.to_vec();
    parts.signers[0].signature = aws[849..1105].to_vec();
    let written = parts.encode(reeve_identity::testing::Lengths::AsAws);
    assert_eq!(hex::encode(written), hex::encode(aws));
}

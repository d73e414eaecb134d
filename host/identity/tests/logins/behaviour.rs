//! What a host accepts, and what it sends to STS.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use reeve_identity::login::{Login, LoginError, Question};
use reeve_identity::testing::sts::{Caller, Request, Signing, Sts};

use super::world::{FLEET, REGIONS, World};

fn question(world: &World, login: &Login) -> Result<Question, LoginError> {
    login.question(FLEET, &REGIONS.map(str::to_owned), world.at)
}

#[test]
fn a_sound_login_is_accepted() {
    let world = World::new();
    for sound in &world.sound {
        let accepted = world.attempt(&world.arrives(&sound.login));
        let accepted = accepted.unwrap_or_else(|code| panic!("{code}: {:?}", sound.login));
        assert_eq!(accepted.principal.arn, sound.arn);
    }
}

#[test]
fn a_login_is_accepted_within_five_minutes() {
    let world = World::new();
    for seconds in [-300, -1, 0, 299, 300] {
        let mut attempt = world.arrives(&world.sound[0].login);
        attempt.now = world.at + SignedDuration::from_secs(seconds);
        assert!(world.attempt(&attempt).is_ok(), "{seconds}");
    }
}

#[test]
fn the_question_is_the_hosts_own() {
    let world = World::new();
    let login = &world.sound[2].login;
    let question = question(&world, login).unwrap();
    assert_eq!(question.host(), "sts.eu-central-1.amazonaws.com");
    assert_eq!((question.method(), question.path()), ("POST", "/"));
    assert_eq!(
        question.body(),
        "Action=GetCallerIdentity&Version=2011-06-15"
    );
    let headers: BTreeMap<&str, &str> = question
        .headers()
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let expected = [
        ("authorization", login.authorization.as_str()),
        ("content-length", "43"),
        (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        ),
        ("host", "sts.eu-central-1.amazonaws.com"),
        ("x-amz-date", "20260101T000200Z"),
        ("x-amz-security-token", "FwoGZXIvYXdzEExample//2=="),
        ("x-reeve-audience", FLEET),
    ];
    assert_eq!(headers, expected.into());
    assert_eq!(question.access_key(), "ASIAEXAMPLE000000002");
}

#[test]
fn a_signed_digest_of_the_body_is_sent() {
    let world = World::new();
    let question = question(&world, &world.sound[3].login).unwrap();
    let name = "x-amz-content-sha256";
    let mut headers = question.headers().iter();
    let (_, value) = headers.find(|(found, _)| *found == name).unwrap();
    assert_eq!(
        value,
        "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843"
    );
}

#[test]
fn one_signature_has_one_digest_in_every_spacing() {
    let world = World::new();
    let sound = &world.sound[0].login;
    let narrow = Login {
        authorization: sound.authorization.replace(", ", ","),
        ..sound.clone()
    };
    let one = question(&world, sound).unwrap();
    assert_eq!(one, question(&world, &narrow).unwrap());
    let other = question(&world, &world.sound[1].login).unwrap();
    assert_ne!(one.signature_digest(), other.signature_digest());
    let minutes = one.remember_until().duration_since(world.at).as_mins();
    assert_eq!(minutes, 20);
}

#[test]
fn debug_of_a_question_hides_the_secrets() {
    let world = World::new();
    let login = &world.sound[2].login;
    let text = format!("{:?}", question(&world, login).unwrap());
    let signature = login.authorization.split('=').next_back().unwrap();
    assert!(!text.contains(signature), "{text}");
    assert!(!text.contains("FwoGZXIvYXdz"), "{text}");
}

#[test]
fn a_refusal_says_which_regions_are_accepted() {
    let world = World::new();
    let mut login = world.sound[0].login.clone();
    login.region = "us-west-2".to_owned();
    let error = question(&world, &login).unwrap_err().to_string();
    assert!(error.contains("\"us-west-2\""), "{error}");
    assert!(
        error.contains("eu-central-1, us-east-1, cn-north-1"),
        "{error}"
    );
}

#[test]
fn a_configured_region_without_a_known_sts_is_refused() {
    let world = World::new();
    let region = "us-iso-east-1".to_owned();
    let login = world.sound[0].caller.sign(&region, FLEET, world.at);
    let error = login.question(FLEET, &[region], world.at).unwrap_err();
    assert_eq!(error.code(), "login_region_unsupported");
}

#[test]
fn a_fleets_name_with_a_space_is_no_audience() {
    let world = World::new();
    let regions = REGIONS.map(str::to_owned);
    for audience in [
        "",
        "my studio",
        "studio ",
        "studio\r\nx: y",
        "stüdio",
        &"a".repeat(257),
    ] {
        let login = &world.sound[0].login;
        let error = login.question(audience, &regions, world.at).unwrap_err();
        assert_eq!(error.code(), "login_audience_unusable", "{audience:?}");
    }
}

#[test]
fn a_member_that_is_too_long_is_refused() {
    let world = World::new();
    let long = "a".repeat(9000);
    let good = world.sound[2].login.clone();
    let logins = [
        Login {
            region: long.clone(),
            ..good.clone()
        },
        Login {
            authorization: long.clone(),
            ..good.clone()
        },
        Login {
            x_amz_date: long.clone(),
            ..good.clone()
        },
        Login {
            x_amz_security_token: Some(long),
            ..good
        },
    ];
    for login in logins {
        let error = question(&world, &login).unwrap_err();
        assert_eq!(error.code(), "login_too_long", "{login:?}");
    }
}

#[test]
fn a_token_of_the_longest_length_is_accepted() {
    let world = World::new();
    let caller = Caller {
        access_key: "ASIAEXAMPLE000000005".to_owned(),
        secret_key: "only/for/tests".to_owned(),
        security_token: Some("a".repeat(8 * 1024)),
    };
    let login = caller.sign(REGIONS[0], FLEET, world.at);
    let json = serde_json::to_vec(&login).unwrap();
    let question = question(&world, &Login::read(&json).unwrap()).unwrap();
    let sts = Sts::new(REGIONS[0]).with(&caller, "arn:aws:iam::123456789012:root");
    let response = sts.answer(&Request::from(&question), world.at);
    assert_eq!(response.status, 200, "{}", response.body);
}

/// Made by botocore 1.44.8: its `SigV4Auth` over the request of `examples/lambda/handler.py`.
const BY_BOTOCORE: &str = r#"{
    "region": "eu-central-1",
    "authorization": "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE000000002/20261128/eu-central-1/sts/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token;x-reeve-audience, Signature=8f681f7ca6f4ff3f6d0258f6520458f61d31dc6ec9f5afe37ff8db64a99f1ce9",
    "x-amz-date": "20261128T074910Z",
    "x-amz-security-token": "IQoJb3JpZ2luX2VjEXAMPLE//+=="
}"#;

#[test]
fn a_login_that_botocore_signed_is_accepted() {
    let at = "2026-11-28T07:49:10Z".parse().unwrap();
    let caller = Caller {
        access_key: "ASIAEXAMPLE000000002".to_owned(),
        secret_key: "only/for/tests/x+y".to_owned(),
        security_token: Some("IQoJb3JpZ2luX2VjEXAMPLE//+==".to_owned()),
    };
    let login = Login::read(BY_BOTOCORE.as_bytes()).unwrap();
    let question = login.question(FLEET, &REGIONS.map(str::to_owned), at);
    let sts = Sts::new(REGIONS[0]).with(&caller, "arn:aws:iam::123456789012:root");
    let response = sts.answer(&Request::from(&question.unwrap()), at);
    assert_eq!(response.status, 200, "{}", response.body);
    // Our own signer covers one header more, content-type.
    let signing = Signing::new(REGIONS[0], FLEET, at).without("content-type");
    assert_eq!(caller.sign_request(&signing), login);
}

/// What the test's STS refuses, with AWS's codes. The host's checks come before and refuse more.
#[test]
fn the_sts_of_tests_verifies() {
    let world = World::new();
    let sound = &world.sound[2];
    let question = question(&world, &sound.login).unwrap();
    let sts = Sts::new(REGIONS[0]).with(&sound.caller, sound.arn);
    let code = |change: &dyn Fn(&mut Request<'_>), minutes: i64| {
        let mut request = Request::from(&question);
        change(&mut request);
        let response = sts.answer(&request, world.at + SignedDuration::from_mins(minutes));
        let (_, rest) = response.body.split_once("<Code>").unwrap_or(("", "none<"));
        (
            response.status,
            rest.split('<').next().unwrap_or_default().to_owned(),
        )
    };
    let set = |name: &'static str, value: &'static str| {
        move |request: &mut Request<'_>| {
            request.headers.retain(|(found, _)| found != name);
            if !value.is_empty() {
                request.headers.push((name.to_owned(), value.to_owned()));
            }
        }
    };
    let none = (200, "none".to_owned());
    assert_eq!(code(&|_| (), 0), none);
    assert_eq!(code(&|_| (), 15), none);
    let mismatch = (403, "SignatureDoesNotMatch".to_owned());
    assert_eq!(code(&|_| (), 16), mismatch);
    assert_eq!(code(&|_| (), -6), mismatch);
    assert_eq!(code(&|request| request.method = "GET", 0), mismatch);
    assert_eq!(code(&|request| request.body = b"", 0), mismatch);
    assert_eq!(code(&|request| request.query = "a=b", 0), mismatch);
    assert_eq!(code(&set("x-reeve-audience", "other"), 0), mismatch);
    assert_eq!(code(&set("x-reeve-audience", ""), 0), mismatch);
    assert_eq!(code(&set("x-amz-target", "unsigned"), 0), mismatch);
    assert_eq!(code(&set("user-agent", "unsigned"), 0), none);
    let unknown = (403, "InvalidClientTokenId".to_owned());
    assert_eq!(code(&set("x-amz-security-token", "other"), 0), unknown);
    assert_eq!(code(&set("x-amz-security-token", ""), 0), unknown);
    let missing = (403, "MissingAuthenticationToken".to_owned());
    assert_eq!(code(&set("authorization", ""), 0), missing);
    let incomplete = (403, "IncompleteSignature".to_owned());
    assert_eq!(code(&set("authorization", "Bearer x"), 0), incomplete);
    assert_eq!(code(&set("x-amz-date", ""), 0), incomplete);
}

#[test]
fn another_action_is_no_login() {
    let world = World::new();
    let sound = &world.sound[0];
    let mut signing = Signing::new(REGIONS[1], FLEET, world.at);
    signing.body = "Action=GetSessionToken&Version=2011-06-15".to_owned();
    let login = sound.caller.sign_request(&signing);
    let refused = world.attempt(&world.arrives(&login));
    let refused = refused.err().unwrap();
    assert!(refused.contains("SignatureDoesNotMatch"), "{refused}");
}

//! Checks that a mutated reply of STS never causes a panic, and never names another identity than
//! its text does.

use reeve_identity::login::{Principal, ReplyError, read_reply};
use reeve_identity::testing::sts::{Caller, Request, Sts};

use super::chance::Chance;
use super::number;

const ARNS: [&str; 4] = [
    "arn:aws:sts::123456789012:assumed-role/chat-callers/resolve-chat",
    "arn:aws:iam::123456789012:user/ops/alice",
    "arn:aws-us-gov:sts::123456789012:federated-user/bob",
    "arn:aws:iam::123456789012:root",
];

/// What is inserted: markup, references, and other identities.
const INSERTS: [&str; 20] = [
    "<",
    ">",
    "&amp;",
    "&#49;",
    "&e;",
    "\"",
    "/",
    "<!-- -->",
    "<![CDATA[x]]>",
    "<?xml version=\"1.0\"?>",
    "<?p?>",
    "<!DOCTYPE a [<!ENTITY e \"1\">]>",
    "<Arn>arn:aws:iam::123456789013:root</Arn>",
    "<Account>123456789013</Account>",
    "</Arn><Arn>",
    "</GetCallerIdentityResult><GetCallerIdentityResult>",
    "<GetCallerIdentityResult>",
    " xmlns=\"x\"",
    "\0",
    "é",
];

#[test]
fn a_mutated_reply_names_no_other_identity() {
    let seed = number("REEVE_SEED", 20_480);
    let mutants = number("REEVE_MUTATED", 20_000);
    println!("seed {seed}, {mutants} mutants");
    let originals = replies();
    let mut chance = Chance::new(seed, 0);
    let (mut named, mut refused) = (0, 0);
    for _ in 0..mutants {
        let mut reply = chance.pick(&originals).clone();
        for _ in 0..=chance.below(3) {
            mutate(&mut reply, &originals, &mut chance);
        }
        let status = *chance.pick(&[200, 200, 200, 200, 200, 400, 403, 503]);
        match read_reply(status, Some("text/xml"), &reply) {
            Ok(principal) => {
                let text = String::from_utf8_lossy(&reply);
                assert_eq!(status, 200, "seed {seed}: {text}");
                check(&principal, &text, seed);
                named += 1;
            }
            Err(error) => {
                check_refusal(&error);
                refused += 1;
            }
        }
    }
    println!("{named} name what their text says, {refused} refused");
    assert!(named > mutants / 100 && refused > mutants / 2);
}

/// The replies of STS to callers with these identities, and a refusal.
fn replies() -> Vec<Vec<u8>> {
    let at = "2026-01-01T00:00:00Z".parse().expect("a time");
    let caller = Caller {
        access_key: "AKIAEXAMPLE000000001".to_owned(),
        secret_key: "only/for/tests".to_owned(),
        security_token: None,
    };
    let login = caller.sign("us-east-1", "studio", at);
    let question = login
        .question("studio", &["us-east-1".to_owned()], at)
        .expect("a sound login");
    let request = Request::from(&question);
    let known = ARNS.map(|arn| Sts::new("us-east-1").with(&caller, arn));
    let all = known.into_iter().chain([Sts::new("us-east-1")]);
    all.map(|sts| sts.answer(&request, at).body.into_bytes())
        .collect()
}

fn mutate(reply: &mut Vec<u8>, originals: &[Vec<u8>], chance: &mut Chance) {
    let place = chance.below(reply.len().max(1));
    let end = (place + 1 + chance.below(12)).min(reply.len());
    match chance.below(6) {
        0 if !reply.is_empty() => reply[place] ^= 1 << chance.below(8),
        1 => {
            let insert = chance.pick(&INSERTS).bytes();
            reply.splice(place.min(end)..place.min(end), insert);
        }
        2 => _ = reply.drain(place.min(end)..end),
        3 => {
            // A piece of the same reply, once more.
            let piece = reply[place.min(end)..end].to_vec();
            let at = chance.below(reply.len() + 1);
            reply.splice(at..at, piece);
        }
        4 => {
            // The end of another reply.
            let other = chance.pick(originals);
            reply.truncate(place);
            reply.extend_from_slice(&other[place.min(other.len())..]);
        }
        _ => {
            let digits = b"0123456789";
            if let Some(byte) = reply.get_mut(place)
                && byte.is_ascii_digit()
            {
                *byte = *chance.pick(digits);
            }
        }
    }
}

/// Checks an identity against the text, which is read in another way than the library's.
#[track_caller]
fn check(principal: &Principal, text: &str, seed: u64) {
    let stated = |name: &str| {
        let starts: Vec<&str> = text.split(&format!("<{name}")).skip(1).collect();
        let [start] = starts.as_slice() else {
            panic!("seed {seed}: {name} {} times: {text}", starts.len());
        };
        let (_, rest) = start.split_once('>').expect("the end of the tag");
        rest.split('<').next().expect("a text").to_owned()
    };
    assert_eq!(principal.arn, stated("Arn"), "seed {seed}");
    assert_eq!(principal.account, stated("Account"), "seed {seed}");
    assert_eq!(
        principal.arn.split(':').nth(4),
        Some(principal.account.as_str())
    );
    assert_eq!(principal.arn.parse().as_ref(), Ok(principal));
    assert!(!text.contains("<!") && !text.contains("&e;"), "{text}");
}

/// An error is short, and has no control characters.
#[track_caller]
fn check_refusal(error: &ReplyError) {
    let text = error.to_string();
    assert!(text.len() < 500, "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

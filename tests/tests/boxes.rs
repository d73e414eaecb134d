//! A box and the real process. A box's token outlives the host that gave it, and every host that
//! shares the store knows it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use reeve_core::time::Instant;
use reeve_identity::Document;
use reeve_identity::testing::Issuer;
use reeve_tests::emulator::{Emulator, REGION};
use reeve_tests::process::{Reeve, Reply};
use reeve_tests::scene::{
    CREDENTIALS, NAME, POINTER, RESOLVE, configuration, directory, shared_store,
};
use serde_json::{Value, json};

const REGISTER: &str = "/v1/workers/chat/register";
const HEARTBEAT: &str = "/v1/workers/chat/heartbeat";
const PROCESSED: &str = "/v1/workers/chat/processed";

/// Makes a directory with the certificate of the tests' issuer.
fn directory_with_certificate() -> tempfile::TempDir {
    let directory = directory();
    let path = directory.path().join("issuer.pem");
    std::fs::write(path, Issuer::new().certificate()).unwrap();
    directory
}

fn with_boxes(configuration: String) -> String {
    format!(
        "{configuration}\n[boxes]\nlisten = \"127.0.0.1:0\"\ncertificates = {{ {REGION} = \"{{dir}}/issuer.pem\" }}\n\n\
         [pool.gpu.boxes]\nproof = \"instance-document\"\n"
    )
}

fn register(reeve: &Reeve, instance: &str, nonce: &str) -> Reply {
    let document = Issuer::new().sign(&Document {
        instance: instance.into(),
        region: REGION.into(),
        account: "123456789012".to_owned(),
        launched_at: now(),
    });
    reeve.say_as_box(
        REGISTER,
        None,
        &json!({"nonce": nonce, "document": document}),
    )
}

#[track_caller]
fn token_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_known(reeve: &Reeve, token: &str) {
    let reply = reeve.say_as_box(HEARTBEAT, Some(token), &json!({}));
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["outcome"], "stored");
}

#[track_caller]
fn code(reply: &Reply) -> (u16, &str) {
    (
        reply.status,
        reply.body["code"].as_str().unwrap_or_default(),
    )
}

#[test]
fn a_token_outlives_the_host_that_gave_it() {
    let emulator = Emulator::start();
    let instance = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &instance);
    let configuration = with_boxes(configuration(&emulator));
    let reeve = Reeve::start_in(directory_with_certificate(), &configuration, &CREDENTIALS);
    assert_eq!(reeve.get(RESOLVE).status, 200);
    let token = token_of(&register(&reeve, &instance, "the first of this box"));
    let directory = reeve.kill();

    let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);
    assert_known(&reeve, &token);
    let done = reeve.say_as_box(PROCESSED, Some(&token), &json!({"count": 2}));
    assert_eq!(done.status, 200, "{}", done.body);
    let directory = reeve.kill();

    let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);
    let status = reeve.get("/v1/workers/chat").body;
    assert_eq!(status["activity"]["processed"], 2);
    assert_eq!(
        status["registration"]["instance"],
        Value::from(instance.as_str())
    );
    let other = register(&reeve, &instance, "of another process on the box");
    assert_eq!(code(&other), (401, "token_live"));
}

#[test]
fn every_host_that_shares_the_store_knows_the_registered_box() {
    let emulator = Emulator::start();
    emulator.create_table("reeve");
    let instance = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &instance);
    let configuration = with_boxes(configuration(&emulator) + &shared_store());
    let start = || Reeve::start_in(directory_with_certificate(), &configuration, &CREDENTIALS);
    let (one, two) = (start(), start());
    assert_eq!(one.get(RESOLVE).status, 200);
    let token = token_of(&register(&one, &instance, "the first of this box"));
    assert_known(&two, &token);
    assert_known(&one, &token);
    let second = emulator.launch(NAME);
    for host in [&one, &two] {
        let reply = register(host, &second, "the first of another box");
        assert_eq!(code(&reply), (401, "not_adopted"), "{}", reply.body);
        let reply = register(host, &instance, "of another process on the box");
        assert_eq!(code(&reply), (401, "token_live"), "{}", reply.body);
    }
    // The host that gave the token dies; the other host still knows the box.
    drop(one);
    assert_known(&two, &token);
}

#[test]
fn registers_without_proof_get_one_log_line_a_second_and_are_counted() {
    const TRIES: u64 = 300;
    let emulator = Emulator::start();
    let instance = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &instance);
    let configuration = with_boxes(configuration(&emulator));
    let reeve = Reeve::start_in(directory_with_certificate(), &configuration, &CREDENTIALS);
    assert_eq!(reeve.get(RESOLVE).status, 200);
    let body = json!({"nonce": "drawn by a stranger", "document": "no document"});
    let began = std::time::Instant::now();
    for _ in 0..TRIES {
        let reply = reeve.say_as_box(REGISTER, None, &body);
        assert_eq!(code(&reply), (403, "proof_wrong"), "{}", reply.body);
    }
    let seconds = began.elapsed().as_secs();
    let lines = |reeve: &Reeve| -> Vec<Value> {
        let log = reeve.log();
        let lines = log
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["code"] == "proof_wrong")
            .collect()
    };
    // A notice is a refusal itself, and has the number of further ones as text. A line about
    // left-out // refusals has a number.
    let told = |lines: &[Value]| -> u64 {
        let told = lines.iter().map(|line| match &line["left_out"] {
            Value::Number(left_out) => left_out.as_u64().unwrap(),
            Value::String(left_out) => 1 + left_out.parse::<u64>().unwrap(),
            _ => 1,
        });
        told.sum()
    };
    reeve.until("every refusal is told or counted", |reeve| {
        told(&lines(reeve)) == TRIES
    });
    let lines = lines(&reeve);
    assert!(
        lines.len() as u64 <= seconds + 3,
        "{} lines in {seconds} s: {lines:#?}",
        lines.len()
    );
    let metrics = reeve.get("/metrics").body;
    let counted = format!(r#"step="box_alarm"}} {TRIES}"#);
    assert!(metrics.as_str().unwrap().contains(&counted), "{metrics}");
}

/// The present time: the emulator has just launched the instance.
fn now() -> Instant {
    let wall = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    Instant::from_ms(u64::try_from(wall).unwrap())
}

//! Boxes on other machines: the real process, and network namespaces that the test makes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use reeve_identity::Document;
use reeve_identity::testing::Issuer;
use reeve_tests::artefacts;
use reeve_tests::emulator::{Emulator, REGION};
use reeve_tests::machines::{self, Machine};
use reeve_tests::process::{Reeve, say_over_tls};
use reeve_tests::scene::{CREDENTIALS, NAME, POINTER, RESOLVE, configuration, directory};
use serde_json::{Value, json};

const TEST: &str = "heartbeats_arrive_while_another_machine_floods_the_door";
/// The environment variable with the address of the door for boxes.
const DOOR: &str = "REEVE_TEST_DOOR";
const DOCUMENT: &str = "REEVE_TEST_DOCUMENT";
/// The environment variable with the file of the authority that the box trusts.
const AUTHORITY: &str = "REEVE_TEST_AUTHORITY";
/// The number of heartbeats during the flood.
const BEATS: u32 = 200;
/// The half-sent heads that the flood holds at a time: more than the door's 512 connections.
const HALF_HEADS: usize = 600;

#[test]
fn heartbeats_arrive_while_another_machine_floods_the_door() {
    match machines::part().as_deref() {
        None => machines::play(TEST),
        Some("host") => host(),
        Some("box") => a_box(),
        Some("flood") => flood(),
        Some(other) => panic!("no part {other:?}"),
    }
}

fn host() {
    machines::ready();
    let emulator = Emulator::start();
    let instance = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &instance);
    let (near, far) = (Machine::new("near", 1), Machine::new("far", 2));
    let boxes = format!(
        "\n[tls]\ncertificate = \"{{dir}}/tls/host.pem\"\nkey = \"{{dir}}/tls/host.key\"\n\n[boxes]\nlisten = \"0.0.0.0:0\"\ncertificates = {{ {REGION} = \"{{dir}}/issuer.pem\" }}\n\n\
         [pool.gpu.boxes]\nproof = \"instance-document\"\nheartbeat_ms = 1000\n\n\
         [pool.gpu.health]\nevery_ms = 1000\nunhealthy_after = 1\nrestart = \"any\"\n"
    );
    let directory = directory();
    let issuer = directory.path().join("issuer.pem");
    std::fs::write(issuer, Issuer::new().certificate()).unwrap();
    let tls = directory.path().join("tls");
    let mut made = Command::new(artefacts::reeve_binary());
    made.args(["tls", "init", "--name", &near.host().to_string(), "--dir"]);
    assert!(made.arg(&tls).output().unwrap().status.success());
    let authority = tls.join("authority.pem").display().to_string();
    let reeve = Reeve::start_in(
        directory,
        &(configuration(&emulator) + &boxes),
        &CREDENTIALS,
    );
    assert_eq!(reeve.get(RESOLVE).status, 200);
    let port = reeve.boxes_address().port();

    let document = Issuer::new().sign(&Document {
        instance: instance.as_str().into(),
        region: REGION.into(),
        account: "123456789012".to_owned(),
        launched_at: now(),
    });
    let door = SocketAddr::from((near.host(), port)).to_string();
    let environment = [
        (DOOR, door.as_str()),
        (DOCUMENT, &document),
        (AUTHORITY, &authority),
    ];
    let mut a_box = near.run(TEST, "box", &environment);
    assert_eq!(a_box.hear(), "registered");

    let door = SocketAddr::from((far.host(), port)).to_string();
    let mut flood = far.run(TEST, "flood", &[(DOOR, &door)]);
    assert_eq!(flood.hear(), "flooding");
    a_box.go_on();
    let heard = a_box.hear();
    assert_eq!(heard, format!("{BEATS} of {BEATS} stored"));

    let worker = reeve.get("/v1/workers/chat").body;
    assert_eq!(worker["restart"], Value::Null, "{worker}");
    assert_eq!(worker["health"]["unhealthy_since"], Value::Null, "{worker}");
    let metrics = reeve.get("/metrics").body;
    let metrics = metrics.as_str().unwrap();
    let ended = "reeve_connections_turned_away_total{door=\"boxes\",cap=\"peer\"}";
    assert!(metrics.contains(ended), "{metrics}");
    let log = reeve.log();
    let lines = log
        .iter()
        .filter(|line| line.contains("closed or refused connections"));
    let lines: Vec<_> = lines.collect();
    let address = far.address().to_string();
    assert!(lines.iter().any(|line| line.contains(&address)), "{log:#?}");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// Registers, waits for the part `host`, and sends the heartbeats.
fn a_box() {
    let authority = PathBuf::from(variable(AUTHORITY));
    let url = format!("https://{}/v1/workers/chat", variable(DOOR));
    let body = json!({"nonce": "the first of this box", "document": variable(DOCUMENT)});
    let reply = say_over_tls(&authority, &format!("{url}/register"), None, &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let token = reply.body["token"].as_str().unwrap();
    machines::say("registered");
    machines::pause();
    let mut stored = 0;
    for _ in 0..BEATS {
        let reply = say_over_tls(
            &authority,
            &format!("{url}/heartbeat"),
            Some(token),
            &json!({}),
        );
        stored += u32::from(reply.body["outcome"] == "stored");
        thread::sleep(Duration::from_millis(20));
    }
    machines::say(&format!("{stored} of {BEATS} stored"));
}

/// Holds half-sent heads, and opens another one for each that the door ends.
fn flood() {
    let door: SocketAddr = variable(DOOR).parse().unwrap();
    let mut half_sent: Vec<TcpStream> = Vec::new();
    let mut is_told = false;
    let until = Instant::now() + Duration::from_secs(300);
    while Instant::now() < until {
        half_sent.retain(is_open);
        while half_sent.len() < HALF_HEADS {
            let mut stream = TcpStream::connect(door).unwrap();
            // The door may have ended the connection already.
            let _ = stream.write_all(b"POST /v1/workers/chat/heartbeat HTTP/1.1\r\nHost: a");
            stream.set_nonblocking(true).unwrap();
            half_sent.push(stream);
        }
        if !is_told {
            machines::say("flooding");
            is_told = true;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn is_open(mut stream: &TcpStream) -> bool {
    let read = stream.read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// The present time: the emulator has just launched the instance.
fn now() -> reeve_core::time::Instant {
    let wall = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    reeve_core::time::Instant::from_ms(u64::try_from(wall).unwrap())
}

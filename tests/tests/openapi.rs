//! The committed OpenAPI document against the real process: schemathesis sends random requests to
//! each door, by the document and against it, and compares every response with the document.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::fs;
use std::process::Command;

use reeve_tests::artefacts;
use reeve_tests::emulator::Emulator;
use reeve_tests::process::{Reeve, say_over_tls};
use reeve_tests::scene::{CREDENTIALS, NAME, POINTER, RESOLVE, configuration, directory};
use serde_json::{Value, json};

/// The seed of the random requests, unless the variable names another.
const SEED: &str = "7";
const SEED_VARIABLE: &str = "REEVE_OPENAPI_SEED";
/// Requests of the random phase to each operation. The systematic phase sends about as many.
const EXAMPLES: &str = "25";
const SECRET: &str = "the shared secret of this pool's boxes";

/// A host with every door, with the certificates in `tls`, whose worker runs on this instance.
fn host(emulator: &Emulator, instance: &str) -> Reeve {
    emulator.put_parameter(POINTER, instance);
    let directory = directory();
    run(Command::new(artefacts::reeve_binary())
        .args(["tls", "init", "--name", "localhost", "--dir"])
        .arg(directory.path().join("tls")));
    let secret = directory.path().join("boxes.secret");
    fs::write(&secret, SECRET).unwrap();
    run(Command::new("chmod").arg("600").arg(&secret));
    let roles = "\ntokens = [\"tests\"]\narns = [\"arn:aws:iam::123456789012:role/chat-caller\"]\n";
    let configuration = configuration(emulator).replace(
        "loopback = true\n",
        &format!("loopback = true{roles}requests_per_second = 10000\n"),
    );
    let doors = "\n[tls]\ncertificate = \"{dir}/tls/host.pem\"\nkey = \"{dir}/tls/host.key\"\n\n\
                 [api]\nlisten = \"127.0.0.1:0\"\n\n\
                 [boxes]\nlisten = \"127.0.0.1:0\"\n\n\
                 [pool.gpu.boxes]\nproof = \"shared-secret\"\nsecret_file = \"{dir}/boxes.secret\"\n";
    Reeve::start_in(directory, &(configuration + doors), &CREDENTIALS)
}

/// Runs a program to its end, and returns what it printed.
#[track_caller]
fn run(program: &mut Command) -> String {
    let output = program.output().unwrap();
    let (said, errors) = (&output.stdout, &output.stderr);
    let said = String::from_utf8_lossy(said).into_owned();
    assert!(
        output.status.success(),
        "{program:?}\n{said}{}",
        String::from_utf8_lossy(errors)
    );
    said
}

/// The operations of the committed document that this door has. `shows`: the way to show who asks;
/// `None`: the connection does.
fn document(door: &str, shows: Option<&str>) -> Value {
    let committed = artefacts::workspace().join("docs/openapi.json");
    let mut document: Value = serde_json::from_slice(&fs::read(committed).unwrap()).unwrap();
    for operations in document["paths"].as_object_mut().unwrap().values_mut() {
        let operations = operations.as_object_mut().unwrap();
        operations.retain(|_, it| {
            it["x-reeve-doors"]
                .as_array()
                .unwrap()
                .contains(&json!(door))
        });
        for operation in operations.values_mut() {
            let securities = operation["security"].as_array_mut().unwrap();
            securities.retain(|it| shows.is_some_and(|shows| it.get(shows).is_some()));
        }
    }
    document
}

/// Plays random requests against a door.
fn play(reeve: &Reeve, url: &str, document: &Value, token: Option<&str>) {
    let file = reeve.directory().join("openapi.json");
    fs::write(&file, document.to_string()).unwrap();
    let seed = std::env::var(SEED_VARIABLE).unwrap_or_else(|_| SEED.to_owned());
    let mut schemathesis = Command::new(artefacts::schemathesis());
    schemathesis
        .arg("--config-file")
        .arg(artefacts::workspace().join("tests/schemathesis.toml"))
        .arg("run")
        .arg(&file)
        .args(["--url", url, "--tls-verify"])
        .arg(reeve.directory().join("tls/authority.pem"))
        .args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES])
        .args(["--seed", &seed])
        .args([
            "--continue-on-failure",
            "--no-color",
            "--suppress-health-check",
            "all",
        ])
        .current_dir(reeve.directory());
    if let Some(token) = token {
        schemathesis.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let said = run(&mut schemathesis);
    assert!(
        said.contains(" generated, "),
        "no request was sent:\n{said}"
    );
}

#[test]
fn every_door_does_what_the_document_says() {
    let emulator = Emulator::start();
    let instance = emulator.launch(NAME);
    let reeve = host(&emulator, &instance);
    let configuration = reeve.directory().join("reeve.toml");
    let token = run(Command::new(artefacts::reeve_binary())
        .args(["token", "create", "tests", "--config"])
        .arg(&configuration));
    let local = format!("http://{}", reeve.address());
    let network = format!("https://localhost:{}", reeve.network_address().port());
    let boxes = format!("https://localhost:{}", reeve.boxes_address().port());

    // First the box, whose token counts until the other doors end its instance.
    assert_eq!(reeve.get(RESOLVE).status, 200);
    let proof =
        json!({"nonce": "drawn by the box at random", "instance": instance, "secret": SECRET});
    let register = format!("{boxes}/v1/workers/chat/register");
    let authority = reeve.directory().join("tls/authority.pem");
    let registered = say_over_tls(&authority, &register, None, &proof);
    assert_eq!(registered.status, 200, "{}", registered.body);
    let of_box = registered.body["token"].as_str().unwrap();
    play(
        &reeve,
        &boxes,
        &document("boxes", Some("box")),
        Some(of_box),
    );
    play(&reeve, &local, &document("local", None), None);
    let of_network = document("network", Some("token"));
    play(&reeve, &network, &of_network, Some(token.trim()));
    assert_eq!(reeve.get("/healthz").status, 200);
    let log = reeve.log();
    assert!(
        !log.iter().any(|line| line.contains("panicked")),
        "{log:#?}"
    );
}

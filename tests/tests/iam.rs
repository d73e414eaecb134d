//! The examples that sign with an identity of AWS IAM, against the real process: a Lambda function, and a
//! box by its role. Neither has a secret.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

#[path = "../support/sts.rs"]
mod sts;

use std::fs;
use std::process::{Command, Output};

use reeve_identity::testing::sts::{Caller, Sts};
use reeve_tests::artefacts;
use reeve_tests::emulator::{Emulator, REGION};
use reeve_tests::gateway::Gateway;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{CREDENTIALS, NAME, POINTER, configuration_at, directory};
use serde_json::Value;

const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/chat-caller/a-function";
const ANOTHER: &str = "arn:aws:sts::123456789012:assumed-role/another/a-function";
/// What an example may have to be read at a glance.
const LINES_MAX: usize = 15;

fn caller(name: &str) -> Caller {
    Caller {
        access_key: format!("ASIA{name:0>16}"),
        secret_key: format!("secret-of-{name}"),
        security_token: Some(format!("token-of-{name}")),
    }
}

/// Runs the handler of the example twice in one process, as Lambda does, and prints both results.
fn invoke(reeve: &Reeve, caller: &Caller) -> Output {
    const TWICE: &str =
        "import handler, json\nfor _ in range(2): print(json.dumps(handler.handler({}, None)))";
    let example = artefacts::workspace().join("examples/lambda");
    let url = format!("https://localhost:{}", reeve.network_address().port());
    Command::new(artefacts::python())
        .args(["-c", TWICE])
        .env("PYTHONPATH", example)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("REEVE_URL", url)
        .env("REEVE_FLEET", "test")
        .env("REEVE_CA", reeve.directory().join("tls/authority.pem"))
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", &caller.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &caller.secret_key)
        .env("AWS_SESSION_TOKEN", caller.security_token.as_ref().unwrap())
        .output()
        .unwrap()
}

#[test]
fn a_lambda_function_resolves_its_worker_by_its_role() {
    let emulator = Emulator::start();
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &running);
    let sts = Sts::new(REGION)
        .with(&caller("CHAT"), SESSION)
        .with(&caller("OTHER"), ANOTHER);
    let in_place = Box::new(move |call: &[u8]| sts::answer(&sts, call));
    let gateway = Gateway::start_with(&emulator.url(), in_place);
    let directory = directory();
    let made = Command::new(artefacts::reeve_binary())
        .args(["tls", "init", "--name", "localhost", "--dir"])
        .arg(directory.path().join("tls"))
        .output()
        .unwrap();
    assert!(made.status.success());
    let doors = "\n[tls]\ncertificate = \"{dir}/tls/host.pem\"\nkey = \"{dir}/tls/host.key\"\n\n\
                 [api]\nlisten = \"127.0.0.1:0\"\n\n\
                 [access.lambda]\nroles = [\"resolve\"]\nworkers = [\"chat\"]\n\
                 arns = [\"arn:aws:iam::123456789012:role/chat-caller\"]\n";
    let configuration = configuration_at(&gateway.url()) + doors;
    let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);

    let output = invoke(&reeve, &caller("CHAT"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{:#?}", reeve.log());
    for line in said.lines() {
        let resolved: Value = serde_json::from_str(line).unwrap();
        assert_eq!(resolved["instance"], running.as_str(), "{line}");
    }
    assert_eq!(said.lines().count(), 2);

    let output = invoke(&reeve, &caller("OTHER"));
    assert!(!output.status.success());
    let metrics = reeve.get("/metrics").body;
    let metrics = metrics.as_str().unwrap();
    for (outcome, count) in [("logged_in", 1), ("forbidden", 1)] {
        let line = format!("reeve_logins_total{{outcome=\"{outcome}\"}} {count}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    // No file of the host and no line of its log has a secret of a caller.
    let mut told = reeve.log().join("\n");
    for entry in fs::read_dir(reeve.directory().join("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            told += &String::from_utf8_lossy(&fs::read(path).unwrap());
        }
    }
    for secret in ["secret-of-", "token-of-", "rst1."] {
        assert!(!told.contains(secret), "{secret}");
    }
}

#[test]
fn a_box_signs_with_its_role_and_is_known_by_the_session() {
    let emulator = Emulator::start();
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &running);
    let session = format!("arn:aws:sts::123456789012:assumed-role/gpu-box/{running}");
    let sts = Sts::new(REGION).with(&caller("BOX"), &session);
    let in_place = Box::new(move |call: &[u8]| sts::answer(&sts, call));
    let gateway = Gateway::start_with(&emulator.url(), in_place);
    let doors = "\n[boxes]\nlisten = \"127.0.0.1:0\"\n\n[pool.gpu.boxes]\nproof = \"iam-role\"\n\
                 role = \"arn:aws:iam::123456789012:role/gpu-box\"\n";
    let configuration = configuration_at(&gateway.url()) + doors;
    let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);

    let signer = caller("BOX");
    let proof = Command::new(artefacts::python())
        .arg(artefacts::workspace().join("examples/box/proof.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("REEVE_FLEET", "test")
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", &signer.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &signer.secret_key)
        .env("AWS_SESSION_TOKEN", signer.security_token.as_ref().unwrap())
        .output()
        .unwrap();
    let proof = String::from_utf8_lossy(&proof.stdout);
    let body = format!("{{\"nonce\": \"drawn by the box at random\", {proof}}}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let reply = reeve.say_as_box("/v1/workers/chat/register", None, &body);
    // The emulator's instances have no profile, so the host stops where AWS would show one.
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (401, &"role_not_shown".into())
    );
    let detail = reply.body["detail"].as_str().unwrap();
    let said = format!("does not show that {running} runs with the role \"gpu-box\"");
    assert!(detail.contains(&said), "{detail}");
}

#[test]
fn the_example_is_read_at_a_glance() {
    let path = artefacts::workspace().join("examples/lambda/handler.py");
    let text = fs::read_to_string(path).unwrap();
    let code = text.rsplit("\"\"\"").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim().is_empty());
    let count = lines.count();
    assert!(count <= LINES_MAX, "{count} lines of code");
}

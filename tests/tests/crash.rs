//! The host is killed between any two steps of provisioning; the next life finishes what was begun.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use reeve_tests::emulator::Emulator;
use reeve_tests::gateway::{Gateway, Hold};
use reeve_tests::process::{Reeve, copy_policies};
use reeve_tests::scene::{CREDENTIALS, NAME, POINTER, RESOLVE, configuration_at};
use serde_json::Value;

/// Each persisted step of provisioning a worker, from the intent to the pointer: what is on disk and what
/// was done when the host dies there.
const STEPS: [(&str, Hold); 4] = [
    (
        "the intent is in the record, the launch is not sent",
        Hold::Before("RunInstances"),
    ),
    (
        "the instance exists, its reply is lost",
        Hold::After("RunInstances"),
    ),
    (
        "the instance is in the record, the pointer is not written",
        Hold::Before("PutParameter"),
    ),
    (
        "the pointer is written, its reply is lost",
        Hold::After("PutParameter"),
    ),
];

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy_policies(&directory.path().join("policies"));
    directory
}

/// One instance, adopted, named by the pointer; nothing leaked.
#[track_caller]
fn assert_settled(emulator: &Emulator, gateway: &Gateway, reeve: &Reeve, step: &str) {
    let served = reeve.get(&format!("{RESOLVE}?wait=60s"));
    assert_eq!(
        served.status,
        200,
        "{step}: {}\n{:#?}",
        served.body,
        reeve.log()
    );
    let live = emulator.live(NAME);
    assert_eq!(live.len(), 1, "{step}: {live:?}");
    assert_eq!(
        served.body.get("instance"),
        Some(&Value::from(live[0].as_str())),
        "{step}"
    );
    assert_eq!(
        served.body.get("generation"),
        Some(&Value::from(1)),
        "{step}"
    );
    reeve.until("the pointer agrees", |_| {
        emulator.parameter(POINTER) == live[0]
    });
    assert_eq!(gateway.done("RunInstances"), 1, "{step}");
    assert_eq!(gateway.done("StartInstances"), 0, "{step}");
}

#[test]
fn killed_at_every_persisted_step_the_next_life_has_the_one_instance_and_a_pointer_that_agrees() {
    for (step, hold) in STEPS {
        println!("killed when {step}");
        let emulator = Emulator::start();
        emulator.create_launch_template("encache-gpu");
        let gateway = Gateway::start(&emulator.url());
        gateway.hold(hold);
        let configuration = configuration_at(&gateway.url());
        let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);
        // Turned away or not, it is asked for; the answer is not what is looked at here.
        reeve.get(&format!("{RESOLVE}?wait=1s"));
        gateway.wait_until_holding();
        let directory = reeve.kill();
        gateway.cut();

        let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);
        assert_settled(&emulator, &gateway, &reeve, step);
        // A third life finds nothing left to do.
        let reeve = Reeve::start_in(reeve.kill(), &configuration, &CREDENTIALS);
        assert_settled(&emulator, &gateway, &reeve, step);
    }
}

#[test]
fn a_hundred_callers_at_once_give_one_launch() {
    let emulator = Emulator::start();
    emulator.create_launch_template("encache-gpu");
    let gateway = Gateway::start(&emulator.url());
    let configuration = configuration_at(&gateway.url());
    let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let served = reeve.get(&format!("{RESOLVE}?wait=60s"));
                assert_eq!(served.status, 200, "{}", served.body);
            });
        }
    });
    assert_settled(&emulator, &gateway, &reeve, "asked by a hundred");
}

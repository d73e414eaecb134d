//! A Fargate task as worker, with the real process, the standard policies and an AWS emulator. The
//! tests of `host/aws` and of the simulator cover what the emulator lacks: tokens, and tasks that
//! are starting or stopping.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::time::{Duration, Instant};

use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{CREDENTIALS, NAME, POINTER, RESOLVE, configuration, directory};
use serde_json::{Value, json};

const CLUSTER: &str = "agents";
const WORKER: &str = "/v1/workers/chat";

/// The shortest idle timeout that the standard policy takes.
const IDLE: Duration = Duration::from_secs(60);

/// Starts a host whose worker is in a pool of Fargate tasks.
fn serve(emulator: &Emulator, subnet: &str) -> Reeve {
    serve_with(emulator, subnet, "", "")
}

/// Starts the host with reaping, and with the shortest timeouts that the standard policy accepts.
fn serve_and_reap(emulator: &Emulator, subnet: &str) -> Reeve {
    let idle_ms = IDLE.as_millis();
    let more = format!(
        "idle_ms_min = 1000\ndrain_ms = 0\n\n[pool.gpu.policy.reap]\nsettings.look_again_ms = 1000\n\
         settings.default_ms = {idle_ms}\nsettings.active_hours_ms = {idle_ms}\n\
         settings.quiet_hours_ms = {idle_ms}\n"
    );
    serve_with(emulator, subnet, "reap = true\n", &more)
}

/// Starts the host with further lines in the pool's section and after its limits.
fn serve_with(emulator: &Emulator, subnet: &str, of_pool: &str, more: &str) -> Reeve {
    let section = format!(
        "\n[pool.gpu.fargate]\ncluster = \"{CLUSTER}\"\ntask_definition = \"{CLUSTER}\"\n\
         subnets = [\"{subnet}\"]\ncontainer = \"main\"\n\
         \n[pool.gpu.limits]\nscan_interval_ms = 1000\n{more}"
    );
    let of_ec2 = "launch_template = \"chat\"\n";
    let configuration = configuration(emulator);
    assert!(configuration.contains(of_ec2));
    let configuration = configuration.replace(of_ec2, of_pool) + &section;
    Reeve::start_in(directory(), &configuration, &CREDENTIALS)
}

/// Resolves the worker, and returns the id of its instance.
#[track_caller]
fn served(reeve: &Reeve) -> String {
    let reply = reeve.get(&format!("{RESOLVE}?wait=30s"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let url = reply.body["url"].as_str().unwrap();
    assert!(url.ends_with(":8000"), "{url}");
    reply.body["instance"].as_str().unwrap().to_owned()
}

/// Waits until the pointer names the task.
fn assert_pointed(emulator: &Emulator, reeve: &Reeve, id: &str) {
    reeve.until("the pointer names the task", |_| {
        emulator.parameter(POINTER) == id
    });
}

fn called(emulator: &Emulator, operation: &str) -> usize {
    let calls = emulator.recorded();
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation} ");
    calls.iter().filter(|call| call.contains(&target)).count()
}

#[test]
fn a_restart_replaces_the_task_that_serves_the_worker() {
    let emulator = Emulator::start();
    let subnet = emulator.create_cluster(CLUSTER);
    emulator.record();
    let reeve = serve(&emulator, &subnet);

    let first = served(&reeve);
    assert_pointed(&emulator, &reeve, &first);
    assert_eq!(called(&emulator, "RunTask"), 1);
    let task = emulator.task(CLUSTER, &first);
    let environment = &task["overrides"]["containerOverrides"][0]["environment"];
    let expected = json!([
        {"name": "REEVE_WORKER", "value": "chat"}, {"name": "REEVE_GENERATION", "value": "1"},
    ]);
    assert_eq!(environment, &expected);

    let asked = json!({"by": "person", "cause": "a-test"});
    let restart = reeve.post_json(&format!("{WORKER}/restart"), &asked);
    assert_eq!(restart.status, 200, "{}", restart.body);
    reeve.until("the restart is over", |reeve| {
        reeve.get(WORKER).body["restart"]["stage"] == "done"
    });
    let second = served(&reeve);
    assert_ne!(second, first);
    assert_pointed(&emulator, &reeve, &second);
    let ended = emulator.task(CLUSTER, &first);
    assert_eq!(ended["lastStatus"], "STOPPED");
    let reason = ended["stoppedReason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("reeve: decision "), "{reason}");
    let calls = ["RunTask", "StopTask"].map(|operation| called(&emulator, operation));
    assert_eq!(calls, [2, 1]);
    let generation = reeve.get(RESOLVE).body["generation"].clone();
    assert_eq!(generation, Value::from(2));
}

#[test]
fn a_running_task_is_found_by_tag_and_replaced_after_its_end() {
    let emulator = Emulator::start();
    let subnet = emulator.create_cluster(CLUSTER);
    emulator.run_task(CLUSTER, &subnet, "of-others");
    let ours = emulator.run_task(CLUSTER, &subnet, NAME);
    emulator.put_parameter(POINTER, "0123456789abcdef0123456789abcdef");
    emulator.record();
    let reeve = serve(&emulator, &subnet);
    assert_eq!(served(&reeve), ours);
    assert_eq!(called(&emulator, "RunTask"), 0);

    emulator.stop_task(CLUSTER, &ours);
    reeve.until("another task serves", |reeve| {
        let reply = reeve.get(&format!("{RESOLVE}?wait=5s"));
        reply.status == 200 && reply.body["instance"] != *ours
    });
    assert_eq!(called(&emulator, "RunTask"), 1);
    assert_eq!(emulator.task(CLUSTER, &ours)["lastStatus"], "STOPPED");
}

#[test]
fn an_idle_task_is_ended_and_the_next_request_runs_another() {
    let emulator = Emulator::start();
    let subnet = emulator.create_cluster(CLUSTER);
    emulator.record();
    let reeve = serve_and_reap(&emulator, &subnet);
    let asked = Instant::now();
    let idle = served(&reeve);
    assert_pointed(&emulator, &reeve, &idle);

    // The policy measures real time. No request may ask for the worker until then, or it would be
    // in use.
    let is_reaped = |line: &String| line.contains("\"instance_ending\"") && line.contains(&idle);
    reeve.until("the task is idle", |reeve| {
        reeve.log().iter().any(is_reaped)
    });
    assert!(asked.elapsed() >= IDLE, "after {:?}", asked.elapsed());
    reeve.until("the task is ended", |_| called(&emulator, "StopTask") == 1);
    assert_eq!(emulator.parameter(POINTER), "none");
    reeve.until("the task has stopped", |_| {
        emulator.task(CLUSTER, &idle)["lastStatus"] == "STOPPED"
    });
    let reason = emulator.task(CLUSTER, &idle)["stoppedReason"].clone();
    let reason = reason.as_str().unwrap_or_default();
    assert!(reason.starts_with("reeve: decision "), "{reason}");
    assert_eq!(
        called(&emulator, "RunTask"),
        1,
        "no request has asked for it"
    );

    let next = served(&reeve);
    assert_ne!(next, idle);
    assert_pointed(&emulator, &reeve, &next);
    let calls = ["RunTask", "StopTask"].map(|operation| called(&emulator, operation));
    assert_eq!(calls, [2, 1]);
}

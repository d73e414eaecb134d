//! Tests that a serving host contains every hostile policy file: the other pool keeps deciding with
//! its own policy, and people are told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;
#[path = "../policy/tests/corpus/mod.rs"]
mod corpus;
#[path = "../policy/tests/support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Stage, end, eventually, get, http, standard_policies};
use corpus::{Accepts, Ends, Hostile};
use reeve::{Policies, RunningHost};
use reeve_core::id::{Digest, PointerName, PoolName, WorkerId};
use reeve_core::point::{Input, Point};
use reeve_core::spec::FleetSpec;
use reeve_core::text::is_unsafe;
use reeve_policy::{Binding, Limits, Registry};
use serde_json::{Value, json};

/// The pool with a good policy, and its worker.
const GOOD: &str = "good";
/// After so many failures in a row a policy counts as broken.
const FAILURES: usize = 10;

/// A host with a pool and a worker for each file, which is absent at first, and the good pool.
struct Serving {
    host: RunningHost,
    registry: Arc<Registry>,
    directory: PathBuf,
    _stage: Stage,
}

impl Serving {
    async fn start(files: &[Hostile]) -> Self {
        let stage = Stage::new();
        let directory = stage.dir.path().join("policies");
        fs::create_dir(&directory).unwrap();
        Self::start_in(stage, directory, files).await
    }

    async fn start_in(stage: Stage, directory: PathBuf, files: &[Hostile]) -> Self {
        let good = standard_policies().join("resolve.wasm");
        fs::copy(good, directory.join("good.wasm")).unwrap();
        let names: Vec<_> = files.iter().map(|one| one.name).chain([GOOD]).collect();
        for (number, name) in names.iter().enumerate() {
            let id = format!("i-{number}");
            stage.world.add_running(&id, name);
            stage.world.point(&pointer(name), &id);
        }
        let policies = Policies::new(&directory, bindings(files), Limits::default()).unwrap();
        let registry = Arc::clone(&policies.registry);
        let mut options = stage.options();
        options.spec = fleet(&names);
        options.policies = policies;
        let host = reeve::Host::start(options).await.unwrap();
        Self {
            host,
            registry,
            directory,
            _stage: stage,
        }
    }

    async fn metric(&self, line: &str) -> u64 {
        let metrics = get(&self.host, "/metrics").await.body;
        let value = metrics.lines().find_map(|found| found.strip_prefix(line));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    async fn decisions(&self, one: &Hostile, result: &str) -> u64 {
        let labels = format!(
            r#"pool="{}",point="{}",result="{result}""#,
            one.name,
            one.point()
        );
        self.metric(&format!("reeve_decisions_total{{{labels}}}"))
            .await
    }

    /// The file in `/v1/policies`.
    async fn status(&self, one: &Hostile) -> Value {
        let policies = get(&self.host, "/v1/policies").await;
        assert_only_shows(&policies.body);
        let policies = policies.json()["policies"].as_array().unwrap().clone();
        let is_it = |policy: &Value| policy["file"] == file(one);
        policies.into_iter().find(is_it).unwrap()
    }

    /// Places the file and reloads, and checks what people are told.
    async fn hand_in(&self, one: &Hostile) {
        const REFUSED: &str = r#"reeve_policy_files_total{result="refused"}"#;
        let before = self.metric(REFUSED).await;
        one.place(&self.directory.join(file(one)));
        let refused = self.reload().await;
        let after = self.metric(REFUSED).await;
        assert!(after >= before + refused.len() as u64, "{before}, {after}");
        assert_eq!(
            refused.contains(&file(one)),
            !one.ends.in_force(),
            "{}",
            one.name
        );

        let status = self.status(one).await;
        assert_eq!(
            status["digest"].is_string(),
            one.ends.in_force(),
            "{status}"
        );
        let last_error = status["last_error"].as_str().unwrap_or_default();
        assert_eq!(last_error.is_empty(), one.ends.in_force(), "{status}");
        let unread = last_error.starts_with("cannot read");
        assert_eq!(unread, one.ends == Ends::Refused("unreadable"), "{status}");
    }

    /// Reloads, and returns the files that were refused.
    async fn reload(&self) -> Vec<String> {
        let reply = http::post(self.host.address(), "/v1/policies/reload", None, "").await;
        assert_only_shows(&reply.body);
        let files = reply.json()["files"].as_array().unwrap().clone();
        let refused = files.iter().filter(|file| file["outcome"] == "refused");
        let names = refused.map(|file| file["file"].as_str().unwrap().to_owned());
        names.collect()
    }

    /// Asks for the file's worker, and checks that the safe default holds where its policy fails.
    async fn resolve(&self, one: &Hostile) {
        // The harmless ones have the caller wait for something else.
        let answers = one.ends == Ends::Harmless && one.point() == Point::Resolve;
        let (wait, expected) = if answers { ("100ms", 503) } else { ("5s", 200) };
        let path = format!("/v1/workers/{}/resolve?wait={wait}", one.name);
        let reply = get(&self.host, &path).await;
        assert_only_shows(&reply.body);
        assert_eq!(reply.status, expected, "{}: {}", one.name, reply.body);
        if !answers {
            assert_eq!(reply.json()["digest"], Value::Null);
        }
    }

    /// Asks the file's policy at its point, as the flows of a host do.
    async fn decide(&self, one: &Hostile) {
        let (registry, name, point) = (Arc::clone(&self.registry), one.name, one.point());
        let failed =
            tokio::task::spawn_blocking(move || ask(&registry, name, question(point, name)));
        // While it decides, the other pool does.
        self.good_pool_decides().await;
        let expected = match one.ends {
            Ends::Harmless => Ok(()),
            Ends::Fails(code) | Ends::GivesWay(code) => Err(code),
            _ => Err("not-bound"),
        };
        assert_eq!(failed.await.unwrap(), expected, "{name}");
    }

    async fn good_pool_decides(&self) {
        let reply = get(&self.host, "/v1/workers/good/resolve").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let serving = self.registry.status();
        let serving = serving.iter().find(|file| file.file == "good.wasm");
        let digest = serving.unwrap().digest.unwrap().to_string();
        assert_eq!(reply.json()["digest"], digest);
    }
}

/// The code of the failure of the pool's decision.
fn ask(registry: &Registry, pool: &str, question: Input) -> Result<(), &'static str> {
    let decision = registry.slots().decide(&PoolName::new(pool), question);
    decision.verdict.map(drop).map_err(|error| error.code())
}

fn file(one: &Hostile) -> String {
    format!("{}.wasm", one.name)
}

fn pointer(name: &str) -> String {
    format!("/{name}/id")
}

fn assert_only_shows(text: &str) {
    assert!(!text.trim_end().contains(is_unsafe), "{text:?}");
}

fn bindings(files: &[Hostile]) -> Vec<Binding> {
    let bind = |one: &Hostile| Binding {
        file: file(one),
        ..Binding::standard(&PoolName::new(one.name), one.point())
    };
    let good = Binding {
        file: "good.wasm".to_owned(),
        // Each resolve asks the policy.
        settings: serde_json::from_value(json!({ "serve_valid_ms": 0 })).unwrap(),
        ..Binding::standard(&PoolName::new(GOOD), Point::Resolve)
    };
    files.iter().map(bind).chain([good]).collect()
}

/// A fleet with a pool and a worker of each name.
fn fleet(names: &[&str]) -> FleetSpec {
    let mut fleet = common::spec();
    let pool = fleet.pools.remove(&PoolName::from("gpu")).unwrap();
    let worker = fleet.workers.remove(&WorkerId::from("chat")).unwrap();
    for name in names {
        let mut worker = worker.clone();
        worker.pool = PoolName::new(*name);
        worker.tag_value = (*name).to_owned();
        worker.pointer = PointerName::from(pointer(name).as_str());
        fleet.pools.insert(worker.pool.clone(), pool.clone());
        fleet.workers.insert(WorkerId::from(*name), worker);
    }
    fleet
}

/// A question about the worker of this name.
fn question(point: Point, name: &str) -> Input {
    let mut question = serde_json::to_value(support::neutral(point)).unwrap();
    question[point.as_str()]["worker"]["name"] = name.into();
    serde_json::from_value(question).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_file_of_one_pool_costs_no_other_pool_a_decision() {
    let mut files = corpus::all();
    // Digests and keys are for all files of a host; `host/policy` tests them.
    files.retain(|one| one.binding == Accepts::Anything);
    let serving = Serving::start(&files).await;
    serving.good_pool_decides().await;
    for one in &files {
        serving.hand_in(one).await;
        serving.good_pool_decides().await;
        serving.resolve(one).await;
        serving.decide(one).await;
        if let (Ends::Fails(code) | Ends::GivesWay(code), Point::Resolve) = (one.ends, one.point())
        {
            assert!(serving.decisions(one, code).await > 0, "{}", one.name);
        }
        take_away(&serving.directory.join(file(one)));
    }
    fails_and_is_told(&serving, &files).await;
    let metrics = get(&serving.host, "/metrics").await.body;
    assert!(!metrics.contains("reeve_panics_total{"), "{metrics}");
    end(serving.host).await;
}

/// What fails in service has no earlier version to give way to here.
async fn fails_and_is_told(serving: &Serving, files: &[Hostile]) {
    for one in files
        .iter()
        .filter(|one| matches!(one.ends, Ends::GivesWay(_)))
    {
        for _ in 0..FAILURES {
            serving.decide(one).await;
        }
        let status = serving.status(one).await;
        let failing = status["failing"].as_str().unwrap_or_default();
        assert!(failing.contains("10 times in a row"), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_breaks_in_service_gives_way_by_itself() {
    let mut files = corpus::all();
    files.retain(|one| one.name == "late-trap");
    let [one] = &files[..] else {
        panic!("no such file")
    };
    let stage = Stage::new();
    let directory = stage.dir.path().join("policies");
    fs::create_dir(&directory).unwrap();
    // The host watches no change behind a link: only the failures order a reload.
    let elsewhere = tempfile::tempdir().unwrap();
    let content = elsewhere.path().join("content");
    let good = support::Fixture::at(one.point()).bytes();
    fs::write(&content, &good).unwrap();
    symlink(&content, directory.join(file(one))).unwrap();
    let serving = Serving::start_in(stage, directory, &files).await;
    // The host's own questions are asked at a trial, too, so this one is such as a trial's.
    let neutral = support::neutral(one.point());
    assert_eq!(ask(&serving.registry, one.name, neutral), Ok(()));

    fs::remove_file(&content).unwrap();
    one.place(&content);
    assert_eq!(serving.reload().await, [""; 0]);
    for _ in 0..FAILURES {
        serving.decide(one).await;
    }
    let refused = || async {
        let status = serving.status(one).await;
        status["last_error"].is_string().then_some(status)
    };
    let status = eventually("the policy gives way", refused).await;
    assert_eq!(status["digest"], Digest::of(&good).to_string(), "{status}");
    let question = question(one.point(), one.name);
    assert_eq!(ask(&serving.registry, one.name, question), Ok(()));
    end(serving.host).await;
}

fn take_away(path: &Path) {
    let is_directory = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let removed = if is_directory {
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    };
    // One of them was never there.
    removed.unwrap_or_else(|error| assert_eq!(error.kind(), std::io::ErrorKind::NotFound));
}

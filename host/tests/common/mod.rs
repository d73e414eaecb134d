//! A host for tests: real sockets, real policies, a scripted cloud.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

pub(crate) mod elsewhere;
pub(crate) mod hook;
pub(crate) mod hostile;
pub(crate) mod http;
pub(crate) mod sts;
pub(crate) mod world;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reeve::access::{Access, Role, Rule, Who};
use reeve::{Clock, Host, HostOptions, Policies, RunningHost, Webhooks};
use reeve_core::compute::{Compute, LaunchSource};
use reeve_core::id::{PointerName, PoolName, WorkerId};
use reeve_core::point::Point;
use reeve_core::spec::{FleetSpec, PoolSpec, WorkerSpec};
use reeve_core::time::UtcOffset;
use reeve_policy::{Binding, Limits, Loader, PolicyEngine, Registry};
use reeve_sim::store::MemoryStore;
use tempfile::TempDir;

use http::Reply;
use world::World;

/// The pointer of the worker `chat`.
pub(crate) const POINTER: &str = "/chat/id";

/// The bound points: those that a resolve may ask. Compilation takes most of a test's time.
const POINTS: [Point; 3] = [Point::Resolve, Point::Adopt, Point::RetryIp];

/// The environment of one test, including its directory.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    /// Lives longer than the test's hosts, like a file.
    pub(crate) store: MemoryStore,
    pub(crate) dir: TempDir,
    policies: Policies,
}

impl Stage {
    /// An empty world with the standard policies, which all these tests share.
    pub(crate) fn new() -> Self {
        static SHARED: OnceLock<Policies> = OnceLock::new();
        let policies = SHARED.get_or_init(|| bind(&standard_policies()));
        Self {
            world: World::new(),
            store: MemoryStore::new(false),
            dir: tempfile::tempdir().unwrap(),
            policies: policies.clone(),
        }
    }

    /// An empty world with the standard policies in a directory that the test may change.
    pub(crate) fn with_own_policies() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("policies");
        std::fs::create_dir(&directory).unwrap();
        for point in POINTS {
            let name = format!("{point}.wasm");
            std::fs::copy(standard_policies().join(&name), directory.join(&name)).unwrap();
        }
        Self {
            world: World::new(),
            store: MemoryStore::new(false),
            dir,
            policies: bind(&directory),
        }
    }

    /// Like [`Stage::with_own_policies`], but with this loader.
    pub(crate) fn with_loader(load: Box<Loader>) -> Self {
        let mut stage = Self::with_own_policies();
        let directory = stage.policies.directory.clone();
        let engine = PolicyEngine::new(Limits::default()).unwrap();
        let registry = Registry::with_loader(engine, directory, bindings(), load).unwrap();
        stage.policies.registry = Arc::new(registry);
        stage
    }

    pub(crate) fn policies(&self) -> &Path {
        &self.policies.directory
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("reeve.sock")
    }

    /// The journal's text.
    pub(crate) fn journal(&self) -> String {
        std::fs::read_to_string(self.state_dir().join("journal-00000001.jsonl")).unwrap()
    }

    /// The options of a host with one worker, `chat`.
    pub(crate) fn options(&self) -> HostOptions {
        HostOptions {
            spec: spec(),
            policies: self.policies.clone(),
            cloud: self.world.clone(),
            store: Arc::new(self.store.clone()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            socket: None,
            network: None,
            access: everything_on_loopback(),
            boxes: None,
            iam: None,
            webhooks: Webhooks::none(),
            state_dir: self.state_dir(),
            clock: Clock::start(),
        }
    }

    pub(crate) async fn start(&self) -> RunningHost {
        Host::start(self.options()).await.unwrap()
    }
}

/// Programs on loopback may do everything.
pub(crate) fn everything_on_loopback() -> Access {
    Access::new(vec![Rule {
        who: vec![Who::Loopback],
        roles: Role::ALL.into(),
        pools: None,
        workers: None,
        per_second: None,
    }])
}

fn bind(directory: &Path) -> Policies {
    Policies::new(directory, bindings(), Limits::default()).unwrap()
}

fn bindings() -> Vec<Binding> {
    let pool = PoolName::from("gpu");
    POINTS.map(|point| Binding::standard(&pool, point)).to_vec()
}

/// A fleet with one pool and one worker.
pub(crate) fn spec() -> FleetSpec {
    let pool = PoolSpec {
        region: world::region(),
        tag_key: world::TAG_KEY.to_owned(),
        port: 8080,
        compute: Compute::Ec2,
        launch: vec![LaunchSource::LaunchTemplate("lt-gpu".to_owned())],
        policy_labels: Vec::new(),
        policy_tags: Vec::new(),
        restart_by: Default::default(),
        stop_refused: Default::default(),
        reap: false,
        orphans: Default::default(),
        terminate_adopted: false,
        follow_pointer: false,
        utc_offset: UtcOffset::default(),
        demand: None,
        health: None,
        boxes: None,
        limits: Default::default(),
        heartbeats_are_use: false,
    };
    let worker = WorkerSpec {
        pool: PoolName::from("gpu"),
        tag_value: "chat".to_owned(),
        pointer: PointerName::from(POINTER),
        wish: Default::default(),
        labels: Default::default(),
    };
    FleetSpec {
        name: "test".to_owned(),
        pools: [(PoolName::from("gpu"), pool)].into(),
        workers: [(WorkerId::from("chat"), worker)].into(),
        ..FleetSpec::default()
    }
}

/// The directory into which `cargo xtask policies` writes the components.
pub(crate) fn standard_policies() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dir = std::env::var_os("REEVE_POLICIES_DIR")
        .map_or_else(|| workspace.join("target/policies"), PathBuf::from);
    assert!(
        dir.join("resolve.wasm").is_file(),
        "there are no policies in {}: run `cargo xtask policies` first",
        dir.display()
    );
    dir
}

/// Sends a `GET` to the host's TCP address.
pub(crate) async fn get(host: &RunningHost, path: &str) -> Reply {
    http::tcp(host.address(), "GET", path, "127.0.0.1").await
}

/// Runs the futures at once, and returns their results in order.
pub(crate) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        match results.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Shuts a host down like SIGTERM does.
pub(crate) async fn end(host: RunningHost) {
    host.shutdown().begin();
    host.join().await.unwrap();
}

/// Calls `look` until it returns a value, for at most thirty seconds.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    found.unwrap_or_else(|_| panic!("not within thirty seconds: {what}"))
}

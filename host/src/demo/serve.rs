//! Serves the real host on the embedded world after the table, to be tried by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use reeve_core::id::{PointerName, WorkerId};
use reeve_core::spec::{FleetSpec, WorkerSpec};
use reeve_policy::Limits;
use reeve_sim::embedded::EmbeddedCloud;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, World};

use super::{DemoOptions, cast};
use crate::access::Access;
use crate::clock::Clock;
use crate::host::{Host, HostOptions, RunningHost};
use crate::notify::Webhooks;
use crate::policies::Policies;
use crate::print;
use crate::serve::until_signalled;

/// The second worker. It has no instance until a caller asks for it.
const FRESH: &str = "batch-gpu";

/// Serves the embedded world until it is interrupted.
pub(super) async fn run(options: &DemoOptions) -> anyhow::Result<()> {
    let state = tempfile::tempdir().context("cannot make a temporary directory for the journal")?;
    let host = match start(options, options.listen, state.path()).await {
        Ok(host) => host,
        // Another demo may hold the usual address; then any free port will do.
        Err(_) => {
            start(
                options,
                SocketAddr::new(options.listen.ip(), 0),
                state.path(),
            )
            .await?
        }
    };
    let address = host.address().context("the demo listens on no address")?;
    let url = format!("http://{address}/v1");
    let worker = incidents::worker();
    let resolve = |worker: &str, query: &str| format!("'{url}/workers/{worker}/resolve{query}'");
    print::text(&format!(
        "reeve is serving the simulated cloud now. Worker {worker} is in the state of `stale-pointer`: its pointer\n\
         names a stopped instance while another one runs. Of worker {FRESH} nothing exists yet. Try:\n\n\
         \x20 curl -s  {:<62} # adopted by tag, served at once\n\
         \x20 curl -si {:<62} # launched: 503 with Retry-After\n\
         \x20 curl -s  {:<62} # held until it is up, about 20 s after its launch\n\n\
         Ctrl-C ends it.\n",
        resolve(worker.as_str(), ""),
        resolve(FRESH, ""),
        resolve(FRESH, "?wait=30s"),
    ))?;
    Ok(until_signalled(host).await?)
}

async fn start(
    options: &DemoOptions,
    listen: SocketAddr,
    state_dir: &std::path::Path,
) -> anyhow::Result<RunningHost> {
    let clock = Clock::start();
    let cloud = EmbeddedCloud::new(world(clock), Arc::new(move || clock.now()));
    let bindings = cast::standard_bindings(&incidents::pool());
    let host = Host::start(HostOptions {
        spec: fleet(),
        policies: Policies::compiled_in_children(
            &options.policies_dir,
            bindings,
            Limits::default(),
        )?,
        cloud: Arc::new(cloud),
        store: Arc::new(MemoryStore::new(false)),
        listen: Some(listen),
        socket: None,
        network: None,
        access: Access::default(),
        boxes: None,
        iam: None,
        webhooks: Webhooks::none(),
        state_dir: state_dir.to_owned(),
        clock,
    });
    Ok(host.await?)
}

/// The incident's initial state: A is stopped and the pointer names it, B runs.
fn world(clock: Clock) -> World {
    let now = clock.now();
    let mut world = World::new(now.as_ms(), now);
    let stopped = world.place_stopped("i-0aaaaaaaaaaaaaaaa", TAG);
    world.place_pointer(&incidents::pointer(), stopped.as_str());
    world.launch_elsewhere("i-0bbbbbbbbbbbbbbbb", TAG, Boot::instant());
    world
}

fn fleet() -> FleetSpec {
    let mut fleet = incidents::fleet();
    let fresh = WorkerSpec {
        pool: incidents::pool(),
        tag_value: FRESH.to_owned(),
        pointer: PointerName::from("/batch/gpu/instance_id"),
        wish: Default::default(),
        labels: Default::default(),
    };
    fleet.workers.insert(WorkerId::from(FRESH), fresh);
    fleet
}

//! A resolve of a steady worker through the real shell, compared with a handler that returns a
//! constant.
//!
//! Both servers run in this process, on one runtime, with the shell's own settings for connections.
//! The load alternates between them, and its threads compete with both for the same cores.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::any;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use reeve::config::Network;
use reeve::{Access, Clock, Host, HostOptions, IamOptions, Policies, RunningHost, Webhooks};
use reeve_core::compute::Compute;
use reeve_core::id::{PointerName, PoolName, Region, WorkerId};
use reeve_core::instance::TAG_WORKER;
use reeve_core::point::Point;
use reeve_core::ports::Store;
use reeve_core::spec::{FleetSpec, Limits, PoolSpec, WorkerSpec};
use reeve_core::time::UtcOffset;
use reeve_policy::Binding;
use reeve_sim::embedded::EmbeddedCloud;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, World};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::load::{Asked, Connection, FEW, Load, generate, middle};

pub(crate) const FLEET: &str = "bench";
pub(crate) const WORKER: &str = "chat";
pub(crate) const POOL: &str = "bench";
pub(crate) const RESOLVE: &str = "/v1/workers/chat/resolve";
pub(crate) const CONSTANT: &str = "/v1/workers/chat/constant";
/// The number of turns of each server.
pub(crate) const ROUNDS: usize = 9;
pub(crate) const TURN: Duration = Duration::from_millis(600);
/// The time in which the host must find its worker.
const STEADY_MAX: Duration = Duration::from_secs(10);

/// The medians over the rounds.
pub(crate) struct Http {
    pub(crate) resolve: Load,
    pub(crate) constant: Load,
}

/// Starts both servers and measures them in turn.
pub(crate) fn measure(policies: &Path) -> Result<Http> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let state = tempfile::tempdir()?;
    let store = Arc::new(MemoryStore::new(false));
    let host = runtime.block_on(start_host(policies, state.path(), store, None))?;
    let body = steady_answer(address(&host)?, RESOLVE)?;
    let constant = serve_constant(&runtime, body.into(), None)?;

    let (mut resolves, mut constants) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // The first server alternates, so that a machine that grows slower favours neither.
        let resolve_first = round % 2 == 0;
        for is_resolve in [resolve_first, !resolve_first] {
            if is_resolve {
                resolves.push(generate(address(&host)?, get_of(RESOLVE), FEW, TURN)?);
            } else {
                constants.push(generate(constant, get_of(CONSTANT), FEW, TURN)?);
            }
        }
    }
    host.shutdown().begin();
    runtime.block_on(host.join())?;
    Ok(Http {
        resolve: middle(&resolves),
        constant: middle(&constants),
    })
}

fn get_of(path: &str) -> Asked<'_> {
    Asked {
        path,
        ..Asked::default()
    }
}

/// The door for callers on other machines, and who may ask for what.
pub(crate) struct Door {
    pub(crate) network: Network,
    pub(crate) access: Access,
    pub(crate) iam: IamOptions,
}

/// The real shell with the standard policies on an embedded world whose one worker runs.
pub(crate) async fn start_host(
    policies: &Path,
    state: &Path,
    store: Arc<dyn Store>,
    door: Option<Door>,
) -> Result<RunningHost> {
    let clock = Clock::start();
    let pointer = PointerName::from("/bench/chat");
    let mut world = World::new(1, clock.now());
    let id = world.launch_elsewhere("i-0a1b2c3d4e5f00001", (TAG_WORKER, WORKER), Boot::instant());
    world.place_pointer(&pointer, id.as_str());
    let policies = Policies::new(policies, bindings(), reeve_policy::Limits::default())?;
    let at = (state, door);
    start(fleet(pointer), policies, (world, clock), store, at).await
}

/// The real shell for this fleet on this embedded world.
pub(crate) async fn start(
    spec: FleetSpec,
    policies: Policies,
    (world, clock): (World, Clock),
    store: Arc<dyn Store>,
    (state, door): (&Path, Option<Door>),
) -> Result<RunningHost> {
    let (network, access, iam) = match door {
        None => (None, Access::default(), None),
        Some(door) => (Some(door.network), door.access, Some(door.iam)),
    };
    let cloud = EmbeddedCloud::new(world, Arc::new(move || clock.now()));
    let host = Host::start(HostOptions {
        spec,
        policies,
        cloud: Arc::new(cloud),
        store,
        listen: Some(any_port()),
        socket: None,
        network,
        access,
        boxes: None,
        iam,
        webhooks: Webhooks::none(),
        state_dir: state.to_owned(),
        clock,
    });
    Ok(host.await?)
}

/// The configuration of a pool that launches nothing.
pub(crate) fn pool() -> PoolSpec {
    PoolSpec {
        region: Region::from("eu-central-1"),
        tag_key: TAG_WORKER.to_owned(),
        port: 8080,
        compute: Compute::Ec2,
        launch: Vec::new(),
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
        limits: Limits::default(),
        heartbeats_are_use: false,
    }
}

fn fleet(pointer: PointerName) -> FleetSpec {
    let worker = WorkerSpec {
        pool: PoolName::from(POOL),
        tag_value: WORKER.to_owned(),
        pointer,
        wish: Default::default(),
        labels: Default::default(),
    };
    FleetSpec {
        name: FLEET.to_owned(),
        pools: [(PoolName::from(POOL), pool())].into(),
        workers: [(WorkerId::from(WORKER), worker)].into(),
        ..FleetSpec::default()
    }
}

/// The standard policies with their defaults.
pub(crate) fn bindings() -> Vec<Binding> {
    let pool = PoolName::from(POOL);
    Point::ALL
        .map(|point| Binding::standard(&pool, point))
        .to_vec()
}

/// Resolves until the worker is served, and returns the body of that response.
pub(crate) fn steady_answer(address: SocketAddr, path: &str) -> Result<Vec<u8>> {
    let mut connection = Connection::open(address, path)?;
    let started = Instant::now();
    loop {
        let answer = connection.ask()?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        if started.elapsed() > STEADY_MAX {
            let body = String::from_utf8_lossy(&answer.body);
            bail!("the worker is not served: {} {body}", answer.status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a server that returns one of the resolve's responses, byte for byte, on a free port.
pub(crate) fn serve_constant(
    runtime: &Runtime,
    body: Bytes,
    tls: Option<Arc<ServerConfig>>,
) -> Result<SocketAddr> {
    let tls = tls.map(TlsAcceptor::from);
    let answer = move || {
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        std::future::ready((headers, body.clone()))
    };
    let router = Router::new().route(CONSTANT, any(answer));
    let listener = runtime.block_on(TcpListener::bind(any_port()));
    let listener = listener.context("cannot listen on a free loopback port")?;
    let address = listener.local_addr()?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, tls) = (TowerToHyperService::new(router.clone()), tls.clone());
            // The connection ends when the load closes it.
            tokio::spawn(async move {
                match tls {
                    None => serve(stream, service).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, service).await;
                        }
                    }
                }
            });
        }
    });
    Ok(address)
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, service: TowerToHyperService<Router>) {
    // As in the shell: a client has 10 s for the head of a request.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(stream), service);
    drop(connection.await);
}

/// Where the host listens.
pub(crate) fn address(host: &RunningHost) -> Result<SocketAddr> {
    host.address().context("the host listens on no address")
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

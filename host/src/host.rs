//! A host that runs: everything put together, started in order and ended in order.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use reeve_core::fleet::{Fleet, Identity};
use reeve_core::id::HostId;
use reeve_core::ports::{Cloud, Store};
use reeve_core::spec::FleetSpec;
use reeve_policy::ReloadReport;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::api::{self, Admission, Api, ApiParts, Caps, ListenError, SocketFile};
use crate::boxes::BoxesOptions;
use crate::clock::Clock;
use crate::drive::{Drive, Parts};
use crate::hearing::Hearing;
use crate::journal::{Journal, JournalError};
use crate::metrics::Metrics;
use crate::notify::{Deliveries, Teller, Webhooks};
use crate::policies::Policies;
use crate::readiness::Readiness;
use crate::reload::{Cause, NoReport, Reloading, Reloads};
use crate::routes::Routes;

/// What a host is made of.
pub struct HostOptions {
    /// Pools, workers and limits.
    pub spec: FleetSpec,
    /// Who decides.
    pub policies: Policies,
    /// The cloud the workers are in.
    pub cloud: Arc<dyn Cloud>,
    /// Where the workers' records are.
    pub store: Arc<dyn Store>,
    /// Where the HTTP interface listens: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A Unix socket with the same interface.
    pub socket: Option<PathBuf>,
    /// Where boxes register, and what they prove themselves with; `None`: they do not.
    pub boxes: Option<BoxesOptions>,
    /// Who is told what people should know.
    pub webhooks: Webhooks,
    /// Where the journal is kept; made if it is missing, held by one host at a time.
    pub state_dir: PathBuf,
    /// The host's clock. A cloud that keeps time of its own shares it.
    pub clock: Clock,
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A socket cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Why a host ended badly.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The loop panicked: its state can no longer be trusted, so nothing goes on.
    #[error(
        "the host's loop failed; its state is gone, and a restart recovers it from the journal"
    )]
    LoopFailed(#[source] tokio::task::JoinError),
    /// The journal could not be made durable at the end.
    #[error("the host has ended, and the end of its journal may not be on disk")]
    Journal(#[source] JournalError),
}

/// The way into a running host; see [`Host::start`].
pub struct Host;

/// A host that runs until it is shut down. Dropped instead of joined, it ends without anyone waiting.
pub struct RunningHost {
    address: SocketAddr,
    boxes_address: Option<SocketAddr>,
    reloads: Reloads,
    readiness: Readiness,
    drive: JoinHandle<Result<(), JournalError>>,
    stop_drive: oneshot::Sender<()>,
    servers: JoinSet<()>,
    stop_servers: watch::Sender<bool>,
    shutdown: watch::Sender<bool>,
    deliveries: Deliveries,
    _background: JoinSet<()>,
    _socket_file: Option<SocketFile>,
}

/// Ends a running host from elsewhere; clones end the same one.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    /// Asks for the end; [`RunningHost::join`] carries it out. Asking again changes nothing.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Host {
    /// Starts a host: state directory, sockets and policies first, so that whatever is wrong with them is
    /// found before the cloud is asked anything; then the loop and the interface. Policies that are not good
    /// do not keep it from starting: it goes on serving running instances by the safe defaults, and says
    /// that it is not ready.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(options: HostOptions) -> Result<RunningHost, StartError> {
        let metrics = Metrics::new();
        let (journal, mut recovered) = Journal::open(&options.state_dir, metrics.clone())?;
        let records = options.store.read_all().await;
        let tcp = api::tcp(options.listen).await?;
        let address = tcp.local_addr().unwrap_or(options.listen);
        let unix = options.socket.as_deref().map(api::unix).transpose()?;
        let hearing = Hearing::default();
        let (for_boxes, proofs) = match options.boxes {
            None => (None, None),
            Some(boxes) => {
                let caps = Caps::per_peer(boxes.peer_connections_max);
                let admission = Admission::new(caps, hearing.clone(), metrics.clone());
                let tcp = api::any_tcp(boxes.listen).await?;
                (Some((tcp, admission)), Some(boxes.proofs))
            }
        };
        let boxes_address = for_boxes
            .as_ref()
            .and_then(|(tcp, _)| tcp.local_addr().ok());

        let registry = &options.policies.registry;
        let mut background = JoinSet::new();
        let directory = &options.policies.directory;
        let (reloading, reloads) =
            Reloading::begin(Arc::clone(registry), directory, metrics.clone());
        background.spawn(reloading.run());
        let _ = reloads.reload(Cause::Start).await;

        let routes = Arc::new(Routes::new(options.spec.workers.keys(), &metrics));
        let readiness = Readiness::new(&options.spec, journal.health(), Arc::clone(registry));
        // A store that does not answer keeps no host from starting: until it does, what runs is left alone
        // and each worker's record is asked for again.
        readiness.store_answered(records.as_ref().err());
        if let Err(error) = &records {
            tracing::error!("nothing is changed in the cloud until the store answers: {error}");
        }
        recovered.records = records.ok();
        let teller = Teller {
            fleet: options.spec.name.clone(),
            host: machine(),
        };
        let (announcer, deliveries) = options.webhooks.start(teller, &metrics, options.clock);
        let (drive, handle) = Drive::new(Parts {
            lease: options.spec.lease,
            fleet: Fleet::new(options.spec, identity(&*options.store), recovered),
            cloud: options.cloud,
            store: options.store,
            slots: Arc::clone(registry.slots()),
            journal,
            routes: Arc::clone(&routes),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            announcer,
            hearing: hearing.clone(),
            clock: options.clock,
        });
        let (stop_drive, drive_stopped) = oneshot::channel();
        let drive = tokio::spawn(drive.run(drive_stopped));

        let api = Api::new(ApiParts {
            routes,
            handle,
            registry: Arc::clone(registry),
            reloads: reloads.clone(),
            readiness: readiness.clone(),
            metrics,
            clock: options.clock,
            proofs,
            hearing,
        });
        let stop_servers = watch::Sender::new(false);
        let mut servers = JoinSet::new();
        servers.spawn(api::serve(
            tcp,
            api.for_loopback(),
            stop_servers.subscribe(),
        ));
        let socket_file = unix.map(|(listener, file)| {
            servers.spawn(api::serve(
                listener,
                api.for_socket(),
                stop_servers.subscribe(),
            ));
            file
        });
        tracing::info!(%address, "listening");
        if let (Some((listener, admission)), Some(address)) = (for_boxes, boxes_address) {
            servers.spawn(api::serve_boxes(
                listener,
                api.for_boxes(),
                admission,
                stop_servers.subscribe(),
            ));
            tracing::info!(%address, "listening for boxes");
        }
        Ok(RunningHost {
            address,
            boxes_address,
            reloads,
            readiness,
            drive,
            stop_drive,
            servers,
            stop_servers,
            shutdown: watch::Sender::new(false),
            deliveries,
            _background: background,
            _socket_file: socket_file,
        })
    }
}

/// A name that no other life of any host has: leases are held in it.
fn identity(store: &dyn Store) -> Identity {
    let name = machine();
    // A hasher's keys are the one source of randomness in the standard library; 64 bits keep any
    // number of lives apart.
    let life = RandomState::new().build_hasher().finish();
    Identity {
        host: HostId::new(format!("{name}-{life:016x}")),
        store_is_shared: store.is_shared(),
    }
}

/// The name of the machine.
pub(crate) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.as_deref().map_or("host", str::trim).to_owned()
}

impl RunningHost {
    /// The address of the HTTP interface, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the interface for boxes; `None`: there is none.
    pub fn boxes_address(&self) -> Option<SocketAddr> {
        self.boxes_address
    }

    /// What ends this host.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.shutdown.clone())
    }

    /// What reloads its policies.
    pub(crate) fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// Reads all policy files again and puts in force what is good.
    ///
    /// # Errors
    /// [`NoReport`]: the host has ended, or the reload panicked.
    pub async fn reload(&self) -> Result<Arc<ReloadReport>, NoReport> {
        self.reloads.reload(Cause::Request).await
    }

    /// Waits until shutdown is asked for, then ends in order: no connection is accepted any more, callers
    /// who wait are answered `draining`, mutations under way end (10 s at most), the journal is made durable,
    /// notifications that wait are sent (5 s at most).
    ///
    /// # Errors
    /// [`HostError`]: the loop failed, or the journal could not be finished.
    pub async fn join(self) -> Result<(), HostError> {
        let Self {
            readiness,
            mut drive,
            stop_drive,
            mut servers,
            stop_servers,
            shutdown,
            deliveries,
            ..
        } = self;
        let mut asked = shutdown.subscribe();
        let ended_early = tokio::select! {
            _ = asked.wait_for(|asked| *asked) => None,
            ended = &mut drive => Some(ended),
        };
        tracing::info!("shutting down");
        readiness.drain();
        stop_servers.send_replace(true);
        // The loop may have failed already; then nobody listens.
        let _ = stop_drive.send(());
        let ended = match ended_early {
            Some(ended) => ended,
            None => drive.await,
        };
        while servers.join_next().await.is_some() {}
        deliveries.finish().await;
        match ended {
            Ok(Ok(())) => {
                tracing::info!("ended; the journal is on disk");
                Ok(())
            }
            Ok(Err(error)) => Err(HostError::Journal(error)),
            Err(error) => Err(HostError::LoopFailed(error)),
        }
    }
}

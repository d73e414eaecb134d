//! A running host: builds all parts, starts them in order, and ends them in order.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reeve_core::fleet::{Fleet, Identity as HostIdentity};
use reeve_core::id::HostId;
use reeve_core::numbers::{BLOCK, Block};
use reeve_core::ports::{Cloud, Store};
use reeve_core::spec::FleetSpec;
use reeve_core::store::{Records, StoreError};
use reeve_policy::ReloadReport;
use reeve_sim::store::MemoryLedger;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::access::{Access, Identity, TokenFileError};
use crate::api::{self, Admission, Api, ApiParts, Caps, ListenError, SocketFile};
use crate::audit::Audit;
use crate::boxes::BoxesOptions;
use crate::clock::Clock;
use crate::config::Network;
use crate::doors::Opening;
use crate::drive::{Drive, Parts};
use crate::hearing::Hearing;
use crate::journal::{Journal, JournalError};
use crate::metrics::Metrics;
use crate::notify::{Deliveries, Teller, Webhooks};
use crate::outgoing::OutgoingError;
use crate::policies::Policies;
use crate::readiness::Readiness;
use crate::reload::{Cause, NoReport, Reloading, Reloads};
use crate::routes::Routes;
use crate::shadow;
use crate::sts::{IamOptions, Sts};
use crate::tls::TlsError;

/// How long a start waits for policies that are slow to compile. A standard policy takes a third of a
/// second.
const POLICIES_MAX: Duration = Duration::from_secs(10);

/// The parts a host is started from.
pub struct HostOptions {
    /// Pools, workers and limits.
    pub spec: FleetSpec,
    /// The policies that decide.
    pub policies: Policies,
    /// The cloud that the workers' instances run in.
    pub cloud: Arc<dyn Cloud>,
    /// Where the workers' records are kept.
    pub store: Arc<dyn Store>,
    /// Where the HTTP interface listens: a loopback address. Port 0 takes a free port. `None`: on a
    /// Unix socket only.
    pub listen: Option<SocketAddr>,
    /// A Unix socket with the same interface. `None`: no socket.
    pub socket: Option<PathBuf>,
    /// Where callers on other machines are served. `None`: nowhere.
    pub network: Option<Network>,
    /// Who may do what at these three.
    pub access: Access,
    /// Where boxes register, and how they are verified. `None`: this host has no interface for
    /// boxes.
    pub boxes: Option<BoxesOptions>,
    /// How identities of AWS IAM are verified: of callers that log in, and of boxes. `None`: none is.
    pub iam: Option<IamOptions>,
    /// The webhooks that get notices.
    pub webhooks: Webhooks,
    /// The journal's directory. It is created if missing, and only one host may use it at a time.
    pub state_dir: PathBuf,
    /// The host's clock. A simulated cloud with its own time shares it.
    pub clock: Clock,
}

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The host cannot listen on a socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The tokens of callers cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// The audit log cannot be written.
    #[error("cannot open the audit log in {}", dir.display())]
    Audit {
        /// The state directory.
        dir: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// STS cannot be reached.
    #[error("callers cannot log in by AWS IAM")]
    Outgoing(#[from] OutgoingError),
}

/// Why a host ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The loop panicked, so its state cannot be trusted and the host ends.
    #[error(
        "the host's loop failed; its state is gone, and a restart recovers it from the journal"
    )]
    LoopFailed(#[source] tokio::task::JoinError),
    /// The end of the journal could not be made durable.
    #[error("the host has ended, but its last journal entries may not be on disk")]
    Journal(#[source] JournalError),
}

/// Starts a host; see [`Host::start`].
pub struct Host;

/// A running host, until it is shut down. If it is dropped instead of joined, it ends without
/// waiting for pending work.
pub struct RunningHost {
    address: Option<SocketAddr>,
    network_address: Option<SocketAddr>,
    boxes_address: Option<SocketAddr>,
    reloads: Reloads,
    readiness: Readiness,
    drive: JoinHandle<Result<(), JournalError>>,
    stop_drive: oneshot::Sender<()>,
    servers: JoinSet<()>,
    stop_servers: watch::Sender<bool>,
    shutdown: watch::Sender<bool>,
    deliveries: Deliveries,
    audit: Audit,
    /// Its ticker interrupts policies for as long as the host decides.
    _policies: Policies,
    _background: JoinSet<()>,
    _socket_file: Option<SocketFile>,
}

/// Shuts a running host down from another task. Clones refer to the same host.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    /// Requests the shutdown; [`RunningHost::join`] carries it out. Further calls change nothing.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Host {
    /// Starts a host. It opens the state directory, the sockets and the policies before the first
    /// cloud call, so that their mistakes are found first. A bad policy does not prevent the start:
    /// the host serves running instances by the safe defaults and reports that it is not ready.
    ///
    /// # Errors
    /// [`StartError`]; no task of the host runs then.
    pub async fn start(mut options: HostOptions) -> Result<RunningHost, StartError> {
        let metrics = Metrics::new();
        if options.spec.dry_run {
            tracing::warn!(
                "dry run: nothing is written or changed; what would be written is kept in memory until this host ends"
            );
            (options.cloud, options.store) =
                shadow::before(options.cloud, options.store, options.clock);
            if let Some(iam) = &mut options.iam {
                iam.ledger = Arc::new(MemoryLedger::default());
            }
        }
        let (journal, mut recovered) = Journal::open(&options.state_dir, metrics.clone())?;
        let records = options.store.read_all().await;
        let tcp = match options.listen {
            Some(listen) => Some(api::tcp(listen).await?),
            None => None,
        };
        let address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let access = Arc::new(options.access);
        let socket = options.socket.as_deref();
        let unix = socket.map(|path| api::unix(path, access.is_for_other_users()));
        let unix = unix.transpose()?;
        let hearing = Hearing::default();
        let mut background = JoinSet::new();
        let audit = Audit::open(
            &options.state_dir,
            Arc::clone(&access),
            metrics.clone(),
            options.clock,
        );
        let audit = audit.map_err(|source| StartError::Audit {
            dir: options.state_dir.clone(),
            source,
        })?;
        background.spawn(audit.clone().count());
        let opening = Opening {
            access: &access,
            clock: options.clock,
            metrics: &metrics,
        };
        let boxes_have_roles = (options.boxes.as_ref()).is_some_and(|it| it.proofs.has_roles());
        let iam = (options.iam).filter(|_| access.is_for_iam() || boxes_have_roles);
        let sts = iam.map(|iam| Sts::new(&options.spec.name, iam, options.clock));
        let sts = sts.transpose()?.map(Arc::new);
        let (for_network, logins) = match options.network {
            None => (None, None),
            Some(network) => {
                let (door, logins) = opening
                    .network(network, sts.clone(), &mut background)
                    .await?;
                (Some(door), logins)
            }
        };
        let (for_boxes, proofs) = match options.boxes {
            None => (None, None),
            Some(boxes) => {
                let proofs = boxes.proofs;
                let (listen, tls) = (boxes.listen, boxes.tls);
                let caps = Caps::per_peer(boxes.peer_connections_max);
                let admission = Admission::new("boxes", caps, hearing.clone(), metrics.clone());
                let door = opening
                    .boxes(listen, tls, admission, &mut background)
                    .await?;
                (Some(door), Some(proofs))
            }
        };
        let network_address = for_network.as_ref().map(|door| door.address);
        let boxes_address = for_boxes.as_ref().map(|door| door.address);

        let registry = &options.policies.registry;
        let directory = &options.policies.directory;
        let (reloading, reloads) =
            Reloading::begin(Arc::clone(registry), directory, metrics.clone());
        background.spawn(reloading.run());
        // A file that takes longer comes into force later; until then its points take their safe
        // defaults.
        let _ = timeout(POLICIES_MAX, reloads.reload(Cause::Start)).await;

        let workers = options.spec.workers.iter();
        let workers = workers.map(|(worker, spec)| (worker, &spec.pool));
        let routes = Arc::new(Routes::new(workers, &metrics));
        let readiness = Readiness::new(&options.spec, journal.health(), Arc::clone(registry));
        // A store that does not respond does not prevent the start. Until it responds, the host
        // changes nothing and retries the read of each worker's record.
        readiness.records_read(&records);
        tell_of_unread(&records);
        recovered.records = records.ok();
        if recovered.records.is_some() {
            // A store that has just answered is asked once more. Without an answer, the ids count on
            // from the journal's until the loop has reserved some.
            let reserved = options.store.reserve(recovered.decisions, BLOCK).await;
            recovered.block = reserved.ok().map(Block::after);
        }
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
            metrics: metrics.clone(),
            clock: options.clock,
            logins,
            sts,
            proofs,
            audit: audit.clone(),
            waits: Default::default(),
            hearing,
        });
        let stop_servers = watch::Sender::new(false);
        let mut servers = JoinSet::new();
        if let (Some(tcp), Some(address)) = (tcp, address) {
            let caller = access.caller(Identity::Loopback);
            servers.spawn(api::serve(
                tcp,
                api.for_loopback(),
                Admission::new(
                    "loopback",
                    Caps::local(),
                    Hearing::default(),
                    metrics.clone(),
                ),
                move |_| Some(caller.clone()),
                stop_servers.subscribe(),
            ));
            tracing::info!(%address, "listening");
        }
        let socket_file = unix.map(|(listener, file)| {
            servers.spawn(api::serve(
                listener,
                api.for_socket(),
                Admission::new("socket", Caps::local(), Hearing::default(), metrics.clone()),
                move |stream: &UnixStream| user_of(stream).map(|user| access.caller(user)),
                stop_servers.subscribe(),
            ));
            tracing::info!(path = %file.path().display(), "listening");
            file
        });
        if let Some(door) = for_network {
            tracing::info!(address = %door.address, "listening for callers on other machines");
            let is_plain = door.reception.tls.is_none();
            servers.spawn(door.serve(api.for_network(is_plain), stop_servers.subscribe()));
        }
        if let Some(door) = for_boxes {
            tracing::info!(address = %door.address, "listening for boxes");
            servers.spawn(door.serve(api.for_boxes(), stop_servers.subscribe()));
        }
        Ok(RunningHost {
            address,
            network_address,
            boxes_address,
            reloads,
            readiness,
            drive,
            stop_drive,
            servers,
            stop_servers,
            shutdown: watch::Sender::new(false),
            deliveries,
            audit,
            _policies: options.policies,
            _background: background,
            _socket_file: socket_file,
        })
    }
}

/// The user at the other end. `None`: the connection is over already.
fn user_of(stream: &UnixStream) -> Option<Identity> {
    let user = stream.peer_cred().ok()?;
    Some(Identity::User {
        uid: user.uid(),
        gid: user.gid(),
    })
}

/// An identity that no other run of any host has. Leases are held under it.
fn identity(store: &dyn Store) -> HostIdentity {
    let name = machine();
    // A hasher's keys are the only randomness in the standard library. 64 bits are enough to tell
    // all runs apart.
    let life = RandomState::new().build_hasher().finish();
    HostIdentity {
        host: HostId::new(format!("{name}-{life:016x}")),
        store_is_shared: store.is_shared(),
    }
}

/// The name of this machine.
pub(crate) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.as_deref().map_or("host", str::trim).to_owned()
}

impl RunningHost {
    /// The address of the HTTP interface, with the port that was chosen. `None`: it has none.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The address of the interface for callers on other machines. `None`: this host has none.
    pub fn network_address(&self) -> Option<SocketAddr> {
        self.network_address
    }

    /// The address of the interface for boxes. `None`: this host has none.
    pub fn boxes_address(&self) -> Option<SocketAddr> {
        self.boxes_address
    }

    /// A handle that shuts this host down.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.shutdown.clone())
    }

    /// A handle that reloads the policies.
    pub(crate) fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// Reads all policy files again and activates the good ones.
    ///
    /// # Errors
    /// [`NoReport`]: the host has ended, or the reload panicked.
    pub async fn reload(&self) -> Result<ReloadReport, NoReport> {
        self.reloads.reload(Cause::Request).await
    }

    /// Waits until a shutdown is requested, then ends in order. The host accepts no more
    /// connections and responds `draining` to pending callers. Running mutations end (at most 10
    /// s), the journal is made durable, and queued notifications are sent (at most 5 s).
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
            audit,
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
        // The loop may have failed already; then no receiver is left.
        let _ = stop_drive.send(());
        let ended = match ended_early {
            Some(ended) => ended,
            None => drive.await,
        };
        while servers.join_next().await.is_some() {}
        audit.finish().await;
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

/// Logs the records that could not be read.
fn tell_of_unread(records: &Result<Records, StoreError>) {
    match records {
        Err(error) => {
            tracing::error!(
                "the host changes nothing in the cloud until the store responds: {error}"
            );
        }
        Ok(records) => {
            for (worker, record) in records {
                if let Err(error) = record {
                    tracing::warn!(%worker, "the host changes nothing for this worker: {error}");
                }
            }
        }
    }
}

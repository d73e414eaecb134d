//! `reeve serve`: runs a host from a configuration until a signal ends it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reeve_core::ports::{Cloud, Ledger, Store};
use reeve_policy::Cache;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::boxes::{BoxesError, BoxesOptions};
use crate::clock::Clock;
use crate::config::Config;
#[cfg(feature = "aws")]
use crate::config::SharedStore;
use crate::host::{Host, HostError, HostOptions, RunningHost, StartError};
use crate::notify::{NotifyError, Webhooks};
use crate::outgoing::Endpoint;
use crate::policies::{Policies, PoliciesError};
use crate::reload::Cause;
use crate::store::{SqliteStore, StoreOpenError};
use crate::sts::IamOptions;

/// Why a host did not start, or ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The policies cannot be set up.
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    /// AWS cannot be reached with this configuration.
    #[cfg(feature = "aws")]
    #[error(transparent)]
    Aws(#[from] reeve_aws::ConnectError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The state directory cannot be created.
    #[error("cannot create the state directory {}; `state_dir` must be a place this user may write to", path.display())]
    StateDir {
        /// The directory's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// This program was built without AWS.
    #[cfg(not(feature = "aws"))]
    #[error(
        "this reeve was built without AWS, for the demo; build it with its default features to serve real workers"
    )]
    WithoutAws,
    /// The proofs of boxes cannot be verified.
    #[error(transparent)]
    Boxes(#[from] BoxesError),
    /// The webhooks cannot be set up.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The host did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The signal handlers cannot be installed.
    #[error("cannot install the signal handlers")]
    Signals(#[source] std::io::Error),
    /// The host ended with an error.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Serves the workers of this configuration on AWS, until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`].
pub async fn run(config: Config) -> Result<(), ServeError> {
    #[cfg(feature = "aws")]
    {
        let cloud = reeve_aws::AwsCloud::connect(reeve_aws::AwsOptions {
            profile: config.aws.profile.clone(),
            endpoint_url: config.aws.endpoint_url.clone(),
            task_roles: config
                .boxes
                .as_ref()
                .is_some_and(|boxes| !boxes.roles.is_empty()),
            ..Default::default()
        });
        let cloud = Arc::new(cloud.await?);
        let (store, ledger) = match &config.shared_store {
            None => open_store(&config)?,
            Some(shared) => shared_store(&config, shared).await?,
        };
        run_with(config, cloud, store, ledger).await
    }
    #[cfg(not(feature = "aws"))]
    {
        drop(config);
        Err(ServeError::WithoutAws)
    }
}

/// The file with the workers' records, in the state directory.
pub const STORE_FILE: &str = "workers.db";

/// One store, as that of the workers' records and as that of facts that end.
pub type Stores = (Arc<dyn Store>, Arc<dyn Ledger>);

/// Opens the file with the workers' records. Creates the state directory if it is missing.
///
/// # Errors
/// [`ServeError::StateDir`], [`ServeError::Store`].
pub fn open_store(config: &Config) -> Result<Stores, ServeError> {
    let path = &config.state_dir;
    make_state_dir(path)?;
    let store = Arc::new(SqliteStore::open(path.join(STORE_FILE))?);
    Ok((Arc::clone(&store) as Arc<dyn Store>, store))
}

/// Creates the state directory if it is missing, for the host's user only.
///
/// # Errors
/// [`ServeError::StateDir`].
pub(crate) fn make_state_dir(path: &Path) -> Result<(), ServeError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| ServeError::StateDir {
        path: path.to_owned(),
        source,
    })
}

/// The table that several hosts share. A missing table shows at the first call.
#[cfg(feature = "aws")]
async fn shared_store(
    config: &Config,
    shared: &SharedStore,
) -> Result<Stores, reeve_aws::ConnectError> {
    let options = reeve_aws::DynamoOptions {
        table: shared.table.clone(),
        fleet: config.fleet.name.clone(),
        region: shared.region.clone(),
        profile: config.aws.profile.clone(),
        endpoint_url: config.aws.endpoint_url.clone(),
    };
    let store = Arc::new(reeve_aws::DynamoStore::connect(options).await?);
    Ok((Arc::clone(&store) as Arc<dyn Store>, store))
}

/// Lets this process open as many files as the system allows: each connection is one, and many systems
/// begin with a limit of 1,024.
pub(crate) fn open_more_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // With fewer files there are fewer connections.
    let _ = setrlimit(Resource::Nofile, most);
}

/// The cache of compiled policies. Without one, each start compiles them again.
fn compiled(state_dir: &Path) -> Option<Cache> {
    let cache = Cache::open(state_dir.join("compiled"), Cache::BYTES_MAX);
    cache
        .inspect_err(|error| {
            let error = anyhow::Chain::new(error)
                .map(ToString::to_string)
                .collect::<Vec<_>>();
            tracing::warn!("compiled policies are not kept: {}", error.join(": "));
        })
        .ok()
}

/// Serves the workers of this configuration with any cloud and any store, until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`].
pub async fn run_with(
    config: Config,
    cloud: Arc<dyn Cloud>,
    store: Arc<dyn Store>,
    ledger: Arc<dyn Ledger>,
) -> Result<(), ServeError> {
    // Installed first: a signal during the start must not end the process half-way.
    let signals = Signals::hear()?;
    make_state_dir(&config.state_dir)?;
    let policies = Policies::configured(&config, compiled(&config.state_dir))?;
    let options = HostOptions {
        spec: config.fleet,
        policies,
        cloud,
        store,
        listen: config.listen,
        socket: config.socket,
        access: config.access,
        network: config.network,
        boxes: config.boxes.as_ref().map(BoxesOptions::read).transpose()?,
        iam: Some(IamOptions {
            regions: config.login_regions,
            endpoint: config.aws.endpoint_url.as_deref().and_then(Endpoint::parse),
            ledger,
        }),
        webhooks: Webhooks::open(&config.notify)?,
        state_dir: config.state_dir,
        clock: Clock::start(),
    };
    let host = Host::start(options).await?;
    signals.obey(host).await
}

/// Runs a host until SIGTERM or SIGINT, then ends it in order. SIGHUP reloads its policies.
///
/// # Errors
/// [`ServeError::Signals`], [`ServeError::Host`].
pub async fn until_signalled(host: RunningHost) -> Result<(), ServeError> {
    Signals::hear()?.obey(host).await
}

/// The signals that a host reacts to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn hear() -> Result<Self, ServeError> {
        let hear = |kind| signal(kind).map_err(ServeError::Signals);
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
            hang_up: hear(SignalKind::hangup())?,
        })
    }

    async fn obey(mut self, host: RunningHost) -> Result<(), ServeError> {
        let shutdown = host.shutdown();
        let reloads = host.reloads();
        let told_to_end = async {
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return,
                    _ = self.interrupt.recv() => return,
                    _ = self.hang_up.recv() => {
                        let reloads = reloads.clone();
                        tokio::spawn(async move { reloads.reload(Cause::Signal).await });
                    }
                }
            }
        };
        let mut ended = std::pin::pin!(host.join());
        tokio::select! {
            ended = &mut ended => return Ok(ended?),
            () = told_to_end => shutdown.begin(),
        }
        Ok(ended.await?)
    }
}

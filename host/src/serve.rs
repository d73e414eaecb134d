//! `reeve serve`: a host from a configuration, until it is told to end.

use std::sync::Arc;

use reeve_core::cloud::Cloud;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::config::Config;
use crate::host::{Host, HostError, HostOptions, RunningHost, StartError};
use crate::policies::{Policies, PoliciesError};
use crate::reload::Cause;

/// Why serving did not begin, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The policies cannot be set up.
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    /// AWS cannot be reached with this configuration.
    #[cfg(feature = "aws")]
    #[error(transparent)]
    Aws(#[from] reeve_aws::ConnectError),
    /// There is no AWS in this program.
    #[cfg(not(feature = "aws"))]
    #[error(
        "this reeve was built without AWS, for the demo; build it with its default features to serve real workers"
    )]
    WithoutAws,
    /// The host does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The signals of the system cannot be heard.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
    /// The host ended badly.
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
            ..Default::default()
        });
        let cloud = Arc::new(cloud.await?);
        run_with_cloud(config, cloud).await
    }
    #[cfg(not(feature = "aws"))]
    {
        drop(config);
        Err(ServeError::WithoutAws)
    }
}

/// Serves the workers of this configuration in any cloud, until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`].
pub async fn run_with_cloud(config: Config, cloud: Arc<dyn Cloud>) -> Result<(), ServeError> {
    let policies = Policies::configured(&config)?;
    let options = HostOptions {
        spec: config.fleet,
        policies,
        cloud,
        listen: config.listen,
        socket: config.socket,
        state_dir: config.state_dir,
        clock: Clock::start(),
    };
    let host = Host::start(options).await?;
    until_signalled(host).await
}

/// Lets a host run until SIGTERM or SIGINT and ends it in order; SIGHUP reloads its policies.
///
/// # Errors
/// [`ServeError::Signals`], [`ServeError::Host`].
pub async fn until_signalled(host: RunningHost) -> Result<(), ServeError> {
    let hear = |kind| signal(kind).map_err(ServeError::Signals);
    let mut terminate = hear(SignalKind::terminate())?;
    let mut interrupt = hear(SignalKind::interrupt())?;
    let mut hang_up = hear(SignalKind::hangup())?;
    let shutdown = host.shutdown();
    let reloads = host.reloads();
    let signals = async {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => reloads.order(Cause::Signal),
            }
        }
        shutdown.begin();
    };
    let mut ended = std::pin::pin!(host.join());
    tokio::select! {
        ended = &mut ended => return Ok(ended?),
        () = signals => {}
    }
    Ok(ended.await?)
}

//! The policies of a host: the registry, the policy directory, and the ticker that interrupts
//! policies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reeve_policy::{
    Binding, BindingError, Cache, EngineError, InChild, Limits, PolicyEngine, Registry, SignerKey,
    SpawnerError,
};

use crate::config::{BoundPolicy, Config};
use crate::ticker::Ticker;

/// Policies bound to pools. No file is read before the first reload. Clones share everything.
#[derive(Clone)]
pub struct Policies {
    /// The active policy of each pool and point.
    pub registry: Arc<Registry>,
    /// The directory of the policy files, which is watched for changes.
    pub directory: PathBuf,
    _ticker: Arc<Ticker>,
}

/// Why policies cannot be set up, independent of the files.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The engine does not support this machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The thread that spawns compilers cannot be started.
    #[error(transparent)]
    Compiler(#[from] SpawnerError),
    /// The bindings contradict each other.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The system refused to start a thread.
    #[error("cannot start the thread that interrupts policies")]
    Thread(#[from] std::io::Error),
}

/// An engine that compiles in children of this program.
///
/// # Errors
/// The engine does not support this machine, or no thread can be started.
pub(crate) fn engine(limits: Limits, cache: Option<Cache>) -> Result<PolicyEngine, PoliciesError> {
    // The program that runs, also after a new version has replaced its file.
    let program = PathBuf::from("/proc/self/exe");
    let compiler = InChild::new(program, cache)?;
    Ok(PolicyEngine::new(limits)?.compiling_by(Arc::new(compiler)))
}

impl Policies {
    /// Policies from `directory` with these bindings and limits, compiled in this process.
    ///
    /// # Errors
    /// [`PoliciesError`].
    pub fn new(
        directory: &Path,
        bindings: Vec<Binding>,
        limits: Limits,
    ) -> Result<Self, PoliciesError> {
        Self::with_engine(PolicyEngine::new(limits)?, directory, bindings, Vec::new())
    }

    /// The same, compiled in child processes of this program, which must answer
    /// [`compile::child`](reeve_policy::compile::child).
    ///
    /// # Errors
    /// [`PoliciesError`].
    pub fn compiled_in_children(
        directory: &Path,
        bindings: Vec<Binding>,
        limits: Limits,
    ) -> Result<Self, PoliciesError> {
        Self::with_engine(engine(limits, None)?, directory, bindings, Vec::new())
    }

    fn with_engine(
        engine: PolicyEngine,
        directory: &Path,
        bindings: Vec<Binding>,
        keys: Vec<SignerKey>,
    ) -> Result<Self, PoliciesError> {
        let registry = Registry::new(engine.clone(), directory.to_owned(), bindings)?;
        let registry = registry.signed_by(keys);
        let ticker = Ticker::start(engine)?;
        Ok(Self {
            registry: Arc::new(registry),
            directory: directory.to_owned(),
            _ticker: Arc::new(ticker),
        })
    }

    /// The policies of a configuration, compiled in child processes. With a cache, native code is kept
    /// for the next start.
    ///
    /// # Errors
    /// [`PoliciesError`].
    pub fn configured(config: &Config, cache: Option<Cache>) -> Result<Self, PoliciesError> {
        let classes = config.policies.iter().map(|bound| bound.class);
        let limits = Limits {
            fuel: config.fuel_max,
            ..Limits::of(classes.max().unwrap_or_default())
        };
        let bindings = config.policies.iter().map(binding).collect();
        let keys = config.policy_keys.clone();
        Self::with_engine(engine(limits, cache)?, &config.policies_dir, bindings, keys)
    }
}

fn binding(bound: &BoundPolicy) -> Binding {
    Binding {
        pool: bound.pool.clone(),
        point: bound.point,
        file: bound.file.clone(),
        settings: bound.settings.clone(),
        class: bound.class,
        digest: bound.digest,
    }
}

//! The policies of a host: the registry, the directory the files are in, and what interrupts them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reeve_policy::{Binding, BindingError, EngineError, Limits, PolicyEngine, Registry};

use crate::config::{BoundPolicy, Config};
use crate::ticker::Ticker;

/// Policies bound to pools; nothing is read before the first reload. Clones share everything.
#[derive(Clone)]
pub struct Policies {
    /// Which of them answers for which pool.
    pub registry: Arc<Registry>,
    /// Where their files are; watched for changes.
    pub directory: PathBuf,
    _ticker: Arc<Ticker>,
}

/// Why policies cannot be set up, whatever the files hold.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The engine does not work here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The bindings make no sense together.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The system gives no thread.
    #[error("cannot start the thread that interrupts policies")]
    Thread(#[from] std::io::Error),
}

impl Policies {
    /// Policies from `directory`, bound like this and held to these limits.
    ///
    /// # Errors
    /// [`PoliciesError`].
    pub fn new(
        directory: &Path,
        bindings: Vec<Binding>,
        limits: Limits,
    ) -> Result<Self, PoliciesError> {
        let engine = PolicyEngine::new(limits)?;
        let registry = Registry::new(engine.clone(), directory.to_owned(), bindings)?;
        let ticker = Ticker::start(engine)?;
        Ok(Self {
            registry: Arc::new(registry),
            directory: directory.to_owned(),
            _ticker: Arc::new(ticker),
        })
    }

    /// Policies as the configuration has them.
    ///
    /// # Errors
    /// [`PoliciesError`].
    pub fn configured(config: &Config) -> Result<Self, PoliciesError> {
        let default = Limits::default();
        let limits = Limits {
            fuel: config.fuel_max.unwrap_or(default.fuel),
            memory_bytes_max: config.memory_bytes_max.unwrap_or(default.memory_bytes_max),
            ..default
        };
        let bindings = config.policies.iter().map(binding).collect();
        Self::new(&config.policies_dir, bindings, limits)
    }
}

fn binding(bound: &BoundPolicy) -> Binding {
    Binding {
        pool: bound.pool.clone(),
        point: bound.point,
        file: bound.file.clone(),
        settings: bound.settings.clone(),
    }
}

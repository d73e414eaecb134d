//! A registry for a policy directory with one file.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Point;
use reeve_policy::{Binding, LoadedPolicy, Loader, Outcome, Registry};
use serde_json::{Map, Value, json};

use super::{About, Fixture, again_ms, engine, question};

pub const FILE: &str = "retry.wasm";

/// A policy that returns `again` with this many milliseconds, and accepts `{}` and `{"tries":3}`.
pub fn answering(ms: u32) -> Vec<u8> {
    Fixture {
        next_ms: ms,
        about: Some(About {
            settings_lengths: vec![2, 11],
            ..About::default()
        }),
        ..Fixture::sound()
    }
    .bytes()
}

pub fn pool() -> PoolName {
    PoolName::new("gpu")
}

pub fn binding(point: Point, settings: Value) -> Binding {
    let settings: Map<String, Value> = serde_json::from_value(settings).expect("an object");
    Binding {
        file: FILE.to_owned(),
        settings,
        ..Binding::standard(&pool(), point)
    }
}

pub struct Setup {
    pub directory: tempfile::TempDir,
    pub registry: Registry,
}

impl Setup {
    pub fn new(settings: Value) -> Self {
        Self::with_loader(settings, Box::new(LoadedPolicy::load))
    }

    pub fn with_loader(settings: Value, load: Box<Loader>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let bindings = vec![binding(Point::RetryIp, settings)];
        let path = directory.path().to_owned();
        let registry =
            Registry::with_loader(engine(), path, bindings, load).expect("the bindings make sense");
        Self {
            directory,
            registry,
        }
    }

    /// A setup in which this file is active.
    pub fn serving(bytes: &[u8]) -> Self {
        let setup = Self::new(json!({}));
        setup.write(bytes);
        assert!(matches!(
            setup.reload(),
            Outcome::Activated { old: None, .. }
        ));
        setup
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join(FILE)
    }

    pub fn write(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).expect("written");
    }

    /// Reloads, and returns the outcome of the only file.
    pub fn reload(&self) -> Outcome {
        let mut report = self.registry.reload();
        assert_eq!(report.files.len(), 1);
        let file = Arc::into_inner(report.files.remove(0)).expect("held here only");
        file.outcome
    }

    pub fn refusal(&self) -> (String, &'static str, Option<Digest>) {
        match self.reload() {
            Outcome::Refused { error, serving } => (error.text(), error.code(), serving),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    pub fn decided_ms(&self) -> u32 {
        let decision = self.registry.slots().decide(&pool(), question());
        again_ms(&decision.verdict.expect("it decides"))
    }

    pub fn last_error(&self) -> Option<String> {
        self.registry.status().remove(0).last_error
    }
}

//! Brings the files of the policy directory into force and keeps the last good one of each. It never
//! watches anything: the shell calls [`Registry::reload`] when it has reason to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::id::Digest;

use crate::binding::{self, Binding, BindingError};
use crate::component::LoadedPolicy;
use crate::engine::PolicyEngine;
use crate::file;
use crate::report::{
    BoundTo, FileReport, Outcome, PolicyStatus, RebindError, ReloadError, ReloadReport,
};
use crate::slots::{Slot, SlotMap, Slots};

/// The policies of one host.
pub struct Registry {
    engine: PolicyEngine,
    directory: PathBuf,
    slots: Arc<Slots>,
    /// Held for a whole reload, so that two of them do not overtake each other.
    reloading: Mutex<()>,
    /// Held only to read or exchange, never while compiling.
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    bindings: Arc<[Binding]>,
    files: BTreeMap<String, FileState>,
}

/// What is known of one file.
#[derive(Clone, Default)]
struct FileState {
    /// The last good one.
    serving: Option<Arc<LoadedPolicy>>,
    /// Why the file as it was last read is not the one that serves.
    last_error: Option<String>,
}

impl Registry {
    /// A registry that serves nothing until [`Registry::reload`].
    ///
    /// # Errors
    /// A binding cannot be meant, whatever the files hold.
    pub fn new(
        engine: PolicyEngine,
        directory: PathBuf,
        bindings: Vec<Binding>,
    ) -> Result<Self, BindingError> {
        binding::check(&bindings)?;
        let files = bindings
            .iter()
            .map(|binding| (binding.file.clone(), FileState::default()))
            .collect();
        let state = State {
            bindings: bindings.into(),
            files,
        };
        Ok(Self {
            engine,
            directory,
            slots: Arc::default(),
            reloading: Mutex::new(()),
            state: Mutex::new(state),
        })
    }

    /// What decides. It stays the same object for the life of the registry.
    pub fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Reads every bound file and puts those that changed and are good in force, all in one step. A
    /// file that is missing, bad or refuses a pool's settings changes nothing: its last good content goes on
    /// serving. Compiles on the calling thread, which should not be one that decides.
    pub fn reload(&self) -> ReloadReport {
        let _one_at_a_time = lock(&self.reloading);
        let mut state = lock(&self.state).clone();
        let mut files = Vec::new();
        for (name, known) in &mut state.files {
            let tried = self.try_file(name, &state.bindings, known.serving.as_ref());
            files.push(known.settle(name, tried));
        }
        self.put_in_force(state);
        ReloadReport { files }
    }

    /// Puts other bindings in force, files and settings, if all of them are good; else changes nothing.
    ///
    /// # Errors
    /// A binding cannot be meant, or files are not good or refuse the new settings.
    pub fn rebind(&self, bindings: Vec<Binding>) -> Result<ReloadReport, RebindError> {
        binding::check(&bindings)?;
        let _one_at_a_time = lock(&self.reloading);
        let before = lock(&self.state).files.clone();
        let mut state = State {
            bindings: bindings.into(),
            files: BTreeMap::new(),
        };
        let mut files = Vec::new();
        for binding in state.bindings.iter() {
            let name = &binding.file;
            if state.files.contains_key(name) {
                continue;
            }
            let mut known = before.get(name).cloned().unwrap_or_default();
            let tried = self.try_file(name, &state.bindings, known.serving.as_ref());
            files.push(known.settle(name, tried));
            state.files.insert(name.clone(), known);
        }
        let report = ReloadReport { files };
        if !report.is_good() {
            return Err(RebindError::Refused(report.into_refused()));
        }
        self.put_in_force(state);
        Ok(report)
    }

    /// Every bound file: what serves, for whom, and what is wrong with its present content.
    pub fn status(&self) -> Vec<PolicyStatus> {
        let State { bindings, files } = lock(&self.state).clone();
        files
            .into_iter()
            .map(|(file, known)| {
                let bound = bindings
                    .iter()
                    .filter(|binding| binding.file == file)
                    .map(BoundTo::from)
                    .collect();
                PolicyStatus::new(file, known.serving.as_deref(), bound, known.last_error)
            })
            .collect()
    }

    /// The file's content as a policy that fits its bindings; the serving one when the bytes are the
    /// same, so that unchanged files are not compiled again.
    fn try_file(
        &self,
        name: &str,
        bindings: &[Binding],
        serving: Option<&Arc<LoadedPolicy>>,
    ) -> Result<Arc<LoadedPolicy>, ReloadError> {
        let path = self.directory.join(name);
        let bytes = file::read(&path, self.engine.limits().component_bytes_max)?;
        let loaded = match serving {
            Some(serving) if serving.digest() == Digest::of(&bytes) => Arc::clone(serving),
            _ => Arc::new(LoadedPolicy::load(&self.engine, name, &bytes)?),
        };
        for binding in bindings.iter().filter(|binding| binding.file == name) {
            if !loaded.offers(binding.point) {
                return Err(ReloadError::NotOffered {
                    policy: loaded.policy().clone(),
                    pool: binding.pool.clone(),
                    point: binding.point,
                    failure: loaded.not_offered(),
                });
            }
            loaded
                .validate(&binding.settings_text())
                .map_err(|refusal| ReloadError::Settings {
                    pool: binding.pool.clone(),
                    point: binding.point,
                    refusal,
                })?;
        }
        Ok(loaded)
    }

    fn put_in_force(&self, state: State) {
        self.slots.replace(slot_map(&state));
        *lock(&self.state) = state;
    }
}

impl FileState {
    /// Takes the outcome of a trial in: the good one serves from now on, a bad one is remembered.
    fn settle(&mut self, file: &str, tried: Result<Arc<LoadedPolicy>, ReloadError>) -> FileReport {
        let before = self.serving.as_ref().map(|serving| serving.digest());
        let outcome = match tried {
            Ok(loaded) => {
                let digest = loaded.digest();
                self.serving = Some(loaded);
                self.last_error = None;
                if before == Some(digest) {
                    Outcome::Unchanged { digest }
                } else {
                    Outcome::Activated {
                        old: before,
                        new: digest,
                    }
                }
            }
            Err(error) => {
                self.last_error = Some(error.text());
                Outcome::Refused {
                    error,
                    serving: before,
                }
            }
        };
        FileReport {
            file: file.to_owned(),
            outcome,
        }
    }
}

fn slot_map(state: &State) -> SlotMap {
    let mut slots = SlotMap::default();
    for binding in state.bindings.iter() {
        let serving = state.files.get(&binding.file);
        if let Some(policy) = serving.and_then(|known| known.serving.clone()) {
            let settings = binding.settings_text().into();
            slots.bind(
                binding.pool.clone(),
                binding.point,
                Slot { policy, settings },
            );
        }
    }
    slots
}

/// A thread that panicked elsewhere leaves the state as it was: it is only ever exchanged whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

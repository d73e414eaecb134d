//! Activates the files of the policy directory and keeps the last good version of each. It does not
//! watch files; the shell calls [`Registry::reload`] when something may have changed. A failure to
//! load a file, even a panic, is an error of that file only.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::id::Digest;

use crate::binding::{self, Binding, BindingError};
use crate::component::LoadedPolicy;
use crate::engine::PolicyEngine;
use crate::error::LoadError;
use crate::file;
use crate::panics::caught;
use crate::report::{
    BoundTo, FileReport, Outcome, PolicyStatus, RebindError, ReloadError, ReloadReport,
};
use crate::slots::{Slot, SlotMap, Slots};

/// Makes a policy from a file's bytes. It gets the engine, the file's name and the bytes.
pub type Loader =
    dyn Fn(&PolicyEngine, &str, &[u8]) -> Result<LoadedPolicy, LoadError> + Send + Sync;

/// The policies of one host.
pub struct Registry {
    engine: PolicyEngine,
    load: Box<Loader>,
    directory: PathBuf,
    slots: Arc<Slots>,
    /// Held during a whole reload, so that two reloads do not overlap.
    reloading: Mutex<()>,
    /// Held only for a read or an exchange, never during compilation.
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    bindings: Arc<[Binding]>,
    files: BTreeMap<String, FileState>,
}

/// The state of one file.
#[derive(Clone, Default)]
struct FileState {
    /// The last good version.
    serving: Option<Arc<LoadedPolicy>>,
    /// Why the file's present content is not active.
    last_error: Option<String>,
    /// The result of loading bytes that are not active, so that an unchanged file is loaded only
    /// once. `None`: the bytes read last are active.
    tried: Option<Tried>,
}

#[derive(Clone)]
struct Tried {
    digest: Digest,
    loaded: Loaded,
}

type Loaded = Result<Arc<LoadedPolicy>, Arc<LoadError>>;

impl Registry {
    /// A registry without active policies until [`Registry::reload`].
    ///
    /// # Errors
    /// A binding is invalid, independent of the files.
    pub fn new(
        engine: PolicyEngine,
        directory: PathBuf,
        bindings: Vec<Binding>,
    ) -> Result<Self, BindingError> {
        Self::with_loader(engine, directory, bindings, Box::new(LoadedPolicy::load))
    }

    /// Like [`Registry::new`], but this loader makes policies from bytes.
    ///
    /// # Errors
    /// A binding is invalid, independent of the files.
    pub fn with_loader(
        engine: PolicyEngine,
        directory: PathBuf,
        bindings: Vec<Binding>,
        load: Box<Loader>,
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
            load,
            directory,
            slots: Arc::default(),
            reloading: Mutex::new(()),
            state: Mutex::new(state),
        })
    }

    /// The slots that decide. They are the same object for the life of the registry.
    pub fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Reads every bound file and activates the changed good ones in one step. A file that is
    /// missing, bad, or refuses a pool's settings changes nothing: its last good version stays
    /// active. This compiles on the calling thread, so do not call it on a thread that decides.
    pub fn reload(&self) -> ReloadReport {
        let _one_at_a_time = lock(&self.reloading);
        let mut state = lock(&self.state).clone();
        let mut files = Vec::new();
        for (name, known) in &mut state.files {
            let tried = self.try_file(name, &state.bindings, known);
            files.push(known.settle(name, tried));
        }
        self.put_in_force(state);
        ReloadReport { files }
    }

    /// Activates new bindings, both files and settings, if all of them are good. Otherwise it
    /// changes nothing.
    ///
    /// # Errors
    /// A binding is invalid, or a file is bad or refuses the new settings.
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
            let tried = self.try_file(name, &state.bindings, &mut known);
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

    /// Every bound file: its active version, the bindings, and the problem with its present
    /// content.
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

    /// Loads the file's content as a policy that fits its bindings. A panic is an error like any
    /// other.
    fn try_file(
        &self,
        name: &str,
        bindings: &[Binding],
        known: &mut FileState,
    ) -> Result<Arc<LoadedPolicy>, ReloadError> {
        caught(|| {
            let loaded = self.load(name, known)?;
            check_bindings(&loaded, name, bindings)?;
            Ok(loaded)
        })
        .unwrap_or_else(|message| {
            Err(ReloadError::Panicked {
                path: self.directory.join(name),
                message,
            })
        })
    }

    /// Reads the file and loads it. If the same bytes were loaded before, the earlier result is
    /// reused.
    fn load(&self, name: &str, known: &mut FileState) -> Result<Arc<LoadedPolicy>, ReloadError> {
        let path = self.directory.join(name);
        let bytes = file::read(&path, self.engine.limits().component_bytes_max)?;
        let digest = Digest::of(&bytes);
        if let Some(serving) = known.serving.as_ref()
            && serving.digest() == digest
        {
            known.tried = None;
            return Ok(Arc::clone(serving));
        }
        if let Some(tried) = known.tried.as_ref()
            && tried.digest == digest
        {
            return tried.loaded.clone().map_err(ReloadError::Load);
        }
        let loaded = self.load_bytes(name, &bytes);
        let lasts = loaded.as_ref().err().is_none_or(|error| error.lasts());
        known.tried = lasts.then(|| Tried {
            digest,
            loaded: loaded.clone(),
        });
        loaded.map_err(ReloadError::Load)
    }

    fn load_bytes(&self, name: &str, bytes: &[u8]) -> Loaded {
        caught(|| (self.load)(&self.engine, name, bytes))
            .unwrap_or_else(|message| Err(LoadError::panicked(name, bytes, message)))
            .map(Arc::new)
            .map_err(Arc::new)
    }

    fn put_in_force(&self, state: State) {
        self.slots.replace(slot_map(&state));
        *lock(&self.state) = state;
    }
}

impl FileState {
    /// Applies the result of a trial: a good version becomes active, a bad one is remembered.
    fn settle(&mut self, file: &str, tried: Result<Arc<LoadedPolicy>, ReloadError>) -> FileReport {
        let before = self.serving.as_ref().map(|serving| serving.digest());
        let outcome = match tried {
            Ok(loaded) => {
                let digest = loaded.digest();
                self.serving = Some(loaded);
                self.tried = None;
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

/// Checks that the policy offers every point that the file is bound to, and accepts the settings
/// there.
fn check_bindings(
    loaded: &LoadedPolicy,
    name: &str,
    bindings: &[Binding],
) -> Result<(), ReloadError> {
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
    Ok(())
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
                Slot::new(policy, settings),
            );
        }
    }
    slots
}

/// A panic of another thread leaves the state intact, because it is only exchanged as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

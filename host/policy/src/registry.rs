//! Activates the files of the policy directory and keeps the last good version of each. It does not
//! watch files; the shell calls [`Registry::reload_file`] when something may have changed. Each file is
//! tried by itself and comes into force by itself: a file that takes long, is refused or panics keeps
//! no other waiting. Compilers are few, and pools take turns at them.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use reeve_core::id::{Digest, PoolName};

use crate::binding::{self, Binding, BindingError};
use crate::component::LoadedPolicy;
use crate::engine::PolicyEngine;
use crate::error::LoadError;
use crate::file;
use crate::limits::Class;
use crate::panics::caught;
use crate::report::{BoundTo, FileReport, Outcome, PolicyStatus, ReloadError, ReloadReport};
use crate::slots::{Slot, SlotMap, Slots};
use crate::turns::Turns;

/// Compilers at a time. A second one lets a small file pass a large one; more would take the memory
/// and the cores of the host that decides.
const COMPILERS_MAX: usize = 2;

/// Makes a policy from a file's bytes. It gets the engine, the file's name and the bytes.
pub type Loader =
    dyn Fn(&PolicyEngine, &str, &[u8]) -> Result<LoadedPolicy, LoadError> + Send + Sync;

/// The policies of one host.
pub struct Registry {
    engine: PolicyEngine,
    load: Box<Loader>,
    directory: PathBuf,
    bindings: Vec<Binding>,
    files: BTreeMap<String, File>,
    turns: Turns<PoolName>,
    slots: Arc<Slots>,
    /// Held while the slots are exchanged, so that each exchange holds all that came before.
    exchange: Mutex<()>,
}

/// One bound file. Its engine has the largest class of the pools that bind it. Its trials come one
/// after the other, those of two files side by side.
struct File {
    engine: PolicyEngine,
    /// The result of loading bytes that are not active, so that an unchanged file is loaded only
    /// once. `None`: the bytes read last are active. Held during a trial.
    tried: Mutex<Option<Tried>>,
    /// Held only for a read or an exchange, never during compilation.
    state: Mutex<FileState>,
}

/// The state of one file.
#[derive(Clone, Default)]
struct FileState {
    /// The last good version.
    serving: Option<Arc<LoadedPolicy>>,
    /// Why the file's present content is not active.
    last_error: Option<String>,
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
        let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
        for binding in &bindings {
            let class = classes.entry(&binding.file).or_default();
            *class = binding.class.max(*class);
        }
        let files = classes.into_iter();
        let files =
            files.map(|(name, class)| (name.to_owned(), File::new(engine.for_class(class))));
        Ok(Self {
            files: files.collect(),
            engine,
            load,
            directory,
            bindings,
            turns: Turns::new(COMPILERS_MAX),
            slots: Arc::default(),
            exchange: Mutex::new(()),
        })
    }

    /// The slots that decide. They are the same object for the life of the registry.
    pub fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// The names of the bound files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Reloads every bound file, side by side, and waits for all of them.
    pub fn reload(&self) -> ReloadReport {
        thread::scope(|scope| {
            let names = self.files.keys();
            let started: Vec<_> = names
                .map(|name| scope.spawn(|| self.reload_file(name)))
                .collect();
            // A trial catches panics: one out here is a fault of this crate.
            let ended = started
                .into_iter()
                .filter_map(|file| file.join().unwrap_or_else(|panic| resume_unwind(panic)));
            ReloadReport {
                files: ended.map(Arc::new).collect(),
            }
        })
    }

    /// Reads the file, and activates it if it is changed and good. A file that is missing, bad, or
    /// refuses a pool's settings changes nothing: its last good version stays active. This may take
    /// as long as a compiler may, so do not call it on a thread that decides. `None`: no file of this
    /// name is bound.
    pub fn reload_file(&self, name: &str) -> Option<FileReport> {
        let (name, file) = self.files.get_key_value(name)?;
        let mut tried_before = lock(&file.tried);
        let tried = self.try_file(name, file, &mut tried_before);
        let report = lock(&file.state).settle(name, tried);
        if matches!(report.outcome, Outcome::Activated { .. }) {
            *tried_before = None;
            let _exchange = lock(&self.exchange);
            self.slots.replace(self.slot_map());
        }
        Some(report)
    }

    /// Every bound file: its active version, the bindings, and the problem with its present
    /// content.
    pub fn status(&self) -> Vec<PolicyStatus> {
        let files = self.files.iter().map(|(name, file)| {
            let known = lock(&file.state).clone();
            let bound = self.bindings_of(name).map(BoundTo::from).collect();
            let serving = known.serving.as_deref();
            PolicyStatus::new(name.clone(), serving, bound, known.last_error)
        });
        files.collect()
    }

    /// A problem that keeps no policy from its work, such as compiled code that cannot be kept for
    /// the next start.
    pub fn trouble(&self) -> Option<String> {
        self.engine.trouble()
    }

    fn bindings_of<'a>(&'a self, file: &'a str) -> impl Iterator<Item = &'a Binding> {
        let bindings = self.bindings.iter();
        bindings.filter(move |binding| binding.file == file)
    }

    /// Loads the file's content as a policy that fits its bindings. A panic is an error like any
    /// other.
    fn try_file(
        &self,
        name: &str,
        file: &File,
        tried: &mut Option<Tried>,
    ) -> Result<Arc<LoadedPolicy>, ReloadError> {
        caught(|| {
            let loaded = self.load(name, file, tried)?;
            self.check_bindings(&loaded, name)?;
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
    fn load(
        &self,
        name: &str,
        file: &File,
        tried: &mut Option<Tried>,
    ) -> Result<Arc<LoadedPolicy>, ReloadError> {
        let path = self.directory.join(name);
        let bytes_max = file.engine.limits().component_bytes_max;
        let digest = file::digest(&path, bytes_max)?;
        self.check_pins(name, digest)?;
        let serving = lock(&file.state).serving.clone();
        if let Some(serving) = serving.filter(|serving| serving.digest() == digest) {
            *tried = None;
            return Ok(serving);
        }
        if let Some(before) = tried.as_ref().filter(|before| before.digest == digest) {
            return before.loaded.clone().map_err(ReloadError::Load);
        }
        // The file's bytes are in memory only during its turn.
        let pool = self.bindings_of(name).map(|binding| &binding.pool).next();
        let _turn = pool.map(|pool| self.turns.enter(pool.clone()));
        let bytes = file::read(&path, bytes_max)?;
        // It may have changed since.
        self.check_pins(name, Digest::of(&bytes))?;
        let loaded = self.load_bytes(&file.engine, name, &bytes);
        let lasts = loaded.as_ref().err().is_none_or(|error| error.lasts());
        *tried = lasts.then(|| Tried {
            digest: Digest::of(&bytes),
            loaded: loaded.clone(),
        });
        loaded.map_err(ReloadError::Load)
    }

    /// Checks that the file has the content that its bindings ask for.
    fn check_pins(&self, name: &str, found: Digest) -> Result<(), ReloadError> {
        for binding in self.bindings_of(name) {
            if let Some(pinned) = binding.digest.filter(|pinned| *pinned != found) {
                return Err(ReloadError::NotPinned {
                    path: self.directory.join(name),
                    found,
                    pinned,
                    pool: binding.pool.clone(),
                    point: binding.point,
                });
            }
        }
        Ok(())
    }

    fn load_bytes(&self, engine: &PolicyEngine, name: &str, bytes: &[u8]) -> Loaded {
        caught(|| (self.load)(engine, name, bytes))
            .unwrap_or_else(|message| Err(LoadError::panicked(name, bytes, message)))
            .map(Arc::new)
            .map_err(Arc::new)
    }

    /// Checks that the policy offers every point that the file is bound to, and accepts the settings
    /// there.
    fn check_bindings(&self, loaded: &LoadedPolicy, name: &str) -> Result<(), ReloadError> {
        for binding in self.bindings_of(name) {
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

    fn slot_map(&self) -> SlotMap {
        let mut slots = SlotMap::default();
        for binding in &self.bindings {
            let file = self.files.get(&binding.file);
            if let Some(policy) = file.and_then(|file| lock(&file.state).serving.clone()) {
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
}

impl File {
    fn new(engine: PolicyEngine) -> Self {
        Self {
            engine,
            tried: Mutex::default(),
            state: Mutex::default(),
        }
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

/// A panic of another thread leaves the state intact, because it is only exchanged as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
use reeve_core::point::Input;

use crate::binding::{self, Binding, BindingError};
use crate::component::LoadedPolicy;
use crate::engine::PolicyEngine;
use crate::error::{Failure, LoadError};
use crate::file;
use crate::limits::Class;
use crate::panics::caught;
use crate::report::{BoundTo, FileReport, Outcome, PolicyStatus, ReloadError, ReloadReport};
use crate::signature::{self, SignerKey};
use crate::slots::{SlotMap, Slots};
use crate::trial;
use crate::turns::Turns;
use crate::versions::Versions;

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
    keys: Vec<SignerKey>,
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
    versions: Mutex<Versions>,
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
            keys: Vec::new(),
            turns: Turns::new(COMPILERS_MAX),
            slots: Arc::default(),
            exchange: Mutex::new(()),
        })
    }

    /// Accepts only files that one of these keys signed. With none, every file is accepted.
    #[must_use]
    pub fn signed_by(self, keys: Vec<SignerKey>) -> Self {
        Self { keys, ..self }
    }

    /// The slots that decide. They are the same object for the life of the registry.
    pub fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Calls this with the name of a file whose active version has begun to fail each time, so that
    /// [`Registry::reload_file`] puts the last good one in its place. It is called on a thread that
    /// decides and must not wait. Only the first call counts.
    pub fn on_broken(&self, hear: impl Fn(&str) + Send + Sync + 'static) {
        let files = self.bindings.iter();
        let files: BTreeMap<_, _> = files
            .map(|binding| ((binding.pool.clone(), binding.point), binding.file.clone()))
            .collect();
        self.slots.on_broken(Box::new(move |pool, point| {
            if let Some(file) = files.get(&(pool.clone(), point)) {
                hear(file);
            }
        }));
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
    ///
    /// If the active version has failed ten times in a row at a point, the last good one before it
    /// takes its place first, and the file is refused until it changes.
    pub fn reload_file(&self, name: &str) -> Option<FileReport> {
        let (name, file) = self.files.get_key_value(name)?;
        let mut tried_before = lock(&file.tried);
        let gave_way = lock(&file.versions).roll_back();
        let tried = self.try_file(name, file, &mut tried_before);
        let report = lock(&file.versions).settle(name, self.bindings_of(name), tried);
        let is_new = matches!(report.outcome, Outcome::Activated { .. });
        if is_new {
            *tried_before = None;
        }
        if is_new || gave_way {
            let _exchange = lock(&self.exchange);
            self.slots.replace(self.slot_map());
        }
        Some(report)
    }

    /// Every bound file: its active version, the bindings, and the problem with its present
    /// content.
    pub fn status(&self) -> Vec<PolicyStatus> {
        let files = self.files.iter().map(|(name, file)| {
            let bound = self.bindings_of(name).map(BoundTo::from).collect();
            PolicyStatus::new(name.clone(), &lock(&file.versions), bound)
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
            self.check_bindings(&loaded, name, file)?;
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
        let versions = lock(&file.versions).clone();
        versions.admit(digest)?;
        if let Some(serving) = versions.serving().filter(|one| one.digest() == digest) {
            *tried = None;
            return Ok(Arc::clone(serving));
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
        signature::check(&self.keys, &path, &bytes)?;
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

    /// Checks that the policy offers every point that the file is bound to, accepts the settings there,
    /// and answers.
    fn check_bindings(
        &self,
        loaded: &LoadedPolicy,
        name: &str,
        file: &File,
    ) -> Result<(), ReloadError> {
        let versions = lock(&file.versions).clone();
        if versions
            .serving()
            .is_some_and(|serving| serving.digest() == loaded.digest())
        {
            return Ok(());
        }
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
            let asked = versions.slot(&binding.pool, binding.point);
            let asked = asked.map(|slot| slot.record().questions());
            try_out(loaded, binding, asked.unwrap_or_default())?;
        }
        Ok(())
    }

    fn slot_map(&self) -> SlotMap {
        let mut slots = SlotMap::default();
        for file in self.files.values() {
            lock(&file.versions).bind(&mut slots);
        }
        slots
    }
}

impl File {
    fn new(engine: PolicyEngine) -> Self {
        Self {
            engine,
            tried: Mutex::default(),
            versions: Mutex::default(),
        }
    }
}

/// Asks the policy what a host could ask it at this point, and what one did ask.
fn try_out(policy: &LoadedPolicy, binding: &Binding, asked: Vec<Input>) -> Result<(), ReloadError> {
    for mut question in trial::questions(binding.point).into_iter().chain(asked) {
        question.set_settings(&binding.settings_text());
        if let Some(failure) = crash(policy, &question) {
            return Err(ReloadError::Crashes {
                policy: policy.policy().clone(),
                pool: binding.pool.clone(),
                point: binding.point,
                failure,
            });
        }
    }
    Ok(())
}

/// How the policy ends without an answer to the question, if it does.
fn crash(policy: &LoadedPolicy, question: &Input) -> Option<Failure> {
    let ask = || Some(policy.decide(question).err()?.failure);
    let mut failure = ask();
    // A machine may be busy once.
    if failure.as_ref().is_some_and(Failure::is_deadline) {
        failure = ask();
    }
    failure.filter(Failure::is_crash)
}

/// A panic of another thread leaves the state intact, because it is only exchanged as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

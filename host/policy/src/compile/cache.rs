//! Native code of components, kept between starts. A warm cache makes a start fast, and a host whose
//! machine has no memory to spare for a compiler starts all the same.
//!
//! An entry is named by the component's digest, and by everything that the code was made for: the
//! version of wasmtime, the engine's settings and the CPU. It is written to another name, synced and
//! renamed, so an entry is whole. The code runs with the host's rights: an entry counts only if this
//! user owns it and no other may write it, and if it has its own digest.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use reeve_core::id::Digest;
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, futimens};

use crate::engine::PolicyEngine;

/// The ending of an entry's name.
const ENDING: &str = "native";
/// The bytes of the digest at the end of an entry.
const DIGEST_BYTES: u64 = 32;

/// A folder with native code.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    bytes_max: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    /// Why the last entry could not be written; `None` if it was.
    trouble: Mutex<Option<String>>,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or read.
    #[error("cannot use {} for compiled policies", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Others may write what the host would run.
    #[error(
        "{} belongs to user {owner} with mode {mode:o}; accepted is a folder of this user ({us}) that no \
         other may write: remove it, or `chmod 700` it", path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
        /// This process's user.
        us: u32,
    },
}

impl Cache {
    /// The most that entries take together by default. A policy takes two to five times the size of
    /// its file.
    pub const BYTES_MAX: u64 = 512 << 20;

    /// The cache in this folder, which is made if it is missing. The oldest entries leave when all
    /// together exceed `bytes_max`.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn open(folder: PathBuf, bytes_max: u64) -> Result<Self, CacheError> {
        let failed = |source| CacheError::Io {
            path: folder.clone(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&folder).map_err(failed)?;
        let found = fs::metadata(&folder).map_err(failed)?;
        if !is_ours_alone(&found) {
            return Err(CacheError::Foreign {
                owner: found.uid(),
                mode: found.mode() & 0o7777,
                us: us(),
                path: folder,
            });
        }
        Ok(Self {
            folder,
            bytes_max,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            trouble: Mutex::new(None),
        })
    }

    /// How often an entry was found, and how often none was.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.hits), read(&self.misses))
    }

    /// Why the last entry could not be written; `None` if it was.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file with the native code of this component for this engine, if it is here and intact.
    /// Its last bytes are its digest.
    pub(super) fn get(&self, engine: &PolicyEngine, digest: Digest) -> Option<File> {
        let path = self.path(engine, digest);
        let code = open(&path).ok();
        let counter = if code.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        code
    }

    /// Begins an entry for this component. `None`: it cannot be written.
    pub(super) fn begin(&self, engine: &PolicyEngine, digest: Digest) -> Option<Entry> {
        self.told(Entry::begin(self.path(engine, digest)))
    }

    /// Keeps the entry, whose bytes have this digest. A failure costs the next start its time, and
    /// nothing else.
    pub(super) fn keep(&self, entry: Entry, digest: Digest) {
        self.told(entry.end(digest).and_then(|path| self.shrink(&path)));
    }

    /// The value, or `None` with the trouble noted.
    pub(super) fn told<T>(&self, result: io::Result<T>) -> Option<T> {
        let (value, error) = match result {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error)),
        };
        let trouble = error.map(|error| {
            format!(
                "cannot keep compiled policies in {}: {error}",
                self.folder.display()
            )
        });
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        value
    }

    fn path(&self, engine: &PolicyEngine, digest: Digest) -> PathBuf {
        let mut made_for = Fingerprint::default();
        engine
            .wasm()
            .precompile_compatibility_hash()
            .hash(&mut made_for);
        let made_for = made_for.finish();
        self.folder
            .join(format!("{digest}-{made_for:016x}.{ENDING}"))
    }

    /// Removes the entries that were used longest ago, until the others fit; `newest` stays.
    fn shrink(&self, newest: &Path) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let (path, found) = (entry.path(), entry.metadata()?);
            if found.is_file() && path != newest {
                entries.push((found.modified()?, found.len(), path));
            }
        }
        entries.sort();
        let mut bytes: u64 = fs::metadata(newest)?.len();
        for (_, length, path) in entries.iter().rev() {
            bytes = bytes.saturating_add(*length);
            if bytes > self.bytes_max {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// An entry that is being written. Unless it is kept, its file is removed.
pub(super) struct Entry {
    /// The code, as far as it is written.
    pub(super) file: File,
    unfinished: PathBuf,
    path: PathBuf,
}

impl Entry {
    pub(super) fn begin(path: PathBuf) -> io::Result<Self> {
        /// Two files with the same content may be compiled at a time.
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        // One that a former process of this number left.
        let _ = fs::remove_file(&unfinished);
        Ok(Self {
            file: options.create_new(true).open(&unfinished)?,
            unfinished,
            path,
        })
    }

    /// Makes the whole entry durable, and gives it its name.
    fn end(mut self, digest: Digest) -> io::Result<PathBuf> {
        self.file.write_all(digest.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.unfinished, &self.path)?;
        Ok(self.path.clone())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // It is not there any more if the entry was kept.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// Opens an entry and compares its code with its digest. Its time becomes that of its last use.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = options
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || !is_ours_alone(&found) {
        return Err(io::Error::other("not a file of this user alone"));
    }
    let damaged = || io::Error::other("damaged");
    let length = found.len().checked_sub(DIGEST_BYTES).ok_or_else(damaged)?;
    let (digest, _) = Digest::read((&file).take(length))?;
    let mut expected = [0; DIGEST_BYTES as usize];
    file.seek(SeekFrom::Start(length))?;
    file.read_exact(&mut expected)?;
    if expected != *digest.as_bytes() {
        return Err(damaged());
    }
    // Only the order of use is lost if this fails.
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let _ = futimens(
        &file,
        &Timestamps {
            last_access: now,
            last_modification: now,
        },
    );
    Ok(file)
}

/// Whether this user owns it, and no other may write it.
fn is_ours_alone(found: &fs::Metadata) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    found.uid() == us() && found.mode() & OTHERS_WRITE == 0
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A hash that is the same in each process: the first eight bytes of SHA-256.
#[derive(Default)]
struct Fingerprint(Vec<u8>);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = Digest::of(&self.0);
        let first = digest.as_bytes().first_chunk();
        first.map_or(0, |first| u64::from_be_bytes(*first))
    }
}

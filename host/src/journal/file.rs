//! The journal on disk: appends lines, makes them durable, and starts a new file when one is long.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use reeve_core::fleet::Recovered;
use reeve_core::journal::{Content, Entry};
use reeve_core::text;

use super::lock::StateLock;
use super::recover::{self, Checkpoint, Maxima};
use super::{CHECKPOINT, JournalError, disk};

/// Bytes of unwritten lines that are kept in memory, so that a full disk does not fill the memory
/// too.
const UNWRITTEN_BYTES_MAX: usize = 4 << 20;

/// The journal of one state directory, which stays locked until this is dropped.
#[derive(Debug)]
pub(super) struct JournalFile {
    dir: PathBuf,
    number: u64,
    path: PathBuf,
    file: File,
    /// The file's length up to its last whole line.
    bytes: u64,
    bytes_max: u64,
    maxima: Maxima,
    /// Whole lines that a failed write did not store. They are written before any new line.
    unwritten: Vec<u8>,
    _lock: StateLock,
}

/// The result of opening a state directory.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) journal: JournalFile,
    pub(super) recovered: Recovered,
    pub(super) torn_bytes: u64,
    pub(super) damage: Vec<String>,
}

impl JournalFile {
    /// Locks the directory (and creates it if missing), recovers, and cuts off a torn last line.
    /// The checkpoint is written with a new epoch, so epochs rise with every start even if the host
    /// does nothing.
    ///
    /// # Errors
    /// [`JournalError`]: another host uses the directory, or a file cannot be read or written.
    pub(super) fn open(dir: &Path, bytes_max: u64) -> Result<Opened, JournalError> {
        std::fs::create_dir_all(dir).map_err(JournalError::io("create", dir))?;
        let lock = StateLock::take(dir)?;
        let found = recover::recover(dir)?;
        let recovered = Recovered::from(found.maxima.clone());
        let mut maxima = found.maxima;
        maxima.epoch = maxima.epoch.next();
        let path = disk::path(dir, found.current);
        let mut journal = Self {
            dir: dir.to_owned(),
            number: found.current,
            file: disk::open(&path)?,
            path,
            bytes: found.tail.whole_bytes,
            bytes_max,
            maxima,
            unwritten: Vec::new(),
            _lock: lock,
        };
        journal.cut_to_whole_lines()?;
        journal.write_checkpoint(journal.number)?;
        Ok(Opened {
            journal,
            recovered,
            torn_bytes: found.tail.torn_bytes,
            damage: found.damage,
        })
    }

    /// The current file's length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends an entry. On return it is durable, if entries of its kind must be.
    ///
    /// # Errors
    /// [`JournalError`]: the entry is not on disk. It is kept and written before the next one,
    /// unless the buffer is full.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut line = text::to_json(entry).map_err(JournalError::Unwritable)?;
        line.push('\n');
        if self.unwritten.len() + line.len() > UNWRITTEN_BYTES_MAX {
            // The buffer is full, so the kept lines must be written first.
            self.write_out()?;
        }
        self.unwritten.extend_from_slice(line.as_bytes());
        self.maxima.decision(entry.decision);
        if let Content::Intent {
            generation, epoch, ..
        } = &entry.content
        {
            self.maxima.intent(&entry.worker, *generation, *epoch);
        }
        self.write_out()?;
        if entry.content.must_be_durable() {
            self.sync()?;
        }
        if self.bytes >= self.bytes_max {
            self.rotate()?;
        }
        Ok(())
    }

    /// Makes all appended entries durable.
    ///
    /// # Errors
    /// [`JournalError::Io`]: some entries may be lost if the machine fails.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        let synced = self.file.sync_data();
        synced.map_err(JournalError::io("sync", &self.path))
    }

    /// Retries the lines that an earlier append could not write.
    ///
    /// # Errors
    /// [`JournalError::Io`]: it still cannot be written.
    pub(super) fn write_out(&mut self) -> Result<(), JournalError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        // An earlier attempt may have written part of a line.
        self.cut_to_whole_lines()?;
        let written = self.file.write_all(&self.unwritten);
        written.map_err(JournalError::io("write", &self.path))?;
        self.bytes += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }

    fn cut_to_whole_lines(&mut self) -> Result<(), JournalError> {
        let mut cut = || -> std::io::Result<()> {
            if self.file.stream_position()? != self.bytes
                || self.file.metadata()?.len() != self.bytes
            {
                self.file.set_len(self.bytes)?;
                self.file.seek(SeekFrom::Start(self.bytes))?;
            }
            Ok(())
        };
        cut().map_err(JournalError::io("cut", &self.path))
    }

    /// Continues in the next file. This file stays in use until the checkpoint that names the next
    /// one is written. So whichever step fails, every generation is in a file that recovery reads.
    fn rotate(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        let number = self.number + 1;
        let path = disk::path(&self.dir, number);
        let file = disk::open(&path)?;
        self.write_checkpoint(number)?;
        self.number = number;
        self.path = path;
        self.file = file;
        self.bytes = 0;
        disk::prune(&self.dir)
    }

    fn write_checkpoint(&self, from: u64) -> Result<(), JournalError> {
        let checkpoint = Checkpoint {
            from,
            maxima: self.maxima.clone(),
        };
        let bytes = serde_json::to_vec(&checkpoint).map_err(JournalError::Unwritable)?;
        disk::replace(&self.dir, CHECKPOINT, &bytes)
    }
}

#[cfg(test)]
impl JournalFile {
    /// Replaces the journal's file by a read-only handle, or restores it.
    pub(super) fn break_for_test(&mut self, broken: bool) {
        let mut options = std::fs::OpenOptions::new();
        self.file = options.read(true).write(!broken).open(&self.path).unwrap();
        self.file.seek(SeekFrom::Start(self.bytes)).unwrap();
    }
}

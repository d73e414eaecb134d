//! Native code on its way from a compiler to the engine. It goes through a file, never through the
//! host's own memory: an entry of the cache or, where there is none, memory that the kernel keeps as a
//! file. The engine maps that file, so that of a large component only what runs takes memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use reeve_core::id::Digest;
use rustix::fs::{MemfdFlags, memfd_create};
use wasmtime::component::Component;

use super::cache::{Cache, Entry};
use crate::engine::PolicyEngine;

/// Native code that is whole.
pub(super) struct Artefact {
    content: Content,
    digest: Digest,
}

/// Where it is.
enum Content {
    /// In an entry of the cache that is not kept yet.
    Entry(Entry),
    /// In the kernel's memory.
    Memory(File),
}

impl Artefact {
    /// Copies from the reader to a new entry of the cache, or to memory if there is no cache or it
    /// cannot be written. `None`: the reader gives more than `bytes_max`.
    ///
    /// # Errors
    /// The reader fails, or memory.
    pub(super) fn receive(
        from: impl Read,
        bytes_max: u64,
        cache: Option<&Cache>,
        entry: Option<Entry>,
    ) -> io::Result<Option<Self>> {
        let mut content = match entry {
            Some(entry) => Content::Entry(entry),
            None => Content::Memory(memory()?),
        };
        let copied = Copied {
            from: from.take(bytes_max + 1),
            to: &mut content,
            cache,
        };
        let (digest, length) = Digest::read(copied)?;
        Ok((length <= bytes_max).then_some(Self { content, digest }))
    }

    /// The component of this code.
    ///
    /// # Errors
    /// The code was not made for this engine.
    pub(super) fn load(&self, engine: &PolicyEngine) -> wasmtime::Result<Component> {
        load(engine, self.content.file())
    }

    /// Keeps it in the cache, if it is in an entry.
    pub(super) fn keep(self, cache: &Cache) {
        if let Content::Entry(entry) = self.content {
            cache.keep(entry, self.digest);
        }
    }
}

impl Content {
    fn file(&self) -> &File {
        match self {
            Self::Entry(entry) => &entry.file,
            Self::Memory(file) => file,
        }
    }

    /// Appends, and moves to memory what the cache's disk does not take.
    fn append(&mut self, bytes: &[u8], cache: Option<&Cache>) -> io::Result<()> {
        let entry = match self {
            Self::Memory(file) => return file.write_all(bytes),
            Self::Entry(entry) => entry,
        };
        let before = entry.file.stream_position()?;
        let Err(error) = entry.file.write_all(bytes) else {
            return Ok(());
        };
        if let Some(cache) = cache {
            cache.told(Err::<(), _>(error));
        }
        let mut memory = memory()?;
        entry.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut (&entry.file).take(before), &mut memory)?;
        memory.write_all(bytes)?;
        *self = Self::Memory(memory);
        Ok(())
    }
}

/// A reader that keeps all that passes through it.
struct Copied<'a, R> {
    from: R,
    to: &'a mut Content,
    cache: Option<&'a Cache>,
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.to.append(bytes, self.cache)?;
        Ok(read)
    }
}

/// An empty file in the kernel's memory.
fn memory() -> io::Result<File> {
    let memory: OwnedFd = memfd_create("compiled-policy", MemfdFlags::CLOEXEC)?;
    Ok(memory.into())
}

/// Loads the native code of this file. Other bytes may follow it.
pub(super) fn load(engine: &PolicyEngine, mut code: &File) -> wasmtime::Result<Component> {
    map(engine, code).or_else(|_| {
        // What is on a disk without the right to execute cannot be mapped to be executed.
        let mut copy = memory()?;
        code.seek(SeekFrom::Start(0))?;
        io::copy(&mut code, &mut copy)?;
        map(engine, &copy)
    })
}

fn map(engine: &PolicyEngine, code: &File) -> wasmtime::Result<Component> {
    // The very file that was checked, whatever has its name by now.
    let path = format!("/proc/self/fd/{}", code.as_raw_fd());
    // SAFETY: wasmtime asks that the bytes come from its own compiler, unchanged as long as the
    // component lives, and checks that they were made for this version and these settings. They come
    // over a pipe from a child of this very program into a file that is written once, or from the
    // cache, which takes only files that this user alone may write, and compares them with their
    // digest. Entries are replaced and removed, never changed. So the state directory is trusted as far
    // as the program itself (SECURITY.md).
    #[expect(unsafe_code, reason = "native code has no other way in")]
    unsafe {
        Component::deserialize_file(engine.wasm(), path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(content: &Content) -> Vec<u8> {
        let mut file = content.file();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_a_full_disk_does_not_take_moves_to_memory() {
        let state = tempfile::tempdir().unwrap();
        let cache = Cache::open(state.path().to_owned(), 1).unwrap();
        let entry = Entry::begin(state.path().join("entry.native")).unwrap();
        let mut code = Content::Entry(entry);
        code.append(b"written, ", Some(&cache)).unwrap();
        let Content::Entry(entry) = &mut code else {
            panic!("it is in memory")
        };
        // This one takes no more.
        let written = state.path().read_dir().unwrap().next().unwrap().unwrap();
        entry.file = File::open(written.path()).unwrap();
        entry.file.seek(SeekFrom::End(0)).unwrap();

        code.append(b"not written, ", Some(&cache)).unwrap();
        code.append(b"in memory", Some(&cache)).unwrap();
        assert_eq!(content(&code), b"written, not written, in memory");
        let trouble = cache.trouble().unwrap();
        assert!(trouble.contains("cannot keep"), "{trouble}");
        assert_eq!(state.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn no_more_is_received_than_accepted() {
        let receive = |bytes_max| Artefact::receive(&b"12345"[..], bytes_max, None, None).unwrap();
        assert!(receive(4).is_none());
        let received = receive(5).unwrap();
        assert_eq!(content(&received.content), b"12345");
        assert_eq!(received.digest, Digest::of(b"12345"));
    }
}

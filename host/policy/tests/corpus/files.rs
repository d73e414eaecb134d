//! What stands in the directory and is no component.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use super::Ends::Refused;
use super::{Accepts, Hostile};
use crate::support::Fixture;

pub(super) fn all() -> Vec<Hostile> {
    let mut all = made();
    all.extend(bytes());
    all.extend(not_agreed());
    all
}

fn made() -> Vec<Hostile> {
    let new = |name, tries, code, make: fn(&Path)| Hostile::new(name, tries, Refused(code), make);
    vec![
        new("no-file", "the file is missing", "unreadable", |_| {}),
        new(
            "directory",
            "a directory with its name",
            "not-a-file",
            |path| {
                fs::create_dir(path).expect("made");
            },
        ),
        new(
            "fifo",
            "a named pipe that is never written: a read waits for ever",
            "not-a-file",
            |path| {
                let made = Command::new("mkfifo").arg(path).status();
                assert!(made.expect("mkfifo runs").success());
            },
        ),
        new("unix-socket", "a socket", "unreadable", |path| {
            // The name stays after the listener.
            drop(UnixListener::bind(path).expect("bound"));
        }),
        new(
            "link-to-itself",
            "a symbolic link to itself",
            "unreadable",
            |path| {
                symlink(path, path).expect("linked");
            },
        ),
        new(
            "link-to-nothing",
            "a symbolic link to a missing file",
            "unreadable",
            |path| {
                symlink("/nowhere/policy.wasm", path).expect("linked");
            },
        ),
        new(
            "link-to-device",
            "a link to /dev/zero: a read does not end",
            "not-a-file",
            |path| {
                symlink("/dev/zero", path).expect("linked");
            },
        ),
        new(
            "link-to-memory",
            "a link to the host's own memory",
            "unreadable",
            |path| {
                symlink("/proc/self/mem", path).expect("linked");
            },
        ),
        new(
            "sparse-file",
            "2 GiB that take no space on the disk",
            "too-large",
            |path| {
                let file = File::create(path).expect("made");
                file.set_len(2 << 30).expect("sparse files are supported");
            },
        ),
    ]
}

fn bytes() -> Vec<Hostile> {
    let sound = Fixture::sound().bytes();
    let half = sound[..sound.len() / 2].to_vec();
    let with_more = [&sound[..], b"and more"].concat();
    let module = wat::parse_str("(module (func (export \"decide\")))").expect("valid text");
    let new = |name, tries, code, bytes: Vec<u8>| Hostile::new(name, tries, Refused(code), bytes);
    vec![
        new("empty", "no bytes", "empty", Vec::new()),
        new(
            "shell-script",
            "a shell script",
            "not-wasm",
            b"#!/bin/sh\nreboot\n".to_vec(),
        ),
        new(
            "magic-only",
            "the first four bytes of Wasm",
            "invalid",
            b"\0asm".to_vec(),
        ),
        new(
            "header-only",
            "a component without content",
            "nothing-offered",
            b"\0asm\x0d\0\x01\0".to_vec(),
        ),
        new(
            "other-layer",
            "a layer of Wasm that does not exist",
            "invalid",
            b"\0asm\x0d\0\x07\0".to_vec(),
        ),
        new(
            "truncated",
            "the first half of a component",
            "invalid",
            half,
        ),
        new(
            "too-long",
            "a component and bytes after it",
            "invalid",
            with_more,
        ),
        new(
            "core-module",
            "a module in place of a component",
            "core-module",
            module,
        ),
        new(
            "too-many-bytes",
            "8 MiB and one byte",
            "too-large",
            vec![0; (8 << 20) + 1],
        ),
    ]
}

/// Good components that their binding does not accept.
fn not_agreed() -> Vec<Hostile> {
    let new = |name, tries, code, binding| Hostile {
        binding,
        ..Hostile::new(name, tries, Refused(code), Fixture::sound())
    };
    vec![
        new(
            "other-content",
            "another content than the `digest` of its binding",
            "not-pinned",
            Accepts::Pinned,
        ),
        new(
            "unsigned",
            "no signature, where `keys` are configured",
            "not-signed",
            Accepts::Signed,
        ),
    ]
}

//! Policies whose verdicts are valid and do harm, or that give none: components made from text.

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A policy for one point.
pub(crate) struct Hostile {
    point: &'static str,
    /// The bytes of its verdict, in the layout of the canonical ABI.
    verdict: Vec<u8>,
    /// What it does before it returns the verdict; `$input` is the address of the input.
    body: &'static str,
}

/// The addresses of the verdict, and of the one byte of memo that some return.
const VERDICT: usize = 1024;
const MEMO: u32 = 4096;

/// The code and the text of every reason: eight letters at this address.
const REASON: [u32; 4] = [2048, 8, 2048, 8];

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Hostile {
    /// A `reap` that gives the same choice about every instance: 0 keeps it, 1 ends it.
    pub(crate) fn reaping(choice: u32) -> Self {
        let (look_again_ms, drain_ms) = (1_000, 0);
        let tail = [look_again_ms, drain_ms, MEMO, 0];
        Self {
            point: "reap",
            verdict: bytes(&[&[0, choice][..], &REASON, &tail].concat()),
            body: "",
        }
    }

    /// A `resolve` whose answer to everything is to wait.
    pub(crate) fn waiting() -> Self {
        Self::resolving("")
    }

    /// A `resolve` that serves the adopted instance every other time, by its memo.
    pub(crate) fn flip_flopping() -> Self {
        Self::resolving(
            r"
            (if (i32.and (i32.load8_u offset=40 (local.get $input))
                         (i32.eqz (i32.load offset=144 (local.get $input))))
              (then
                (i32.store8 (i32.const 1028) (i32.const 0)) ;; serve the adopted instance
                (i32.store (i32.const 1032) (i32.load offset=44 (local.get $input)))
                (i32.store (i32.const 1036) (i32.load offset=48 (local.get $input)))
                (i32.store (i32.const 1040) (i32.const 0))
                (i32.store (i32.const 1068) (i32.const 1)))) ;; a byte of memo
            (if (i32.eqz (i32.load8_u offset=40 (local.get $input)))
              (then
                (if (i32.load8_u offset=68 (local.get $input))
                  (then
                    (i32.store8 (i32.const 1028) (i32.const 3)) ;; launch with option 0
                    (i32.store (i32.const 1032) (i32.const 0)))
                  (else (i32.store8 (i32.const 1028) (i32.const 1)))))) ;; adopt",
        )
    }

    /// A `resolve` that never ends.
    pub(crate) fn looping() -> Self {
        Self::resolving("(loop $again (br $again))")
    }

    /// A `resolve` that waits, unless its body says otherwise.
    fn resolving(body: &'static str) -> Self {
        let (wait, valid_for_ms) = ([5, 1_000, 0, 0], 0);
        let tail = [valid_for_ms, MEMO, 0];
        Self {
            point: "resolve",
            verdict: bytes(&[&[0][..], &wait, &REASON, &tail].concat()),
            body,
        }
    }

    /// Writes the component into the directory.
    pub(crate) fn write(&self, directory: &Path) -> PathBuf {
        let file = directory.join("hostile.wasm");
        std::fs::write(&file, self.component()).unwrap();
        file
    }

    fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).unwrap();
        let mut wit = Resolve::default();
        let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
        wit.push_dir(contract).unwrap();
        let world = format!(
            "package test:hostile;\nworld hostile {{ export reeve:policy/{}@0.1.0; }}",
            self.point
        );
        let package = wit.push_str("hostile.wit", &world).unwrap();
        let world = wit.select_world(&[package], None).unwrap();
        embed_component_metadata(&mut module, &wit, world, StringEncoding::UTF8).unwrap();
        let encoder = ComponentEncoder::default().validate(true);
        encoder.module(&module).unwrap().encode().unwrap()
    }

    fn module(&self) -> String {
        let verdict: String = self
            .verdict
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let (point, body) = (self.point, self.body);
        format!(
            r#"(module
  (memory (export "memory") 16)
  (global $top (mut i32) (i32.const 65536))
  (data (i32.const {VERDICT}) "{verdict}")
  (data (i32.const 2048) "unwanted")
  (data (i32.const {MEMO}) "x")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func (export "reeve:policy/{point}@0.1.0#decide") (param $input i32) (result i32)
    {body}
    (i32.const {VERDICT}))
  (func (export "cabi_post_reeve:policy/{point}@0.1.0#decide") (param i32)))"#
        )
    }
}

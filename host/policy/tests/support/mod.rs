//! Small components written as text: a `retry-ip` policy in which a test can break any part.

// Each test file uses only some of these items.
#![allow(dead_code, unreachable_pub)]

pub mod bomb;
pub mod setup;

use std::fmt::Write as _;
use std::path::PathBuf;

use reeve_core::point::{Input, Point, Verdict, retry_ip};
use reeve_policy::{Limits, LoadError, LoadedPolicy, PolicyEngine};

/// Where the fixture stores its result and its strings.
const ANSWER: usize = 1024;
const CODE: usize = 2048;
const TEXT: usize = 4096;

/// A component that returns `again`, with adjustable parts.
pub struct Fixture {
    /// The body of the core function `decide`, which returns the address of the result.
    pub decide: String,
    /// Additional text of the core module.
    pub core: String,
    /// The body of the allocator for strings from the caller.
    pub realloc: String,
    /// The initial memory size in pages of 64 KiB.
    pub pages: u32,
    /// Text at the beginning of the component.
    pub prelude: String,
    /// The version in the interfaces' names.
    pub version: String,
    /// 0 for a verdict, 1 for a refusal.
    pub result_case: u8,
    /// 0 for `again`, 1 for `give-up`, 2 for `abandon`.
    pub next_case: u8,
    /// The milliseconds of `again`.
    pub next_ms: u32,
    /// The verdict's reason. The code is also the text of a refusal.
    pub code: Vec<u8>,
    pub text: Vec<u8>,
    /// Address and length of the text, to override those of `text`.
    pub text_at: Option<(u32, u32)>,
    /// The component's `about`, if it has one.
    pub about: Option<About>,
}

/// The content of `about`.
pub struct About {
    pub name: String,
    pub version: String,
    pub summary: String,
    pub schema: String,
    /// Lengths of settings that are accepted; others are refused with `unknown field`.
    pub settings_lengths: Vec<usize>,
}

impl Fixture {
    /// A component without defects.
    pub fn sound() -> Self {
        Self {
            decide: format!("(i32.const {ANSWER})"),
            core: String::new(),
            realloc: "(i32.const 32768)".to_owned(),
            pages: 1,
            prelude: String::new(),
            version: "0.1.0".to_owned(),
            result_case: 0,
            next_case: 0,
            next_ms: 500,
            code: b"again".to_vec(),
            text: b"the address is not there yet".to_vec(),
            text_at: None,
            about: None,
        }
    }
}

impl Default for About {
    fn default() -> Self {
        Self {
            name: "fixture".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "A fixture.".to_owned(),
            schema: "{}".to_owned(),
            settings_lengths: vec![2],
        }
    }
}

impl Fixture {
    /// A fixture with this body of `decide`.
    pub fn deciding(body: &str) -> Self {
        Self {
            decide: format!("{body} (i32.const {ANSWER})"),
            ..Self::sound()
        }
    }

    /// The component's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        wat::parse_str(self.wat()).expect("the fixture is valid text")
    }

    fn wat(&self) -> String {
        let Self {
            decide,
            core,
            realloc,
            pages,
            prelude,
            version,
            ..
        } = self;
        let (about_core, about) = self.about.as_ref().map(about_wat).unwrap_or_default();
        let data = [
            data(ANSWER, &self.answer()),
            data(CODE, &self.code),
            data(TEXT, &self.text),
        ]
        .concat();
        format!(
            r#"(component
  {prelude}
  (core module $code
    (memory (export "memory") {pages})
    {data}
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
    {core}
    (func (export "decide") (param $input i32) (result i32) (local $tries i32) (local $waited i32)
      (local.set $tries (i32.load offset=64 (local.get $input)))
      (local.set $waited (i32.load offset=68 (local.get $input)))
      {decide})
    {about_core})
  (core instance $code (instantiate $code))
  (type $age (variant (case "none") (case "ms" u32)))
  (type $reason (record (field "code" string) (field "text" string)))
  (type $wish (enum "on-demand" "running"))
  (type $label (record (field "key" string) (field "value" string) (field "others-up" u32)))
  (type $local-time (record
    (field "weekday" u8) (field "hour" u8) (field "minute" u8) (field "offset-min" s16)))
  (type $worker (record
    (field "name" string) (field "labels" (list $label)) (field "wish" $wish) (field "now" $local-time)))
  (type $instance-state (enum
    "unknown" "not-visible" "pending" "running" "stopping" "stopped" "shutting-down" "terminated"))
  (type $addresses (record (field "private" bool) (field "public" bool)))
  (type $instance-facts (record
    (field "id" string) (field "state" $instance-state) (field "observed" $age) (field "in-state" $age)
    (field "launched" $age) (field "addresses" $addresses)))
  (type $next (variant (case "again" u32) (case "give-up" u32) (case "abandon")))
  (type $input (record
    (field "worker" $worker) (field "instance" $instance-facts) (field "tries" u32)
    (field "waited-ms" u32) (field "unserved" u32) (field "settings" string)))
  (type $verdict (record (field "next" $next) (field "reason" $reason) (field "valid-for-ms" u32)))
  (func $decide (param "input" $input) (result (result $verdict (error string)))
    (canon lift (core func $code "decide") (memory (core memory $code "memory")) (realloc (core func $code "realloc"))))
  (instance $retry-ip
    (export "age" (type $age)) (export "reason" (type $reason)) (export "wish" (type $wish))
    (export "label" (type $label)) (export "local-time" (type $local-time))
    (export "worker" (type $worker)) (export "instance-state" (type $instance-state))
    (export "addresses" (type $addresses)) (export "instance-facts" (type $instance-facts))
    (export "next" (type $next)) (export "input" (type $input)) (export "verdict" (type $verdict))
    (export "decide" (func $decide)))
  (export "reeve:policy/retry-ip@{version}" (instance $retry-ip))
  {about})"#
        )
    }

    /// `result<verdict, string>` in the layout of the canonical ABI.
    fn answer(&self) -> Vec<u8> {
        let mut bytes = vec![self.result_case, 0, 0, 0];
        let mut word = |word: u32| bytes.extend(word.to_le_bytes());
        let length = |text: &[u8]| u32::try_from(text.len()).expect("short");
        if self.result_case == 1 {
            word(CODE as u32);
            word(length(&self.code));
            return bytes;
        }
        word(u32::from(self.next_case));
        word(self.next_ms);
        word(CODE as u32);
        word(length(&self.code));
        let (at, bytes_long) = self.text_at.unwrap_or((TEXT as u32, length(&self.text)));
        word(at);
        word(bytes_long);
        word(1000);
        bytes
    }
}

/// The core functions and the interface of `about`.
fn about_wat(about: &About) -> (String, String) {
    const REFUSAL: &[u8] = b"unknown field `trise`, expected `tries`";
    let texts = [&about.name, &about.version, &about.summary, &about.schema];
    let (mut at, mut data_segments, mut description) = (20_000, String::new(), Vec::new());
    for text in texts {
        data_segments.push_str(&data(at, text.as_bytes()));
        description.extend((at as u32).to_le_bytes());
        description.extend((text.len() as u32).to_le_bytes());
        at += text.len();
    }
    data_segments.push_str(&data(16_000, &description));
    // The `ok` is at 16100, the refusal at 16200.
    let mut refused = vec![1, 0, 0, 0];
    refused.extend(17_000_u32.to_le_bytes());
    refused.extend((REFUSAL.len() as u32).to_le_bytes());
    data_segments.push_str(&data(16_200, &refused));
    data_segments.push_str(&data(17_000, REFUSAL));

    let mut taken = String::new();
    for length in &about.settings_lengths {
        write!(
            taken,
            "(if (i32.eq (local.get $length) (i32.const {length})) (then (return (i32.const 16100))))"
        )
        .expect("a string takes all");
    }
    let core = format!(
        r#"{data_segments}
    (func (export "describe") (result i32) (i32.const 16000))
    (func (export "validate") (param i32) (param $length i32) (result i32)
      {taken} (i32.const 16200))"#
    );
    let interface = r#"
  (type $description (record
    (field "name" string) (field "version" string) (field "summary" string) (field "settings-schema" string)))
  (func $describe (result $description)
    (canon lift (core func $code "describe") (memory (core memory $code "memory"))))
  (func $validate (param "settings" string) (result (result (error string)))
    (canon lift (core func $code "validate") (memory (core memory $code "memory")) (realloc (core func $code "realloc"))))
  (instance $about
    (export "description" (type $description))
    (export "describe" (func $describe)) (export "validate" (func $validate)))
  (export "reeve:policy/about@0.1.0" (instance $about))"#;
    (core, interface.to_owned())
}

fn data(at: usize, bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{escaped}\")\n    ")
}

/// An engine with the default limits.
pub fn engine() -> PolicyEngine {
    engine_with(Limits::default())
}

/// An engine with these limits.
pub fn engine_with(limits: Limits) -> PolicyEngine {
    PolicyEngine::new(limits).expect("an engine")
}

/// The fixture, loaded as `hostile.wasm`.
pub fn load(fixture: &Fixture) -> Result<LoadedPolicy, LoadError> {
    LoadedPolicy::load(&engine(), "hostile.wasm", &fixture.bytes())
}

/// An input of the point in which nothing is the matter.
pub fn neutral(point: Point) -> Input {
    Input::neutral(point).expect("an input")
}

/// An input for `retry-ip`.
pub fn question() -> Input {
    let Input::RetryIp(input) = neutral(Point::RetryIp) else {
        panic!("another question");
    };
    Input::RetryIp(retry_ip::Input {
        tries: 3,
        waited_ms: 1500,
        ..input
    })
}

/// The milliseconds of an `again` verdict.
pub fn again_ms(verdict: &Verdict) -> u32 {
    match verdict {
        Verdict::RetryIp(retry_ip::Verdict {
            next: retry_ip::Next::Again(ms),
            ..
        }) => *ms,
        other => panic!("expected `again`, got {other:?}"),
    }
}

/// The error with all its causes.
pub fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("a string takes all");
        cause = error.source();
    }
    text
}

/// The directory of the standard policies' components.
pub fn policies_directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("REEVE_POLICIES_DIR") {
        return directory.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    target.join("policies")
}

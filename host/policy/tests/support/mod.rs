//! Small components written as text: a policy, of `retry-ip` unless a test says otherwise, in which any
//! part can be broken.

// Each test file uses only some of these items.
#![allow(dead_code, unreachable_pub)]

pub mod bomb;
mod points;
pub mod setup;

use std::fmt::Write as _;
use std::path::PathBuf;

use reeve_core::point::{Input, Point, Verdict, retry_ip};
use reeve_policy::{Limits, LoadError, LoadedPolicy, PolicyEngine};

/// Where the fixture stores its result and its strings.
const ANSWER: usize = 1024;
const CODE: usize = 2048;
const TEXT: usize = 4096;
const MEMO: usize = 8192;
const ID: usize = 12_288;

/// A component that answers one point, with adjustable parts.
pub struct Fixture {
    /// The point that it offers.
    pub point: Point,
    /// The body of the core function `decide`, which returns the address of the result.
    pub decide: String,
    /// Additional text of the core module.
    pub core: String,
    /// Additional options of the lifted function.
    pub lift: String,
    /// The body of the allocator for strings from the caller.
    pub realloc: String,
    /// The initial memory size in pages of 64 KiB.
    pub pages: u32,
    /// Text at the beginning of the component.
    pub prelude: String,
    /// Text at its end.
    pub more: String,
    /// The version in the interfaces' names.
    pub version: String,
    /// 0 for a verdict, 1 for a refusal.
    pub result_case: u8,
    /// The case of the verdict's choice: at `retry-ip` 0 for `again`, 1 for `give-up`, 2 for `abandon`.
    pub next_case: u8,
    /// The number in that case, such as the milliseconds of `again`. At `reap` it is the drain.
    pub next_ms: u32,
    /// The instance that the case names, in place of a number.
    pub id: Option<Vec<u8>>,
    /// How long the verdict stays valid.
    pub valid_ms: u32,
    pub memo: Vec<u8>,
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
    /// Lengths of settings that are accepted; others are refused with `refusal`.
    pub settings_lengths: Vec<usize>,
    pub refusal: String,
    /// What `describe` and `validate` do before they answer.
    pub describe: String,
    pub validate: String,
}

impl Fixture {
    /// A component without defects.
    pub fn sound() -> Self {
        Self::at(Point::RetryIp)
    }

    /// A component without defects that answers this point, and asks for nothing there.
    pub fn at(point: Point) -> Self {
        Self {
            point,
            decide: format!("(i32.const {ANSWER})"),
            core: String::new(),
            lift: String::new(),
            realloc: "(global.get $top) (global.set $top (i32.and (i32.const -8)
                (i32.add (i32.const 7) (i32.add (global.get $top) (local.get 3)))))"
                .to_owned(),
            pages: 1,
            prelude: String::new(),
            more: String::new(),
            version: "0.1.0".to_owned(),
            result_case: 0,
            // Look again, wait, take none, drop, keep.
            next_case: match point {
                Point::Resolve => 5,
                Point::Adopt | Point::Debounce => 1,
                Point::RetryIp | Point::Reap => 0,
            },
            next_ms: 500,
            id: None,
            valid_ms: 1000,
            memo: Vec::new(),
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
            refusal: "unknown field `trise`, expected `tries`".to_owned(),
            describe: String::new(),
            validate: String::new(),
        }
    }
}

impl Fixture {
    /// A fixture with this body of `decide`.
    pub fn deciding(body: &str) -> Self {
        Self::sound().doing(body)
    }

    /// The same component, which does this before it answers.
    #[must_use]
    pub fn doing(self, body: &str) -> Self {
        Self {
            decide: format!("{body} {}", self.decide),
            ..self
        }
    }

    /// The same component, which does this only for a worker that is not named `worker`, as in every
    /// question of a trial.
    #[must_use]
    pub fn doing_in_service(self, body: &str) -> Self {
        let length = points::name_length(self.point);
        self.doing(&format!(
            "(if (i32.ne {length} (i32.const 6)) (then {body}))"
        ))
    }

    /// The component's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        wat::parse_str(self.wat()).expect("the fixture is valid text")
    }

    fn wat(&self) -> String {
        let Self {
            point,
            decide,
            core,
            lift,
            realloc,
            pages,
            prelude,
            more,
            version,
            ..
        } = self;
        let (types, exports) = points::types(*point);
        let parameters = points::parameters(*point);
        let (about_core, about) = self.about.as_ref().map(about_wat).unwrap_or_default();
        let data = [
            data(ANSWER, &self.answer()),
            data(CODE, &self.code),
            data(TEXT, &self.text),
            data(MEMO, &self.memo),
            data(ID, self.id.as_deref().unwrap_or_default()),
        ]
        .concat();
        let retry = match point {
            Point::RetryIp => {
                "(local.set $tries (i32.load offset=64 (local.get $input)))
                 (local.set $waited (i32.load offset=68 (local.get $input)))"
            }
            _ => "",
        };
        format!(
            r#"(component
  {prelude}
  (core module $code
    (memory (export "memory") {pages})
    {data}
    (global $top (mut i32) (i32.const 32768))
    (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
    {core}
    (func (export "decide") {parameters} (result i32) (local $tries i32) (local $waited i32)
      {retry}
      {decide})
    {about_core})
  (core instance $code (instantiate $code))
{types}
  (func $decide (param "input" $input) (result (result $verdict (error string)))
    (canon lift (core func $code "decide") (memory (core memory $code "memory"))
      (realloc (core func $code "realloc")) {lift}))
  (instance $point {exports} (export "decide" (func $decide)))
  (export "reeve:policy/{point}@{version}" (instance $point))
  {about}
  {more})"#
        )
    }

    /// `result<verdict, string>` in the layout of the canonical ABI.
    fn answer(&self) -> Vec<u8> {
        let length = |text: &[u8]| u32::try_from(text.len()).expect("short");
        let code = [CODE as u32, length(&self.code)];
        let text = self.text_at.unwrap_or((TEXT as u32, length(&self.text)));
        let reason = [code[0], code[1], text.0, text.1];
        let memo = [MEMO as u32, length(&self.memo)];
        let named = self.id.as_ref().map(|id| [ID as u32, length(id)]);
        let payload = named.unwrap_or([self.next_ms, 0]);
        let choice = u32::from(self.next_case);
        let words: Vec<u32> = match self.point {
            _ if self.result_case == 1 => code.to_vec(),
            Point::Resolve => [
                &[choice][..],
                &payload,
                &[0],
                &reason,
                &[self.valid_ms],
                &memo,
            ]
            .concat(),
            Point::Adopt => [&[choice][..], &payload, &reason, &[self.valid_ms]].concat(),
            Point::RetryIp | Point::Debounce => {
                [&[choice, payload[0]][..], &reason, &[self.valid_ms]].concat()
            }
            Point::Reap => [
                &[choice][..],
                &reason,
                &[self.valid_ms, self.next_ms],
                &memo,
            ]
            .concat(),
        };
        let case = [self.result_case, 0, 0, 0];
        let words = words.into_iter().flat_map(u32::to_le_bytes);
        case.into_iter().chain(words).collect()
    }
}

/// The core functions and the interface of `about`.
fn about_wat(about: &About) -> (String, String) {
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
    refused.extend((about.refusal.len() as u32).to_le_bytes());
    data_segments.push_str(&data(16_200, &refused));
    data_segments.push_str(&data(17_000, about.refusal.as_bytes()));

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
    (func (export "describe") (result i32) {describe} (i32.const 16000))
    (func (export "validate") (param i32) (param $length i32) (result i32)
      {validate} {taken} (i32.const 16200))"#,
        describe = about.describe,
        validate = about.validate,
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

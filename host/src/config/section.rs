//! What a section of the file is: a table that states each key once, with its kind, its default or
//! an example, and its text. [`section!`] makes four things of it: the struct that the checks read,
//! the reading with all its findings, the sample file and, from that, the page on configuration.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::finding::Findings;
use super::kind::{Kind, Show, in_words};

/// A section of the file.
pub(super) trait Section: Sized {
    /// What the section is for, a line of the file's comment each.
    const TEXT: &'static [&'static str];

    /// All keys, in the order in which the sample shows them.
    fn keys() -> Vec<Key>;

    /// Reads the keys. A key without a usable value has its default, else its example.
    fn read(table: &mut Table<'_, '_>) -> Self;
}

/// A key as the sample shows it.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it means, a line each.
    pub(super) text: &'static [&'static str],
    /// The accepted numbers.
    pub(super) range: Option<String>,
    pub(super) shown: Shown,
}

impl Key {
    /// What it means, and the accepted numbers.
    pub(super) fn text(&self) -> String {
        let range = self.range.as_ref();
        let range = range.map_or(String::new(), |range| format!(" Range: {range}."));
        self.text.join("\n") + &range
    }
}

/// How the sample shows a key.
pub(super) enum Shown {
    /// `key = …`, with a value or an example; the file must have it.
    Required(String),
    /// `key = …`; the file may leave it out.
    Set(String),
    /// `# key = …`: the default.
    Default(String),
    /// `#key = …`: an example of a key without a default.
    Example(String),
    /// A section.
    Below(Below),
}

/// A section below another one.
pub(super) struct Below {
    /// Whether the sample has it without a `#`.
    pub(super) is_set: bool,
    /// The example of a name, if there may be many: `[pool.NAME]`.
    pub(super) name: Option<&'static str>,
    /// What it is for.
    pub(super) text: &'static [&'static str],
    /// Its keys.
    pub(super) keys: Vec<Key>,
}

/// A value with its place in the text.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table of the file while its keys are read.
pub(super) struct Table<'a, 'f> {
    /// `None`: the file leaves the table out, or has something else in its place.
    entries: Option<&'a DeTable<'a>>,
    /// Whether the file has something else in its place, which is a finding already.
    is_refused: bool,
    span: Range<usize>,
    /// The table's name in the file, such as `pool.gpu`; empty: the whole file.
    path: String,
    findings: &'a mut Findings<'f>,
}

/// Reads the file's sections from its text. An unusable text has findings in place of a file.
pub(super) fn read<S: Section>(findings: &mut Findings<'_>) -> Option<S> {
    let (root, errors) = DeTable::parse_recoverable(findings.text());
    if !errors.is_empty() {
        for error in errors {
            findings.not_toml(&error);
        }
        return None;
    }
    let table = Table {
        entries: Some(root.get_ref()),
        is_refused: false,
        span: 0..0,
        path: String::new(),
        findings,
    };
    Some(table.read())
}

impl<'a, 'f> Table<'a, 'f> {
    fn read<S: Section>(mut self) -> S {
        self.refuse_unknown(&S::keys());
        S::read(&mut self)
    }

    fn refuse_unknown(&mut self, keys: &[Key]) {
        for name in self.entries.into_iter().flat_map(DeTable::keys) {
            if keys.iter().any(|key| key.name == name.get_ref()) {
                continue;
            }
            let accepted: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
            let found = format!(
                "unknown key `{}`{}; accepted: {}",
                name.get_ref(),
                self.within(),
                accepted.join(", ")
            );
            self.findings.refuse(name.span(), found);
        }
    }

    fn within(&self) -> String {
        match self.path.as_str() {
            "" => String::new(),
            path => format!(" in [{path}]"),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries?.get(key_name(name))
    }

    /// A key that the file must have. A missing one is a finding, and has its example.
    pub(super) fn required<K: Kind>(&mut self, name: &str, example: &str) -> At<K::Value> {
        if self.get(name).is_none() && !self.is_refused {
            let found = format!("missing key `{name}`{}", self.within());
            self.findings.refuse(self.span.clone(), found);
        }
        self.given::<K>(name, example).unwrap_or_else(|| At {
            value: of_example::<K>(example),
            span: self.span.clone(),
        })
    }

    /// A key that the file may leave out. In place of an unusable value, the example is read, so
    /// that the checks know that the key is there.
    pub(super) fn given<K: Kind>(&mut self, name: &str, example: &str) -> Option<At<K::Value>> {
        let span = self.get(name)?.span();
        let read = self.usable::<K>(name);
        let value = read.map_or_else(|| of_example::<K>(example), |at| at.value);
        Some(At { value, span })
    }

    /// A key that has a default. An unusable value counts as none.
    pub(super) fn usable<K: Kind>(&mut self, name: &str) -> Option<At<K::Value>> {
        let found = self.get(name)?;
        let value = K::read(self.findings, found)?;
        let span = found.span();
        Some(At { value, span })
    }

    /// A section, with the defaults of its keys if the file leaves it out.
    pub(super) fn table<S: Section>(&mut self, name: &str) -> S {
        self.inner(name).read()
    }

    /// A section that the file may leave out.
    pub(super) fn section<S: Section>(&mut self, name: &str) -> Option<At<S>> {
        let span = self.get(name)?.span();
        let value = self.table(name);
        Some(At { value, span })
    }

    /// All sections of a kind, each with its name.
    pub(super) fn sections<S: Section>(&mut self, name: &str) -> Vec<(At<String>, S)> {
        let mut all = self.inner(name);
        let names = all.entries.into_iter().flat_map(DeTable::keys);
        let section = |name: &Spanned<DeString<'_>>| {
            let value = name.get_ref().to_string();
            let span = name.span();
            let section = all.table(&value);
            (At { value, span }, section)
        };
        names.map(section).collect()
    }

    fn inner(&mut self, name: &str) -> Table<'_, 'f> {
        let found = self.get(name);
        let entries = found.and_then(|found| found.get_ref().as_table());
        let is_refused = self.is_refused || (found.is_some() && entries.is_none());
        if let Some(found) = found.filter(|_| entries.is_none()) {
            refuse_no_table(self.findings, found);
        }
        Table {
            entries,
            is_refused,
            span: found.map_or(self.span.clone(), Spanned::span),
            path: self.below(name),
            findings: self.findings,
        }
    }

    fn below(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

/// Reads a section that stands in place of a value, such as `{ launches = 6 }`.
pub(super) fn inline<S: Section>(
    findings: &mut Findings<'_>,
    found: &Spanned<DeValue<'_>>,
) -> Option<S> {
    let Some(entries) = found.get_ref().as_table() else {
        refuse_no_table(findings, found);
        return None;
    };
    let table = Table {
        entries: Some(entries),
        is_refused: false,
        span: found.span(),
        path: String::new(),
        findings,
    };
    Some(table.read())
}

fn refuse_no_table(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) {
    let text = format!("found {}; accepted: a table", in_words(found.get_ref()));
    findings.refuse(found.span(), text);
}

/// The value of an example in a table.
#[expect(clippy::expect_used, reason = "a test reads every example")]
fn of_example<K: Kind>(example: &str) -> K::Value {
    let text = format!("it = {example}");
    let mut findings = Findings::new(&text);
    let parsed = DeTable::parse(&text).expect("an example is TOML");
    K::read(&mut findings, &parsed.get_ref()["it"]).expect("an example is accepted")
}

/// The name of a key in the file. A name that Rust reserves has a mark in the table.
pub(super) fn key_name(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// How the sample shows a default.
pub(super) fn default<K: Show>(value: &K::Value) -> Shown {
    Shown::Default(K::show(value))
}

/// How the sample shows a section.
pub(super) fn below<S: Section>(is_set: bool, name: Option<&'static str>) -> Shown {
    Shown::Below(Below {
        is_set,
        name,
        text: S::TEXT,
        keys: S::keys(),
    })
}

/// A section: its text, its name, and its keys. A key has its text and one of these forms. A table
/// as an example follows `=>` in place of `=`.
///
/// | form | in the struct | in the sample |
/// |---|---|---|
/// | `required key: Kind = EXAMPLE` | `At<Value>` | `key = EXAMPLE` |
/// | `set key: Kind = EXAMPLE` | `Option<At<Value>>` | `key = EXAMPLE` |
/// | `example key: Kind = EXAMPLE` | `Option<At<Value>>` | `#key = EXAMPLE` |
/// | `usual key: Kind = TOML` | `Option<At<Value>>`; the checks know the default | `# key = TOML` |
/// | `default key: Kind = VALUE` | `Value` | `# key = VALUE` |
/// | `table key: Section` | `Section` | `[key]` |
/// | `section key: Section` | `Option<At<Section>>` | `#[key]` |
/// | `sections key: Section = NAME` | `Vec<(At<String>, Section)>` | `#[key.NAME]` |
/// | `some key: Section = NAME` | the same | `[key.NAME]` |
macro_rules! section {
    (
        $(#[doc = $text:literal])+
        $section:ident {
            $( $(#[doc = $about:literal])* $form:ident $key:ident : $kind:ty $(= $shown:expr)? $(=> $table:tt)?; )+
        }
    ) => {
        $(#[doc = $text])+
        #[derive(Clone)]
        pub(in crate::config) struct $section {
            $( pub(in crate::config) $key: section!(@type $form $kind), )+
        }

        impl Section for $section {
            const TEXT: &'static [&'static str] = &[$($text),+];

            fn keys() -> Vec<Key> {
                vec![$( Key {
                    name: section::key_name(stringify!($key)),
                    text: &[$($about),*],
                    range: section!(@range $form $kind),
                    shown: section!(@shown $form $kind $(, $shown)? $(, $table)?),
                } ),+]
            }

            fn read(table: &mut Table<'_, '_>) -> Self {
                Self { $( $key: section!(@read $form table $key $kind $(, $shown)? $(, $table)?) ),+ }
            }
        }
    };

    (@type required $kind:ty) => { At<<$kind as Kind>::Value> };
    (@type default $kind:ty) => { <$kind as Kind>::Value };
    (@type set $kind:ty) => { Option<At<<$kind as Kind>::Value>> };
    (@type example $kind:ty) => { Option<At<<$kind as Kind>::Value>> };
    (@type usual $kind:ty) => { Option<At<<$kind as Kind>::Value>> };
    (@type table $section:ty) => { $section };
    (@type section $section:ty) => { Option<At<$section>> };
    (@type sections $section:ty) => { Vec<(At<String>, $section)> };
    (@type some $section:ty) => { Vec<(At<String>, $section)> };

    (@range table $section:ty) => { None };
    (@range section $section:ty) => { None };
    (@range sections $section:ty) => { None };
    (@range some $section:ty) => { None };
    (@range $form:ident $kind:ty) => { <$kind as Kind>::range() };

    (@shown required $kind:ty, $shown:tt) => { Shown::Required(stringify!($shown).to_owned()) };
    (@shown default $kind:ty, $shown:tt) => { section::default::<$kind>(&$shown) };
    (@shown set $kind:ty, $shown:tt) => { Shown::Set(stringify!($shown).to_owned()) };
    (@shown example $kind:ty, $shown:tt) => { Shown::Example(stringify!($shown).to_owned()) };
    (@shown usual $kind:ty, $shown:tt) => { Shown::Default(stringify!($shown).to_owned()) };
    (@shown table $section:ty) => { section::below::<$section>(true, None) };
    (@shown section $section:ty) => { section::below::<$section>(false, None) };
    (@shown sections $section:ty, $name:tt) => { section::below::<$section>(false, Some($name)) };
    (@shown some $section:ty, $name:tt) => { section::below::<$section>(true, Some($name)) };

    (@read required $table:ident $key:ident $kind:ty, $shown:tt) => {
        $table.required::<$kind>(stringify!($key), stringify!($shown))
    };
    (@read default $table:ident $key:ident $kind:ty, $shown:tt) => {
        $table.usable::<$kind>(stringify!($key)).map_or_else(|| $shown, |it| it.value)
    };
    (@read table $table:ident $key:ident $section:ty) => { $table.table(stringify!($key)) };
    (@read section $table:ident $key:ident $section:ty) => { $table.section(stringify!($key)) };
    (@read sections $table:ident $key:ident $section:ty, $name:tt) => {
        $table.sections(stringify!($key))
    };
    (@read some $table:ident $key:ident $section:ty, $name:tt) => {
        $table.sections(stringify!($key))
    };
    (@read usual $table:ident $key:ident $kind:ty, $shown:tt) => {
        $table.usable::<$kind>(stringify!($key))
    };
    (@read $given:ident $table:ident $key:ident $kind:ty, $shown:tt) => {
        $table.given::<$kind>(stringify!($key), stringify!($shown))
    };
}

pub(super) use section;

//! The kinds of values that a key may have. A kind reads a value from the file, and says in a
//! finding what was found and what is accepted.

mod choice;
mod settings;
mod text;

use std::marker::PhantomData;
use std::path::PathBuf;

use reeve_core::time::Millis;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::finding::Findings;
use super::section::{self, At, Section};

pub(super) use choice::Choice;
pub(super) use settings::Settings;
pub(crate) use text::name;
pub(super) use text::{
    Address, Arns, CertificateNames, Cluster, Container, DimensionValue, FleetName, HttpPath,
    Loopback, PointerText, PolicyFile, PolicyKey, RegionName, RoleArn, SecurityGroup, Sha256,
    Subnet, TableName, TagKey, TagValue, TaskDefinition, TemplateText, Text, WebhookAddress,
    WorkerNames, ZoneName,
};

/// A kind of value.
pub(super) trait Kind {
    /// The value as the checks get it.
    type Value: Clone;

    /// Reads a value. A value that cannot be used is a finding. Where there is a value in spite of
    /// a finding, the other checks use it.
    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<Self::Value>;

    /// The accepted numbers, for the sample.
    fn range() -> Option<String> {
        None
    }
}

/// A kind whose defaults the sample shows.
pub(super) trait Show: Kind {
    /// The value as TOML.
    fn show(value: &Self::Value) -> String;
}

/// `true` or `false`.
pub(super) enum Flag {}

impl Kind for Flag {
    type Value = bool;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<bool> {
        let flag = found.get_ref().as_bool();
        if flag.is_none() {
            refuse_type(findings, found, "true or false");
        }
        flag
    }
}

impl Show for Flag {
    fn show(value: &bool) -> String {
        value.to_string()
    }
}

/// A whole number within bounds, both inclusive.
pub(super) struct Number<T, const LEAST: i64, const MOST: i64>(PhantomData<T>);

impl<T: TryFrom<i64> + Copy, const LEAST: i64, const MOST: i64> Kind for Number<T, LEAST, MOST> {
    type Value = T;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<T> {
        let range = Self::range().unwrap_or_else(|| format!("{LEAST} or more"));
        let Some(written) = found.get_ref().as_integer() else {
            refuse_type(findings, found, &format!("a whole number, {range}"));
            return None;
        };
        let number = whole(written).filter(|number| (LEAST..=MOST).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            findings.refuse(found.span(), format!("found {written}; accepted: {range}"));
        }
        number
    }

    fn range() -> Option<String> {
        (MOST < i64::MAX).then(|| format!("{LEAST} to {MOST}"))
    }
}

impl<T, const LEAST: i64, const MOST: i64> Show for Number<T, LEAST, MOST>
where
    T: TryFrom<i64> + Copy + std::fmt::Display,
{
    fn show(value: &T) -> String {
        value.to_string()
    }
}

fn whole(written: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(written.as_str(), written.radix()).ok()
}

/// A length of time in milliseconds, within bounds, both inclusive.
pub(super) enum Ms<const LEAST: i64, const MOST: i64> {}

impl<const LEAST: i64, const MOST: i64> Kind for Ms<LEAST, MOST> {
    type Value = Millis;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<Millis> {
        Number::<u64, LEAST, MOST>::read(findings, found).map(Millis::new)
    }

    fn range() -> Option<String> {
        Number::<u64, LEAST, MOST>::range()
    }
}

impl<const LEAST: i64, const MOST: i64> Show for Ms<LEAST, MOST> {
    fn show(value: &Millis) -> String {
        value.get().to_string()
    }
}

/// A list of at most `MOST` values.
pub(super) struct List<K, const MOST: usize>(PhantomData<K>);

impl<K: Kind, const MOST: usize> Kind for List<K, MOST> {
    type Value = Vec<At<K::Value>>;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<Self::Value> {
        let Some(list) = found.get_ref().as_array() else {
            refuse_type(findings, found, "a list in brackets");
            return None;
        };
        if let Some(extra) = list.get(MOST) {
            let text = format!(
                "the list has {} values; accepted: at most {MOST}",
                list.len()
            );
            findings.refuse(extra.span(), text);
        }
        let read: Vec<_> = list
            .iter()
            .map(|one| {
                let value = K::read(findings, one)?;
                let span = one.span();
                Some(At { value, span })
            })
            .collect();
        // All values are read before one that cannot be used refuses the list.
        read.into_iter().collect()
    }
}

impl<K: Show, const MOST: usize> Show for List<K, MOST> {
    fn show(value: &Self::Value) -> String {
        let shown: Vec<_> = value.iter().map(|one| K::show(&one.value)).collect();
        format!("[{}]", shown.join(", "))
    }
}

/// A table of at most `MOST` names of the one kind, with values of the other.
pub(super) struct Names<N, K, const MOST: usize>(PhantomData<(N, K)>);

impl<N: Kind, K: Kind, const MOST: usize> Kind for Names<N, K, MOST> {
    type Value = Vec<(N::Value, K::Value)>;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<Self::Value> {
        let Some(table) = found.get_ref().as_table() else {
            refuse_type(findings, found, "a table");
            return None;
        };
        if let Some((extra, _)) = table.iter().nth(MOST) {
            let text = format!("there are {} names; accepted: at most {MOST}", table.len());
            findings.refuse(extra.span(), text);
        }
        let read = table.iter().filter_map(|(name, value)| {
            let as_value = DeValue::String(name.get_ref().clone());
            let name = N::read(findings, &Spanned::new(name.span(), as_value));
            Some((name?, K::read(findings, value)?))
        });
        Some(read.collect())
    }
}

/// A section that stands in place of a value: `{ key = … }`.
pub(super) struct Inline<S>(PhantomData<S>);

impl<S: Section + Clone> Kind for Inline<S> {
    type Value = S;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<S> {
        section::inline(findings, found)
    }
}

/// The path of a file or a directory.
pub(super) enum File {}

impl Kind for File {
    type Value = PathBuf;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<PathBuf> {
        Some(PathBuf::from(text(findings, found)?))
    }
}

/// The text of a value that should be one.
fn text<'a>(findings: &mut Findings<'_>, found: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    let text = found.get_ref().as_str();
    if text.is_none() {
        refuse_type(findings, found, "a text in quotes");
    }
    text
}

fn refuse_type(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>, accepted: &str) {
    let text = format!("found {}; accepted: {accepted}", in_words(found.get_ref()));
    findings.refuse(found.span(), text);
}

/// A value as a finding names it.
pub(super) fn in_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {text:?}"),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => format!("the date or time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

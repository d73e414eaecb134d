//! One of a few words.

use std::marker::PhantomData;

use serde::de::IntoDeserializer as _;
use serde::de::value::Error;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::DeValue;

use super::{Findings, Kind, Show, text};

/// A word that names a variant of `T`.
pub(in crate::config) struct Choice<T>(PhantomData<T>);

impl<T: for<'de> Deserialize<'de> + Clone> Kind for Choice<T> {
    type Value = T;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<T> {
        let word = text(findings, found)?;
        let chosen: Result<T, Error> = T::deserialize(word.into_deserializer());
        match chosen {
            Ok(value) => Some(value),
            Err(error) => {
                let text = format!("found {word:?}; accepted: {}", accepted(&error));
                findings.refuse(found.span(), text);
                None
            }
        }
    }
}

impl<T: for<'de> Deserialize<'de> + Serialize + Clone> Show for Choice<T> {
    fn show(value: &T) -> String {
        serde_json::to_string(value).unwrap_or_default()
    }
}

/// The accepted words. serde's error lists all variants, so the code needs no second list.
fn accepted(error: &Error) -> String {
    let error = error.to_string();
    let listed = error
        .split_once("expected ")
        .map_or("", |(_, listed)| listed);
    let listed = listed.strip_prefix("one of ").unwrap_or(listed);
    listed.replace(" or ", ", ")
}

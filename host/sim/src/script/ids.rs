//! The ids of a script's instances. An act on an instance names one that the script has before.

use std::collections::BTreeSet;

use super::words::{Line, ScriptError, list};

/// The ids of the section `beginning`, and of the launches of the story so far.
#[derive(Debug, Default)]
pub(super) struct Ids<'a> {
    /// The ids as the script has them. In those with a `*` the star becomes a number.
    known: BTreeSet<&'a str>,
}

impl<'a> Ids<'a> {
    /// Adds the id that the line gives to an instance. Without a `*` only one instance can have it.
    pub(super) fn add(&mut self, line: &Line, id: &'a str) -> Result<(), ScriptError> {
        if !self.known.insert(id) && !id.contains('*') {
            return Err(line.wrong(format!("`{id}` a second time"), "an id of its own"));
        }
        Ok(())
    }

    /// Fails if no instance can have the id that was taken last.
    pub(super) fn check(&self, line: &Line, id: &str) -> Result<(), ScriptError> {
        if self.known.iter().any(|known| fits(known, id)) {
            return Ok(());
        }
        let accepted = match self.known.is_empty() {
            true => "an instance of the section `beginning` or of an earlier launch".to_owned(),
            false => list(self.known.iter().copied().chain(["newest"])),
        };
        Err(line.wrong(
            format!("`{id}`, which no instance has at this line"),
            &accepted,
        ))
    }
}

/// Whether an instance of the script's id `known` can have this id.
fn fits(known: &str, id: &str) -> bool {
    let Some((before, after)) = known.split_once('*') else {
        return known == id;
    };
    let number: String = match id.strip_prefix(before) {
        Some(rest) => rest.chars().take_while(char::is_ascii_digit).collect(),
        None => return false,
    };
    !number.is_empty() && [before, &number, &after.replace('*', &number)].concat() == id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_number() {
        for id in ["i-c1", "i-c12"] {
            assert!(fits("i-c*", id), "{id}");
        }
        for id in ["i-c", "i-cx", "i-c1x", "i-d1", "i-c*"] {
            assert!(!fits("i-c*", id), "{id}");
        }
        assert!(fits("i-*-*-b", "i-7-7-b") && !fits("i-*-*-b", "i-7-8-b"));
        assert!(fits("i-aaaa", "i-aaaa") && !fits("i-aaaa", "i-aaab"));
    }
}

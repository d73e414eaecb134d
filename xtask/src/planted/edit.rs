//! One replacement of a text that occurs exactly once in a file. Any whitespace equals any other,
//! so a line that was indented or wrapped differently still has the text.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Deserialize;

/// One replacement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// The file to change, relative to the root.
    pub(super) file: PathBuf,
    /// The text to remove.
    find: String,
    /// The text to put in its place.
    replace: String,
}

impl Edit {
    pub(super) fn new(file: PathBuf, find: String, replace: String) -> Self {
        Self {
            file,
            find,
            replace,
        }
    }

    /// The file's text with the replacement in it.
    ///
    /// # Errors
    /// When `find` is empty, does not occur exactly once, or equals `replace`.
    pub(super) fn apply(&self, text: &str) -> Result<String> {
        let file = self.file.display();
        let flat = Flat::of(text);
        let find = Flat::of(self.find.trim()).text;
        if find.is_empty() {
            bail!("`find` for {file} is empty; name the text to replace");
        }
        if find == Flat::of(self.replace.trim()).text {
            bail!("`find` and `replace` for {file} are equal, so nothing would change");
        }
        let found: Vec<usize> = flat.text.match_indices(&find).map(|(at, _)| at).collect();
        match found[..] {
            [at] => {
                let (from, to) = (flat.origin(at), flat.origin(at + find.len() - 1) + 1);
                let replace = self.replace.trim_end();
                Ok(format!("{}{replace}{}", &text[..from], &text[to..]))
            }
            [] => bail!(
                "`{find}` is not in {file}; adapt `find` (or `file`) to the code, or delete the bug \
                 if the mistake is no longer possible"
            ),
            _ => {
                let line = |at: &usize| text[..flat.origin(*at)].matches('\n').count() + 1;
                let lines: Vec<String> = found.iter().map(|at| line(at).to_string()).collect();
                bail!(
                    "`{find}` is {} times in {file} (lines {}); lengthen `find` until it is there \
                     once",
                    found.len(),
                    lines.join(", ")
                )
            }
        }
    }
}

/// A text in which each run of whitespace is one blank.
struct Flat {
    text: String,
    /// For each byte of `text`, its position in the original text.
    origins: Vec<usize>,
}

impl Flat {
    fn of(text: &str) -> Self {
        let mut flat = Self {
            text: String::new(),
            origins: Vec::new(),
        };
        for (at, char) in text.char_indices() {
            if !char.is_whitespace() {
                flat.text.push(char);
                flat.origins.extend(at..at + char.len_utf8());
            } else if !flat.text.ends_with(' ') {
                flat.text.push(' ');
                flat.origins.push(at);
            }
        }
        flat
    }

    fn origin(&self, at: usize) -> usize {
        self.origins[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn grant(&self) {\n    if live\n        && ours\n    {\n        refuse(\"ü\");\n    }\n}\n";

    fn apply(find: &str, replace: &str) -> Result<String> {
        Edit::new(
            PathBuf::from("guard.rs"),
            find.to_owned(),
            replace.to_owned(),
        )
        .apply(SOURCE)
    }

    fn refusal(find: &str, replace: &str) -> String {
        apply(find, replace).unwrap_err().to_string()
    }

    #[test]
    fn the_rest_of_the_file_stays_as_it_is() {
        assert_eq!(
            apply("refuse(\"ü\");", "").unwrap(),
            SOURCE.replace("refuse(\"ü\");", "")
        );
    }

    #[test]
    fn whitespace_does_not_matter() {
        let planted = SOURCE.replace("if live\n        && ours\n    {", "if false {");
        for find in [
            "if live && ours {",
            "if live\n    && ours\n{\n",
            "\tif live\n&& ours {",
        ] {
            assert_eq!(apply(find, "if false {").unwrap(), planted, "{find:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_there_is_refused() {
        assert_eq!(
            refusal("if  dead", "if false"),
            "`if dead` is not in guard.rs; adapt `find` (or `file`) to the code, or delete the bug \
             if the mistake is no longer possible"
        );
    }

    #[test]
    fn a_text_that_is_there_twice_is_refused_with_its_lines() {
        assert_eq!(
            refusal("}", ""),
            "`}` is 2 times in guard.rs (lines 6, 7); lengthen `find` until it is there once"
        );
    }

    #[test]
    fn an_edit_that_changes_nothing_is_refused() {
        assert!(refusal(" \n", "x").contains("is empty"));
        assert!(refusal("if live", "if  live\n").contains("are equal"));
    }
}

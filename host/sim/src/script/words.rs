//! Cuts a line of a script into words, and makes the error for a word that is not accepted.
//! docs/decisions/simulator.md says why no library does this.

use reeve_core::time::Millis;
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use super::length::{LENGTH, length_of_time};

/// The first mistake in a script: its place, the text found there, and the accepted texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found}; accepted is {accepted}")]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// A description of the text at that place.
    pub found: String,
    /// A description of the texts that are accepted there.
    pub accepted: String,
}

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// Text up to a space, a comma or a quotation mark.
    Word(&'a str),
    /// Text between two quotation marks.
    Text(&'a str),
    /// A comma: another clause follows.
    Comma,
}

/// One line, which the methods read word by word from the left.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    number: usize,
    /// The line without a comment, and without the space around it.
    text: &'a str,
    /// The pieces, each with its column.
    pieces: Vec<(usize, Piece<'a>)>,
    /// The index of the piece that is read next.
    next: usize,
    /// The column after the last piece.
    ends: usize,
}

impl<'a> Line<'a> {
    /// Cuts a line into pieces; `None`: the line is empty or has only a comment.
    pub(super) fn read(number: usize, line: &'a str) -> Result<Option<Self>, ScriptError> {
        let mut read = Self {
            number,
            text: line.trim(),
            pieces: Vec::new(),
            next: 0,
            ends: 1,
        };
        let mut rest = line;
        let mut column = 1;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '#' => {
                    read.text = line[..line.len() - rest.len()].trim();
                    break;
                }
                ',' => {
                    read.pieces.push((column, Piece::Comma));
                    1
                }
                '"' => {
                    let after = &rest[1..];
                    let Some(end) = after.find('"') else {
                        let found = format!("a quotation mark that is not closed: {}", cut(rest));
                        return Err(read.error_at(column, found, "a text within two of them"));
                    };
                    read.pieces.push((column, Piece::Text(&after[..end])));
                    end + 2
                }
                space if space.is_whitespace() => space.len_utf8(),
                _ => {
                    let ends = |c: char| c.is_whitespace() || c == ',' || c == '"';
                    let end = rest.find(ends).unwrap_or(rest.len());
                    read.pieces.push((column, Piece::Word(&rest[..end])));
                    end
                }
            };
            column += rest[..length].chars().count();
            rest = &rest[length..];
            if !first.is_whitespace() {
                read.ends = column;
            }
        }
        Ok((!read.pieces.is_empty()).then_some(read))
    }

    /// The number of the line, counted from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The line without its comment, for messages.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Takes the next word if it is this one.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is_it = self.peek() == Some(Piece::Word(word));
        self.next += usize::from(is_it);
        is_it
    }

    /// Takes these words, one after the other, or none of them.
    pub(super) fn takes_all(&mut self, words: &[&str]) -> bool {
        let began = self.next;
        let all = words.iter().all(|word| self.takes(word));
        if !all {
            self.next = began;
        }
        all
    }

    /// Takes one of these words, and returns its value.
    pub(super) fn one_of<T: Copy>(&mut self, accepted: &[(&str, T)]) -> Result<T, ScriptError> {
        for (word, meaning) in accepted {
            if self.takes(word) {
                return Ok(*meaning);
            }
        }
        Err(self.expected(list(accepted.iter().map(|(word, _)| *word))))
    }

    /// Takes this word, which must follow.
    pub(super) fn expect(&mut self, word: &str) -> Result<(), ScriptError> {
        if self.takes(word) {
            return Ok(());
        }
        Err(self.expected(format!("`{word}`")))
    }

    /// Takes a comma, if one follows.
    pub(super) fn has_clause(&mut self) -> bool {
        let has = self.peek() == Some(Piece::Comma);
        self.next += usize::from(has);
        has
    }

    /// Fails if a piece follows.
    pub(super) fn end(&self) -> Result<(), ScriptError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }

    /// Takes a name: a word, or a quoted text if the name has spaces.
    pub(super) fn name(&mut self, what: &str) -> Result<&'a str, ScriptError> {
        match self.peek() {
            Some(Piece::Word(name) | Piece::Text(name)) if !name.is_empty() => {
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Takes a text within quotation marks.
    pub(super) fn quoted(&mut self, what: &str) -> Result<&'a str, ScriptError> {
        match self.peek() {
            Some(Piece::Text(text)) if !text.is_empty() => {
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.expected(format!("{what} within quotation marks"))),
        }
    }

    /// Takes a whole number.
    pub(super) fn number_up_to(&mut self, max: u64) -> Result<u64, ScriptError> {
        if let Some(Piece::Word(word)) = self.peek()
            && let Ok(number) = word.parse()
            && number <= max
        {
            self.next += 1;
            return Ok(number);
        }
        Err(self.expected(format!("a whole number up to {max}")))
    }

    /// Takes a length of time.
    pub(super) fn length(&mut self) -> Result<Millis, ScriptError> {
        if let Some(Piece::Word(word)) = self.peek()
            && let Some(length) = length_of_time(word)
        {
            self.next += 1;
            return Ok(length);
        }
        Err(self.expected(LENGTH))
    }

    /// Takes one of the words by which the configuration and the journal write a `T`.
    pub(super) fn variant<T: DeserializeOwned>(&mut self) -> Result<T, ScriptError> {
        let word = match self.peek() {
            Some(Piece::Word(word)) => word,
            _ => "",
        };
        let read: Result<T, serde::de::value::Error> = T::deserialize(word.into_deserializer());
        match read {
            Ok(value) => {
                self.next += 1;
                Ok(value)
            }
            // serde's error lists the words, so that they stand in one place.
            Err(error) => {
                let error = error.to_string();
                let listed = error
                    .split_once("expected ")
                    .map_or("", |(_, listed)| listed);
                Err(self.expected(listed.strip_prefix("one of ").unwrap_or(listed)))
            }
        }
    }

    /// Takes the rest of the line, which is a JSON value.
    pub(super) fn json(&mut self) -> Result<serde_json::Value, ScriptError> {
        const WHAT: &str = "a JSON value such as `3`, `true`, `\"text\"` or `[\"private\"]`";
        let (Some((first, _)), Some((column, _))) =
            (self.pieces.first(), self.pieces.get(self.next))
        else {
            return Err(self.expected(WHAT));
        };
        let rest: String = self.text.chars().skip(column - first).collect();
        let value = serde_json::from_str(&rest);
        let found = || self.error_at(*column, format!("`{}`", cut(&rest)), WHAT);
        let value = value.map_err(|_| found())?;
        self.next = self.pieces.len();
        Ok(value)
    }

    /// Whether a number follows.
    pub(super) fn is_at_number(&self) -> bool {
        matches!(self.peek(), Some(Piece::Word(word)) if word.parse::<u64>().is_ok())
    }

    /// Whether `at least` or `at most` follows.
    pub(super) fn is_at_bound(&self) -> bool {
        let mut ahead = self.clone();
        ahead.takes_all(&["at", "least"]) || ahead.takes_all(&["at", "most"])
    }

    /// Makes the error for the piece that follows.
    pub(super) fn expected(&self, accepted: impl Into<String>) -> ScriptError {
        let (column, found) = match self.pieces.get(self.next) {
            Some((column, Piece::Word(word))) => (*column, format!("`{}`", cut(word))),
            Some((column, Piece::Text(text))) => (*column, format!("the text \"{}\"", cut(text))),
            Some((column, Piece::Comma)) => (*column, "a comma".to_owned()),
            None => (self.ends, "the end of the line".to_owned()),
        };
        self.error_at(column, found, accepted)
    }

    /// Makes the error for the piece that was taken last.
    pub(super) fn wrong(&self, found: impl Into<String>, accepted: &str) -> ScriptError {
        let last = self.pieces.get(self.next.saturating_sub(1));
        let column = last.map_or(1, |(column, _)| *column);
        self.error_at(column, found.into(), accepted)
    }

    fn error_at(&self, column: usize, found: String, accepted: impl Into<String>) -> ScriptError {
        ScriptError {
            line: self.number,
            column,
            found,
            accepted: accepted.into(),
        }
    }

    fn peek(&self) -> Option<Piece<'a>> {
        self.pieces.get(self.next).map(|(_, piece)| *piece)
    }
}

/// Writes the words as "`a`, `b` or `c`", for an error.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => {
            format!("{} or {last}", before.join(", "))
        }
        _ => quoted.concat(),
    }
}

/// Shortens a text to the length that an error shows.
fn cut(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_spaces_commas_and_quotes_and_loses_its_comment() {
        let line = Line::read(3, "  at 5s  chat says \"a, b\",more # not this")
            .unwrap()
            .unwrap();
        let pieces: Vec<_> = line
            .pieces
            .iter()
            .map(|(column, piece)| (*column, *piece))
            .collect();
        assert_eq!(
            pieces,
            [
                (3, Piece::Word("at")),
                (6, Piece::Word("5s")),
                (10, Piece::Word("chat")),
                (15, Piece::Word("says")),
                (20, Piece::Text("a, b")),
                (26, Piece::Comma),
                (27, Piece::Word("more")),
            ]
        );
        assert_eq!(line.text(), "at 5s  chat says \"a, b\",more");
        assert!(Line::read(1, "   # only a comment").unwrap().is_none());
    }
}

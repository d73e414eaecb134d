//! The paths in a source that lead to modules of the same crate.
//!
//! Such a path begins with `crate`, `super`, `self` or a module that the file declares. It stands
//! in a `use`, an expression, a type or a macro. A bare name is ignored, because its `use` counts.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use proc_macro2::{Delimiter, TokenTree};

use crate::source::{is_punct, is_word, word};

/// A path that a source names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The modules and the item, from the crate's root on.
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crate")?;
        self.path.iter().try_for_each(|it| write!(f, "::{it}"))
    }
}

/// The module of a file or folder, from the crate's root on.
pub(super) fn module_of(src: &Path, file: &Path) -> Vec<String> {
    let below = file.strip_prefix(src).unwrap_or(file).with_extension("");
    let mut path: Vec<String> = below
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let is_own_file = |it: &mut String| ["mod", "lib", "main"].contains(&it.as_str());
    path.pop_if(is_own_file);
    path
}

/// Every path in the tokens of `module` that leads to a module of the crate.
pub(super) fn named(tokens: &[TokenTree], module: &[String]) -> Vec<Named> {
    let mut scan = Scan {
        module: module.to_vec(),
        declared: declared(tokens),
        found: Vec::new(),
    };
    scan.tokens(tokens);
    scan.found
}

/// The modules that the file declares.
fn declared(tokens: &[TokenTree]) -> BTreeSet<String> {
    let pairs = tokens.windows(2).filter(|pair| is_word(&pair[0], "mod"));
    pairs.filter_map(|pair| word(&pair[1])).collect()
}

struct Scan {
    module: Vec<String>,
    declared: BTreeSet<String>,
    found: Vec<Named>,
}

impl Scan {
    fn tokens(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let starts = !follows_path(&tokens[..at]) && is_path_separator(&tokens[at + 1..]);
            if let Some(base) = starts.then(|| self.base(token)).flatten() {
                at = self.path(tokens, at + 3, base);
                continue;
            }
            if let TokenTree::Group(group) = token
                && !is_visibility(&tokens[..at], group.delimiter())
            {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                match inline_module(&tokens[..at]) {
                    Some(name) => self.inline(&inner, name),
                    None => self.tokens(&inner),
                }
            }
            at += 1;
        }
    }

    fn inline(&mut self, tokens: &[TokenTree], name: String) {
        let module = self.module.iter().cloned().chain([name]);
        let module: Vec<String> = module.collect();
        self.found.extend(named(tokens, &module));
    }

    /// The module from which a path with this first token starts; `None`: the token starts no such
    /// path.
    fn base(&self, token: &TokenTree) -> Option<Vec<String>> {
        let mut base = self.module.clone();
        match word(token)?.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            name if self.declared.contains(name) => base.push(name.to_owned()),
            _ => return None,
        }
        Some(base)
    }

    /// Reads the rest of a path, or of a tree of paths, from `at` on; returns the position after
    /// it.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, mut path: Vec<String>) -> usize {
        let line = |token: &TokenTree| token.span().start().line;
        while let Some(token) = tokens.get(at) {
            if let TokenTree::Group(group) = token
                && group.delimiter() == Delimiter::Brace
            {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner
                    .split(|it| is_punct(it, ','))
                    .filter(|it| !it.is_empty())
                {
                    self.path(part, 0, path.clone());
                }
                return at + 1;
            }
            let ends = match word(token).as_deref() {
                Some("super") => {
                    path.pop();
                    false
                }
                Some("self") => false,
                Some(name) => {
                    path.push(name.to_owned());
                    false
                }
                // `*`, or `<` of a type's arguments, ends the path.
                None => true,
            };
            if ends || !is_path_separator(&tokens[at + 1..]) {
                let line = line(token);
                self.found.push(Named { path, line });
                return if ends { at } else { at + 1 };
            }
            at += 3;
        }
        at
    }
}

/// Whether `::` comes next.
fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [one, two, ..] if is_punct(one, ':') && is_punct(two, ':'))
}

/// Whether the path continues from the tokens before.
fn follows_path(before: &[TokenTree]) -> bool {
    matches!(before, [.., one, two] if is_punct(one, ':') && is_punct(two, ':'))
}

/// Whether a group is the `(super::super)` of `pub(in super::super)`.
fn is_visibility(before: &[TokenTree], delimiter: Delimiter) -> bool {
    delimiter == Delimiter::Parenthesis && before.last().is_some_and(|it| is_word(it, "pub"))
}

/// The name of the module whose braces come next.
fn inline_module(before: &[TokenTree]) -> Option<String> {
    match before {
        [.., keyword, name] if is_word(keyword, "mod") => word(name),
        _ => None,
    }
}

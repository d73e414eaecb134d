//! Rust source as tokens, with and without its tests.
//!
//! `proc-macro2` reads the text. It knows strings, comments and lifetimes, and keeps the tokens
//! inside macros.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Words that may stand before an item's keyword.
const QUALIFIERS: [&str; 4] = ["pub", "unsafe", "async", "extern"];

/// Items that end with `;`, even after braces.
const ENDS_WITH_SEMICOLON: [&str; 5] = ["use", "static", "type", "let", "const"];

/// Items whose commas, as in `impl<A, B>`, do not end them.
const HAS_COMMAS: [&str; 5] = ["mod", "impl", "struct", "enum", "trait"];

/// One file of Rust.
pub(crate) struct Source {
    /// The whole file, without comments and docs.
    all: Vec<TokenTree>,
    /// The file without comments, docs and code for tests only.
    without_tests: Vec<TokenTree>,
    /// The modules that the file declares for tests only, each in a file of its own.
    test_modules: Vec<String>,
}

impl Source {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// When the text is not Rust.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let tokens: TokenStream = text
            .parse()
            .map_err(|error| anyhow!("cannot read it as Rust: {error}"))?;
        let mut test_modules = Vec::new();
        let all = without_docs(tokens);
        let without_tests = without_tests(&all, &mut test_modules);
        Ok(Self {
            all,
            without_tests,
            test_modules,
        })
    }

    /// The tokens without code for tests only.
    pub(crate) fn without_tests(&self) -> &[TokenTree] {
        &self.without_tests
    }

    /// The number of lines with code.
    pub(crate) fn lines(&self) -> usize {
        count(&self.all)
    }

    /// The number of lines with code that is not for tests only.
    pub(crate) fn lines_without_tests(&self) -> usize {
        count(&self.without_tests)
    }
}

/// Reads files, by their paths relative to `root`. A file that holds tests only gets an empty
/// `without_tests`.
///
/// # Errors
/// When a file cannot be read, or is not Rust.
pub(crate) fn read(root: &Path, files: Vec<PathBuf>) -> Result<BTreeMap<PathBuf, Source>> {
    let mut sources = BTreeMap::new();
    for name in files {
        let file = root.join(&name);
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let source = Source::parse(&text).with_context(|| name.display().to_string())?;
        sources.insert(name, source);
    }
    let declared: BTreeSet<PathBuf> = sources
        .iter()
        .flat_map(|(file, source)| {
            let folder = folder_of_children(file);
            let child = move |name: &String| folder.join(name);
            source.test_modules.iter().map(child)
        })
        .collect();
    for (file, source) in &mut sources {
        let is_declared = file
            .with_extension("")
            .ancestors()
            .any(|it| declared.contains(it));
        if is_declared || holds_tests_only(file) {
            source.without_tests.clear();
        }
    }
    Ok(sources)
}

/// The folder of a file's child modules: `a/` for `a.rs`, the file's own folder for `mod.rs` and a
/// crate's root.
fn folder_of_children(file: &Path) -> PathBuf {
    let has_own_folder = |it: &str| file.file_name().is_some_and(|name| name == it);
    match ["mod.rs", "lib.rs", "main.rs"]
        .into_iter()
        .any(has_own_folder)
    {
        true => file.parent().unwrap_or(file).to_owned(),
        false => file.with_extension(""),
    }
}

/// Whether a file is a test by its name or a folder's.
fn holds_tests_only(file: &Path) -> bool {
    let is_of_tests = |part: &str| part == "tests" || part.contains("_tests");
    file.with_extension("")
        .iter()
        .any(|part| is_of_tests(&part.to_string_lossy()))
}

/// Removes doc comments, which are attributes in a token stream.
fn without_docs(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        if !is_doc(&token) {
            kept.push(nested(token, |inner| {
                without_docs(inner).into_iter().collect()
            }));
            continue;
        }
        while kept
            .last()
            .is_some_and(|it| is_punct(it, '#') || is_punct(it, '!'))
        {
            kept.pop();
        }
    }
    kept
}

/// Whether a token is the `[doc = "…"]` of a doc comment.
fn is_doc(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else {
        return false;
    };
    let mut inner = group.stream().into_iter();
    group.delimiter() == Delimiter::Bracket
        && inner.next().is_some_and(|it| is_word(&it, "doc"))
        && inner.next().is_some_and(|it| is_punct(&it, '='))
}

/// Removes the items after `#[cfg(test)]`, and collects the names of the modules among them that
/// are files.
fn without_tests(tokens: &[TokenTree], modules: &mut Vec<String>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let [first, after @ ..] = rest {
        if is_punct(first, '#')
            && let [TokenTree::Group(group), item @ ..] = after
            && is_for_tests(&group.stream())
        {
            let (item, left) = item.split_at(item_length(item));
            modules.extend(declared_module(item));
            rest = left;
            continue;
        }
        kept.push(nested(first.clone(), |inner| {
            let inner: Vec<TokenTree> = inner.into_iter().collect();
            without_tests(&inner, modules).into_iter().collect()
        }));
        rest = after;
    }
    kept
}

/// Whether an attribute is `cfg(test)`, or requires `test` and something else.
fn is_for_tests(attribute: &TokenStream) -> bool {
    let text: String = attribute.to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// The number of tokens of the first item, including further attributes. A field, a variant or an
/// arm ends with a comma.
fn item_length(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|it| is_punct(it, '#')) {
        at += 2;
    }
    let item = tokens.get(at..).unwrap_or_default();
    let mut words = item
        .iter()
        .filter_map(word)
        .filter(|it| !QUALIFIERS.contains(&it.as_str()));
    let keyword = words.next().unwrap_or_default();
    let is_function =
        keyword == "fn" || (keyword == "const" && words.next().as_deref() == Some("fn"));
    let needs_semicolon = !is_function && ENDS_WITH_SEMICOLON.contains(&keyword.as_str());
    let has_commas = is_function || needs_semicolon || HAS_COMMAS.contains(&keyword.as_str());
    let is_end = |token: &TokenTree| {
        is_punct(token, ';')
            || (is_braces(token) && !needs_semicolon)
            || (is_punct(token, ',') && !has_commas)
    };
    let end = item.iter().position(is_end);
    end.map_or(tokens.len(), |end| at + end + 1)
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// The name in `mod name;`.
fn declared_module(item: &[TokenTree]) -> Option<String> {
    let at = item.iter().position(|it| is_word(it, "mod"))?;
    match item.get(at + 1..) {
        Some([name, end]) if is_punct(end, ';') => word(name),
        _ => None,
    }
}

/// The token; for a group, with `inner` applied to its content.
fn nested(token: TokenTree, inner: impl FnOnce(TokenStream) -> TokenStream) -> TokenTree {
    let TokenTree::Group(group) = token else {
        return token;
    };
    let mut changed = proc_macro2::Group::new(group.delimiter(), inner(group.stream()));
    changed.set_span(group.span());
    TokenTree::Group(changed)
}

/// The number of lines with a token.
fn count(tokens: &[TokenTree]) -> usize {
    let mut lines = BTreeSet::new();
    collect_lines(tokens.iter().cloned(), &mut lines);
    lines.len()
}

fn collect_lines(tokens: impl Iterator<Item = TokenTree>, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        let span = token.span();
        let (first, last) = (span.start().line, span.end().line);
        match token {
            TokenTree::Group(group) => {
                lines.extend([first, last]);
                collect_lines(group.stream().into_iter(), lines);
            }
            _ => lines.extend(first..=last),
        }
    }
}

/// The text of an identifier or a keyword.
pub(crate) fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

pub(crate) fn is_word(token: &TokenTree, text: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == text)
}

pub(crate) fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> (usize, usize) {
        let source = Source::parse(text).unwrap();
        (source.lines_without_tests(), source.lines())
    }

    #[test]
    fn blank_lines_comments_and_docs_do_not_count() {
        let text =
            "//! Docs.\n\n/* one\n two */\n/// Docs.\nfn a() {\n    // why\n    b(); // why\n}\n";
        assert_eq!(counted(text), (3, 3));
    }

    #[test]
    fn each_line_of_a_string_counts() {
        assert_eq!(
            counted("const A: &str = \"one\n// two\n\nfour\";\n"),
            (4, 4)
        );
    }

    #[test]
    fn code_for_tests_only_is_left_out() {
        let cases = [
            ("#[cfg(test)]\nmod tests {}\nuse a::b;\n", (1, 3)),
            ("#[cfg(test)]\nmod tests;\nconst A: u8 = 1;\n", (1, 3)),
            (
                "#[cfg(test)]\nimpl<A, B> C<A, B> for D {\n}\nfn b() {}\n",
                (1, 4),
            ),
            (
                "fn a() {\n    match b {\n        #[cfg(test)]\n        C => d(),\n        E => {}\n    }\n}\n",
                (5, 7),
            ),
            (
                "#[cfg(test)]\nmod tests {\n    fn a() {}\n}\nfn b() {}\n",
                (1, 5),
            ),
            (
                "#[cfg(test)]\n#[allow(x)]\nuse a::{\n    b,\n};\nfn b() {}\n",
                (1, 6),
            ),
            (
                "#[cfg(test)]\nfn a<A, B>(x: [u8; 2]) {\n}\nfn b() {}\n",
                (1, 4),
            ),
            ("#[cfg(test)]\nconst A: B = B { c };\nfn b() {}\n", (1, 3)),
            (
                "#[cfg(test)]\npub(crate) const fn a<A, B>() {}\nfn b() {}\n",
                (1, 3),
            ),
            (
                "enum A {\n    #[cfg(test)]\n    B(u8),\n    C,\n}\n",
                (3, 5),
            ),
            ("#[cfg(all(test, unix))]\nmod a {}\n", (0, 2)),
            (
                "#[cfg(any(test, feature = \"testing\"))]\nmod a {}\n",
                (2, 2),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(counted(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_a_test_by_its_name_its_folder_or_its_declaration() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("src/lib.rs", "mod a;\n#[cfg(test)]\nmod fake;\n"),
            ("src/a.rs", "#[cfg(test)]\nmod rig;\n"),
            ("src/a/rig.rs", "fn a() {}\n"),
            ("src/a/rig/deep.rs", "fn a() {}\n"),
            ("src/a/other.rs", "fn a() {}\n"),
            ("src/fake/mod.rs", "fn a() {}\n"),
            ("src/tests.rs", "fn a() {}\n"),
            ("src/wire_tests/x.rs", "fn a() {}\n"),
            ("src/wire_tests.rs", "fn a() {}\n"),
            ("tests/a.rs", "fn a() {}\n"),
        ];
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let names = files.map(|(name, _)| PathBuf::from(name)).to_vec();
        let sources = read(folder.path(), names).unwrap();
        let with_source: Vec<_> = sources
            .iter()
            .filter(|(_, source)| source.lines_without_tests() > 0)
            .map(|(name, _)| name.to_str().unwrap())
            .collect();
        assert_eq!(with_source, ["src/a/other.rs", "src/lib.rs"]);
    }
}

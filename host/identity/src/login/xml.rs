//! A strict reader of the small XML documents that STS sends.
//!
//! Only elements, text, and one declaration at the start are accepted. The only attribute is the
//! root's `xmlns`, and no path of elements occurs twice, since STS sends no lists here. Comments,
//! CDATA, processing instructions and document types are refused: with them, two readers can see
//! two texts in one element.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use crate::ber::Malformed;
use crate::quote::quoted;

/// The deepest that elements nest. STS's documents have 3 levels.
const DEPTH_MAX: usize = 8;

/// A document: the texts of its innermost elements.
#[derive(Debug)]
pub(super) struct Document {
    /// The root's name.
    pub(super) root: String,
    /// The root's `xmlns`.
    pub(super) namespace: String,
    leaves: Vec<Leaf>,
    /// The paths of all elements; the root's is empty.
    paths: BTreeSet<String>,
}

#[derive(Debug)]
struct Leaf {
    /// The names of the element and those around it, with `/` between them, without the root's.
    path: String,
    text: String,
    /// Whether the text has references such as `&amp;`. They are not expanded.
    has_references: bool,
}

/// An element whose end is not read yet.
struct Open {
    /// The text so far, without references.
    text: String,
    has_references: bool,
    has_elements: bool,
    /// The element's path; empty for the root.
    path: String,
}

impl Document {
    /// Reads a whole document.
    pub(super) fn read(text: &str) -> Result<Self, Malformed> {
        if let Some(control) = text.chars().find(|c| is_control(*c)) {
            return Err(Malformed::new("text", format!("{control:?}")));
        }
        let mut reader = Reader::from_str(text);
        let mut building = Building::default();
        let mut is_first = true;
        loop {
            let event = reader
                .read_event()
                .map_err(|error| Malformed::new("well-formed XML", quoted(&error.to_string())))?;
            match event {
                Event::Decl(declaration) if is_first => check_declaration(&declaration)?,
                Event::Start(start) => building.open(&start)?,
                Event::End(_) => building.close(),
                Event::Empty(start) => {
                    building.open(&start)?;
                    building.close();
                }
                Event::Text(text) => building.text(&text.into_inner())?,
                Event::GeneralRef(reference) => {
                    check_reference(&reference)?;
                    building.reference()?;
                }
                Event::Eof => return building.finish(),
                other => {
                    return Err(Malformed::new("elements and text only", kind(&other)));
                }
            }
            is_first = false;
        }
    }

    /// The text of the element with this path below the root. No other element of the document has
    /// its name.
    pub(super) fn text(&self, path: &'static str) -> Result<&str, Malformed> {
        let mut paths = self.paths.iter();
        if paths.any(|other| other != path && last(other) == last(path)) {
            return Err(Malformed::new(path, "an element of that name elsewhere"));
        }
        let mut leaves = self.leaves.iter();
        match leaves.find(|leaf| leaf.path == path) {
            None => Err(Malformed::new(path, "no such element")),
            Some(leaf) if leaf.has_references => Err(Malformed::new(
                path,
                "a text with references, which are not expanded",
            )),
            Some(leaf) => Ok(&leaf.text),
        }
    }
}

/// The name of the element with this path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A document whose end is not read yet.
#[derive(Default)]
struct Building {
    root: Option<(String, String)>,
    open: Vec<Open>,
    paths: BTreeSet<String>,
    leaves: Vec<Leaf>,
}

impl Building {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Malformed> {
        let name = start.name();
        let name: &str = name.as_ref();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Malformed::new("an element without a prefix", quoted(name)));
        }
        let path = match self.open.last_mut() {
            None => {
                if self.root.is_some() {
                    return Err(Malformed::new("one root", "a second one"));
                }
                self.root = Some((name.to_owned(), namespace(start)?));
                String::new()
            }
            Some(parent) => {
                if !start.attributes_raw().trim_ascii().is_empty() {
                    return Err(Malformed::new(
                        "an element without attributes",
                        quoted(name),
                    ));
                }
                if !parent.text.trim_ascii().is_empty() || parent.has_references {
                    return Err(mixed());
                }
                parent.has_elements = true;
                match parent.path.as_str() {
                    "" => name.to_owned(),
                    above => format!("{above}/{name}"),
                }
            }
        };
        if !self.paths.insert(path.clone()) {
            return Err(Malformed::new("each element once", quoted(&path)));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed::new("at most 8 levels of elements", "more"));
        }
        self.open.push(Open {
            text: String::new(),
            has_references: false,
            has_elements: false,
            path,
        });
        Ok(())
    }

    /// Ends the innermost element. The parser has compared the names.
    fn close(&mut self) {
        let Some(closed) = self.open.pop() else {
            return;
        };
        if !closed.has_elements {
            self.leaves.push(Leaf {
                path: closed.path,
                text: closed.text,
                has_references: closed.has_references,
            });
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Malformed> {
        let is_blank = text.trim_ascii().is_empty();
        match self.open.last_mut() {
            None if is_blank => Ok(()),
            None => Err(Malformed::new("nothing around the root", quoted(text))),
            Some(element) if element.has_elements && !is_blank => Err(mixed()),
            Some(element) => {
                element.text.push_str(text);
                Ok(())
            }
        }
    }

    /// Notes a reference, which is not expanded.
    fn reference(&mut self) -> Result<(), Malformed> {
        match self.open.last_mut() {
            Some(element) if !element.has_elements => {
                element.has_references = true;
                Ok(())
            }
            _ => Err(mixed()),
        }
    }

    fn finish(self) -> Result<Document, Malformed> {
        match self.root {
            Some((root, namespace)) if self.open.is_empty() => Ok(Document {
                root,
                namespace,
                leaves: self.leaves,
                paths: self.paths,
            }),
            Some(_) => Err(Malformed::new("the end of the root", "the end of the text")),
            None => Err(Malformed::new("a root", "none")),
        }
    }
}

/// The root's namespace, its only attribute. The value is not expanded.
fn namespace(root: &BytesStart<'_>) -> Result<String, Malformed> {
    let raw = root.attributes_raw().trim_ascii();
    let value = raw
        .strip_prefix("xmlns=\"")
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|value| !value.contains(['"', '&', '<']));
    value
        .map(str::to_owned)
        .ok_or_else(|| Malformed::new("a root with the one attribute xmlns=\"…\"", quoted(raw)))
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), Malformed> {
    let version = declaration.version().ok();
    let encoding = declaration.encoding().map(Result::ok);
    let is_utf_8 = match &encoding {
        None => true,
        Some(named) => named
            .as_deref()
            .is_some_and(|named| named.eq_ignore_ascii_case("utf-8")),
    };
    if version.as_deref() != Some("1.0") || !is_utf_8 {
        return Err(Malformed::new("XML 1.0 in UTF-8", "another declaration"));
    }
    Ok(())
}

/// Without a document type, only characters by number and five names are well-formed (XML 1.0,
/// section 4.1).
fn check_reference(reference: &BytesRef<'_>) -> Result<(), Malformed> {
    let is_known = match reference.resolve_char_ref() {
        Ok(None) => ["amp", "apos", "gt", "lt", "quot"].contains(&reference.as_ref()),
        Ok(Some(character)) => !is_control(character),
        Err(_) => false,
    };
    if is_known {
        return Ok(());
    }
    Err(Malformed::new(
        "a reference to a character",
        quoted(reference.as_ref()),
    ))
}

/// The characters that XML 1.0 forbids (section 2.2), as far as UTF-8 can have them, and DEL.
fn is_control(c: char) -> bool {
    (c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r'))
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn mixed() -> Malformed {
    Malformed::new("elements or text in an element", "both")
}

fn kind(event: &Event<'_>) -> &'static str {
    match event {
        Event::Comment(_) => "a comment",
        Event::CData(_) => "CDATA",
        Event::DocType(_) => "a document type",
        Event::PI(_) => "a processing instruction",
        Event::Decl(_) => "a declaration that is not at the start",
        _ => "another part",
    }
}

#[cfg(test)]
mod tests;

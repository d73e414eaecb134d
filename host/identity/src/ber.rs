//! A reader of ASN.1: it supports only what AWS writes, and is stricter than the standard.
//!
//! AWS encodes its documents in BER with indefinite lengths, which DER readers refuse. The caller
//! requests each value by its tag and reads the inner values in a closure. So the code bounds how
//! deep values nest, and the input cannot.

use std::borrow::Cow;

/// An ASN.1 tag, and its name in a refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag(u8, &'static str);

pub(crate) const INTEGER: Tag = Tag(0x02, "an INTEGER");
pub(crate) const BIT_STRING: Tag = Tag(0x03, "a BIT STRING");
pub(crate) const OCTET_STRING: Tag = Tag(0x04, "an OCTET STRING");
pub(crate) const OBJECT_IDENTIFIER: Tag = Tag(0x06, "an OBJECT IDENTIFIER");
pub(crate) const SEQUENCE: Tag = Tag(0x30, "a SEQUENCE");
pub(crate) const SET: Tag = Tag(0x31, "a SET");
pub(crate) const EXPLICIT_0: Tag = Tag(0xa0, "the tag [0]");
/// An OCTET STRING in pieces, which exists only in BER.
const OCTET_STRING_IN_PIECES: Tag = Tag(0x24, "an OCTET STRING in pieces");

/// The expected and the found content at some place of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

impl Malformed {
    pub(crate) fn new(expected: &'static str, found: impl Into<String>) -> Self {
        Self {
            expected,
            found: found.into(),
        }
    }
}

/// The accepted encodings of lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Only lengths in their shortest form (X.690, section 10.1).
    Der,
    /// Also values in pieces or with an end mark (X.690, section 8.1.3.6). Lengths in a longer form
    /// than necessary are refused here too, because they add nothing.
    Ber,
}

/// Reads values in sequence.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The offset of `rest` in the whole input.
    at: usize,
    rules: Rules,
}

enum Length {
    Definite(usize),
    Indefinite,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], rules: Rules) -> Self {
        Self {
            rest: bytes,
            at: 0,
            rules,
        }
    }

    /// Reads a value that contains values. `read` must read all of them.
    pub(crate) fn constructed<T, E: From<Malformed>>(
        &mut self,
        tag: Tag,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        match self.header(tag)? {
            Length::Definite(length) => {
                let at = self.at;
                let rest = self.take(length)?;
                let mut inner = Reader { rest, at, ..*self };
                let value = read(&mut inner)?;
                inner.finish()?;
                Ok(value)
            }
            Length::Indefinite => {
                let value = read(self)?;
                if self.take(2)? != [0, 0] {
                    return Err(self.expected("the end mark of a value").into());
                }
                Ok(value)
            }
        }
    }

    /// The content of a value that contains no values.
    pub(crate) fn primitive(&mut self, tag: Tag) -> Result<&'a [u8], Malformed> {
        match self.header(tag)? {
            Length::Definite(length) => self.take(length),
            Length::Indefinite => Err(self.expected("a length")),
        }
    }

    /// A whole value with its tag and length, to compare or to read later.
    pub(crate) fn element(&mut self, tag: Tag) -> Result<&'a [u8], Malformed> {
        let before = self.rest;
        self.primitive(tag)?;
        Ok(&before[..before.len() - self.rest.len()])
    }

    /// A whole value with any tag.
    pub(crate) fn any_element(&mut self) -> Result<&'a [u8], Malformed> {
        let tag = *self.rest.first().ok_or_else(|| self.expected("a value"))?;
        self.element(Tag(tag, "a value"))
    }

    /// An OCTET STRING, in one piece or, in BER, in several. A piece is not empty and has no pieces
    /// itself.
    pub(crate) fn octets(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        if self.rules == Rules::Der || self.next_is(OCTET_STRING) {
            return self.primitive(OCTET_STRING).map(Cow::Borrowed);
        }
        self.constructed(OCTET_STRING_IN_PIECES, |pieces| {
            let mut whole = Vec::new();
            while pieces.next_is(OCTET_STRING) {
                let piece = pieces.primitive(OCTET_STRING)?;
                if piece.is_empty() {
                    return Err(pieces.expected("a piece that is not empty"));
                }
                whole.extend_from_slice(piece);
            }
            Ok(Cow::Owned(whole))
        })
    }

    /// Whether the next value has this tag.
    pub(crate) fn next_is(&self, tag: Tag) -> bool {
        self.rest.first() == Some(&tag.0)
    }

    /// Whether all is read. Only a value with a definite length can be read until it is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ignores the rest.
    pub(crate) fn skip_rest(&mut self) {
        self.rest = &[];
    }

    /// Refuses input that was not read.
    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.expected("the end"))
    }

    fn header(&mut self, tag: Tag) -> Result<Length, Malformed> {
        if !self.next_is(tag) {
            return Err(self.expected(tag.1));
        }
        self.take(1)?;
        let first = self.byte()?;
        let (length, least) = match first {
            0..0x80 => return Ok(Length::Definite(first.into())),
            0x80 if self.rules == Rules::Ber && tag.0 & 0x20 != 0 => return Ok(Length::Indefinite),
            0x81 => (usize::from(self.byte()?), 0x80),
            0x82 => (
                usize::from(u16::from_be_bytes([self.byte()?, self.byte()?])),
                0x100,
            ),
            _ => return Err(self.expected("a length below 65536, in its shortest form")),
        };
        if length < least {
            return Err(self.expected("a length in its shortest form"));
        }
        Ok(Length::Definite(length))
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(Malformed::new(
                "a complete value",
                format!("{} of {length} bytes at byte {}", self.rest.len(), self.at),
            ));
        };
        self.rest = rest;
        self.at += length;
        Ok(taken)
    }

    fn expected(&self, what: &'static str) -> Malformed {
        let found = match self.rest.first() {
            Some(byte) => format!("0x{byte:02x} at byte {}", self.at),
            None => format!("the end at byte {}", self.at),
        };
        Malformed::new(what, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a SEQUENCE with one INTEGER.
    fn read(bytes: &[u8], rules: Rules) -> Result<&[u8], Malformed> {
        let mut reader = Reader::new(bytes, rules);
        let number = reader.constructed(SEQUENCE, |inner| inner.primitive(INTEGER))?;
        reader.finish()?;
        Ok(number)
    }

    #[test]
    fn a_value_with_an_end_mark_is_read_in_ber_and_refused_in_der() {
        let bytes = [0x30, 0x80, 0x02, 0x01, 0x07, 0x00, 0x00];
        assert_eq!(read(&bytes, Rules::Ber).unwrap(), [7]);
        assert!(read(&bytes, Rules::Der).is_err());
        assert_eq!(
            read(&[0x30, 0x03, 0x02, 0x01, 0x07], Rules::Der).unwrap(),
            [7]
        );
    }

    #[test]
    fn other_forms_of_the_same_value_are_refused() {
        let cases: [(&str, &[u8]); 9] = [
            (
                "a length of two bytes below 128",
                &[0x30, 0x81, 0x03, 0x02, 0x01, 0x07],
            ),
            (
                "a length of three bytes below 256",
                &[0x30, 0x82, 0x00, 0x03, 0x02, 0x01, 0x07],
            ),
            (
                "a length of four bytes",
                &[0x30, 0x83, 0x00, 0x00, 0x03, 0x02, 0x01, 0x07],
            ),
            ("a reserved length", &[0x30, 0xff, 0x02, 0x01, 0x07]),
            (
                "an end mark that is missing",
                &[0x30, 0x80, 0x02, 0x01, 0x07],
            ),
            ("half an end mark", &[0x30, 0x80, 0x02, 0x01, 0x07, 0x00]),
            (
                "an end mark that is not needed",
                &[0x30, 0x03, 0x02, 0x01, 0x07, 0x00, 0x00],
            ),
            (
                "an INTEGER with an end mark",
                &[0x30, 0x80, 0x02, 0x80, 0x07, 0x00, 0x00, 0x00, 0x00],
            ),
            (
                "a second INTEGER",
                &[0x30, 0x06, 0x02, 0x01, 0x07, 0x02, 0x01, 0x07],
            ),
        ];
        for (name, bytes) in cases {
            assert!(read(bytes, Rules::Ber).is_err(), "{name}");
        }
    }

    #[test]
    fn an_octet_string_in_pieces_is_put_together_in_ber_only() {
        let pieces = [
            0x24, 0x80, 0x04, 0x02, b'h', b'e', 0x04, 0x01, b'y', 0x00, 0x00,
        ];
        assert_eq!(&*Reader::new(&pieces, Rules::Ber).octets().unwrap(), b"hey");
        assert!(Reader::new(&pieces, Rules::Der).octets().is_err());
        let empty_piece = [0x24, 0x80, 0x04, 0x00, 0x00, 0x00];
        assert!(Reader::new(&empty_piece, Rules::Ber).octets().is_err());
        let pieces_of_pieces = [0x24, 0x80, 0x24, 0x80, 0x00, 0x00, 0x00, 0x00];
        assert!(Reader::new(&pieces_of_pieces, Rules::Ber).octets().is_err());
    }

    #[test]
    fn a_refusal_says_what_stands_where() {
        let error = read(&[0x30, 0x03, 0x04, 0x01, 0x07], Rules::Der).unwrap_err();
        assert_eq!(error, Malformed::new("an INTEGER", "0x04 at byte 2"));
    }
}

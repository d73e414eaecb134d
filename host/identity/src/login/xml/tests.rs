//! Tests of [`Document`].

use super::*;

const GOOD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A xmlns=\"n\">\n  <B>\n    <C>one</C>\n    <D/>\n  </B>\n  <E>x &amp; y</E>\n</A>\n";

#[test]
fn the_innermost_texts_are_read() {
    let document = Document::read(GOOD).unwrap();
    assert_eq!(
        (document.root.as_str(), document.namespace.as_str()),
        ("A", "n")
    );
    assert_eq!(document.text("B/C"), Ok("one"));
    assert_eq!(document.text("B/D"), Ok(""));
    assert!(document.text("B").is_err());
    assert!(document.text("C").is_err());
    assert!(document.text("E").unwrap_err().found.contains("references"));
}

#[test]
fn an_element_of_the_same_name_elsewhere_is_refused() {
    for other in ["<E><C>two</C></E>", "<C/>", "<E><C><F/></C></E>"] {
        let text = GOOD.replace("<E>x &amp; y</E>", other);
        let document = Document::read(&text).unwrap();
        let error = document.text("B/C").unwrap_err();
        assert!(error.found.contains("elsewhere"), "{other}");
    }
}

#[test]
fn another_form_is_refused() {
    let cases = [
        ("one", "o<!-- -->ne"),
        ("one", "<![CDATA[one]]>"),
        ("one", "o<?x y?>ne"),
        ("one", "one<F/>"),
        ("one", "<F/>one"),
        ("one", "o\u{0}ne"),
        ("one", "one & two"),
        ("one", "one &e; two"),
        ("one", "one &#0; two"),
        ("one", "one &#xd800; two"),
        ("one", "o<ne"),
        ("<C>", "<C x=\"y\">"),
        ("<C>", "<n:C>"),
        ("<C>", "<é>"),
        ("</C>", "</D>"),
        ("<D/>", "<C>two</C>"),
        ("<D/>", "<D/>&amp;"),
        ("<D/>", "<D/>text"),
        ("</A>", ""),
        ("</A>", "</A><A xmlns=\"n\"/>"),
        ("</A>", "</A>text"),
        ("</A>", "</A>&amp;"),
        ("</A>", "</A></A>"),
        ("xmlns=\"n\"", ""),
        ("xmlns=\"n\"", "xmlns:x=\"n\""),
        ("xmlns=\"n\"", "xmlns='n'"),
        ("xmlns=\"n\"", "xmlns=\"n\" x=\"y\""),
        ("xmlns=\"n\"", "xmlns=\"n&amp;\""),
        ("<A ", "<!DOCTYPE A [<!ENTITY e \"x\">]><A "),
        ("<?xml ", " <?xml "),
        ("<?xml ", "text<?xml "),
        ("1.0", "1.1"),
        ("UTF-8", "UTF-16"),
    ];
    for (part, other) in cases {
        let text = GOOD.replacen(part, other, 1);
        assert_ne!(text, GOOD, "{part}");
        assert!(Document::read(&text).is_err(), "{other:?}");
    }
    assert!(Document::read("").is_err());
    assert!(Document::read("text").is_err());
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("<A xmlns=\"n\">{}", "<A>".repeat(5000));
    assert!(
        Document::read(&deep)
            .unwrap_err()
            .expected
            .contains("8 levels")
    );
}

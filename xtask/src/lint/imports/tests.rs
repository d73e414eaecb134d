//! Tests of the imports in small trees.

use super::*;

/// Reads the modules of `folder` in a tree of these files.
fn imports(folder: &str, files: &[(&str, &str)]) -> Imports {
    let tree = tempfile::tempdir().unwrap();
    let names: Vec<PathBuf> = files.iter().map(|(name, _)| PathBuf::from(name)).collect();
    for (name, text) in files {
        let file = tree.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let sources = crate::source::read(tree.path(), names).unwrap();
    Imports::of(Path::new(folder), &sources).unwrap()
}

fn edges(imports: &Imports) -> Vec<String> {
    let all = imports.all();
    all.map(|it| format!("{} -> {}", it.from, it.to)).collect()
}

/// The imports of a file `a.rs` with this text, in a crate that has b, c and d/e too.
fn imported_by_a(text: &str) -> Vec<String> {
    let files = [
        (
            "src/lib.rs",
            "pub mod a;\npub mod b;\npub mod c;\npub mod d;\n",
        ),
        ("src/a.rs", text),
        ("src/a/deep.rs", "pub struct Deep;\n"),
        ("src/b.rs", "pub struct B;\n"),
        ("src/c.rs", "pub struct C;\n"),
        ("src/d/mod.rs", "pub mod e;\n"),
        ("src/d/e.rs", "pub struct E;\n"),
    ];
    edges(&imports("src", &files))
}

#[test]
fn a_use_or_a_path_anywhere_is_an_import() {
    let cases: [(&str, &[&str]); 16] = [
        ("use crate::b::B;", &["a -> b"]),
        ("use super::b;", &["a -> b"]),
        ("use crate::{b::{self, B}, d::e::E};", &["a -> b", "a -> d"]),
        ("pub use crate::c::*;", &["a -> c"]),
        ("use crate::b::B as Other;", &["a -> b"]),
        ("fn f() { crate::b::f(); }", &["a -> b"]),
        ("fn f() -> Vec<crate::c::C> { todo!() }", &["a -> c"]),
        ("fn f() { assert_eq!(x, vec![super::b::B]); }", &["a -> b"]),
        ("mod inner { use super::super::b::B; }", &["a -> b"]),
        ("mod inner { use super::b; }", &[]),
        ("use crate::Item;", &["a -> mod"]),
        ("mod deep;\nuse self::deep::Deep;\nuse deep::Deep;", &[]),
        (
            "use std::b::B;\nuse other::crate_::b;\nfn f() { x::b::f(); }",
            &[],
        ),
        (
            "//! [`crate::b::B`]\n// use crate::b::B;\nconst A: &str = \"crate::b::B\";",
            &[],
        ),
        ("pub(in super::super) fn f() {}\npub(super) fn g() {}", &[]),
        (
            "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n#[cfg(test)]\nuse crate::c::C;",
            &[],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(imported_by_a(text), expected, "{text}");
    }
}

#[test]
fn the_modules_of_a_folder_are_its_files_and_its_folders() {
    let files = [
        ("src/lib.rs", "mod flow;\nmod other;\nuse flow::step;\n"),
        ("src/other.rs", "use crate::flow::reap;\n"),
        (
            "src/flow/mod.rs",
            "mod reap;\nmod resolve;\nmod turn;\npub fn step() { reap::advance(); }\n",
        ),
        (
            "src/flow/reap.rs",
            "use super::turn::Turn;\nuse crate::other::X;\n",
        ),
        ("src/flow/resolve/mod.rs", "mod scan;\nuse super::Order;\n"),
        (
            "src/flow/resolve/scan.rs",
            "use super::super::reap::X;\nuse super::Y;\n",
        ),
        ("src/flow/turn.rs", "pub struct Turn;\n"),
        ("src/flow/tests.rs", "use super::reap::X;\n"),
    ];
    let expected = [
        "mod -> reap",
        "reap -> turn",
        "resolve -> mod",
        "resolve -> reap",
    ];
    assert_eq!(edges(&imports("src/flow", &files)), expected);
}

#[test]
fn a_circle_has_every_module_that_reaches_the_others() {
    let files = [
        (
            "src/lib.rs",
            "mod a;\nmod b;\nmod c;\nmod d;\nmod e;\nmod f;\n",
        ),
        ("src/a.rs", "use crate::b::B;\n"),
        ("src/b.rs", "use crate::c::C;\nuse crate::e::E;\n"),
        (
            "src/c.rs",
            "use crate::a::A;\n\nfn f() { crate::b::f(); }\n",
        ),
        ("src/d.rs", "use crate::a::A;\n"),
        ("src/e.rs", "use crate::f::F;\n"),
        ("src/f.rs", "use crate::e::E;\n"),
    ];
    let imports = imports("src", &files);
    let circles = imports.circles();
    assert_eq!(
        circles,
        [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["e", "f"])]
    );
    let way: Vec<String> = imports
        .way_round(&circles[0])
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "b -> c (src/b.rs:1 names crate::c::C)",
        "c -> b (src/c.rs:3 names crate::b::f)",
    ];
    assert_eq!(way, expected);
}

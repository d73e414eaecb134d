//! Tests of the rules on small trees.

use super::*;

const HOUSE: [Acyclic; 1] = [Acyclic {
    folder: "house/src",
    may_be_missing: false,
    why: "rooms are entered by their doors",
}];

const FLOWS: [Apart; 1] = [Apart {
    folder: "house/src/flow",
    may_be_missing: true,
    shared: &["turn"],
    why: "flows do not know each other",
}];

/// The `found` of each refusal in a tree of these files below `house/src`.
fn refused(leftovers: &[Leftover], files: &[(&str, &str)]) -> Vec<String> {
    let tree = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for (name, text) in files {
        let name = Path::new("house/src").join(name);
        let file = tree.path().join(&name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        names.push(name);
    }
    let rules = Rules {
        acyclic: &HOUSE,
        apart: &FLOWS,
        leftovers,
    };
    let refusals = rules.check(tree.path(), &names).unwrap();
    refusals.into_iter().map(|it| it.found).collect()
}

const fn leftover(modules: &'static [&'static str]) -> Leftover {
    Leftover {
        folder: "house/src",
        modules,
    }
}

/// a and b in a circle, c and d in a circle, e below them.
const CIRCLES: [(&str, &str); 5] = [
    ("a.rs", "use crate::b::B;\n"),
    ("b.rs", "use crate::a::A;\nuse crate::e::E;\n"),
    ("c.rs", "use crate::d::D;\n"),
    ("d.rs", "fn f() {\n    crate::c::f();\n}\n"),
    ("e.rs", "pub struct E;\n"),
];

#[test]
fn a_circle_is_refused_with_a_way_round_it() {
    let found = refused(&[leftover(&["a", "b"])], &CIRCLES);
    let expected = "a circle of c, d; a way round:\n         c -> d (house/src/c.rs:1 names \
                    crate::d::D)\n         d -> c (house/src/d.rs:2 names crate::c::f)";
    assert_eq!(found, [expected]);
}

#[test]
fn a_circle_that_is_listed_is_allowed() {
    let leftovers = [leftover(&["d", "c"]), leftover(&["a", "b"])];
    assert_eq!(refused(&leftovers, &CIRCLES), Vec::<String>::new());
}

#[test]
fn a_leftover_that_shrank_or_vanished_is_refused() {
    let leftovers = [leftover(&["a", "b", "c", "d", "e"]), leftover(&["x", "y"])];
    let expected = [
        "no circle of a, b, c, d, e, but of a, b, and of c, d; write this into LEFTOVERS in \
         xtask/src/lint/modules.rs",
        "no circle of x, y; remove it from LEFTOVERS in xtask/src/lint/modules.rs",
    ];
    assert_eq!(refused(&leftovers, &CIRCLES), expected);
}

#[test]
fn a_circle_that_outgrew_its_leftover_is_refused_with_the_new_import() {
    let mut files = CIRCLES.to_vec();
    files[4].1 = "use crate::a::A;\n";
    let found = refused(&[leftover(&["a", "b"]), leftover(&["c", "d"])], &files);
    assert!(found[0].starts_with("a circle of a, b, e;"), "{}", found[0]);
    assert!(
        found[0].contains("e -> a (house/src/e.rs:1"),
        "{}",
        found[0]
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn a_flow_that_imports_another_flow_is_refused() {
    let files = [
        (
            "flow/mod.rs",
            "mod reap;\nmod restart;\nmod turn;\nfn step() { reap::advance(); }\n",
        ),
        (
            "flow/reap.rs",
            "use super::turn::Turn;\nuse super::restart::Restart;\n",
        ),
        (
            "flow/restart.rs",
            "use super::turn::Turn;\nuse crate::guard::Permit;\n",
        ),
        ("flow/turn.rs", "pub struct Turn;\n"),
        ("guard.rs", "pub struct Permit;\n"),
    ];
    let expected =
        ["reap -> restart (house/src/flow/reap.rs:2 names crate::flow::restart::Restart)"];
    assert_eq!(refused(&[], &files), expected);
}

#[test]
fn a_missing_folder_is_refused() {
    assert_eq!(refused(&[], &[]), ["no such folder"]);
}

#[test]
fn every_leftover_belongs_to_a_rule() {
    for leftover in &LEFTOVERS {
        let is_its = |rule: &Acyclic| rule.folder == leftover.folder;
        assert!(ACYCLIC.iter().any(is_its), "{}", leftover.folder);
    }
}

//! The list of licences, as a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::packages::{Id, PROGRAM, Package, Packages};

/// The page: how often each licence occurs, the packages, and those in several versions.
pub(super) fn write(packages: &Packages) -> String {
    let mut page = format!(
        "# Licences of what `{PROGRAM}` links\n\nTarget {}: {}. Made by `cargo xtask supply`.\n\n",
        packages.target,
        packages.summary()
    );
    page += "| licence | packages |\n|---|---|\n";
    for (licence, count) in counted(packages) {
        let _ = writeln!(page, "| {licence} | {count} |");
    }
    page += "\n| package | version | licence | texts |\n|---|---|---|---|\n";
    for (id, package) in &packages.all {
        row(&mut page, id, package);
    }
    page += "\nIn several versions:\n\n";
    for (name, versions) in packages.duplicates() {
        let _ = writeln!(page, "- {name}: {}", versions.join(", "));
    }
    page
}

fn counted(packages: &Packages) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for package in packages.all.values() {
        *counts.entry(package.licence.as_str()).or_default() += 1;
    }
    counts
}

fn row(page: &mut String, id: &Id, package: &Package) {
    let (name, version) = id;
    let texts = texts(id, package);
    let _ = writeln!(
        page,
        "| {name} | {version} | {} | {texts} |",
        package.licence
    );
    if let Some(native) = &package.native {
        let (name, version, licence) = (native.name, &native.version, native.licence);
        let website = native.website;
        let _ = writeln!(
            page,
            "| {name} (in C) | {version} | {licence} | {website} |"
        );
    }
}

/// Where the texts are read. A package without one leaves it to the general text of its licence.
fn texts((name, version): &Id, package: &Package) -> String {
    if package.checksum.is_none() {
        return "LICENSE in this repository".to_owned();
    }
    if package.texts.is_empty() {
        let words = package.licence.split([' ', '(', ')']);
        let ids = words.filter(|word| !["", "OR", "AND", "WITH"].contains(word));
        let texts: Vec<_> = ids
            .map(|id| format!("https://spdx.org/licenses/{id}.html"))
            .collect();
        return texts.join(" ");
    }
    let texts: Vec<_> = package
        .texts
        .iter()
        .map(|file| format!("https://docs.rs/crate/{name}/{version}/source/{file}"))
        .collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::packages::tests::few;
    use super::*;

    #[test]
    fn each_package_has_a_row_with_its_licence_and_where_its_text_is() {
        let page = write(&few());
        for row in [
            "| MIT OR Apache-2.0 | 4 |",
            "| reeve-core | 0.1.0 | MIT OR Apache-2.0 | LICENSE in this repository |",
            "| sha2 | 0.10.9 | MIT OR Apache-2.0 | https://docs.rs/crate/sha2/0.10.9/source/LICENSE-MIT |",
            "- sha2: 0.10.9, 0.11.1",
        ] {
            assert!(
                page.lines().any(|line| line == row),
                "{row} is not in {page}"
            );
        }
    }

    #[test]
    fn a_package_without_a_text_refers_to_the_general_one() {
        let id = ("a".to_owned(), "1.0.0".to_owned());
        let package = Package {
            licence: "(MIT OR Apache-2.0) AND ISC".to_owned(),
            texts: Vec::new(),
            repository: None,
            checksum: Some(String::new()),
            native: None,
        };
        let links = texts(&id, &package);
        let expected =
            ["MIT", "Apache-2.0", "ISC"].map(|id| format!("https://spdx.org/licenses/{id}.html"));
        assert_eq!(links, expected.join(" "));
    }
}

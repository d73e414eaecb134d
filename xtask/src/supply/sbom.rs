//! The software bill of materials: CycloneDX 1.5 in JSON (ECMA-424 is 1.6; scanners read both).

use anyhow::Result;
use serde_json::{Value, json};

use super::native::Native;
use super::packages::{Id, Package, Packages};

/// The document.
///
/// # Errors
/// When the program is not among the packages.
pub(super) fn write(packages: &Packages) -> Result<String> {
    let (program, about) = packages.program()?;
    let others = packages.all.iter().filter(|(id, _)| *id != program);
    let components: Vec<Value> = others.map(|(id, package)| library(id, package)).collect();
    let dependencies: Vec<Value> = packages
        .uses
        .iter()
        .map(|(id, uses)| {
            let uses: Vec<String> = uses.iter().map(purl).collect();
            json!({ "ref": purl(id), "dependsOn": uses })
        })
        .collect();
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": component("application", program, about),
            "properties": [{ "name": "reeve:target", "value": packages.target }],
        },
        "components": components,
        "dependencies": dependencies,
    });
    Ok(format!("{document:#}\n"))
}

fn library(id: &Id, package: &Package) -> Value {
    component("library", id, package)
}

fn component(kind: &str, id: &Id, package: &Package) -> Value {
    let (name, version) = id;
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(id),
        "name": name,
        "version": version,
        "licenses": [{ "expression": package.licence }],
        "purl": purl(id),
    });
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    if let Some(native) = &package.native {
        component["components"] = json!([compiled_in(native)]);
    }
    component
}

fn compiled_in(native: &Native) -> Value {
    let purl = format!("pkg:generic/{}@{}", native.name, native.version);
    json!({
        "type": "library",
        "bom-ref": purl,
        "name": native.name,
        "version": native.version,
        "licenses": [{ "license": { "id": native.licence } }],
        "purl": purl,
        "externalReferences": [{ "type": "website", "url": native.website }],
    })
}

/// The package URL. The `+` of a version with build metadata is escaped, as the form asks.
fn purl((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::packages::tests::few;
    use super::*;

    #[test]
    fn the_document_has_each_package_once_and_its_uses() {
        let text = write(&few()).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["metadata"]["component"]["name"], "reeve");
        let components = document["components"].as_array().unwrap();
        let refs: Vec<_> = components.iter().map(|one| &one["bom-ref"]).collect();
        let expected = [
            "pkg:cargo/reeve-core@0.1.0",
            "pkg:cargo/sha2@0.10.9",
            "pkg:cargo/sha2@0.11.1",
        ];
        assert_eq!(refs, expected);
        assert_eq!(components[0].get("hashes"), None, "ours has no archive");
        assert_eq!(components[1]["hashes"][0]["alg"], "SHA-256");
        let uses = &document["dependencies"][0];
        assert_eq!(uses["ref"], "pkg:cargo/reeve@0.1.0");
        assert_eq!(uses["dependsOn"], json!([expected[0], expected[1]]));
    }

    #[test]
    fn every_reference_leads_to_a_component() {
        let document: Value = serde_json::from_str(&write(&few()).unwrap()).unwrap();
        let mut known = BTreeSet::from([document["metadata"]["component"]["bom-ref"].as_str()]);
        let components = document["components"].as_array().unwrap();
        known.extend(components.iter().map(|one| one["bom-ref"].as_str()));
        for uses in document["dependencies"].as_array().unwrap() {
            assert!(known.contains(&uses["ref"].as_str()), "{uses}");
            for used in uses["dependsOn"].as_array().unwrap() {
                assert!(known.contains(&used.as_str()), "{used}");
            }
        }
    }

    #[test]
    fn the_same_packages_give_the_same_bytes() {
        assert_eq!(write(&few()).unwrap(), write(&few()).unwrap());
    }

    #[test]
    fn a_version_with_build_metadata_keeps_it_in_the_url() {
        let id = ("toml".to_owned(), "1.2.1+spec-1.1.0".to_owned());
        assert_eq!(purl(&id), "pkg:cargo/toml@1.2.1%2Bspec-1.1.0");
    }
}

//! The check of the members' manifests.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::refusal::Refusal;

/// The tables that hold dependencies, at the top and below each `[target.…]`.
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Refuses versions and lints that a member does not take from the root manifest.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn check(package: &str, manifest: &str) -> Result<Vec<Refusal>> {
    let manifest: Table = manifest
        .parse()
        .with_context(|| format!("cannot read the manifest of {package}"))?;
    let mut refusals = dependencies(package, &manifest);
    let targets = manifest.get("target").and_then(Value::as_table);
    for target in targets
        .into_iter()
        .flatten()
        .filter_map(|(_, target)| target.as_table())
    {
        refusals.extend(dependencies(package, target));
    }
    if !taken_from_workspace(manifest.get("lints")) && !restrains_unsafe(&manifest) {
        refusals.push(Refusal {
            subject: package.to_owned(),
            found: "neither `[lints] workspace = true` nor lints of its own against unsafe code"
                .to_owned(),
            rule: "every member takes the workspace's lints, or, if generated code needs to be \
                   unsafe, states them itself with `unsafe_code = \"deny\"`"
                .to_owned(),
            why: "the sandbox is only as good as the code around it: unsafe code is forbidden \
                  everywhere, and an exception stands in the code with its reason",
        });
    }
    Ok(refusals)
}

fn dependencies(package: &str, table: &Table) -> Vec<Refusal> {
    let tables = TABLES
        .iter()
        .filter_map(|name| table.get(*name)?.as_table());
    tables
        .flatten()
        .filter(|(_, dependency)| !taken_from_workspace(Some(dependency)))
        .map(|(name, dependency)| Refusal {
            subject: package.to_owned(),
            found: format!("{name} = {dependency}"),
            rule: format!("{name} = {{ workspace = true }}, its version in the root Cargo.toml"),
            why: "with one list of versions, two members cannot drift apart, and a reader finds all \
                  dependencies, with their features, in one place",
        })
        .collect()
}

/// Whether a member restrains unsafe code itself. A member with generated bindings uses `deny`,
/// because `forbid` cannot be lifted for one module.
fn restrains_unsafe(manifest: &Table) -> bool {
    let lint = manifest
        .get("lints")
        .and_then(|lints| lints.get("rust")?.get("unsafe_code"));
    matches!(lint.and_then(Value::as_str), Some("deny" | "forbid"))
}

fn taken_from_workspace(value: Option<&Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(Value::as_bool)
        == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(manifest: &str) -> Vec<String> {
        let refusals = check("reeve-core", manifest).unwrap().into_iter();
        refusals.map(|refusal| refusal.found).collect()
    }

    #[test]
    fn a_manifest_that_takes_all_from_the_workspace_is_accepted() {
        let manifest = "
            [dependencies]
            serde = { workspace = true, features = [\"rc\"] }
            hex.workspace = true
            [dev-dependencies]
            tempfile = { workspace = true }
            [lints]
            workspace = true
        ";
        assert_eq!(found(manifest), Vec::<String>::new());
    }

    #[test]
    fn a_version_or_a_path_of_its_own_is_refused_in_every_table() {
        let manifest = "
            [dependencies]
            serde = \"1\"
            [build-dependencies]
            hex = { path = \"../hex\" }
            [target.'cfg(unix)'.dependencies]
            libc = { version = \"0.2\", workspace = false }
            [lints]
            workspace = true
        ";
        let found = found(manifest);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("serde"), "{found:?}");
        assert!(found[1].contains("hex"), "{found:?}");
        assert!(found[2].contains("libc"), "{found:?}");
    }

    #[test]
    fn a_member_must_take_the_lints_or_deny_unsafe_code_itself() {
        let found_without = found("[package]\nname = \"reeve-core\"");
        assert_eq!(found_without.len(), 1, "{found_without:?}");
        assert!(found_without[0].starts_with("neither"), "{found_without:?}");
        assert_eq!(found("[lints.rust]\nunsafe_code = \"allow\"").len(), 1);
        assert_eq!(
            found("[lints.rust]\nunsafe_code = \"deny\""),
            Vec::<String>::new()
        );
    }
}

//! Tests the standard policies as components: all their case files, their cost, and their settings.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use reeve_core::id::InstanceId;
use reeve_core::instance::InstanceState;
use reeve_core::point::{Addresses, Age, Input, InstanceFacts, Point, resolve};
use reeve_policy::cases::run_file;
use reeve_policy::{LoadedPolicy, PolicyEngine};
use support::{engine, neutral, policies_directory};

fn load(engine: &PolicyEngine, name: &str) -> LoadedPolicy {
    let path = policies_directory().join(format!("{name}.wasm"));
    let bytes = fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run `cargo xtask policies` first",
            path.display()
        )
    });
    LoadedPolicy::load(engine, name, &bytes).unwrap_or_else(|error| panic!("{error}"))
}

/// The repository's policy crates, by component name.
fn crates() -> BTreeMap<String, PathBuf> {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut crates = BTreeMap::new();
    for (directory, prefix) in [(policies.clone(), ""), (policies.join("legacy"), "legacy-")] {
        for entry in fs::read_dir(&directory).expect("the policies are there") {
            let path = entry.expect("readable").path();
            if path.join("cases").is_dir() {
                let name = path.file_name().expect("named").to_string_lossy();
                crates.insert(format!("{prefix}{name}"), path);
            }
        }
    }
    crates
}

#[test]
fn every_case_file_passes_against_its_component() {
    let engine = engine();
    let crates = crates();
    for point in Point::ALL {
        assert!(crates.contains_key(point.as_str()), "no cases for {point}");
    }
    for (name, directory) in crates {
        let policy = load(&engine, &name);
        let mut files: Vec<_> = fs::read_dir(directory.join("cases"))
            .expect("readable")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no case files");
        for file in files {
            let report = run_file(&file, &policy).unwrap_or_else(|error| panic!("{error}"));
            assert!(report.passed(), "{report}");
        }
    }
}

#[test]
fn every_standard_policy_offers_its_point_and_describes_itself() {
    let engine = engine();
    for point in Point::ALL {
        let policy = load(&engine, point.as_str());
        assert!(policy.offers(point), "{point}");
        assert!(policy.description().is_some(), "{point}");
        let error = policy
            .validate(r#"{"no-such-setting":1}"#)
            .expect_err("unknown settings are refused");
        assert!(error.to_string().contains("no-such-setting"), "{error}");
    }
}

/// The maximum number of instances in an input, with the one to serve last.
fn a_hundred_instances() -> Input {
    let instances = (0..100)
        .map(|number| InstanceFacts {
            id: InstanceId::new(format!("i-0123456789abcd{number:03}")),
            state: if number == 99 {
                InstanceState::Running
            } else {
                InstanceState::Stopped
            },
            observed: Age::Ms(900),
            in_state: Age::Ms(60_000),
            launched: Age::Ms(3_600_000),
            addresses: Addresses {
                private: number == 99,
                public: false,
            },
        })
        .collect();
    let Input::Resolve(input) = neutral(Point::Resolve) else {
        panic!("another question");
    };
    Input::Resolve(resolve::Input {
        pointer: resolve::Pointer::Names(InstanceId::new("i-0123456789abcd099")),
        adopted: resolve::Adopted::Instance(InstanceId::new("i-0123456789abcd099")),
        instances,
        scanned: Age::Ms(3000),
        adoption: resolve::Adoption::Declined,
        ..input
    })
}

#[test]
fn a_decision_over_a_hundred_instances_uses_less_fuel_than_the_pages_say() {
    let policy = load(&engine(), "resolve");
    let first = policy.decide(&a_hundred_instances()).expect("it decides");
    let second = policy.decide(&a_hundred_instances()).expect("it decides");
    assert_eq!(first, second);
    // docs/configuration.md, `fuel_max`
    assert!(first.fuel_used < 100_000, "{}", first.fuel_used);
}

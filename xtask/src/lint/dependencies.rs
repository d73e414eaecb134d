//! The check of the workspace's dependencies: each rule forbids a crate some dependencies, and has
//! its reason. To drop a rule, delete it with its reason.

use std::path::Path;

use super::graph::{Graph, Kind, Package};
use super::refusal::Refusal;

/// Packages that must not be built for another one, directly or indirectly. A `*` at the end of a
/// name stands for any ending.
struct Never {
    package: &'static str,
    /// Whether its optional dependencies count.
    optional: bool,
    banned: &'static [&'static str],
    why: &'static str,
}

const NEVER: [Never; 5] = [
    Never {
        package: "reeve-core",
        optional: true,
        banned: &[
            "tokio",
            "wasmtime",
            "aws-*",
            "rand",
            "getrandom",
            "fastrand",
        ],
        why: "the core is pure: time and chance are arguments, so that every step can be replayed",
    },
    Never {
        package: "reeve-policy",
        optional: true,
        banned: &["tokio", "aws-*"],
        why: "a decision needs no runtime and no cloud; the drive loop alone spawns",
    },
    Never {
        package: "reeve-sim",
        optional: true,
        banned: &["tokio"],
        why: "the simulated world runs on a virtual clock; with a runtime, two runs of one seed \
              would differ",
    },
    Never {
        package: "reeve-identity",
        optional: true,
        banned: &["tokio", "wasmtime", "aws-*", "reqwest", "hyper", "ureq"],
        why: "a box's proof rests on the text it sends and on pinned certificates: nothing is fetched \
              to check it",
    },
    Never {
        package: "reeve",
        optional: false,
        banned: &["aws-*"],
        why: "the demo is built without features, and must not wait for an AWS SDK",
    },
];

/// The only members that a member may depend on directly.
struct Only {
    package: &'static str,
    members: &'static [&'static str],
    why: &'static str,
}

const ONLY: [Only; 5] = [
    Only {
        package: "reeve-core",
        members: &[],
        why: "everything rests on the core",
    },
    Only {
        package: "reeve-policy",
        members: &["reeve-core"],
        why: "loading a policy does not depend on the cloud or the shell around it",
    },
    Only {
        package: "reeve-sim",
        members: &["reeve-core", "reeve-policy"],
        why: "the simulated world stands in for a cloud and must not know a real one",
    },
    Only {
        package: "reeve-identity",
        members: &["reeve-core"],
        why: "the proof of a box is checked apart from the interface that answers the box",
    },
    Only {
        package: "reeve-aws",
        members: &["reeve-core"],
        why: "cloud and api speak events and effects, and never to each other",
    },
];

/// The one crate that names an AWS SDK.
const CLOUD: &str = "reeve-aws";

/// The package that no other package may depend on.
const TESTS: &str = "reeve-tests";

/// Refuses every dependency that breaks a rule.
pub(super) fn check(graph: &Graph) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for rule in &NEVER {
        refusals.extend(never(graph, rule));
    }
    for rule in &ONLY {
        refusals.extend(only(graph, rule));
    }
    for member in graph.members() {
        refusals.extend(only_one_crate_names_aws(graph, member));
        refusals.extend(nothing_imports_tests(graph, member));
        refusals.extend(policies_see_the_contract_only(graph, member));
    }
    refusals
}

fn never(graph: &Graph, rule: &Never) -> Vec<Refusal> {
    let Some(package) = graph.member(rule.package) else {
        return vec![no_such_member(rule.package)];
    };
    let ways = graph.reach(package, rule.optional).into_iter();
    ways.filter(|way| {
        way.last()
            .is_some_and(|last| matches_any(&last.name, rule.banned))
    })
    .map(|way| Refusal {
        subject: package.name.clone(),
        found: path(&way),
        rule: format!(
            "{} is never built from: {}",
            package.name,
            rule.banned.join(", ")
        ),
        why: rule.why,
    })
    .collect()
}

fn only(graph: &Graph, rule: &Only) -> Vec<Refusal> {
    let Some(package) = graph.member(rule.package) else {
        return vec![no_such_member(rule.package)];
    };
    let direct = graph.direct(package, &Kind::BUILT).into_iter();
    direct
        .filter(|dependency| graph.is_member(dependency))
        .filter(|dependency| !rule.members.contains(&dependency.name.as_str()))
        .map(|dependency| Refusal {
            subject: package.name.clone(),
            found: path(&[package, dependency]),
            rule: match rule.members {
                [] => format!("{} depends on no member", package.name),
                members => {
                    format!(
                        "of the members, {} depends only on {}",
                        package.name,
                        members.join(", ")
                    )
                }
            },
            why: rule.why,
        })
        .collect()
}

fn only_one_crate_names_aws(graph: &Graph, member: &Package) -> Vec<Refusal> {
    if member.name == CLOUD {
        return Vec::new();
    }
    let direct = graph.direct(member, &Kind::ALL).into_iter();
    direct
        .filter(|dependency| dependency.name.starts_with("aws-"))
        .map(|dependency| Refusal {
            subject: member.name.clone(),
            found: path(&[member, dependency]),
            rule: format!("only {CLOUD} names an AWS crate, tests included"),
            why: "the EC2 SDK alone is 1.2 million lines: nothing else may have to wait for it, and \
                  every AWS error is translated in one place",
        })
        .collect()
}

fn nothing_imports_tests(graph: &Graph, member: &Package) -> Vec<Refusal> {
    let direct = graph.direct(member, &Kind::ALL).into_iter();
    direct
        .filter(|dependency| dependency.name == TESTS)
        .map(|dependency| Refusal {
            subject: member.name.clone(),
            found: path(&[member, dependency]),
            rule: format!("nothing depends on {TESTS}"),
            why: "the tests judge the code, so they stand outside of it",
        })
        .collect()
}

fn policies_see_the_contract_only(graph: &Graph, member: &Package) -> Vec<Refusal> {
    if !is_policy(graph.folder(member)) {
        return Vec::new();
    }
    let ways = graph.reach(member, true).into_iter();
    ways.filter(|way| {
        way.last()
            .is_some_and(|last| graph.is_member(last) && !is_policy(graph.folder(last)))
    })
    .map(|way| Refusal {
        subject: member.name.clone(),
        found: path(&way),
        rule: "a policy depends on no crate of the host".to_owned(),
        why: "policies see wit/ only: a team must be able to write one without this repository",
    })
    .collect()
}

/// Whether a folder has a policy, or a component that only tests and the bench use.
fn is_policy(folder: &Path) -> bool {
    folder.starts_with("policies") || folder.starts_with("tests/fixtures")
}

fn no_such_member(package: &str) -> Refusal {
    Refusal {
        subject: package.to_owned(),
        found: "no such member of the workspace".to_owned(),
        rule: "every rule in xtask/src/lint/dependencies.rs is about a member".to_owned(),
        why: "a rule about a renamed member checks nothing",
    }
}

fn matches_any(name: &str, patterns: &[&str]) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        })
}

fn path(way: &[&Package]) -> String {
    way.iter()
        .map(|package| package.name.as_str())
        .collect::<Vec<_>>()
        .join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::super::graph::fake;
    use super::*;

    /// A workspace that breaks no rule.
    const WORKSPACE: &str = "
        reeve host member
        reeve-core host/core member
        reeve-policy host/policy member
        reeve-sim host/sim member
        reeve-identity host/identity member
        reeve-aws host/aws member
        reeve-resolve policies/resolve member
        reeve-policy-sdk policies/sdk member
        reeve-noop tests/fixtures/noop member
        reeve-tests tests member
        serde - foreign
        tokio - foreign
        rand - foreign
        wasmtime - foreign
        aws-sdk-ec2 - foreign
        aws-config - foreign
        reeve-core > serde
        reeve-core >dev rand
        reeve-policy > reeve-core
        reeve-policy > wasmtime
        reeve-sim > reeve-core
        reeve-sim > reeve-policy
        reeve-sim > rand
        reeve-identity > reeve-core
        reeve-identity >dev reeve-identity
        reeve-aws > reeve-core
        reeve-aws > aws-sdk-ec2
        reeve-aws >dev reeve-sim
        aws-sdk-ec2 > tokio
        reeve > tokio
        reeve > reeve-sim
        reeve >optional reeve-aws
        reeve-resolve > reeve-policy-sdk
        reeve-noop > reeve-policy-sdk
        reeve-tests > reeve
    ";

    /// Adds a line to the workspace, and returns each refusal as `package: found`.
    fn refused(line: &str) -> Vec<String> {
        let graph = fake::graph(&format!("{WORKSPACE}\n{line}"));
        let refusals = check(&graph).into_iter();
        refusals
            .map(|refusal| format!("{}: {}", refusal.subject, refusal.found))
            .collect()
    }

    #[test]
    fn the_workspace_as_designed_is_accepted() {
        assert_eq!(refused(""), Vec::<String>::new());
    }

    #[test]
    fn each_rule_refuses_its_dependencies() {
        let cases: [(&str, &[&str]); 12] = [
            ("reeve-core > rand", &["reeve-core: reeve-core -> rand"]),
            (
                "reeve-core >build tokio",
                &[
                    "reeve-core: reeve-core -> tokio",
                    "reeve-policy: reeve-policy -> reeve-core -> tokio",
                    "reeve-sim: reeve-sim -> reeve-core -> tokio",
                    "reeve-identity: reeve-identity -> reeve-core -> tokio",
                ],
            ),
            (
                "reeve-policy > reeve-policy-sdk",
                &["reeve-policy: reeve-policy -> reeve-policy-sdk"],
            ),
            ("reeve-sim > tokio", &["reeve-sim: reeve-sim -> tokio"]),
            (
                "reeve-identity > tokio",
                &["reeve-identity: reeve-identity -> tokio"],
            ),
            (
                "reeve-identity > reeve-policy-sdk",
                &["reeve-identity: reeve-identity -> reeve-policy-sdk"],
            ),
            ("rand > tokio", &["reeve-sim: reeve-sim -> rand -> tokio"]),
            ("reeve > reeve-tests", &["reeve: reeve -> reeve-tests"]),
            (
                "reeve-tests >dev aws-config",
                &["reeve-tests: reeve-tests -> aws-config"],
            ),
            (
                "reeve-aws > reeve-sim",
                &["reeve-aws: reeve-aws -> reeve-sim"],
            ),
            (
                "reeve-policy-sdk > reeve-core",
                &[
                    "reeve-noop: reeve-noop -> reeve-policy-sdk -> reeve-core",
                    "reeve-policy-sdk: reeve-policy-sdk -> reeve-core",
                    "reeve-resolve: reeve-resolve -> reeve-policy-sdk -> reeve-core",
                ],
            ),
            (
                "wasmtime > aws-config",
                &[
                    "reeve-policy: reeve-policy -> wasmtime -> aws-config",
                    "reeve: reeve -> reeve-sim -> reeve-policy -> wasmtime -> aws-config",
                ],
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(refused(line), expected, "with `{line}`");
        }
    }

    #[test]
    fn an_aws_sdk_that_is_not_optional_is_refused() {
        let graph =
            fake::graph(&WORKSPACE.replace("reeve >optional reeve-aws", "reeve > reeve-aws"));
        let found: Vec<String> = check(&graph)
            .into_iter()
            .map(|refusal| refusal.found)
            .collect();
        assert_eq!(found, ["reeve -> reeve-aws -> aws-sdk-ec2"]);
    }

    #[test]
    fn a_rule_about_a_missing_package_is_refused() {
        let without: String = WORKSPACE
            .lines()
            .filter(|line| !line.contains("reeve-sim"))
            .map(|line| format!("{line}\n"))
            .collect();
        let found: Vec<String> = check(&fake::graph(&without))
            .into_iter()
            .map(|refusal| refusal.subject)
            .collect();
        assert_eq!(found, ["reeve-sim", "reeve-sim"]);
    }

    #[test]
    fn a_refusal_prints_the_fault_the_rule_and_the_reason() {
        let graph = fake::graph(&format!("{WORKSPACE}\nreeve-core > rand"));
        assert_eq!(
            check(&graph)[0].to_string(),
            "refused: reeve-core\n  found: reeve-core -> rand\n  rule:  reeve-core is never built \
             from: tokio, wasmtime, aws-*, rand, getrandom, fastrand\n  why:   the core is pure: \
             time and chance are arguments, so that every step can be replayed"
        );
    }
}

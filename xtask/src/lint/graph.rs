//! The dependency graph, as `cargo metadata` prints it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The dependencies between the workspace's packages and all packages that they are built from.
#[derive(Debug)]
pub(super) struct Graph {
    root: PathBuf,
    members: BTreeSet<String>,
    packages: BTreeMap<String, Package>,
    edges: BTreeMap<String, Vec<Edge>>,
}

/// A package of the graph.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    id: String,
    /// The package's name; two versions of one package share it.
    pub(super) name: String,
    /// Its `Cargo.toml`, absolute.
    pub(super) manifest_path: PathBuf,
    /// The dependencies that its manifest declares, used or not.
    dependencies: Vec<Declared>,
}

#[derive(Debug, Deserialize)]
struct Declared {
    name: String,
    kind: Option<String>,
    optional: bool,
}

#[derive(Debug)]
struct Edge {
    to: String,
    kinds: Vec<Kind>,
}

/// The purpose of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The package itself uses the dependency.
    Normal,
    /// The package's build script uses it.
    Build,
    /// The package's tests, examples and benches use it.
    Development,
}

impl Kind {
    /// All kinds.
    pub(super) const ALL: [Kind; 3] = [Kind::Normal, Kind::Build, Kind::Development];
    /// The kinds that take part in a build.
    pub(super) const BUILT: [Kind; 2] = [Kind::Normal, Kind::Build];

    fn parse(text: Option<&str>) -> Kind {
        match text {
            Some("build") => Kind::Build,
            Some("dev") => Kind::Development,
            _ => Kind::Normal,
        }
    }
}

/// The part of cargo's output that is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_root: PathBuf,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeEdge>,
}

#[derive(Deserialize)]
struct NodeEdge {
    pkg: String,
    dep_kinds: Vec<NodeKind>,
}

#[derive(Deserialize)]
struct NodeKind {
    kind: Option<String>,
}

impl Graph {
    /// Parses the output of `cargo metadata --format-version 1`.
    ///
    /// # Errors
    /// When the text is something else.
    pub(super) fn parse(metadata: &str) -> Result<Self> {
        let metadata: Metadata =
            serde_json::from_str(metadata).context("cannot read what `cargo metadata` printed")?;
        let packages = metadata.packages.into_iter();
        let nodes = metadata.resolve.nodes.into_iter();
        Ok(Self {
            root: metadata.workspace_root,
            members: metadata.workspace_members.into_iter().collect(),
            packages: packages
                .map(|package| (package.id.clone(), package))
                .collect(),
            edges: nodes
                .map(|node| (node.id, node.deps.into_iter().map(edge).collect()))
                .collect(),
        })
    }

    /// The workspace's own packages.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .values()
            .filter(|package| self.is_member(package))
    }

    /// The member of that name.
    pub(super) fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// Whether a package belongs to the workspace.
    pub(super) fn is_member(&self, package: &Package) -> bool {
        self.members.contains(&package.id)
    }

    /// The folder of a member, relative to the workspace's.
    pub(super) fn folder<'graph>(&self, package: &'graph Package) -> &'graph Path {
        let relative = package.manifest_path.strip_prefix(&self.root);
        let manifest = relative.unwrap_or(&package.manifest_path);
        manifest.parent().unwrap_or(manifest)
    }

    /// The direct dependencies of a package, of one of `kinds`.
    pub(super) fn direct(&self, package: &Package, kinds: &[Kind]) -> Vec<&Package> {
        let edges = self
            .edges
            .get(&package.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        edges
            .iter()
            .filter(|edge| edge.kinds.iter().any(|kind| kinds.contains(kind)))
            .filter_map(|edge| self.packages.get(&edge.to))
            .collect()
    }

    /// All packages that are built for a package. Each one comes with a shortest way to it, from
    /// the package to the dependency. Without `optional`, the package's own optional dependencies
    /// are left out, as in a build without features.
    pub(super) fn reach<'graph>(
        &'graph self,
        package: &'graph Package,
        optional: bool,
    ) -> Vec<Vec<&'graph Package>> {
        let mut ways = Vec::new();
        let mut seen = BTreeSet::from([package.id.as_str()]);
        let mut open = VecDeque::from([vec![package]]);
        while let Some(way) = open.pop_front() {
            let Some(last) = way.last() else { continue };
            for next in self.direct(last, &Kind::BUILT) {
                let left_out = !optional && way.len() == 1 && package.is_optional(&next.name);
                if left_out || !seen.insert(&next.id) {
                    continue;
                }
                let mut longer = way.clone();
                longer.push(next);
                ways.push(longer.clone());
                open.push_back(longer);
            }
        }
        ways
    }
}

impl Package {
    fn is_optional(&self, dependency: &str) -> bool {
        let mut declared = self
            .dependencies
            .iter()
            .filter(|declared| declared.name == dependency)
            .filter(|declared| Kind::parse(declared.kind.as_deref()) == Kind::Normal)
            .peekable();
        declared.peek().is_some() && declared.all(|declared| declared.optional)
    }
}

fn edge(edge: NodeEdge) -> Edge {
    let kinds = edge
        .dep_kinds
        .iter()
        .map(|kind| Kind::parse(kind.kind.as_deref()))
        .collect();
    Edge {
        to: edge.pkg,
        kinds,
    }
}

#[cfg(test)]
pub(super) mod fake {
    //! Small graphs for tests.

    use serde_json::{Value, json};

    use super::Graph;

    /// The third word of a line about a member.
    const MEMBER: &str = "member";

    /// Reads lines like `reeve-core host/core member` (a package, its folder, whether it is ours),
    /// `serde - foreign` and `reeve-core > serde` (a dependency; `>dev`,
    /// `>build` and `>optional` for the other kinds).
    pub(in super::super) fn graph(lines: &str) -> Graph {
        let mut packages: Vec<Value> = Vec::new();
        let mut members = Vec::new();
        let mut edges: Vec<(&str, &str, &str)> = Vec::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let [name, second, third] = words[..] else {
                panic!("not three words: {line}")
            };
            if let Some(kind) = second.strip_prefix('>') {
                edges.push((name, kind, third));
                continue;
            }
            if third == MEMBER {
                members.push(name);
            }
            packages.push(json!({
                "id": name, "name": name,
                "manifest_path": format!("/tree/{second}/Cargo.toml"), "dependencies": [],
            }));
        }
        for package in &mut packages {
            let own: Vec<Value> = edges
                .iter()
                .filter(|(from, _, _)| package["name"] == *from)
                .map(|(_, kind, to)| {
                    json!({"name": to, "kind": cargo_kind(kind), "optional": *kind == "optional"})
                })
                .collect();
            package["dependencies"] = Value::Array(own);
        }
        let nodes: Vec<Value> = packages
            .iter()
            .map(|package| {
                let deps: Vec<Value> = edges
                    .iter()
                    .filter(|(from, _, _)| package["name"] == *from)
                    .map(|(_, kind, to)| {
                        json!({"pkg": to, "dep_kinds": [{"kind": cargo_kind(kind)}]})
                    })
                    .collect();
                json!({"id": package["id"], "deps": deps})
            })
            .collect();
        let metadata = json!({
            "packages": packages, "workspace_members": members, "workspace_root": "/tree",
            "resolve": {"nodes": nodes},
        });
        Graph::parse(&metadata.to_string()).unwrap()
    }

    fn cargo_kind(kind: &str) -> Value {
        match kind {
            "" | "optional" => Value::Null,
            kind => Value::from(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: &str = "
        reeve host member
        reeve-aws host/aws member
        axum - foreign
        hyper - foreign
        aws-sdk-ec2 - foreign
        tempfile - foreign
        reeve > axum
        axum > hyper
        reeve >optional reeve-aws
        reeve-aws > aws-sdk-ec2
        reeve >dev tempfile
    ";

    fn reached(optional: bool) -> Vec<String> {
        let graph = fake::graph(SHELL);
        let shell = graph.member("reeve").unwrap();
        let way = |way: Vec<&Package>| {
            way.iter()
                .map(|package| package.name.as_str())
                .collect::<Vec<_>>()
                .join(" > ")
        };
        graph.reach(shell, optional).into_iter().map(way).collect()
    }

    #[test]
    fn reach_has_the_way_to_each_package_without_dev_dependencies() {
        let expected = [
            "reeve > axum",
            "reeve > reeve-aws",
            "reeve > axum > hyper",
            "reeve > reeve-aws > aws-sdk-ec2",
        ];
        assert_eq!(reached(true), expected);
    }

    #[test]
    fn reach_without_optional_is_a_build_without_features() {
        assert_eq!(reached(false), ["reeve > axum", "reeve > axum > hyper"]);
    }

    #[test]
    fn a_member_knows_its_folder() {
        let graph = fake::graph(SHELL);
        assert_eq!(
            graph.folder(graph.member("reeve-aws").unwrap()),
            Path::new("host/aws")
        );
        assert!(graph.member("axum").is_none());
    }
}

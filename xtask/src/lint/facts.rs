//! The check of who writes facts: what is known of a worker is read everywhere in the core and
//! written in few places.

use super::Refusal;
use super::tree::Tree;

/// The core.
const CORE: &str = "host/core/src/";

/// The modules that write facts, by the beginnings of their paths under [`CORE`].
const WRITERS: [&str; 4] = ["facts/", "act/", "record.rs", "route.rs"];

/// The call that gives write access, `Facts::change`.
const WRITE: &str = ".change()";

/// Refuses a write of a fact from any other module.
pub(super) fn check(tree: &Tree) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (file, text) in tree.sources() {
        let Some(module) = file.strip_prefix(CORE) else {
            continue;
        };
        if WRITERS.iter().any(|writer| module.starts_with(writer)) {
            continue;
        }
        let places = text.lines().enumerate();
        let writes = places.filter(|(_, line)| line.contains(WRITE));
        refusals.extend(writes.map(|(index, _)| Refusal {
            subject: format!("{file}:{}", index + 1),
            found: "a write of a fact".to_owned(),
            rule: format!("only {} under {CORE} write facts", WRITERS.join(", ")),
            why: "a flow that writes facts hides from the others what changed; give the change a \
                  name in act/marks.rs",
        }));
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_act_and_observe_write_facts() {
        let write = "facts.change().paused = None;";
        let tree = Tree::of(&[
            ("host/core/src/act/marks.rs", write),
            ("host/core/src/facts/observe.rs", write),
            ("host/core/src/flow/reap.rs", write),
            ("host/src/drive/mod.rs", write),
        ]);
        let refusals = check(&tree);
        let subjects: Vec<_> = refusals.iter().map(|it| it.subject.as_str()).collect();
        assert_eq!(subjects, ["host/core/src/flow/reap.rs:1"]);
    }
}

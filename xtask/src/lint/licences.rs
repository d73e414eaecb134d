//! The check of the dependencies' licences.

use super::graph::{Graph, Package};
use super::refusal::Refusal;

/// The allowed licences. All but MPL-2.0 require at most a notice. MPL-2.0 requires that changes of
/// its own files are published.
const ALLOWED: [&str; 18] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    // Permissive, with a grant of patents, and approved by the OSI.
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Refuses packages whose licence is not allowed.
pub(super) fn check(graph: &Graph) -> Vec<Refusal> {
    graph.packages().filter_map(refuse).collect()
}

fn refuse(package: &Package) -> Option<Refusal> {
    let found = match &package.license {
        Some(expression) if is_allowed(expression) => return None,
        Some(expression) => format!("the licence `{expression}`"),
        None => "no `license` in its manifest".to_owned(),
    };
    Some(Refusal {
        subject: format!("{} {}", package.name, package.version),
        found,
        rule: format!("accepted are {}", ALLOWED.join(", ")),
        why: "reeve is passed on as a whole, under Apache-2.0",
    })
}

/// Whether an SPDX expression can be met with allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    // Older packages write OR as `MIT/Apache-2.0`.
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = Words {
        words: spaced.split_whitespace().collect(),
        next: 0,
    };
    let allowed = any(&mut words);
    allowed && words.next == words.words.len()
}

struct Words<'text> {
    words: Vec<&'text str>,
    next: usize,
}

impl<'text> Words<'text> {
    fn take_if(&mut self, word: &str) -> bool {
        let taken = self.words.get(self.next) == Some(&word);
        self.next += usize::from(taken);
        taken
    }

    fn take(&mut self) -> Option<&'text str> {
        let word = self.words.get(self.next).copied();
        self.next += usize::from(word.is_some());
        word
    }
}

/// `all OR all OR …`. Both sides are always parsed, or the rest of the text would be misread.
fn any(words: &mut Words) -> bool {
    let mut allowed = all(words);
    while words.take_if("OR") {
        allowed |= all(words);
    }
    allowed
}

/// `one AND one AND …`
fn all(words: &mut Words) -> bool {
    let mut allowed = one(words);
    while words.take_if("AND") {
        allowed &= one(words);
    }
    allowed
}

/// A licence, a licence with an exception, or an expression in parentheses.
fn one(words: &mut Words) -> bool {
    if words.take_if("(") {
        let allowed = any(words);
        return words.take_if(")") && allowed;
    }
    let Some(licence) = words.take() else {
        return false;
    };
    if words.take_if("WITH") {
        let exception = words.take().unwrap_or_default();
        return listed(&format!("{licence} WITH {exception}"));
    }
    listed(licence)
}

fn listed(licence: &str) -> bool {
    ALLOWED.contains(&licence)
}

#[cfg(test)]
mod tests {
    use super::super::graph::fake;
    use super::*;

    #[test]
    fn an_expression_is_allowed_when_it_can_be_met() {
        let cases = [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND AGPL-3.0-only", false),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
            ("ISC AND (Apache-2.0 OR ISC) AND OpenSSL", true),
            ("MIT MIT", false),
            ("(MIT", false),
            ("", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(is_allowed(expression), expected, "{expression}");
        }
    }

    #[test]
    fn a_package_under_another_licence_is_refused() {
        let graph = fake::graph("fine - MIT\nviral - AGPL-3.0-only\n");
        let refusals = check(&graph);
        assert_eq!(refusals.len(), 1);
        assert_eq!(refusals[0].subject, "viral 1.0.0");
        assert_eq!(refusals[0].found, "the licence `AGPL-3.0-only`");
    }
}

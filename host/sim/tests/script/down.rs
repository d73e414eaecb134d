//! When a caller counts as down: the simulated world could have served it, and the host did not.

use reeve_core::time::Millis;

use super::{played, script};

/// The outcome of a run in which no policy decides and no pointer names the instance, so that no
/// caller is served, and when a caller counted as down.
fn outcome(story: &str) -> (&'static str, Vec<Millis>) {
    let story = format!("at 0s x writes pointer none\n{story}");
    let (_, run) = played(&script(&story, ""));
    let down = run.down.iter().map(|down| down.at.since(run.begins));
    (run.outcome().as_str(), down.collect())
}

#[test]
fn a_caller_that_could_be_served_for_longer_than_the_bound_is_down() {
    let waits = "at 10s chat asks, comes back 1000 times";
    let down_at = |secs| ("down", vec![Millis::from_secs(secs)]);
    let unserved = ("unserved", vec![]);
    // An instance runs, or the cloud would launch one.
    assert_eq!(outcome(waits), down_at(310));
    let gone = format!("at 0s cloud reclaims i-aaaa\n{waits}");
    assert_eq!(outcome(&gone), down_at(310));
    // The cloud has no capacity: to the end, or for so long that too little time is left after it.
    let refuses = "cloud refuses launches, no-capacity";
    assert_eq!(outcome(&format!("at 0s {refuses}\n{gone}")), unserved);
    let brief = format!("at 0s {refuses}, for 290s\n{gone}");
    assert_eq!(outcome(&brief), down_at(590));
    let late = format!("at 0s {refuses}, for 305s\n{gone}");
    assert_eq!(outcome(&late), unserved);
    // A stopped instance can be started, and one that is up needs no launch.
    let stopped = format!("at 0s {refuses}\nat 0s anna stops i-aaaa\n{waits}");
    assert_eq!(outcome(&stopped).0, "down");
    assert_eq!(outcome(&format!("at 0s {refuses}\n{waits}")), down_at(310));
    // Without scans and look-ups no host can know of it.
    let blind = "at 0s cloud answers no scans\nat 0s cloud answers no look-ups";
    assert_eq!(outcome(&format!("{blind}\n{waits}")), unserved);
}

#[test]
fn a_caller_that_gives_up_is_down_only_if_it_keeps_trying() {
    assert_eq!(outcome("at 10s chat asks"), ("unserved", vec![]));
    let tries = "every 1m from 10s until 9m chat asks";
    assert_eq!(outcome(tries), ("down", vec![Millis::from_secs(310)]));
    // Each of them is another caller that leaves.
    let strangers = "at 10s chat asks\nat 5m ingest asks\nat 9m studio asks";
    assert_eq!(outcome(strangers), ("unserved", vec![]));
    assert_eq!(outcome("at 10s x says \"none asks\""), ("served", vec![]));
}

//! What a story does to hosts, boxes and the software on instances.

use reeve_sim::script::Variant;
use reeve_sim::timeline::told;

use super::{played, script};

/// The settings of a script, and its story and its expectations.
fn script_with(setting: &str, story: &str, expected: &str) -> String {
    script(story, expected).replace("  length 10m\n", &format!("  length 10m\n{setting}\n"))
}

#[test]
fn a_crash_of_a_host_cuts_connections_until_it_is_back() {
    let text = script_with(
        "hosts 2",
        "at 1m host 2 crashes
         at 2m host crashes, back after 30s
         at 2m5s chat asks, comes back 3 times
         at 2m5s secrets restarts because new-secret
         at 3m host sleeps, for 10s
         at 3m1s poll asks
         at 4m chat says newest does not answer",
        "\"host 2\" says \"crashes\" 1 times, between 1m and 1m
         host says \"crashes\" 2 times
         \"host 1\" says \"is started again\" 1 times, between 150s and 150s
         chat says \"reaches no host\" 4 times, between 2m5s and 2m20s
         secrets says \"reaches no host\" 1 times
         poll served 1, between 3m10s and 3m16s
         chat says \"is told: \" 1 times, after 4m
         gave-up 1",
    );
    let (script, run) = played(&text);
    assert_eq!(script.check(Variant::Standard, &run), []);
}

#[test]
fn boxes_and_software_do_as_the_story_says() {
    let text = script_with(
        "boxes standard\npool terminate_adopted true\nhealth tcp true\nhealth every 20s\nhealth boot_grace 0s\n\
         health status_checks true",
        "at 10s anna adopts i-aaaa
         at 30s box is busy, for 20m
         at 40s box works on 3 deliveries, 10s each
         at 2m box hangs, for 5m
         at 3m i-aaaa turns unhealthy, for 2m
         at 6m newest fails status-checks, for 1m
         at 8m newest answers 503, for 10s
         at 8m newest is scheduled to retire, in 2h",
        "box says \"i-aaaa is busy for 1200s\"
         box says \"takes 3 deliveries\"
         box says \"i-aaaa hangs\" 1 times, between 2m and 2m
         box says \"i-aaaa works again\" 1 times, between 7m and 7m
         cloud says \"i-aaaa refuses connections\" 1 times, before 3m
         cloud says \"i-aaaa answers again\" 1 times, between 5m and 5m
         cloud says \"fails its status checks\" 1 times, before 6m
         cloud says \"passes its status checks again\" 1 times, after 7m
         cloud says \"answers HTTP 503\"
         cloud says \"a scheduled event: Retire in 7200s\"
         notice worker_unhealthy at least 1, between 3m and 5m
         notice worker_recovered at least 1, after 5m
         notice box_registered 1, before 30s
         notice launch_failed 0
         harms 0",
    );
    let (script, run) = played(&text);
    assert_eq!(
        script.check(Variant::Standard, &run),
        [],
        "{}",
        told(&run.entries)
    );
}

#[test]
fn a_reclaim_is_announced_before_it_happens() {
    let text = script_with(
        "boxes standard\none-time-spot",
        "at 0s chat asks, comes back 20 times
         at 3m cloud reclaims newest, in 2m",
        "cloud says \"hears that it is taken back in 120s\" 1 times, between 3m and 3m
         cloud says \" is taken back\" 1 times, between 5m and 5m
         notice instance_lost 1, between 5m and 6m",
    );
    let (script, run) = played(&text);
    assert_eq!(script.check(Variant::Standard, &run), []);
}

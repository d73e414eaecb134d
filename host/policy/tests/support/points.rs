//! The points' interfaces as component text, and answers in the layout of the canonical ABI.

use std::fmt::Write as _;

use reeve_core::point::Point;

/// What the points share.
const SHARED: &[(&str, &str)] = &[
    ("age", r#"(variant (case "none") (case "ms" u32))"#),
    (
        "reason",
        r#"(record (field "code" string) (field "text" string))"#,
    ),
    ("wish", r#"(enum "on-demand" "running")"#),
    (
        "label",
        r#"(record (field "key" string) (field "value" string) (field "others-up" u32))"#,
    ),
    (
        "local-time",
        r#"(record (field "weekday" u8) (field "hour" u8) (field "minute" u8) (field "offset-min" s16))"#,
    ),
    (
        "worker",
        r#"(record
      (field "name" string) (field "labels" (list $label)) (field "wish" $wish) (field "now" $local-time))"#,
    ),
    (
        "instance-state",
        r#"(enum
      "unknown" "not-visible" "pending" "running" "stopping" "stopped" "shutting-down" "terminated")"#,
    ),
    (
        "addresses",
        r#"(record (field "private" bool) (field "public" bool))"#,
    ),
    (
        "instance-facts",
        r#"(record
      (field "id" string) (field "state" $instance-state) (field "observed" $age)
      (field "in-state" $age) (field "launched" $age) (field "addresses" $addresses))"#,
    ),
    (
        "tag",
        r#"(record (field "key" string) (field "value" string))"#,
    ),
    ("origin", r#"(enum "ours" "unclaimed" "spare")"#),
    (
        "generation",
        r#"(variant (case "unknown") (case "number" u32))"#,
    ),
    (
        "usage",
        r#"(record
      (field "handed-out" $age) (field "last-activity" $age) (field "heartbeat" $age)
      (field "work-in-flight" u32) (field "busy-remaining-ms" u32))"#,
    ),
    (
        "signal",
        r#"(enum "http" "tcp" "status-checks" "heartbeat" "callers")"#,
    ),
    (
        "bad-signal",
        r#"(record (field "signal" $signal) (field "since-ms" u32))"#,
    ),
    (
        "notice-kind",
        r#"(enum "reclaim" "rebalance" "reboot" "maintenance" "stop" "retire")"#,
    ),
    (
        "notice",
        r#"(record (field "kind" $notice-kind) (field "due-in-ms" u32))"#,
    ),
    (
        "sample",
        r#"(record (field "count" u32) (field "window-ms" u32) (field "ago-ms" u32))"#,
    ),
    (
        "demand",
        r#"(variant (case "unavailable") (case "too-few") (case "requests" $sample))"#,
    ),
];

const RESOLVE: &[(&str, &str)] = &[
    (
        "pointer",
        r#"(variant (case "unknown") (case "empty") (case "names" string))"#,
    ),
    (
        "adopted",
        r#"(variant (case "none") (case "instance" string))"#,
    ),
    ("adoption", r#"(enum "not-asked" "declined" "taken")"#),
    (
        "in-flight",
        r#"(variant (case "nothing") (case "launching" u32) (case "starting" u32) (case "stopping" u32))"#,
    ),
    ("asker", r#"(enum "caller" "host")"#),
    ("act", r#"(enum "launch" "start" "boot" "address")"#),
    (
        "failure-kind",
        r#"(enum "no-capacity" "throttled" "denied" "timed-out" "other")"#,
    ),
    (
        "failure",
        r#"(record
      (field "act" $act) (field "capacity-option" u32) (field "kind" $failure-kind)
      (field "ago-ms" u32) (field "count" u32))"#,
    ),
    (
        "input",
        r#"(record
      (field "worker" $worker) (field "asker" $asker) (field "pointer" $pointer)
      (field "adopted" $adopted) (field "instances" (list $instance-facts)) (field "scanned" $age)
      (field "adoption" $adoption) (field "in-flight" $in-flight) (field "failures" (list $failure))
      (field "capacity-options" u32) (field "unserved" u32) (field "ended-elsewhere" u32)
      (field "bad-signals" (list $bad-signal)) (field "notices" (list $notice))
      (field "demand" $demand) (field "settings" string) (field "memo" string))"#,
    ),
    ("address-kind", r#"(enum "private" "public")"#),
    (
        "target",
        r#"(record (field "id" string) (field "address" $address-kind))"#,
    ),
    (
        "action",
        r#"(variant
      (case "serve" $target) (case "adopt") (case "start" string) (case "launch" u32)
      (case "replace" string) (case "wait" u32) (case "unavailable" u32))"#,
    ),
    (
        "verdict",
        r#"(record
      (field "action" $action) (field "reason" $reason) (field "valid-for-ms" u32) (field "memo" string))"#,
    ),
];

const ADOPT: &[(&str, &str)] = &[
    (
        "candidate",
        r#"(record
      (field "facts" $instance-facts) (field "origin" $origin) (field "generation" $generation)
      (field "outdated" bool) (field "bad-signals" (list $bad-signal)) (field "tags" (list $tag)))"#,
    ),
    (
        "input",
        r#"(record
      (field "worker" $worker) (field "candidates" (list $candidate)) (field "settings" string))"#,
    ),
    ("choice", r#"(variant (case "take" string) (case "none"))"#),
    (
        "verdict",
        r#"(record (field "choice" $choice) (field "reason" $reason) (field "valid-for-ms" u32))"#,
    ),
];

const RETRY_IP: &[(&str, &str)] = &[
    (
        "next",
        r#"(variant (case "again" u32) (case "give-up" u32) (case "abandon"))"#,
    ),
    (
        "input",
        r#"(record
      (field "worker" $worker) (field "instance" $instance-facts) (field "tries" u32)
      (field "waited-ms" u32) (field "unserved" u32) (field "settings" string))"#,
    ),
    (
        "verdict",
        r#"(record (field "next" $next) (field "reason" $reason) (field "valid-for-ms" u32))"#,
    ),
];

const DEBOUNCE: &[(&str, &str)] = &[
    ("kind", r#"(enum "reboot" "stop-start" "replace")"#),
    (
        "kinds",
        r#"(record (field "reboot" bool) (field "stop-start" bool) (field "replace" bool))"#,
    ),
    (
        "input",
        r#"(record
      (field "worker" $worker) (field "cause" string) (field "last-started" $age)
      (field "in-flight" bool) (field "same-cause" bool) (field "dropped" u32)
      (field "deferred" bool) (field "usage" $usage) (field "bad-signals" (list $bad-signal))
      (field "notices" (list $notice)) (field "kinds" $kinds) (field "kind" $kind)
      (field "settings" string))"#,
    ),
    (
        "choice",
        r#"(variant (case "go" $kind) (case "drop") (case "defer" u32))"#,
    ),
    (
        "verdict",
        r#"(record (field "choice" $choice) (field "reason" $reason) (field "valid-for-ms" u32))"#,
    ),
];

const REAP: &[(&str, &str)] = &[
    ("role", r#"(enum "adopted" "orphan" "unclaimed")"#),
    (
        "input",
        r#"(record
      (field "worker" $worker) (field "instance" $instance-facts) (field "role" $role)
      (field "origin" $origin) (field "generation" $generation) (field "outdated" bool)
      (field "usage" $usage) (field "demand" $demand) (field "bad-signals" (list $bad-signal))
      (field "notices" (list $notice)) (field "tags" (list $tag)) (field "settings" string)
      (field "memo" string))"#,
    ),
    ("choice", r#"(enum "keep" "end" "stop" "terminate")"#),
    (
        "verdict",
        r#"(record
      (field "choice" $choice) (field "reason" $reason) (field "look-again-ms" u32)
      (field "drain-ms" u32) (field "memo" string))"#,
    ),
];

/// The definitions of the point's types, and their exports.
pub fn types(point: Point) -> (String, String) {
    let own = match point {
        Point::Resolve => RESOLVE,
        Point::Adopt => ADOPT,
        Point::RetryIp => RETRY_IP,
        Point::Debounce => DEBOUNCE,
        Point::Reap => REAP,
    };
    let (mut definitions, mut exports) = (String::new(), String::new());
    for (name, text) in SHARED.iter().chain(own) {
        writeln!(definitions, "  (type ${name} {text})").expect("a string takes all");
        write!(exports, r#" (export "{name}" (type ${name}))"#).expect("a string takes all");
    }
    (definitions, exports)
}

/// The parameters of the core function `decide`: the input's address, or all its fields where they
/// are few. The worker's name comes first in both.
pub fn parameters(point: Point) -> &'static str {
    match point {
        Point::Adopt => "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
        _ => "(param $input i32)",
    }
}

/// The length of the worker's name, from the parameters.
pub fn name_length(point: Point) -> &'static str {
    match point {
        Point::Adopt => "(local.get 1)",
        _ => "(i32.load offset=4 (local.get $input))",
    }
}

//! Incident scripts as texts: what is accepted, what is refused and how, and what is held against a
//! run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose setup fails should stop loudly"
)]

mod acts;
mod down;
mod settings;

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reeve_core::decision::{Decision, PolicyFailure};
use reeve_core::id::PoolName;
use reeve_core::point::Input;
use reeve_core::ports::Policies;
use reeve_sim::run::Run;
use reeve_sim::script::{Script, Variant};

const INCIDENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/incidents");

/// A script with these lines in its story and its expectations.
fn script(story: &str, expected: &str) -> String {
    format!(
        "incident test \"a test\"\nsetting\n  length 10m\nbeginning\n  i-aaaa running\n  pointer i-aaaa\n\
         story\n{story}\nexpect standard\n{expected}\n"
    )
}

#[track_caller]
fn refused(text: &str, line: usize, column: usize, found: &str, accepted: &str) {
    let error = Script::parse(text).expect_err("it is refused");
    let place = (error.line, error.column);
    assert_eq!(place, (line, column), "{error}");
    assert!(error.found.contains(found), "{error}");
    assert!(error.accepted.contains(accepted), "{error}");
}

/// One line of the story, which stands in line 8.
#[track_caller]
fn story_refused(line: &str, column: usize, found: &str, accepted: &str) {
    refused(&script(line, ""), 8, column, found, accepted);
}

#[test]
fn a_word_that_is_not_known_is_refused_with_its_place_and_the_words_that_are() {
    story_refused("at 5s chat aks", 12, "`aks`", "`asks`, `probes`,");
    story_refused("in 5s chat asks", 1, "`in`", "`at` or `every`");
    story_refused("at 5 chat asks", 4, "`5`", "a length of time such as 500ms");
    story_refused(
        "at 5s cloud refuses the next lunch, denied",
        30,
        "`lunch`",
        "`launch`",
    );
    story_refused(
        "at 5s cloud refuses the next launch",
        36,
        "the end of the line",
        "a comma",
    );
    story_refused(
        "at 5s cloud refuses lunch",
        21,
        "`lunch`",
        "`the`, `launches`",
    );
    story_refused("at 5s cloud refuses stops", 26, "the end", "a comma");
    story_refused("at 5s cloud hides aaaa", 19, "`aaaa`", "`newest`");
    story_refused(
        "at 5s chat asks comes back 3 times",
        17,
        "`comes`",
        "the end of the line",
    );
    story_refused(
        "at 5s chat asks, comes back often",
        29,
        "`often`",
        "a whole number",
    );
    story_refused(
        "at 5s chat says hello",
        17,
        "`hello`",
        "within quotation marks",
    );
    story_refused(
        "at 5s chat says \"hello",
        17,
        "not closed",
        "a text within two of them",
    );
    story_refused("at 5s box wins", 11, "`wins`", "`loses`");
    story_refused(
        "at 5s box is busy",
        18,
        "the end of the line",
        "`, for LENGTH`",
    );
    story_refused("at 5s newest turns sad", 20, "`sad`", "`unhealthy`");
    story_refused("at 5s host 2 crashes", 12, "`2`", "up to 1");
    story_refused("at 5s host crashs", 12, "`crashs`", "`crashes` or `sleeps`");
    story_refused("at 5s host crashes, back in 5s", 26, "`in`", "`after`");
    let clause = |rest| format!("at 5s cloud boots the next one, running {rest}");
    story_refused(&clause("afer 60s"), 41, "`afer`", "`after`");
    story_refused(&clause("after 6O"), 47, "`6O`", "a length of time");
    story_refused("at 5s x launches i-b, if none runs", 31, "`runs`", "`is`");
    refused("", 1, 1, "the end", "incident NAME");
    refused("setting\n", 1, 1, "`setting`", "incident NAME");
    refused("incident a \"b\"\nlength 5m", 2, 1, "`length`", "`setting`");
    refused(
        "incident a \"b\"\nsetting\n  lenght 5m",
        3,
        3,
        "`lenght`",
        "`length`",
    );
    refused(
        "incident a \"b\"\nexpect legcy",
        2,
        8,
        "`legcy`",
        "`as-it-was`, `legacy` or",
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    story_refused("at 11m chat asks", 4, "660s", "`length`, 600s");
    story_refused("every 0s from 0s until 5s chat asks", 7, "`0s`", "above 0s");
    story_refused(
        "every 1s from 5s until 4s chat asks",
        24,
        "4s",
        "not before 5s",
    );
    story_refused(
        "every 1ms from 0s until 10m chat asks",
        25,
        "600001 times",
        "10000",
    );
    story_refused(
        "at 5s chat launches i-aaaa",
        21,
        "`i-aaaa` a second time",
        "of its own",
    );
    story_refused(
        "every 1m from 0s until 5m x launches i-b",
        38,
        "`i-b`",
        "`i-b*`",
    );
    let length = "incident a \"b\"\nsetting\nstory\nat 0s chat asks";
    refused(length, 4, 1, "`at`", "`length LENGTH`");
    refused(
        "incident a \"b\"\nsetting\n",
        2,
        1,
        "the end",
        "`length LENGTH`",
    );
    let twice = "incident a \"b\"\nsetting\n length 5m\n length 6m";
    refused(twice, 4, 2, "`length` a second time", "once");
    let section = "incident a \"b\"\nsetting\nlength 1m\nsetting";
    refused(section, 4, 1, "`setting` a second time", "one section");
    let outside = "incident a \"b\"\nsetting\n legacy ../x.wasm";
    refused(
        outside,
        3,
        9,
        "`../x.wasm`",
        "a file of the policy directory",
    );
    refused(
        &script("", "launches 1, between 2m and 1m"),
        10,
        28,
        "60s",
        "not before 120s",
    );
    refused(
        &script("", "guard asks"),
        10,
        7,
        "`asks`",
        "`says` or `served`",
    );
    refused(
        &script("", "harms 1 second"),
        10,
        9,
        "`second`",
        "`second-instance`",
    );
}

#[test]
fn an_act_on_an_instance_that_cannot_exist_is_refused() {
    let known = "`i-aaaa` or `newest`";
    story_refused("at 5s anna stops i-bbbb", 18, "`i-bbbb`, which no", known);
    story_refused("at 5s cloud hides i-bbbb", 19, "`i-bbbb`", known);
    story_refused("at 5s x says i-bbbb does not answer", 14, "`i-bbbb`", known);
    story_refused("at 5s x writes pointer i-bbbb", 24, "`i-bbbb`", known);
    // What a later line launches is not there yet.
    let later = "at 9s anna stops i-c2\nat 5s anna launches i-c*";
    story_refused(later, 18, "`i-c2`", known);
    let launched = "at 5s anna launches i-c*\nat 9s anna stops i-c2\n";
    assert!(Script::parse(&script(launched, "")).is_ok());
    let unknown = script(&format!("{launched}at 9s anna stops i-d"), "");
    refused(&unknown, 10, 18, "`i-d`", "`i-aaaa`, `i-c*` or `newest`");
    let none = "incident a \"b\"\nsetting\nlength 1m\nstory\nat 1s x stops i-aaaa";
    refused(none, 5, 15, "`i-aaaa`", "the section `beginning`");
    let late = "incident a \"b\"\nsetting\nlength 1m\nstory\nbeginning\ni-aaaa running";
    refused(late, 5, 1, "`beginning` after the story", "before");
}

/// Policies that refuse every question: whatever happens on the stage then, it is by the script.
struct NoPolicy;

impl Policies for NoPolicy {
    fn decide(&self, _pool: &PoolName, input: Input) -> Decision {
        Decision {
            policy: None,
            settings: None,
            digest: None,
            input,
            result: Err(PolicyFailure {
                code: "refused".to_owned(),
                text: "no policy decides".to_owned(),
            }),
            fuel_used: 0,
        }
    }
}

fn played(text: &str) -> (Script, Run) {
    let script = Script::parse(text).unwrap_or_else(|error| panic!("{error:?}"));
    let run = script.play(Variant::Standard, Arc::new(NoPolicy));
    (script, run)
}

#[test]
fn what_the_cloud_and_others_do_is_told_when_it_happens() {
    let story = "
        at 1s encoder launches i-c*, running after 1s, address after 1s
        at 1s encoder launches i-c*, if none is up
        at 2s someone writes pointer i-c1
        at 3s someone stops newest
        at 4s cloud reclaims i-aaaa
        at 5s cloud hides i-aaaa, for 10s
        at 5s cloud freezes i-aaaa, for 10s
        at 5s cloud withholds metrics of i-aaaa, for 10s
        at 5s cloud answers no scans, for 10s
        at 6s cloud refuses the next stop, throttled
        at 6s cloud refuses launches, no-capacity, for 4m
        at 6s cloud loses the reply to the next launch
        at 6s cloud boots the next one, running after 60s, address after 30s
        every 1m from 1m until 3m someone says \"still here\"";
    let expected = "
        encoder says \"launches i-c1\" 1 times, between 1s and 1s
        encoder says \"launches\" 1 times
        someone says \"writes the pointer: i-c1\"
        someone says \"stops i-c1\" 1 times, after 3s
        cloud says \"takes i-aaaa back\"
        cloud says \"hides i-aaaa from scans by tag\" 1 times, before 6s
        cloud says \"shows i-aaaa in scans by tag again\" 1 times, between 15s and 15s
        cloud says \"shows i-aaaa as it has become\" 1 times, after 15s
        cloud says \"gives all metrics of i-aaaa again\"
        cloud says \"answers no queries of scans\" 1 times, before 5s
        cloud says \"answers queries of scans by tag again\"
        cloud says \"will refuse the next stop: RequestLimitExceeded\"
        cloud says \"refuses each launch: InsufficientInstanceCapacity\" 1 times, before 6s
        cloud says \"no longer refuses each launch\" 1 times, between 246s and 246s
        cloud says \"will lose its reply to the next launch\"
        cloud says \"running after 60s, address 30s later\"
        someone says \"still here\" 3 times
        harms 0
        stops 0
        launches at most 0";
    let (script, run) = played(&script(story, expected));
    assert_eq!(script.check(Variant::Standard, &run), []);
    assert_eq!(script.expectations(Variant::Standard), 20);
}

#[test]
fn an_act_that_finds_no_instance_is_told() {
    let story = "
        at 1s anna stops newest
        at 2s cloud reclaims i-aaaa
        at 3s anna adopts newest
        at 3s chat says newest does not answer
        at 3s anna stops newest
        at 3s cloud hides newest
        at 3s encoder launches i-c, if none is up
        at 4s encoder launches i-d, if none is up
        at 4s anna untags i-d
        at 5s someone writes pointer \"of last week\"";
    let expected = "
        anna says \"finds no instance to move the worker to\"
        chat says \"finds no instance to complain of\"
        anna says \"finds no instance to end\"
        cloud says \"finds no instance to be in trouble with\"
        anna says \"finds no instance i-d to take the tag from\"
        someone says \"writes the pointer: of last week\"";
    let (script, run) = played(&script(story, expected));
    assert_eq!(script.check(Variant::Standard, &run), []);
}

#[test]
fn what_is_not_as_expected_is_named_with_its_line_and_what_was_found() {
    let (script, run) = played(&script(
        "every 1m from 1m until 3m x says \"here\"",
        "outcome contained\nx says \"here\" 2 times  # so we thought\nx says \"here\" at least 2 times, after 2m\n\
         x says \"gone\"\nlaunches at least 1\nserved 0\nx says \"here\" at most 1 times, before 2m",
    ));
    let unmet = script.check(Variant::Standard, &run);
    let unmet: Vec<_> = unmet
        .iter()
        .map(|unmet| (unmet.line, unmet.to_string()))
        .collect();
    assert_eq!(
        unmet,
        [
            (10, "expected `outcome contained`; found `served`"),
            (
                11,
                "expected `x says \"here\" 2 times`; found 3: at 60s, 120s, 180s"
            ),
            (13, "expected `x says \"gone\"`; found 0"),
            (14, "expected `launches at least 1`; found 0"),
            (
                16,
                "expected `x says \"here\" at most 1 times, before 2m`; found 2: at 60s, 120s"
            ),
        ]
        .map(|(line, text)| (line, text.to_owned()))
    );
    assert_eq!(script.check(Variant::AsItWas, &run), []);
}

/// Every word that an error names as accepted is described to those who write scripts.
#[test]
fn the_documentation_has_every_word_that_is_accepted() {
    let readme = std::fs::read_to_string(format!("{INCIDENTS}/README.md")).unwrap();
    for text in [
        "incident a \"b\"\nsetting\n ?".to_owned(),
        "incident a \"b\"\nexpect ?".to_owned(),
        script("at 1s x ?", ""),
        script("at 1s cloud ?", ""),
        script("at 1s cloud refuses ?", ""),
        script("at 1s cloud refuses the next ?", ""),
        script("at 1s cloud refuses the next stop, ?", ""),
        script("at 1s cloud answers no ?", ""),
        script("at 1s box ?", ""),
        script("at 1s newest ?", ""),
        "incident a \"b\"\nsetting\n pool ?".to_owned(),
        "incident a \"b\"\nsetting\n pool worker_budget ?".to_owned(),
        "incident a \"b\"\nsetting\n health ?".to_owned(),
        script("", "outcome ?"),
        script("", "\"\""),
        script("", "harms 1 ?"),
    ] {
        let accepted = Script::parse(&text).unwrap_err().accepted;
        let words: Vec<_> = accepted.split('`').skip(1).step_by(2).collect();
        assert!(words.len() > 2, "{accepted}");
        for word in words {
            let stands = |c: &str| readme.contains(&c.replace('?', word));
            assert!(
                ["`? ", "`?`", " ?`", " ? ", " ?,", "`?, "]
                    .into_iter()
                    .any(stands),
                "{word} of {accepted}"
            );
        }
    }
}

/// Random changes to scripts that are good: each is accepted or refused, with a place within the
/// text, and nothing else happens.
#[test]
fn no_text_stops_the_parser() {
    const SEED: u64 = 20;
    const ROUNDS: usize = 4_000;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut below = |bound: usize| usize::try_from(rng.next_u64() % bound.max(1) as u64).unwrap();
    let good = ["stale-pointer", "double-provision", "self-fire", "ip-race"];
    let good = good.map(|name| {
        let file = format!("{}/{name}.reeve", INCIDENTS);
        std::fs::read_to_string(file).unwrap()
    });
    let scraps = [
        "\"",
        ",",
        "#",
        "*",
        " ",
        "\n",
        "\r",
        "\t",
        "é",
        "🜚",
        "\u{2028}",
        "0",
        "99999999999999999999",
        "h",
        "ms",
        "-",
        ".",
        "i-",
        "every 1ms from 0s until 720h x ",
        "at ",
        "cloud ",
        "expect legacy\n",
        "story\n",
        "\0",
        "720h",
        "``",
    ];
    let (mut accepted, mut rejected) = (0, 0);
    for round in 0..ROUNDS {
        let mut text: Vec<char> = good[below(good.len())].chars().collect();
        for _ in 0..=below(4) {
            let at = below(text.len() + 1);
            match below(3) {
                0 => drop(text.drain(at..(at + below(12)).min(text.len()))),
                1 => {
                    let scrap = scraps[below(scraps.len())];
                    text.splice(at..at, scrap.chars());
                }
                _ => {
                    let from = below(text.len() + 1);
                    let piece = text[from..(from + below(60)).min(text.len())].to_vec();
                    text.splice(at..at, piece);
                }
            }
        }
        let text: String = text.into_iter().collect();
        let parsed = std::panic::catch_unwind(|| Script::parse(&text));
        let parsed = parsed.unwrap_or_else(|_| panic!("seed {SEED}, round {round}:\n{text}"));
        match parsed {
            Ok(_) => accepted += 1,
            Err(error) => {
                rejected += 1;
                let line = text.lines().nth(error.line - 1).unwrap_or_default();
                let columns = 1..=line.chars().count() + 1;
                assert!(
                    columns.contains(&error.column),
                    "seed {SEED}, round {round}: {error:?}\n{text}"
                );
            }
        }
    }
    assert!(accepted > 100 && rejected > 1_000, "{accepted}, {rejected}");
}

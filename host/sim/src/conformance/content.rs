//! Names and records that a store could change by mistake.

use std::collections::BTreeMap;

use reeve_core::budget::{Ledger, Spending};
use reeve_core::cloud::Mutation;
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::id::{
    DecisionId, Epoch, Generation, HostId, InstanceId, LaunchToken, PointerName, Region,
};
use reeve_core::instance::StateReason;
use reeve_core::point::reap::Choice;
use reeve_core::point::resolve::Act;
use reeve_core::ports::Store;
use reeve_core::restart::{
    Adoption, Deferred, Initiator, Reboot, Restart, RestartRequest, RestartStage,
};
use reeve_core::spec::RestartBy;
use reeve_core::store::{
    Adopted, Credential, DrainReason, Draining, EndedElsewhere, FailedStarts, Former, How, Intent,
    LastError, MustUnderstand, Offered, Paused, Phase, Refresh, Replaced, StoreErrorKind, Unknown,
    WorkerRecord,
};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::SecretHash;

use super::subject::{Outcome, Subject, expect, running};
use super::{Check, list};

/// The length of a long error: an eighth of the largest record that the strictest store takes.
const LARGE_BYTES: usize = 50_000;
/// The number of large records. Together they do not fit into one page of 1 MiB.
const RECORDS: usize = 30;

pub(super) const CHECKS: &[Check] = list![
    every_field_of_a_record_survives,
    a_field_that_was_set_and_is_empty_again_is_read_as_empty,
    a_large_record_survives,
    odd_names_are_workers_of_their_own,
    reading_all_returns_every_record_over_all_pages,
    a_record_that_cannot_be_read_leaves_the_others_readable,
];

async fn every_field_of_a_record_survives(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "fields").await?;
    let hows = [How::Launched, How::Started, How::Found];
    let phases = [
        Phase::Absent,
        Phase::Provisioning,
        Phase::Running,
        Phase::Ending,
    ];
    let kinds = hows.into_iter().cycle().zip(phases.into_iter().cycle());
    for ((expected, mutation), (how, phase)) in (0..).zip(mutations()).zip(kinds) {
        let record = full(mutation, how, phase);
        subject.written(expected, &record).await?;
        expect("the record", subject.stored().await?.record, record)?;
    }
    Ok(())
}

async fn a_field_that_was_set_and_is_empty_again_is_read_as_empty(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "emptied").await?;
    let stop = Mutation::Stop {
        region: Region::from("eu-central-1"),
        compute: Compute::Ec2,
        id: InstanceId::from("i-a"),
        clear_pointer: None,
    };
    let record = full(stop, How::Found, Phase::Running);
    subject.written(0, &record).await?;
    let empty = WorkerRecord::default();
    subject.written(1, &empty).await?;
    expect("the record", subject.stored().await?.record, empty)
}

async fn a_large_record_survives(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "large").await?;
    let record = large("large");
    subject.written(0, &record).await?;
    expect("the record", subject.stored().await?.record, record.clone())?;
    // The store recognises the repeated commit.
    subject.written(0, &record).await
}

async fn odd_names_are_workers_of_their_own(store: &dyn Store) -> Outcome {
    let long = "w".repeat(200);
    let long_wide = "\u{1f980}".repeat(200);
    let names = [
        "odd/a/b//c/",
        "odd/a/b//c",
        "odd/Chat",
        "odd/chat",
        "odd/chat ",
        "odd/ chat",
        "odd/%_*?",
        "odd/'; DROP TABLE workers; --",
        "odd/\"{}\"\\n\n\t",
        // The letter with its accent, and the letter followed by a combining accent.
        "odd/caf\u{e9}",
        "odd/cafe\u{301}",
        "odd/\u{65e5}\u{672c}\u{8a9e}",
        long.as_str(),
        long_wide.as_str(),
    ];
    let mut subjects = Vec::new();
    for name in names {
        subjects.push(Subject::absent(store, name).await?);
    }
    for subject in &subjects {
        subject
            .written(0, &running(subject.worker.as_str()))
            .await?;
    }
    let all = store.read_all().await?;
    for (count, subject) in (1..).zip(&subjects) {
        let refresh = Refresh::Processed {
            at: Instant::from_ms(count),
            count,
        };
        subject.refreshed(refresh).await?;
        let what = format!("the record of {:?}", subject.worker);
        let expected = running(subject.worker.as_str());
        let stored = subject.stored().await?;
        expect(&what, stored.record, expected.clone())?;
        expect(&what, stored.activity.processed, count)?;
        let listed = all
            .get(&subject.worker)
            .and_then(|stored| stored.as_ref().ok());
        let listed = listed.map(|stored| stored.record.clone());
        expect(&format!("{what}, among all"), listed, Some(expected))?;
    }
    Ok(())
}

async fn reading_all_returns_every_record_over_all_pages(store: &dyn Store) -> Outcome {
    let mut subjects = Vec::new();
    for number in 0..RECORDS {
        let name = format!("all-{number}");
        let subject = Subject::absent(store, &name).await?;
        let mut record = large(&name);
        record.phase = Phase::Running;
        subject.written(0, &record).await?;
        let at = Instant::from_ms(number as u64);
        subject.refreshed(Refresh::Heartbeat { at }).await?;
        subjects.push(subject);
    }
    let all = store.read_all().await?;
    for subject in &subjects {
        let what = format!("{} among all", subject.worker);
        expect(
            &what,
            all.get(&subject.worker)
                .and_then(|found| found.clone().ok()),
            subject.read().await?,
        )?;
    }
    Ok(())
}

async fn a_record_that_cannot_be_read_leaves_the_others_readable(store: &dyn Store) -> Outcome {
    let newer = Subject::running(store, "newer").await?;
    let other = Subject::running(store, "next to the newer").await?;
    let name = serde_json::json!(["of a newer reeve"]);
    let fields = BTreeMap::from([("must-understand".to_owned(), name)]);
    let record = WorkerRecord {
        unknown: Unknown::from(fields),
        ..running("a")
    };
    newer.written(1, &record).await?;
    let one = store.read(newer.worker.clone()).await;
    let mut all = store.read_all().await?;
    // The record is mended, so that the next run over this store finds it.
    newer.written(2, &running("a")).await?;
    let among_all = all.remove(&newer.worker).map(Result::err);
    for error in [one.err(), among_all.flatten()] {
        let kind = error.as_ref().map(|error| error.kind);
        expect("the record", kind, Some(StoreErrorKind::Unreadable))?;
        let text = error.map_or(String::new(), |error| error.to_string());
        let is_told = text.contains("of a newer reeve") && text.contains(newer.worker.as_str());
        expect(
            &format!("whether {text:?} names the field and the worker"),
            is_told,
            true,
        )?;
    }
    let found = all.remove(&other.worker).and_then(Result::ok);
    expect("the other record, among all", found, other.read().await?)?;
    newer.stored().await.map(|_| ())
}

/// A record with a long error. No two lines of the text are alike, so a lost line shows.
fn large(name: &str) -> WorkerRecord {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= LARGE_BYTES {
            break;
        }
        text.push_str(&format!("{name} {number} \u{2713}\n"));
    }
    WorkerRecord {
        last_error: Some(LastError {
            code: "large".to_owned(),
            text,
            at: Instant::from_ms(1),
            count: 1,
            act: Some(Act::Launch),
            capacity_option: 1,
            unknown: unknown(),
        }),
        ..WorkerRecord::default()
    }
}

/// A record without an empty field, with numbers that need 64 bits.
fn full(mutation: Mutation, how: How, phase: Phase) -> WorkerRecord {
    WorkerRecord {
        epoch: Epoch::new(u64::MAX),
        lease: Some(HostId::from("host \"1\" \u{e9}\n")),
        by: Some(HostId::from("host \"2\" \u{e9}\n")),
        generation: Generation::new(u64::MAX - 1),
        phase,
        intent: Some(Intent {
            mutation,
            generation: Generation::new(u64::MAX - 2),
            epoch: Epoch::new(u64::MAX - 3),
            decision: DecisionId::new(u64::MAX - 4),
            since: Instant::from_ms(u64::MAX - 5),
            unknown: unknown(),
        }),
        former: Some(Former {
            id: InstanceId::from("i-former"),
            generation: Generation::new(6),
            unknown: unknown(),
        }),
        adopted: Some(Adopted {
            id: InstanceId::from("i-0123456789abcdef0"),
            generation: Generation::new(7),
            since: Instant::from_ms(1_790_000_000_001),
            how,
            unfinished_before: u64::MAX - 6,
            launched_before: Some(Instant::from_ms(u64::MAX - 30)),
            unknown: unknown(),
        }),
        last_error: Some(LastError {
            code: String::new(),
            text: "it said: \"no\", \\ and \u{0}".to_owned(),
            at: Instant::from_ms(0),
            count: u32::MAX,
            act: Some(Act::Launch),
            capacity_option: 1,
            unknown: unknown(),
        }),
        failed_starts: BTreeMap::from([(
            InstanceId::from("i-0123456789abcdef0"),
            FailedStarts {
                count: u32::MAX,
                since: Instant::from_ms(u64::MAX - 20),
                given_up_until: Some(Instant::from_ms(u64::MAX - 21)),
                fell_back: Some(Instant::from_ms(u64::MAX - 22)),
                unknown: unknown(),
            },
        )]),
        ended_elsewhere: u32::MAX,
        ended_elsewhere_last: Some(EndedElsewhere {
            reason: StateReason {
                code: "Client.UserInitiatedShutdown".to_owned(),
                text: String::new(),
            },
            since: Instant::from_ms(u64::MAX - 23),
            launched_at: Some(Instant::from_ms(u64::MAX - 24)),
            unknown: unknown(),
        }),
        ledger: ledger(),
        reaped: ledger(),
        credential: Some(Credential {
            instance: InstanceId::from("i-0123456789abcdef0"),
            generation: Generation::new(u64::MAX - 7),
            nonce: SecretHash::of_nonce("first"),
            token: SecretHash::of_nonce("second"),
            minted_at: Instant::from_ms(u64::MAX - 8),
            offered: Some(Offered {
                token: SecretHash::of_nonce("third"),
                at: Instant::from_ms(u64::MAX - 9),
                unknown: unknown(),
            }),
            replaced: Some(Replaced {
                token: SecretHash::of_nonce("fourth"),
                until: Instant::from_ms(u64::MAX - 10),
                unknown: unknown(),
            }),
            unknown: unknown(),
        }),
        register_error: Some(LastError {
            code: "token_live".to_owned(),
            text: "come back".to_owned(),
            at: Instant::from_ms(u64::MAX - 11),
            count: 1,
            act: None,
            capacity_option: 0,
            unknown: unknown(),
        }),
        must_understand: MustUnderstand::of(true),
        paused: Some(Paused {
            since: Instant::from_ms(u64::MAX - 12),
            reason: Some("\"no\" \u{e9}".to_owned()),
            by: HostId::from("host 2"),
            from: Some("the token \u{e9}".into()),
            unknown: unknown(),
        }),
        restart: Some(Restart {
            request: request(),
            started_at: Instant::from_ms(u64::MAX - 13),
            instance: Some(InstanceId::from("i-0123456789abcdef0")),
            stage: RestartStage::Provisioning,
            kind: RestartBy::Reboot,
            reboot: Some(Reboot {
                at: Instant::from_ms(u64::MAX - 14),
                is_accepted: false,
                given_up_at: Some(Instant::from_ms(u64::MAX - 13)),
                unknown: unknown(),
            }),
            unknown: unknown(),
        }),
        deferred: Some(Deferred {
            request: request(),
            not_before: Instant::from_ms(u64::MAX - 15),
            unknown: unknown(),
        }),
        draining: Some(Draining {
            instance: InstanceId::from("i-0123456789abcdef0"),
            since: Instant::from_ms(u64::MAX - 14),
            decision: DecisionId::new(u64::MAX - 15),
            choice: Choice::Stop,
            lasts: Some(Millis::from_secs(90)),
            reason: DrainReason {
                code: "idle".to_owned(),
                text: "no caller \u{fc}ses it".to_owned(),
                unknown: unknown(),
            },
            unknown: unknown(),
        }),
        unknown: unknown(),
    }
}

/// Fields that a newer version wrote.
fn unknown() -> Unknown {
    let value = serde_json::json!({ "numbers": [0, u64::MAX], "none": null, "text": "\u{e9}" });
    Unknown::from(BTreeMap::from([("of a newer reeve".to_owned(), value)]))
}

fn request() -> RestartRequest {
    RestartRequest {
        cause: "secret-changed".to_owned(),
        initiator: Initiator::Program,
        text: Some("\"\u{fc}\"".to_owned()),
        kind: Some(RestartBy::StopStart),
        of: Some(Adoption {
            instance: "i-of".into(),
            since: Instant::from_ms(7),
        }),
        from: None,
        unknown: unknown(),
    }
}

/// Mutations of each kind, with and without their optional fields.
fn mutations() -> Vec<Mutation> {
    let region = || Region::from("eu-central-1");
    let id = || InstanceId::from("i-0123456789abcdef0");
    let pointer = || PointerName::from("/chat/instance_id");
    let tags = [("reeve:worker", "chat"), ("empty", ""), ("", "\u{fc}: =")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    vec![
        Mutation::Launch {
            region: region(),
            source: LaunchSource::LaunchTemplate("lt-0123456789abcdef0".to_owned()),
            token: LaunchToken::from("chat-7-0a1b"),
            tags: BTreeMap::from(tags),
        },
        Mutation::Start {
            region: region(),
            compute: Compute::Ec2,
            id: id(),
        },
        Mutation::Reboot {
            region: region(),
            id: id(),
        },
        Mutation::Stop {
            region: region(),
            compute: Compute::Ec2,
            id: id(),
            clear_pointer: None,
        },
        Mutation::Stop {
            region: region(),
            compute: Compute::Ec2,
            id: id(),
            clear_pointer: Some(pointer()),
        },
        Mutation::Terminate {
            region: region(),
            compute: Compute::Ec2,
            id: id(),
            clear_pointer: None,
        },
        Mutation::Terminate {
            region: region(),
            compute: Compute::Ec2,
            id: id(),
            clear_pointer: Some(pointer()),
        },
        Mutation::WritePointer {
            region: region(),
            name: pointer(),
            id: id(),
        },
        Mutation::Launch {
            region: region(),
            source: LaunchSource::Fargate(FargateTask {
                cluster: "agents".to_owned(),
                task_definition: "agent:7".to_owned(),
                subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()],
                security_groups: vec![],
                public_ip: true,
                container: None,
            }),
            token: LaunchToken::from("chat-7-0a1b"),
            tags: BTreeMap::new(),
        },
        Mutation::Terminate {
            region: region(),
            compute: Compute::Fargate {
                cluster: "agents".to_owned(),
            },
            id: id(),
            clear_pointer: Some(pointer()),
        },
    ]
}

/// A ledger with an entry of each kind, and two launches at one instant.
fn ledger() -> Ledger {
    use Spending::{Launch, Start, Stop};
    let now = Instant::from_ms(u64::MAX - 23);
    let mut ledger = Ledger::default();
    for spending in [Launch, Launch, Start, Stop] {
        ledger.enter(now, spending, Millis::new(1));
    }
    ledger
}

//! The long run: `cargo run --release -p reeve-model`. Tries every order of events within several
//! bounds. CI runs smaller bounds as tests.

use std::io::{Result, Write, stdout};
use std::process::ExitCode;

use reeve_model::check::{check, two_hosts};
use reeve_model::model::{Bounds, LeaseModel, Safeguards};
use reeve_model::state::{Left, Shown};

fn main() -> Result<ExitCode> {
    let mut out = stdout().lock();
    let mut is_sound = true;
    for (name, bounds) in runs() {
        writeln!(out, "{name}: {bounds:?}")?;
        let summary = check(LeaseModel::new(bounds).safeguards(Safeguards::ALL));
        is_sound &= summary.broken.is_empty();
        writeln!(out, "{summary}")?;
    }
    let code = if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Ok(code)
}

fn runs() -> Vec<(&'static str, Bounds)> {
    let crash = Left {
        crashes: 1,
        ..Left::default()
    };
    let sleep = Left {
        pauses: 1,
        ..Left::default()
    };
    vec![
        (
            "every fault once, one generation",
            two_hosts(1).with(Left {
                unanswered: 1,
                refusals: 1,
                store_failures: 1,
                pauses: 1,
                ..crash
            }),
        ),
        (
            "a crash and a lost answer, two generations",
            two_hosts(2).with(Left {
                unanswered: 1,
                ..crash
            }),
        ),
        (
            "a crash, a sleeper and a lost answer, two generations",
            two_hosts(2).with(Left {
                pauses: 1,
                unanswered: 1,
                ..crash
            }),
        ),
        (
            "a sleeper whose mutation arrives late",
            two_hosts(2).with(Left { late: 1, ..sleep }),
        ),
        (
            "three hosts and a crash",
            Bounds {
                hosts: 3,
                ..two_hosts(1).with(crash)
            },
        ),
        (
            "a stopped instance is found, and one dies",
            two_hosts(2).finding(Shown::Stopped).with(Left {
                deaths: 1,
                ..Left::default()
            }),
        ),
    ]
}

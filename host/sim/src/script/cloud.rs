//! The lines of a story about the cloud: its acts, faults of mutations, and trouble with queries.

use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::time::Millis;

use super::ids::Ids;
use super::story::{BOOT, StoryLine, boots, which};
use super::words::{Line, ScriptError};
use crate::stage::{Act, Ailment, CallTrouble, EndedBy};
use crate::world::{Asked, Fault};

/// The words for one mutation of a kind, and for all of that kind.
const MUTATIONS: [(&str, &str, MutationKind); 6] = [
    ("launch", "launches", MutationKind::Launch),
    ("start", "starts", MutationKind::Start),
    ("reboot", "reboots", MutationKind::Reboot),
    ("stop", "stops", MutationKind::Stop),
    ("terminate", "terminations", MutationKind::Terminate),
    (
        "write-pointer",
        "pointer-writes",
        MutationKind::WritePointer,
    ),
];

/// Reads the words after `cloud`.
pub(super) fn cloud(line: &mut Line, ids: &Ids) -> Result<StoryLine, ScriptError> {
    #[derive(Clone, Copy)]
    enum Verb {
        Reclaims,
        Boots,
        Stops,
        Drops,
        Refuses,
        Loses,
        Answers,
        Hides,
        Freezes,
        Withholds,
        Protects,
    }
    let verbs = [
        ("reclaims", Verb::Reclaims),
        ("boots", Verb::Boots),
        ("stops", Verb::Stops),
        ("drops", Verb::Drops),
        ("refuses", Verb::Refuses),
        ("loses", Verb::Loses),
        ("answers", Verb::Answers),
        ("hides", Verb::Hides),
        ("freezes", Verb::Freezes),
        ("withholds", Verb::Withholds),
        ("protects", Verb::Protects),
    ];
    let trouble = match line.one_of(&verbs)? {
        Verb::Reclaims => return reclaims(line, ids),
        Verb::Boots => return next_boot(line),
        Verb::Stops => return next_stop(line),
        Verb::Drops => return next_fall_back(line),
        Verb::Refuses => match refused(line)? {
            Some(kind) => CallTrouble::Failing(refusal(line, kind)?),
            None => {
                line.expect("next")?;
                let kind = mutation(line)?;
                return Ok(StoryLine::Act(Act::Fault(refusal(line, kind)?)));
            }
        },
        Verb::Loses => return loses(line),
        Verb::Answers => {
            line.expect("no")?;
            let kinds = [
                ("pointers", Asked::Pointer),
                ("look-ups", Asked::Instance),
                ("scans", Asked::Scan),
                ("metrics", Asked::Demand),
                ("status-checks", Asked::StatusChecks),
                ("template-version", Asked::TemplateVersion),
            ];
            CallTrouble::Unanswered(line.one_of(&kinds)?)
        }
        Verb::Hides => CallTrouble::Hidden(which(line, ids)?),
        Verb::Freezes => CallTrouble::Frozen(which(line, ids)?),
        Verb::Withholds => {
            line.expect("metrics")?;
            line.expect("of")?;
            CallTrouble::PartialMetrics(which(line, ids)?)
        }
        Verb::Protects => {
            let which = which(line, ids)?;
            line.expect("from")?;
            let ends = [
                ("stop", MutationKind::Stop),
                ("terminate", MutationKind::Terminate),
                ("reboot", MutationKind::Reboot),
            ];
            CallTrouble::Protected(which, line.one_of(&ends)?)
        }
    };
    let mut lasts = None;
    if line.has_clause() {
        line.expect("for")?;
        lasts = Some(line.length()?);
    }
    Ok(StoryLine::Lasting(trouble, lasts))
}

/// Reads `newest`, or `newest, in 2m`: with the notice that EC2 gives.
fn reclaims(line: &mut Line, ids: &Ids) -> Result<StoryLine, ScriptError> {
    let which = which(line, ids)?;
    if !line.has_clause() {
        return Ok(StoryLine::Act(Act::End {
            who: "cloud".to_owned(),
            which,
            by: EndedBy::Reclaim,
        }));
    }
    line.expect("in")?;
    let after = line.length()?;
    let act = |begins| Act::Ail(which.clone(), Ailment::Reclaimed(after), begins);
    Ok(StoryLine::Undone(act(true), after, act(false)))
}

/// Reads `the next one, running after 60s, address after 30s`.
fn next_boot(line: &mut Line) -> Result<StoryLine, ScriptError> {
    the_next(line)?;
    line.expect("one")?;
    let mut boot = BOOT;
    while line.has_clause() {
        let accepted = "`running after LENGTH` or `address after LENGTH`";
        boots(line, &mut boot, accepted)?;
    }
    Ok(StoryLine::Act(Act::NextBoot(boot)))
}

/// Reads `the next one, after 40m`.
fn next_stop(line: &mut Line) -> Result<StoryLine, ScriptError> {
    the_next(line)?;
    line.expect("one")?;
    Ok(StoryLine::Act(Act::NextStop(after(line)?)))
}

/// Reads `the next start, after 3s`.
fn next_fall_back(line: &mut Line) -> Result<StoryLine, ScriptError> {
    the_next(line)?;
    line.expect("start")?;
    Ok(StoryLine::Act(Act::NextFallBack(after(line)?)))
}

/// Reads `, after LENGTH`.
fn after(line: &mut Line) -> Result<Millis, ScriptError> {
    if !line.has_clause() {
        return Err(line.expected("`, after LENGTH`"));
    }
    line.expect("after")?;
    line.length()
}

/// Reads `launches`, or `the` of `the next launch`: `None`.
fn refused(line: &mut Line) -> Result<Option<MutationKind>, ScriptError> {
    let mut accepted = vec![("the", None)];
    accepted.extend(MUTATIONS.map(|(_, all, kind)| (all, Some(kind))));
    line.one_of(&accepted)
}

/// Reads `, no-capacity`. The error has the code that EC2 returns in that case.
fn refusal(line: &mut Line, kind: MutationKind) -> Result<Fault, ScriptError> {
    if !line.has_clause() {
        return Err(line.expected("a comma, and then the kind of error"));
    }
    let errors = [
        (
            "throttled",
            CloudErrorKind::Throttled,
            "RequestLimitExceeded",
        ),
        (
            "no-capacity",
            CloudErrorKind::NoCapacity,
            "InsufficientInstanceCapacity",
        ),
        ("denied", CloudErrorKind::Denied, "UnauthorizedOperation"),
        (
            "conflict",
            CloudErrorKind::Conflict,
            "IncorrectInstanceState",
        ),
        (
            "not-visible-yet",
            CloudErrorKind::NotVisibleYet,
            "InvalidInstanceID.NotFound",
        ),
        ("transient", CloudErrorKind::Transient, "InternalError"),
        (
            "permanent",
            CloudErrorKind::Permanent,
            "InvalidParameterValue",
        ),
    ];
    let (error, code) = line.one_of(&errors.map(|(name, error, code)| (name, (error, code))))?;
    Ok(Fault {
        kind,
        carried_out: false,
        error,
        code,
    })
}

/// Reads `the reply to the next launch`. The cloud carries the launch out, and the host gets a
/// timeout.
fn loses(line: &mut Line) -> Result<StoryLine, ScriptError> {
    for word in ["the", "reply", "to"] {
        line.expect(word)?;
    }
    the_next(line)?;
    Ok(StoryLine::Act(Act::Fault(Fault {
        kind: mutation(line)?,
        carried_out: true,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    })))
}

fn the_next(line: &mut Line) -> Result<(), ScriptError> {
    line.expect("the")?;
    line.expect("next")
}

fn mutation(line: &mut Line) -> Result<MutationKind, ScriptError> {
    line.one_of(&MUTATIONS.map(|(one, _, kind)| (one, kind)))
}

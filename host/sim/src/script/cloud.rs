//! Lines of a story about the cloud: acts of the cloud, and trouble with it.

use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::time::Millis;

use super::story::{BOOT, Told, boots, which};
use super::words::{Line, ScriptError};
use crate::stage::{Act, EndedBy, Vexation};
use crate::world::{Asked, Fault};

/// Reads what follows `cloud`.
pub(super) fn cloud(line: &mut Line) -> Result<Told, ScriptError> {
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
    ];
    let vexation = match line.one_of(&verbs)? {
        Verb::Reclaims => {
            return Ok(Told::Act(Act::End {
                who: "cloud".to_owned(),
                which: which(line)?,
                by: EndedBy::Reclaim,
            }));
        }
        Verb::Boots => return next_boot(line),
        Verb::Stops => return next_stop(line),
        Verb::Drops => return next_fall_back(line),
        Verb::Refuses => return refuses(line),
        Verb::Loses => return loses(line),
        Verb::Answers => {
            line.expect("no")?;
            let kinds = [
                ("pointers", Asked::Pointer),
                ("look-ups", Asked::Instance),
                ("scans", Asked::Scan),
                ("metrics", Asked::Demand),
                ("status-checks", Asked::StatusChecks),
            ];
            Vexation::Unanswered(line.one_of(&kinds)?)
        }
        Verb::Hides => Vexation::Hidden(which(line)?),
        Verb::Freezes => Vexation::Frozen(which(line)?),
        Verb::Withholds => {
            line.expect("metrics")?;
            line.expect("of")?;
            Vexation::PartialMetrics(which(line)?)
        }
    };
    let mut lasts = None;
    if line.has_clause() {
        line.expect("for")?;
        lasts = Some(line.length()?);
    }
    Ok(Told::Lasting(vexation, lasts))
}

/// `the next one, running after 60s, address after 30s`
fn next_boot(line: &mut Line) -> Result<Told, ScriptError> {
    the_next(line)?;
    line.expect("one")?;
    let mut boot = BOOT;
    while line.has_clause() {
        let accepted = "`running after LENGTH` or `address after LENGTH`";
        boots(line, &mut boot, accepted)?;
    }
    Ok(Told::Act(Act::NextBoot(boot)))
}

/// `the next one, after 40m`
fn next_stop(line: &mut Line) -> Result<Told, ScriptError> {
    the_next(line)?;
    line.expect("one")?;
    Ok(Told::Act(Act::NextStop(after(line)?)))
}

/// `the next start, after 3s`
fn next_fall_back(line: &mut Line) -> Result<Told, ScriptError> {
    the_next(line)?;
    line.expect("start")?;
    Ok(Told::Act(Act::NextFallBack(after(line)?)))
}

/// `, after LENGTH`
fn after(line: &mut Line) -> Result<Millis, ScriptError> {
    if !line.has_clause() {
        return Err(line.expected("`, after LENGTH`"));
    }
    line.expect("after")?;
    line.length()
}

/// `the next launch, no-capacity`: the error has the code that EC2 returns in such a case.
fn refuses(line: &mut Line) -> Result<Told, ScriptError> {
    the_next(line)?;
    let kind = mutation(line)?;
    if !line.has_clause() {
        return Err(line.expected("a comma, and then how it is refused"));
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
    Ok(Told::Act(Act::Fault(Fault {
        kind,
        carried_out: false,
        error,
        code,
    })))
}

/// `the reply to the next launch`: the cloud carries the launch out, and the host gets a timeout.
fn loses(line: &mut Line) -> Result<Told, ScriptError> {
    for word in ["the", "reply", "to"] {
        line.expect(word)?;
    }
    the_next(line)?;
    Ok(Told::Act(Act::Fault(Fault {
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
    line.one_of(&[
        ("launch", MutationKind::Launch),
        ("start", MutationKind::Start),
        ("stop", MutationKind::Stop),
        ("terminate", MutationKind::Terminate),
        ("write-pointer", MutationKind::WritePointer),
    ])
}

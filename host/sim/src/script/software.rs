//! The lines of a story about what runs on an instance: its box, its software as probes find it, and
//! EC2's checks of it.

use reeve_core::point::NoticeKind;
use reeve_core::time::Millis;

use super::ids::Ids;
use super::story::{StoryLine, which};
use super::words::{Line, ScriptError};
use crate::stage::{Act, Ailment, BoxAct, EndedBy};
use crate::world::SoftwareFault;

/// Reads the words after `box`.
pub(super) fn of_box(line: &mut Line) -> Result<StoryLine, ScriptError> {
    #[derive(Clone, Copy)]
    enum Verb {
        Loses,
        Is,
        Hangs,
        Works,
    }
    let verbs = [
        ("loses", Verb::Loses),
        ("is", Verb::Is),
        ("hangs", Verb::Hangs),
        ("works", Verb::Works),
    ];
    let act = match line.one_of(&verbs)? {
        Verb::Loses => {
            line.expect("its")?;
            line.expect("token")?;
            BoxAct::LoseToken
        }
        Verb::Is => {
            line.expect("busy")?;
            BoxAct::IsBusy(line.lasts()?)
        }
        Verb::Hangs => return line.while_it_lasts(|hangs| Act::Box(BoxAct::Hang(hangs))),
        Verb::Works => works(line)?,
    };
    Ok(StoryLine::Act(Act::Box(act)))
}

/// Reads `on 3 deliveries, 20m each`.
fn works(line: &mut Line) -> Result<BoxAct, ScriptError> {
    /// More than a box takes at a time.
    const MAX: u64 = 1_000;
    line.expect("on")?;
    let count = line.number_up_to(MAX)?;
    line.expect("deliveries")?;
    let mut each = None;
    if line.has_clause() {
        each = Some(line.length()?);
        line.expect("each")?;
    }
    Ok(BoxAct::WorkOn { count, each })
}

/// Reads `newest turns unhealthy, for 5m`.
pub(super) fn of_instance(line: &mut Line, ids: &Ids) -> Result<StoryLine, ScriptError> {
    #[derive(Clone, Copy)]
    enum Verb {
        Turns,
        Hangs,
        Answers,
        Fails,
        Is,
        Exits,
    }
    let which = which(line, ids)?;
    let verbs = [
        ("turns", Verb::Turns),
        ("hangs", Verb::Hangs),
        ("answers", Verb::Answers),
        ("fails", Verb::Fails),
        ("is", Verb::Is),
        ("exits", Verb::Exits),
    ];
    let ailment = match line.one_of(&verbs)? {
        Verb::Turns => {
            line.expect("unhealthy")?;
            Ailment::Software(SoftwareFault::Refuses)
        }
        Verb::Hangs => Ailment::Software(SoftwareFault::Hangs),
        Verb::Answers => {
            let status = line.number_up_to(599)?;
            let status = u16::try_from(status).unwrap_or(u16::MAX);
            Ailment::Software(SoftwareFault::Answers(status))
        }
        Verb::Fails => {
            line.expect("status-checks")?;
            Ailment::StatusChecks
        }
        Verb::Exits => {
            let who = "cloud".to_owned();
            let by = EndedBy::Itself;
            return Ok(StoryLine::Act(Act::End { who, which, by }));
        }
        Verb::Is => {
            line.expect("scheduled")?;
            line.expect("to")?;
            let kinds = [
                ("reboot", NoticeKind::Reboot),
                ("stop", NoticeKind::Stop),
                ("retire", NoticeKind::Retire),
            ];
            let kind = line.one_of(&kinds)?;
            if !line.has_clause() {
                return Err(line.expected("`, in LENGTH`"));
            }
            line.expect("in")?;
            let after = line.length()?;
            let event = Ailment::Scheduled(kind, after);
            return Ok(StoryLine::Act(Act::Ail(which, event, true)));
        }
    };
    line.while_it_lasts(|begins| Act::Ail(which.clone(), ailment, begins))
}

impl Line<'_> {
    /// Reads `, for LENGTH`, the time until the act ends; without the clause it lasts to the end of
    /// the story.
    fn while_it_lasts(&mut self, act: impl Fn(bool) -> Act) -> Result<StoryLine, ScriptError> {
        if self.end().is_ok() {
            return Ok(StoryLine::Act(act(true)));
        }
        let lasts: Millis = self.lasts()?;
        Ok(StoryLine::Undone(act(true), lasts, act(false)))
    }
}

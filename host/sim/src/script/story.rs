//! The section `story`: what happens outside the host, and when.

use reeve_core::cloud::POINTER_NONE;
use reeve_core::id::InstanceId;
use reeve_core::restart::Initiator;
use reeve_core::time::Millis;

use super::Script;
use super::cloud::cloud;
use super::ids::Ids;
use super::setting::{instance_id, of_fleet};
use super::software;
use super::words::{Line, ScriptError};
use crate::stage::{Act, CallTrouble, EndedBy, Happens, Which};
use crate::world::Boot;

/// The most acts of a story. A day has 8640 periods of ten seconds, so one act every ten seconds of
/// a day fits.
const ACTS_MAX: usize = 10_000;
/// The boot of an instance for which the script sets none: 16 s, as in a public measurement, and an
/// address 2 s later (docs/incidents.md#ip-race).
pub(super) const BOOT: Boot = Boot {
    pending: Millis::from_secs(16),
    address_after: Millis::from_secs(2),
};

/// The times of a line's act.
enum When {
    At(Millis),
    Every {
        period: Millis,
        from: Millis,
        until: Millis,
    },
}

/// The meaning of a line, without its times.
pub(super) enum StoryLine {
    Act(Act),
    /// An act, and the act that undoes it so much later.
    Undone(Act, Millis, Act),
    /// Trouble with calls, and its length; `None`: it lasts to the end of the story.
    Lasting(CallTrouble, Option<Millis>),
}

/// Reads a line, and adds its acts to the story.
pub(super) fn line<'a>(
    line: &mut Line<'a>,
    script: &mut Script,
    ids: &mut Ids<'a>,
) -> Result<(), ScriptError> {
    let story = &mut script.story;
    let when = when(line, script.length, ACTS_MAX.saturating_sub(story.len()))?;
    let repeats = matches!(when, When::Every { .. });
    let story_line = match line.takes("host") {
        true => host(line, script.system.hosts)?,
        false => story_line(line, repeats, script.system.hosts, ids)?,
    };
    line.end()?;
    let mut add = |at: Millis| match &story_line {
        StoryLine::Act(act) => story.push((at, act.clone())),
        StoryLine::Undone(act, after, undo) => {
            story.push((at, act.clone()));
            story.push((at + *after, undo.clone()));
        }
        StoryLine::Lasting(trouble, lasts) => {
            let act = |begins| Act::Trouble {
                trouble: trouble.clone(),
                begins,
            };
            story.push((at, act(true)));
            if let Some(lasts) = lasts {
                story.push((at + *lasts, act(false)));
            }
        }
    };
    match when {
        When::At(at) => add(at),
        When::Every {
            period,
            from,
            until,
        } => {
            let mut at = from;
            while at <= until {
                add(at);
                at = at + period;
            }
        }
    }
    Ok(())
}

/// Reads the times of a line. `left` is the number of acts that the story may still have.
fn when(line: &mut Line, length: Millis, left: usize) -> Result<When, ScriptError> {
    let too_many = |line: &Line, found: String| {
        let accepted = format!("at most {ACTS_MAX} acts in a script");
        Err(line.wrong(found, &accepted))
    };
    if line.one_of(&[("at", true), ("every", false)])? {
        let at = within(line, length)?;
        if left == 0 {
            return too_many(line, "one act too many".to_owned());
        }
        return Ok(When::At(at));
    }
    let period = line.length()?;
    if period == Millis::ZERO {
        return Err(line.wrong("`0s`", "a length of time above 0s"));
    }
    line.expect("from")?;
    let from = within(line, length)?;
    line.expect("until")?;
    let until = within(line, length)?;
    if until < from {
        let accepted = format!("a time not before {from}");
        return Err(line.wrong(format!("{until}"), &accepted));
    }
    let times = (until.get() - from.get()) / period.get() + 1;
    if usize::try_from(times).unwrap_or(usize::MAX) > left {
        return too_many(line, format!("an act that happens {times} times"));
    }
    Ok(When::Every {
        period,
        from,
        until,
    })
}

/// Reads a time up to the end of the story.
fn within(line: &mut Line, length: Millis) -> Result<Millis, ScriptError> {
    let at = line.length()?;
    if at > length {
        let accepted = format!("a time up to the story's `length`, {length}");
        return Err(line.wrong(format!("{at}"), &accepted));
    }
    Ok(at)
}

/// Reads `2 crashes, back after 30s` or `sleeps, for 45s`. Without a number it is the first host.
fn host(line: &mut Line, hosts: usize) -> Result<StoryLine, ScriptError> {
    let number = match line.is_at_number() {
        true => number_of_host(line, hosts)?,
        false => 0,
    };
    if line.one_of(&[("crashes", false), ("sleeps", true)])? {
        let length = line.lasts()?;
        return Ok(StoryLine::Act(Act::Host(number, Happens::Sleep(length))));
    }
    let crash = Act::Host(number, Happens::Crash);
    if !line.has_clause() {
        return Ok(StoryLine::Act(crash));
    }
    line.expect("back")?;
    line.expect("after")?;
    let begin = Act::Host(number, Happens::Begin);
    Ok(StoryLine::Undone(crash, line.length()?, begin))
}

/// Reads the number of a host, from 1, and returns it from 0.
fn number_of_host(line: &mut Line, hosts: usize) -> Result<usize, ScriptError> {
    let named = line.number_up_to(hosts as u64)?;
    let number = usize::try_from(named).ok().and_then(|it| it.checked_sub(1));
    number.ok_or_else(|| line.wrong("`0`", "a host's number, from 1"))
}

fn story_line<'a>(
    line: &mut Line<'a>,
    repeats: bool,
    hosts: usize,
    ids: &mut Ids<'a>,
) -> Result<StoryLine, ScriptError> {
    if line.takes("cloud") {
        return cloud(line, ids);
    }
    if line.takes("box") {
        return software::of_box(line);
    }
    let mut ahead = line.clone();
    if ahead.takes("newest") || instance_id(&mut ahead, "an id").is_ok() {
        return software::of_instance(line, ids);
    }
    let who = line
        .name("`cloud`, `host`, `box`, an instance, or the name of the actor, such as `chat`")?
        .to_owned();
    read_act(line, who, repeats, hosts, ids).map(StoryLine::Act)
}

/// Reads an act of a caller, another system or a person. `repeats`: the line begins with `every`.
fn read_act<'a>(
    line: &mut Line<'a>,
    who: String,
    repeats: bool,
    hosts: usize,
    ids: &mut Ids<'a>,
) -> Result<Act, ScriptError> {
    #[derive(Clone, Copy)]
    enum Verb {
        Asks,
        Probes,
        Provisions,
        Restarts,
        Adopts,
        Reads,
        Launches,
        Stops,
        Writes,
        Untags,
        Says,
    }
    let verbs = [
        ("asks", Verb::Asks),
        ("probes", Verb::Probes),
        ("provisions", Verb::Provisions),
        ("restarts", Verb::Restarts),
        ("adopts", Verb::Adopts),
        ("reads", Verb::Reads),
        ("launches", Verb::Launches),
        ("stops", Verb::Stops),
        ("writes", Verb::Writes),
        ("untags", Verb::Untags),
        ("says", Verb::Says),
    ];
    Ok(match line.one_of(&verbs)? {
        Verb::Asks => asks(line, who, hosts)?,
        Verb::Probes => Act::Probe { who },
        Verb::Provisions => Act::Provision { who },
        Verb::Restarts => restarts(line, who)?,
        Verb::Adopts => Act::Adopt {
            who,
            which: which(line, ids)?,
        },
        Verb::Reads => {
            line.expect("demand")?;
            Act::ReadDemand
        }
        Verb::Launches => launches(line, who, repeats, ids)?,
        Verb::Stops => Act::End {
            who,
            which: which(line, ids)?,
            by: EndedBy::Stop,
        },
        Verb::Writes => {
            line.expect("pointer")?;
            let value = pointer_value(line, ids)?.to_owned();
            Act::WritePointer { who, value }
        }
        Verb::Untags => Act::Untag {
            who,
            which: which(line, ids)?,
        },
        Verb::Says => says(line, who, ids)?,
    })
}

/// Reads an id, `none`, or any text within quotation marks: a person may write a wrong one.
fn pointer_value<'a>(line: &mut Line<'a>, ids: &Ids) -> Result<&'a str, ScriptError> {
    const WHAT: &str = "an instance's id, `none`, or any text within quotation marks";
    if line.takes(POINTER_NONE) {
        return Ok(POINTER_NONE);
    }
    if let Ok(text) = line.quoted(WHAT) {
        return Ok(text);
    }
    let id = instance_id(line, WHAT)?;
    ids.check(line, id)?;
    Ok(id)
}

/// Reads `"TEXT"`, or `i-aaaa does not answer`.
fn says(line: &mut Line, who: String, ids: &Ids) -> Result<Act, ScriptError> {
    let mut ahead = line.clone();
    if ahead.takes("newest") || instance_id(&mut ahead, "an instance").is_ok() {
        let which = which(line, ids)?;
        for word in ["does", "not", "answer"] {
            line.expect(word)?;
        }
        return Ok(Act::Doubt { who, which });
    }
    let text = line.quoted("a text for the timeline, or `i-aaaa does not answer`")?;
    let text = text.to_owned();
    Ok(Act::Say { who, text })
}

/// Reads `host 2, comes back 20 times`. Without the number, a caller asks the host whose turn it is.
fn asks(line: &mut Line, caller: String, hosts: usize) -> Result<Act, ScriptError> {
    let host = match line.takes("host") {
        true => Some(number_of_host(line, hosts)?),
        false => None,
    };
    Ok(Act::Ask {
        caller,
        host,
        comes_back: comes_back(line)?,
    })
}

/// Reads `, comes back 20 times`. Without the clause the result is 0.
fn comes_back(line: &mut Line) -> Result<u32, ScriptError> {
    if !line.has_clause() {
        return Ok(0);
    }
    line.expect("comes")?;
    line.expect("back")?;
    let times = line.number_up_to(u64::from(u32::MAX))?;
    line.expect("times")?;
    Ok(u32::try_from(times).unwrap_or(u32::MAX))
}

/// Reads `because secret-changed, by hand`.
fn restarts(line: &mut Line, who: String) -> Result<Act, ScriptError> {
    const CAUSE_MAX: usize = 64;
    line.expect("because")?;
    let cause = line.name("the cause in a word, such as `secret-changed`")?;
    if cause.len() > CAUSE_MAX {
        return Err(line.wrong(format!("a cause of {} bytes", cause.len()), "64 at most"));
    }
    let mut initiator = Initiator::Program;
    if line.has_clause() {
        line.expect("by")?;
        line.expect("hand")?;
        initiator = Initiator::Person;
    }
    Ok(Act::Restart {
        who,
        cause: cause.to_owned(),
        initiator,
    })
}

/// Reads `i-cccc*, of fleet blue, running after 16s, address after 2s, if none is up`.
fn launches<'a>(
    line: &mut Line<'a>,
    who: String,
    repeats: bool,
    ids: &mut Ids<'a>,
) -> Result<Act, ScriptError> {
    let id = instance_id(line, "the instance's id, such as `i-bbbb`")?;
    let numbered = id.contains('*');
    if repeats && !numbered {
        let accepted = format!("`{id}*`: an instance that is launched again needs a number");
        return Err(line.wrong(format!("`{id}`"), &accepted));
    }
    ids.add(line, id)?;
    const CLAUSES: &str =
        "`of fleet NAME`, `running after LENGTH`, `address after LENGTH` or `if none is up`";
    let mut boot = BOOT;
    let mut fleet = None;
    let mut if_none_is_up = false;
    while line.has_clause() {
        if line.takes("if") {
            for word in ["none", "is", "up"] {
                line.expect(word)?;
            }
            if_none_is_up = true;
        } else if line.clone().takes("of") {
            fleet = Some(of_fleet(line, CLAUSES)?);
        } else {
            boots(line, &mut boot, CLAUSES)?;
        }
    }
    Ok(Act::Launch {
        who,
        id: id.to_owned(),
        boot,
        fleet,
        if_none_is_up,
    })
}

/// Reads `running after 16s` or `address after 2s`.
pub(super) fn boots(line: &mut Line, boot: &mut Boot, accepted: &str) -> Result<(), ScriptError> {
    if line.takes("running") {
        line.expect("after")?;
        boot.pending = line.length()?;
    } else if line.takes("address") {
        line.expect("after")?;
        boot.address_after = line.length()?;
    } else {
        return Err(line.expected(accepted));
    }
    Ok(())
}

impl Line<'_> {
    /// Reads `, for LENGTH`, which must follow.
    pub(super) fn lasts(&mut self) -> Result<Millis, ScriptError> {
        if !self.has_clause() {
            return Err(self.expected("`, for LENGTH`"));
        }
        self.expect("for")?;
        self.length()
    }
}

/// Reads an id or `newest`.
pub(super) fn which(line: &mut Line, ids: &Ids) -> Result<Which, ScriptError> {
    if line.takes("newest") {
        return Ok(Which::Newest);
    }
    let what = "an instance's id such as `i-aaaa`, or `newest`: the one that came up last";
    let id = instance_id(line, what)?;
    ids.check(line, id)?;
    Ok(Which::Id(InstanceId::from(id)))
}

//! The sections `setting` and `beginning`: the system, and its state at the beginning of the story.

use std::collections::BTreeSet;

use reeve_core::boxes::ProofKind;
use reeve_core::id::{PointerName, WorkerId};
use reeve_core::instance::Owner;
use reeve_core::spec::{BoxSpec, OrphanRule, RestartBy, StopRefused, Wish};
use reeve_core::time::Millis;

use super::ids::Ids;
use super::words::{Line, ScriptError};
use super::{Beginning, Placed, Script};
use crate::boxes::Software;

/// The setting of a line.
#[derive(Clone, Copy)]
enum Key {
    Seed,
    Length,
    Legacy,
    Worker,
    Tag,
    Pointer,
    Port,
    FollowPointer,
    RestartBy,
    RestartWindow,
    StopRefused,
    Orphans,
    TerminateAdopted,
    IdleLimit,
    DownAfter,
    OneTimeSpot,
    Boxes,
    Use,
    Wanted,
}

const KEYS: [(&str, Key); 19] = [
    ("seed", Key::Seed),
    ("length", Key::Length),
    ("legacy", Key::Legacy),
    ("worker", Key::Worker),
    ("tag", Key::Tag),
    ("pointer", Key::Pointer),
    ("port", Key::Port),
    ("follow-pointer", Key::FollowPointer),
    ("restart-by", Key::RestartBy),
    ("restart-window", Key::RestartWindow),
    ("stop-refused", Key::StopRefused),
    ("orphans", Key::Orphans),
    ("terminate-adopted", Key::TerminateAdopted),
    ("idle-limit", Key::IdleLimit),
    ("down-after", Key::DownAfter),
    ("one-time-spot", Key::OneTimeSpot),
    ("boxes", Key::Boxes),
    ("use", Key::Use),
    ("wanted", Key::Wanted),
];

/// Reads a line of `setting`.
pub(super) fn line(
    line: &mut Line,
    script: &mut Script,
    seen: &mut BTreeSet<&'static str>,
) -> Result<(), ScriptError> {
    let named = KEYS.map(|(name, key)| (name, (name, key)));
    let (name, key) = line.one_of(&named)?;
    // Several policies may have caused an incident. A script has every other setting once.
    if !seen.insert(name) && !matches!(key, Key::Legacy) {
        return Err(line.wrong(format!("`{name}` a second time"), "each setting once"));
    }
    let system = &mut script.system;
    match key {
        Key::Seed => script.seed = line.number_up_to(u64::MAX)?,
        Key::Length => script.length = line.length_above_zero()?,
        Key::Legacy => script.legacy.push(policy_file(line)?),
        Key::Worker => system.worker = WorkerId::from(line.name("the worker's name")?),
        Key::Tag => {
            system.pool.tag_key = line.name("the tag's key, and then its value")?.to_owned();
            system.spec.tag_value = line.name("the tag's value")?.to_owned();
        }
        Key::Pointer => {
            system.spec.pointer = PointerName::from(line.name("the pointer's name")?);
        }
        Key::Port => {
            let port = line.number_up_to(u16::MAX.into())?;
            system.pool.port = u16::try_from(port).unwrap_or(u16::MAX);
        }
        Key::FollowPointer => system.pool.follow_pointer = true,
        Key::RestartBy => {
            let ways = [
                ("reboot", RestartBy::Reboot),
                ("replace", RestartBy::Replace),
                ("stop-and-start", RestartBy::StopStart),
            ];
            system.pool.restart_by = line.one_of(&ways)?;
        }
        Key::RestartWindow => system.pool.limits.restart_window = line.length()?,
        Key::StopRefused => {
            let ways = [
                ("keep", StopRefused::Keep),
                ("terminate", StopRefused::Terminate),
            ];
            system.pool.stop_refused = line.one_of(&ways)?;
        }
        Key::Orphans => {
            use OrphanRule::{EndOurs, EndUnclaimed, Leave};
            let rules = [EndOurs, EndUnclaimed, Leave].map(|rule| (rule.as_str(), rule));
            system.pool.orphans = line.one_of(&rules)?;
        }
        Key::TerminateAdopted => system.pool.terminate_adopted = true,
        Key::IdleLimit => {
            let limit = line.length_above_zero()?;
            system.idle_limit = Some(limit);
            system.pool.limits.idle_min = limit;
        }
        Key::DownAfter => system.down_after = line.length_above_zero()?,
        Key::OneTimeSpot => system.one_time_spot = true,
        Key::Boxes => {
            let kinds = [
                ("standard", Software::Standard),
                ("legacy", Software::Legacy),
            ];
            system.boxes = Some(line.one_of(&kinds)?);
            system.pool.boxes = Some(BoxSpec::new(ProofKind::InstanceDocument));
        }
        Key::Use => {
            line.expect("heartbeats")?;
            system.pool.heartbeats_are_use = true;
        }
        Key::Wanted => {
            let wishes = [("running", Wish::Running), ("on-demand", Wish::OnDemand)];
            system.spec.wish = line.one_of(&wishes)?;
        }
    }
    line.end()
}

/// Reads a line of `beginning`.
pub(super) fn beginning<'a>(
    line: &mut Line<'a>,
    beginning: &mut Beginning,
    ids: &mut Ids<'a>,
) -> Result<(), ScriptError> {
    if line.takes("pointer") {
        let says = line.name("the id that the pointer names, or `none`")?;
        if beginning.pointer.replace(says.to_owned()).is_some() {
            return Err(line.wrong("`pointer` a second time", "one pointer"));
        }
        if line.has_clause() {
            line.expect("written")?;
            beginning.pointer_age = line.length()?;
            line.expect("ago")?;
        }
        return line.end();
    }
    let id = instance_id(line, "`pointer`, or an instance's id such as `i-aaaa`")?;
    ids.add(line, id)?;
    let runs = line.one_of(&[("running", true), ("stopped", false)])?;
    let owner = match line.has_clause() {
        false => Owner::Unclaimed,
        true if line.takes("ours") => Owner::Ours,
        true => Owner::Foreign(of_fleet(line, "`ours` or `of fleet NAME`")?),
    };
    let id = id.to_owned();
    beginning.instances.push(Placed { id, runs, owner });
    line.end()
}

/// Reads `of fleet NAME`: the other fleet that launched an instance.
pub(super) fn of_fleet(line: &mut Line, accepted: &str) -> Result<String, ScriptError> {
    if !line.takes_all(&["of", "fleet"]) {
        return Err(line.expected(accepted));
    }
    Ok(line.name("the name of the other fleet")?.to_owned())
}

/// Takes an instance's id. An id begins with `i-` as in EC2, so other words are no ids.
pub(super) fn instance_id<'a>(line: &mut Line<'a>, what: &str) -> Result<&'a str, ScriptError> {
    let before = line.clone();
    let id = line.name(what)?;
    if id.len() > 2 && id.starts_with("i-") {
        return Ok(id);
    }
    Err(before.expected(what))
}

fn policy_file(line: &mut Line) -> Result<String, ScriptError> {
    const WHAT: &str = "a file of the policy directory, such as `legacy-ip-race.wasm`";
    let file = line.name(WHAT)?;
    if file.contains(['/', '\\', '\0']) || file.starts_with('.') {
        return Err(line.wrong(format!("`{file}`"), WHAT));
    }
    Ok(file.to_owned())
}

impl Line<'_> {
    /// Takes a length of time above zero.
    fn length_above_zero(&mut self) -> Result<Millis, ScriptError> {
        let length = self.length()?;
        if length == Millis::ZERO {
            return Err(self.wrong("`0s`", "a length of time above 0s"));
        }
        Ok(length)
    }
}

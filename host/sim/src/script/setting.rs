//! The sections `setting` and `beginning`: the system, and its state at the beginning of the story.

use std::collections::BTreeSet;

use reeve_core::id::{PointerName, WorkerId};
use reeve_core::instance::Owner;
use reeve_core::spec::{BoxSpec, Wish};

use super::ids::Ids;
use super::pool::{self, Keys};
use super::words::{Line, ScriptError};
use super::{Placed, Script};
use crate::boxes::Software;

/// The setting of a line.
#[derive(Clone, Copy)]
enum Key {
    Seed,
    Length,
    Hosts,
    Legacy,
    Worker,
    Tag,
    Pointer,
    IdleLimit,
    DownAfter,
    OneTimeSpot,
    Boxes,
    Wanted,
    Compute,
    Addresses,
    Pool,
    Health,
    Policy,
}

const KEYS: [(&str, Key); 17] = [
    ("seed", Key::Seed),
    ("length", Key::Length),
    ("hosts", Key::Hosts),
    ("legacy", Key::Legacy),
    ("worker", Key::Worker),
    ("tag", Key::Tag),
    ("pointer", Key::Pointer),
    ("idle-limit", Key::IdleLimit),
    ("down-after", Key::DownAfter),
    ("one-time-spot", Key::OneTimeSpot),
    ("boxes", Key::Boxes),
    ("wanted", Key::Wanted),
    ("compute", Key::Compute),
    ("addresses", Key::Addresses),
    ("pool", Key::Pool),
    ("health", Key::Health),
    ("policy", Key::Policy),
];

/// Reads a line of `setting`.
pub(super) fn line(
    line: &mut Line,
    script: &mut Script,
    seen: &mut BTreeSet<String>,
) -> Result<(), ScriptError> {
    let named = KEYS.map(|(name, key)| (name, (name, key)));
    let (name, key) = line.one_of(&named)?;
    // Several policies may have caused an incident, and `pool` begins more than one setting.
    if !matches!(key, Key::Legacy | Key::Pool | Key::Health | Key::Policy) {
        line.once(seen, name.to_owned())?;
    }
    let system = &mut script.system;
    match key {
        Key::Seed => script.seed = line.number_up_to(u64::MAX)?,
        Key::Length => script.length = line.length_above_zero()?,
        Key::Hosts => {
            /// More replicas than anyone runs.
            const MAX: u64 = 8;
            let hosts = line.number_up_to(MAX)?;
            if hosts == 0 {
                return Err(line.wrong("`0`", "1 host at least"));
            }
            system.hosts = usize::try_from(hosts).unwrap_or(1);
        }
        Key::Legacy => script.legacy.push(policy_file(line)?),
        Key::Worker => system.worker = WorkerId::from(line.name("the worker's name")?),
        Key::Tag => {
            system.pool.tag_key = line.name("the tag's key, and then its value")?.to_owned();
            system.spec.tag_value = line.name("the tag's value")?.to_owned();
        }
        Key::Pointer => {
            system.spec.pointer = PointerName::from(line.name("the pointer's name")?);
        }
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
            system.pool.boxes = Some(BoxSpec::new(system.proof()));
        }
        Key::Wanted => {
            let wishes = [("running", Wish::Running), ("on-demand", Wish::OnDemand)];
            system.spec.wish = line.one_of(&wishes)?;
        }
        Key::Compute => {
            line.expect("fargate")?;
            system.run_on_fargate();
        }
        Key::Addresses => {
            line.expect("public")?;
            system.public_addresses = true;
        }
        Key::Pool => pool::key(line, Keys::Pool, &mut system.pool, seen)?,
        Key::Health => pool::key(line, Keys::Health, &mut system.pool, seen)?,
        Key::Policy => pool::policy(line, script, seen)?,
    }
    line.end()
}

/// Reads a line of `beginning`.
pub(super) fn beginning<'a>(
    line: &mut Line<'a>,
    script: &mut Script,
    ids: &mut Ids<'a>,
) -> Result<(), ScriptError> {
    let beginning = &mut script.beginning;
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
    if !runs && !script.system.pool.compute.can_start() {
        return Err(line.wrong("`stopped`", "`running`: a stopped task has ended"));
    }
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

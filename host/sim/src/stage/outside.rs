//! The acts that the host gets no request for: acts of other systems on the cloud, faults, and
//! trouble with queries.

use reeve_core::cloud::POINTER_NONE;
use reeve_core::id::InstanceId;
use reeve_core::instance::TAG_FLEET;

use super::{Act, CallTrouble, EndedBy, Stage, Which};
use crate::timeline::Entry;
use crate::world::{Asked, Boot, Fault, SimInstance};

impl Stage<'_> {
    /// Carries out an act that reaches the cloud or a box, and not the host.
    pub(super) fn act_outside(&mut self, act: Act) {
        match act {
            Act::Launch {
                who,
                id,
                boot,
                fleet,
                if_none_is_up,
            } => {
                if !if_none_is_up || self.up().next().is_none() {
                    self.launch_elsewhere(&who, &id, fleet.as_deref(), boot);
                }
            }
            Act::Untag { who, which } => self.untag(&who, &which),
            Act::End { who, which, by } => self.end_elsewhere(&who, &which, by),
            Act::WritePointer { who, value } => {
                self.host.world_mut().place_pointer(&self.pointer, &value);
                let event = match value.as_str() {
                    POINTER_NONE => "clears the pointer".to_owned(),
                    id => format!("writes the pointer: {id}"),
                };
                self.note(&who, event);
            }
            Act::Box(act) => self.act_on_box(act),
            Act::Ail(which, ailment, begins) => self.ail(&which, ailment, begins),
            Act::NextBoot(boot) => {
                self.host.world_mut().set_next_boot(boot);
                let event = format!(
                    "will boot the next one so: running after {}, address {} later",
                    boot.pending, boot.address_after
                );
                self.note("cloud", event);
            }
            Act::NextStop(length) => {
                self.host.world_mut().set_next_stop(length);
                self.note("cloud", format!("will take {length} for the next stop"));
            }
            Act::NextFallBack(after) => {
                self.host.world_mut().set_next_fall_back(after);
                let event = format!("will accept the next start, and drop it after {after}");
                self.note("cloud", event);
            }
            Act::Fault(fault) => {
                self.note("cloud", announced(&fault));
                self.host.world_mut().add_fault(fault);
            }
            Act::Trouble { trouble, begins } => self.set_trouble(&trouble, begins),
            Act::Say { who, text } => self.note(&who, text),
            Act::Ask { .. }
            | Act::Restart { .. }
            | Act::Adopt { .. }
            | Act::Doubt { .. }
            | Act::Probe { .. }
            | Act::Provision { .. }
            | Act::Host(..)
            | Act::ReadDemand => {}
        }
    }

    fn launch_elsewhere(&mut self, who: &str, id: &str, fleet: Option<&str>, boot: Boot) {
        let mut id = id.to_owned();
        if id.contains('*') {
            let number = self.launched_elsewhere.entry(id.clone()).or_default();
            *number += 1;
            id = id.replace('*', &number.to_string());
        }
        let mut tags = vec![(self.tag.0.as_str(), self.tag.1.as_str())];
        tags.extend(fleet.map(|fleet| (TAG_FLEET, fleet)));
        let compute = self.compute.clone();
        self.host.world_mut().launch_on(compute, &id, &tags, boot);
        self.discard_world_events();
        let event = match fleet {
            Some(fleet) => format!("launches {id} of the fleet {fleet}"),
            None => format!("launches {id} on a path of its own"),
        };
        self.note(who, event);
    }

    fn untag(&mut self, who: &str, which: &Which) {
        let Some(id) = self.present(who, which, "to take the tag from") else {
            return;
        };
        let key = self.tag.0.clone();
        self.host.world_mut().retag(&id, &key, None);
        self.note(who, format!("takes the tag {key} from {id}"));
    }

    fn end_elsewhere(&mut self, who: &str, which: &Which, by: EndedBy) {
        let Some(id) = self.present(who, which, "to end") else {
            return;
        };
        let event = match by {
            EndedBy::Stop => match self.host.world_mut().stop_elsewhere(&id) {
                Ok(()) => format!("stops {id} on a path of its own"),
                Err(error) => format!("cannot stop {id}: {}", error.code),
            },
            EndedBy::Reclaim => {
                self.host.world_mut().reclaim(&id);
                format!("takes {id} back")
            }
            EndedBy::Itself => {
                self.host.world_mut().exit(&id);
                format!("sees {id} exit")
            }
        };
        self.discard_world_events();
        self.note(who, event);
    }

    fn set_trouble(&mut self, trouble: &CallTrouble, begins: bool) {
        let event = match trouble {
            CallTrouble::Unanswered(asked) => {
                let what = match asked {
                    Asked::Pointer => "the pointer",
                    Asked::Instance => "look-ups by id",
                    Asked::Scan => "scans by tag",
                    Asked::Demand => "metrics",
                    Asked::StatusChecks => "status checks",
                    Asked::TemplateVersion => "versions of launch templates",
                };
                if begins {
                    self.trouble.unanswered.insert(*asked);
                    format!("answers no queries of {what}")
                } else {
                    self.trouble.unanswered.remove(asked);
                    format!("answers queries of {what} again")
                }
            }
            CallTrouble::Failing(fault) => {
                let Fault { kind, code, .. } = fault;
                if begins {
                    self.trouble.failing.push(fault.clone());
                    format!("refuses each {kind}: {code}")
                } else {
                    let ended = self.trouble.failing.iter().position(|it| it == fault);
                    ended.map(|position| self.trouble.failing.remove(position));
                    format!("no longer refuses each {kind}: {code}")
                }
            }
            CallTrouble::Hidden(which)
            | CallTrouble::Frozen(which)
            | CallTrouble::PartialMetrics(which)
            | CallTrouble::Protected(which, _) => {
                // Trouble with `newest` ends for the instance for which it began, even if another
                // instance is the newest by then.
                let begun = self.ongoing.iter().position(|(begun, _)| begun == trouble);
                let known = match begun.filter(|_| !begins) {
                    Some(at) => Some(self.ongoing.remove(at).1),
                    None => self.present("cloud", which, "to be in trouble with"),
                };
                let Some(id) = known else {
                    return;
                };
                if begins {
                    self.ongoing.push((trouble.clone(), id.clone()));
                }
                self.set_instance_trouble(trouble, &id, begins)
            }
        };
        self.host.world_mut().set_trouble(self.trouble.clone());
        self.note("cloud", event);
    }

    fn set_instance_trouble(
        &mut self,
        trouble: &CallTrouble,
        id: &InstanceId,
        begins: bool,
    ) -> String {
        match (trouble, begins) {
            (CallTrouble::Unanswered(_) | CallTrouble::Failing(_), _) => String::new(),
            (CallTrouble::Hidden(_), true) => {
                self.trouble.hidden_from_scans.insert(id.clone());
                format!("hides {id} from scans by tag")
            }
            (CallTrouble::Hidden(_), false) => {
                self.trouble.hidden_from_scans.remove(id);
                format!("shows {id} in scans by tag again")
            }
            (CallTrouble::Frozen(_), true) => {
                let one = self.host.world().instances().find(|one| &one.id == id);
                if let Some(reading) = one.map(SimInstance::reading) {
                    self.trouble.lagging_in_scans.insert(id.clone(), reading);
                }
                format!("keeps showing {id} as it is now in scans by tag")
            }
            (CallTrouble::Frozen(_), false) => {
                self.trouble.lagging_in_scans.remove(id);
                format!("shows {id} as it has become in scans by tag")
            }
            (CallTrouble::PartialMetrics(_), true) => {
                self.trouble.partial_metrics.insert(id.clone());
                format!("holds back metrics of {id}")
            }
            (CallTrouble::PartialMetrics(_), false) => {
                self.trouble.partial_metrics.remove(id);
                format!("gives all metrics of {id} again")
            }
            (CallTrouble::Protected(_, end), _) => {
                self.host.world_mut().protect(id, *end, begins);
                let how = if begins { "no" } else { "each" };
                format!("grants {how} {end} of {id}")
            }
        }
    }

    /// The instance that the cloud shows; `None`, with a line of the timeline: it shows none.
    fn present(&mut self, who: &str, which: &Which, what_for: &str) -> Option<InstanceId> {
        let id = self.which(who, which, what_for)?;
        if self.host.world().instance(&id).is_none() {
            self.note(who, format!("finds no instance {id} {what_for}"));
            return None;
        }
        Some(id)
    }

    /// The chosen instance; `None`, with a line of the timeline: none is up.
    pub(super) fn which(&mut self, who: &str, which: &Which, what_for: &str) -> Option<InstanceId> {
        if let Which::Id(id) = which {
            return Some(id.clone());
        }
        let newest = self.up().max_by_key(|instance| instance.launched_at);
        let newest = newest.map(|instance| instance.id.clone());
        if newest.is_none() {
            self.note(who, format!("finds no instance {what_for}"));
        }
        newest
    }

    /// Drops the world's events of an act by another system, so that the judge does not count them
    /// as the host's.
    pub(super) fn discard_world_events(&mut self) {
        self.host.world_mut().take_events();
    }

    pub(super) fn note(&mut self, who: &str, event: impl Into<String>) {
        self.run.entries.push(Entry::event(self.now, who, event));
    }
}

/// The line of the timeline that announces a fault.
fn announced(fault: &Fault) -> String {
    if fault.carried_out {
        return format!("will lose its reply to the next {}", fault.kind);
    }
    format!("will refuse the next {}: {}", fault.kind, fault.code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind, Query, Reading};
    use reeve_core::decision::{Decision, PolicyFailure};
    use reeve_core::id::{PoolName, Region};
    use reeve_core::instance::InstanceState;
    use reeve_core::point::Input;
    use reeve_core::ports::Policies;
    use reeve_core::time::Millis;

    use super::*;
    use crate::engine::Calm;
    use crate::incidents;
    use crate::stage::Setting;
    use crate::store::MemoryStore;
    use crate::world::World;
    use reeve_core::compute::Compute;

    /// Policies that fail. These tests ask none.
    struct NoPolicies;

    impl Policies for NoPolicies {
        fn decide(&self, _pool: &PoolName, input: Input) -> Decision {
            let failure = PolicyFailure {
                code: "none".to_owned(),
                text: "there is none".to_owned(),
            };
            Decision {
                policy: None,
                settings: None,
                digest: None,
                input,
                result: Err(failure),
                fuel_used: 0,
            }
        }
    }

    /// A cloud in which `i-aaaa` runs, without a host.
    fn engine() -> Calm {
        let mut world = World::new(1, incidents::BEGINS);
        world.launch_elsewhere("i-aaaa", incidents::TAG, Boot::instant());
        world.advance(incidents::BEGINS);
        Calm::new(world, MemoryStore::new(false), Arc::new(NoPolicies))
    }

    fn stage(host: &mut Calm) -> Stage<'_> {
        let (key, value) = incidents::TAG;
        let setting = Setting {
            begins: incidents::BEGINS,
            length: Millis::from_secs(60),
            script: Vec::new(),
            worker: incidents::worker(),
            compute: Compute::Ec2,
            tag: (key.to_owned(), value.to_owned()),
            pointer: incidents::pointer(),
            software: None,
            idle_limit: None,
            down_after: Millis::from_secs(300),
        };
        Stage::new(setting, host)
    }

    /// The instances that a scan shows, with their states; `None`: the scan got an error.
    fn scan(stage: &Stage<'_>) -> Option<Vec<(String, InstanceState)>> {
        let query = Query::Scan {
            compute: Compute::Ec2,
            region: Region::from(""),
            tag_key: incidents::TAG.0.to_owned(),
            tag_values: vec![incidents::TAG.1.to_owned()],
            tasks: Box::default(),
        };
        match stage.host.world().query(&query).ok()? {
            Reading::Scan(found) => {
                let seen = found.into_iter().map(|one| (one.id.to_string(), one.state));
                Some(seen.collect())
            }
            _ => None,
        }
    }

    fn seen(state: InstanceState) -> Option<Vec<(String, InstanceState)>> {
        Some(vec![("i-aaaa".to_owned(), state)])
    }

    fn end(who: &str, which: Which, by: EndedBy) -> Act {
        let who = who.to_owned();
        Act::End { who, which, by }
    }

    #[test]
    fn trouble_changes_queries_from_its_begin_to_its_end() {
        use InstanceState::{Running, Stopping};
        for (trouble, during, after) in [
            (CallTrouble::Unanswered(Asked::Scan), None, seen(Stopping)),
            (
                CallTrouble::Hidden(Which::Newest),
                Some(Vec::new()),
                seen(Stopping),
            ),
            (
                CallTrouble::Frozen(Which::Newest),
                seen(Running),
                seen(Stopping),
            ),
        ] {
            let mut engine = engine();
            let mut stage = stage(&mut engine);
            assert_eq!(scan(&stage), seen(Running));
            let ongoing = |begins| Act::Trouble {
                trouble: trouble.clone(),
                begins,
            };
            stage.act_outside(ongoing(true));
            // `i-aaaa` is not up when the trouble ends, and yet the trouble ends for it.
            stage.act_outside(end("someone", Which::Newest, EndedBy::Stop));
            assert_eq!(scan(&stage), during, "{trouble:?}");
            stage.act_outside(ongoing(false));
            assert_eq!(scan(&stage), after, "{trouble:?}");
        }
        let mut engine = engine();
        let mut stage = stage(&mut engine);
        stage.act_outside(Act::Trouble {
            trouble: CallTrouble::PartialMetrics(Which::Newest),
            begins: true,
        });
        assert_eq!(
            stage.trouble.partial_metrics,
            BTreeSet::from(["i-aaaa".into()])
        );
    }

    #[test]
    fn an_act_of_another_system_changes_the_cloud_and_is_no_harm() {
        let mut engine = engine();
        let mut stage = stage(&mut engine);
        stage.act_outside(Act::WritePointer {
            who: "someone".to_owned(),
            value: "i-bbbb".to_owned(),
        });
        assert_eq!(
            stage.host.world().pointer(&incidents::pointer()),
            Some("i-bbbb")
        );
        stage.act_outside(end("cloud", Which::Id("i-aaaa".into()), EndedBy::Reclaim));
        assert_eq!(scan(&stage), seen(InstanceState::ShuttingDown));
        stage.judge();
        assert_eq!((stage.run.harms.len(), stage.run.mutations.len()), (0, 0));
    }

    fn stop_fault(error: CloudErrorKind) -> Fault {
        Fault {
            kind: MutationKind::Stop,
            carried_out: false,
            error,
            code: "RequestLimitExceeded",
        }
    }

    /// Stops `i-aaaa` as a host does. Returns the kind of the cloud's refusal.
    fn stop(stage: &mut Stage<'_>) -> Option<CloudErrorKind> {
        let stop = Mutation::Stop {
            compute: Compute::Ec2,
            region: Region::from(""),
            id: "i-aaaa".into(),
            clear_pointer: None,
        };
        let applied = stage.host.world_mut().apply(&stop);
        applied.err().map(|error| error.kind)
    }

    #[test]
    fn a_fault_fails_the_next_mutation_of_its_kind() {
        let mut engine = engine();
        let mut stage = stage(&mut engine);
        stage.act_outside(Act::Fault(stop_fault(CloudErrorKind::Throttled)));
        assert_eq!(stop(&mut stage), Some(CloudErrorKind::Throttled));
        assert_eq!(stop(&mut stage), None);
    }

    #[test]
    fn a_lasting_refusal_fails_each_mutation_of_its_kind_until_it_ends() {
        let mut engine = engine();
        let mut stage = stage(&mut engine);
        let throttled = CallTrouble::Failing(stop_fault(CloudErrorKind::Throttled));
        let denied = CallTrouble::Failing(stop_fault(CloudErrorKind::Denied));
        for trouble in [&throttled, &denied] {
            stage.set_trouble(trouble, true);
        }
        assert_eq!(stop(&mut stage), Some(CloudErrorKind::Throttled));
        assert_eq!(stop(&mut stage), Some(CloudErrorKind::Throttled));
        // The other refusal lasts longer.
        stage.set_trouble(&throttled, false);
        assert_eq!(stop(&mut stage), Some(CloudErrorKind::Denied));
        stage.set_trouble(&denied, false);
        assert_eq!(stop(&mut stage), None);
    }
}

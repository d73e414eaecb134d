//! Folds readings into the facts. A reading that was asked for earlier never overwrites one that
//! was asked for later, and the provider's word is kept unchanged.

use super::instance::{may_precede_start, start_settles, visible};
use super::{Facts, KnownInstance, RefusedEnds, WorkerFacts};
use crate::model::boxes::SpotNotices;
use crate::model::cloud::{CloudError, PointerReading};
use crate::model::demand::{Demand, Metric, Sample};
use crate::model::id::InstanceId;
use crate::model::instance::{Instance, InstanceState};
use crate::model::time::{Instant, Millis};

/// How long the end of an instance is remembered after the last scan that shows it. EC2 shows a
/// terminated instance for up to an hour (EC2 user guide, "Terminate Amazon EC2 instances"), and no
/// reading lags for longer.
const FINAL_REMEMBERED: Millis = Millis::from_secs(3600);

/// An instance that went down and that this host did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The instance.
    pub id: InstanceId,
    /// The state that it was read in.
    pub state: InstanceState,
    /// Whether this host knows that it was handed out.
    pub is_served: bool,
    /// When the life began that has ended, if the provider says so.
    pub since: Option<Instant>,
}

/// What a reading changed, as far as the flows must hear of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The facts that the published route rests on have changed.
    pub route_broken: bool,
    /// Instances that went down, with their state and whether they had ever been handed out.
    pub lost: Vec<Lost>,
}

impl Facts {
    /// Takes in the reading of one instance by its id, asked for at `asked_at`.
    pub(crate) fn observe_instance(&mut self, reading: Instance, asked_at: Instant) -> Changes {
        self.change().observe_instance(reading, asked_at)
    }

    /// Takes in that an instance could not be read by its id.
    pub(crate) fn miss_instance(&mut self, id: &InstanceId, asked_at: Instant, error: &CloudError) {
        self.change().miss_instance(id, asked_at, error);
    }

    /// Takes in a complete tag scan, asked for at `asked_at`.
    pub(crate) fn observe_scan(&mut self, found: Vec<Instance>, asked_at: Instant) -> Changes {
        self.change().observe_scan(found, asked_at)
    }

    /// Takes in a reading of the pointer, asked for at `asked_at`, or the failure to read it.
    pub(crate) fn observe_pointer(
        &mut self,
        asked_at: Instant,
        result: Result<PointerReading, &CloudError>,
    ) {
        match result {
            Ok(reading) => {
                self.change().observe_pointer(reading);
                self.change().note_pointer_move(asked_at);
            }
            Err(error) => self.change().miss_pointer(asked_at, error),
        }
    }

    /// Takes in the demand that another program reported; `None` if that program could not read it.
    pub(crate) fn observe_told_demand(&mut self, demand: Option<Demand>) {
        self.change().demand = demand;
    }

    /// Takes in a heartbeat of the box on the adopted instance.
    pub(crate) fn observe_heartbeat(&mut self, notices: SpotNotices) {
        let adopted = self.adopted.as_ref().map(|adopted| adopted.id.clone());
        self.change().spot = adopted.map(|id| (id, notices));
    }

    /// Takes in the samples of a metric that was asked for at `asked_at`; `None` if the metric
    /// could not be read.
    pub(crate) fn observe_demand(
        &mut self,
        asked_at: Instant,
        metric: &Metric,
        samples: Option<&[Sample]>,
    ) {
        self.change().observe_demand(asked_at, metric, samples);
    }
}

impl WorkerFacts {
    /// Takes in the reading of one instance by its id, asked for at `asked_at`. The provider's answer
    /// to a launch is one too.
    pub fn observe_instance(&mut self, reading: Instance, asked_at: Instant) -> Changes {
        let (id, state) = (reading.id.clone(), reading.state);
        let changes = self.observe_one(reading, asked_at);
        self.note_look_up(&id, state, asked_at);
        changes
    }

    /// Takes in one reading of one instance, by its id or in a scan.
    fn observe_one(&mut self, reading: Instance, asked_at: Instant) -> Changes {
        let mut changes = Changes::default();
        let id = reading.id.clone();
        let known = self.instances.get(&id);
        let was_tagged = known.is_some_and(|known| self.carries_tag(known));
        match self.instances.get_mut(&id) {
            None => {
                let mut known = KnownInstance::new(reading, asked_at);
                // Another host, or an earlier life of this one, may have handed the instance out.
                known.handed_out = self.handed_out_at(&id);
                self.instances.insert(id, known);
            }
            // A final state counts even if an earlier reading shows it (V5).
            Some(known)
                if known.read_at.is_some_and(|read_at| read_at > asked_at)
                    && !reading.state.is_final() => {}
            // The reading lags: an instance that has ended does not come back (V5).
            Some(known)
                if known.has_ended() && visible(reading.state).is_some_and(|is| !is.is_final()) => {
            }
            // The reading lags: it is of a life before the last start.
            Some(known) if is_of_an_earlier_life(&reading, known) => {}
            Some(known) => {
                fold(known, reading, asked_at, &mut changes);
                self.note_tag(&id, was_tagged, asked_at);
            }
        }
        self.note_end();
        changes.route_broken = self.route_is_broken();
        changes
    }

    /// Takes in a complete tag scan that was asked for at `asked_at`. An instance that is missing
    /// from the scan may still exist. It is dropped when nothing refers to it.
    pub fn observe_scan(&mut self, found: Vec<Instance>, asked_at: Instant) -> Changes {
        let present: Vec<InstanceId> = found.iter().map(|reading| reading.id.clone()).collect();
        let mut changes = Changes::default();
        for reading in found {
            let more = self.observe_one(reading, asked_at);
            changes.lost.extend(more.lost);
        }
        let adopted = self.adopted.as_ref().map(|adopted| adopted.id.clone());
        let pointed = self.pointer.clone().flatten();
        self.instances.retain(|id, known| {
            present.contains(id)
                || Some(id) == adopted.as_ref()
                || Some(id) == pointed.as_ref()
                || known.read_at.is_none_or(|read_at| read_at > asked_at)
                || known.ended_within(FINAL_REMEMBERED, asked_at)
        });
        self.note_orphans(&present, asked_at);
        self.learn_generation();
        self.scanned_at = self.scanned_at.max(Some(asked_at));
        changes.route_broken = self.route_is_broken();
        changes
    }

    /// Another host has adopted the instance. Earlier readings of the instance being down say
    /// nothing about this life, unless the instance has ended for good.
    pub fn unlearn_end_of_adopted(&mut self) {
        let adopted = self.adopted.as_ref().map(|adopted| &adopted.id);
        let known = adopted.and_then(|id| self.instances.get_mut(id));
        if let Some(known) = known.filter(|it| it.instance.state.is_down() && !it.has_ended()) {
            known.instance.state = InstanceState::Unknown;
        }
    }

    /// Raises the generation to the highest one on tags, so that a later launch never reuses a
    /// generation even if the journal is lost.
    fn learn_generation(&mut self) {
        let highest = self
            .instances
            .values()
            .filter_map(|known| known.instance.generation_for(&self.fleet, &self.id))
            .max();
        self.generation = self.generation.max(highest.unwrap_or_default());
    }

    /// Whether the published route disagrees with the facts.
    fn route_is_broken(&self) -> bool {
        let Some(route) = &self.route else {
            return false;
        };
        let Some(known) = self.instances.get(&route.instance) else {
            return true;
        };
        let reachable = [known.instance.private_ip, known.instance.public_ip]
            .into_iter()
            .flatten()
            .any(|ip| super::inputs::url(ip, self.pool.port) == route.url);
        known.instance.state != InstanceState::Running || !reachable || self.is_outside(known)
    }
}

/// By how much two answers about one life may differ: some have whole seconds.
const ROUNDED: Millis = Millis::from_secs(1);

/// Whether the instance has been started since the life that the reading shows: the launch time only
/// rises (EC2 API, `LaunchTime`). A final state counts in any case.
fn is_of_an_earlier_life(reading: &Instance, known: &KnownInstance) -> bool {
    let times = reading.launched_at.zip(known.instance.launched_at);
    let is_earlier = times.is_some_and(|(shown, known)| shown + ROUNDED < known);
    is_earlier && !reading.state.is_final()
}

fn fold(known: &mut KnownInstance, reading: Instance, asked_at: Instant, changes: &mut Changes) {
    known.note_transit(&reading, asked_at);
    if reading.is_reachable() {
        known.reachable_at = Some(asked_at);
    }
    let was = known.instance.state;
    let is = reading.state;
    let settling = may_precede_start(is)
        && known
            .start_accepted
            .is_some_and(|started| start_settles(started, asked_at));
    // An instance may have been started and have gone down again between two readings.
    let is_same_life = reading
        .launched_at
        .is_none_or(|at| known.instance.launched_at == Some(at));
    let was_up = was.is_live() && !settling;
    let was_up_unseen = was.is_down() && !is_same_life && known.start_accepted.is_some();
    if (was_up || was_up_unseen) && is.is_down() && !known.ended_by_host {
        let is_served = known.handed_out.is_some();
        changes.lost.push(Lost {
            id: reading.id.clone(),
            state: is,
            is_served,
            since: known.instance.launched_at,
        });
    }
    if was != is {
        known.in_state_since = asked_at;
    }
    if visible(is).is_some() {
        let down_since = known.down_since.filter(|_| is_same_life);
        let down_since = down_since.unwrap_or(asked_at);
        known.down_since = is.is_down().then_some(down_since);
    }
    let was_shown = known.last_visible.map(|(state, _)| state);
    if visible(is).is_some() && was_shown.is_some_and(|was| was.is_live() != is.is_live()) {
        // A life begins or ends. What refused an end may have gone with the life before.
        known.refused_ends = RefusedEnds::default();
        known.looked_up = false;
        known.look_ups_failed = None;
    }
    if is.is_live() && !was.is_live() {
        known.ended_by_host = false;
    }
    if is == InstanceState::NotVisible {
        // The provider reported neither tags nor launch time, so the earlier ones stay.
        known.instance.state = is;
        known.instance.private_ip = None;
        known.instance.public_ip = None;
    } else {
        known.instance = reading;
    }
    if let Some(state) = visible(is) {
        known.last_visible = Some((state, asked_at));
    }
    known.read_at = known.read_at.max(Some(asked_at));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{NOW, instance, worker};

    /// The state in the facts after these readings, which are a second apart.
    fn after(states: &[InstanceState]) -> InstanceState {
        let mut worker = worker();
        let mut at = NOW;
        for state in states {
            worker.observe_instance(instance("i-one", *state), at);
            at += Millis::from_secs(1);
        }
        worker.instances[&InstanceId::from("i-one")].instance.state
    }

    #[test]
    fn an_ended_instance_is_not_brought_back_by_a_lagging_reading() {
        use InstanceState::{NotVisible, Pending, Running, ShuttingDown, Stopped, Terminated};
        for lagging in [Pending, Running, Stopped] {
            assert_eq!(after(&[Running, ShuttingDown, lagging]), ShuttingDown);
            assert_eq!(after(&[Terminated, lagging]), Terminated);
            assert_eq!(after(&[Terminated, NotVisible, lagging]), NotVisible);
        }
        assert_eq!(after(&[ShuttingDown, Terminated]), Terminated);
        assert_eq!(after(&[Running, Stopped, Running]), Running);
    }

    #[test]
    fn a_reading_of_a_life_before_the_last_start_is_not_believed() {
        let of_life = |state, launched: u64| Instance {
            launched_at: Some(Instant::from_ms(launched)),
            ..instance("i-one", state)
        };
        let mut worker = worker();
        let later = NOW + Millis::from_secs(60);
        worker.observe_instance(of_life(InstanceState::Stopped, 5_000), NOW);
        worker.observe_scan(vec![of_life(InstanceState::Running, 1_000)], later);
        let known = &worker.instances[&InstanceId::from("i-one")];
        assert_eq!(known.instance.state, InstanceState::Stopped);
        assert_eq!(known.read_at, Some(NOW), "the scan has shown nothing of it");
        worker.observe_scan(vec![of_life(InstanceState::Terminated, 1_000)], later);
        let known = &worker.instances[&InstanceId::from("i-one")];
        assert_eq!(known.instance.state, InstanceState::Terminated);
    }

    #[test]
    fn an_end_counts_even_if_an_earlier_reading_shows_it() {
        let mut worker = worker();
        worker.observe_instance(instance("i-one", InstanceState::Running), NOW);
        let before = Instant::from_ms(NOW.as_ms() - 1);
        worker.observe_instance(instance("i-one", InstanceState::ShuttingDown), before);
        let known = &worker.instances[&InstanceId::from("i-one")];
        assert_eq!(known.instance.state, InstanceState::ShuttingDown);
        assert_eq!(known.read_at, Some(NOW));
    }

    #[test]
    fn an_end_is_remembered_when_scans_show_the_instance_no_more() {
        let mut worker = worker();
        worker.observe_instance(instance("i-one", InstanceState::Terminated), NOW);
        worker.observe_scan(Vec::new(), NOW + Millis::from_secs(60));
        let lagging = vec![instance("i-one", InstanceState::Running)];
        worker.observe_scan(lagging, NOW + Millis::from_secs(120));
        assert!(worker.candidates().is_empty());
        worker.observe_scan(Vec::new(), NOW + FINAL_REMEMBERED);
        assert!(worker.instances.is_empty(), "nothing shows it for an hour");
    }
}

//! Permits the end of an orphan by the host's own rule, after the orphan's grace. The record and
//! the cloud must both show it as an orphan, and it must not be in use (G2, G5).

use super::{Permit, SCAN_AGE_MAX, Scene};
use crate::facts::{Orphan, OrphanCheck};
use crate::model::budget::Spending;
use crate::model::id::InstanceId;
use crate::model::time::Millis;
use crate::model::veto::{Rule, Veto};

/// How old the readings of a check may be: as old as a scan that a launch rests on.
pub(crate) const CHECK_AGE_MAX: Millis = SCAN_AGE_MAX;

impl Scene<'_> {
    /// Permits the end that the orphan's origin asks for; see
    /// [`Origin::ending`](crate::facts::Origin::ending).
    pub(super) fn end_orphan(&self, check: &OrphanCheck) -> Result<Permit, Veto> {
        let id = &check.id;
        self.is_this_workers(id)?;
        let orphan = self.orphan(id)?;
        self.nothing_in_flight()?;
        self.grace_is_over(id, orphan)?;
        self.record_agrees(orphan)?;
        self.cloud_agrees(check, orphan)?;
        self.is_not_left_alone(id)?;
        self.is_not_needed(id)?;
        let ending = self.facts.ending_of(id, orphan.origin.ending());
        self.is_not_refused(id, ending)?;
        self.within_budget(Spending::Stop)?;
        // The pointer was just read and does not name the orphan.
        Ok(self.grant_end(id, ending, None))
    }

    /// The orphan, if every scan has shown it as one since the present adoption.
    fn orphan(&self, id: &InstanceId) -> Result<&Orphan, Veto> {
        let known = self.facts.instances.get(id);
        known
            .and_then(|known| self.facts.orphan(known))
            .ok_or_else(|| {
                Veto::new(
                    Rule::NotAnOrphan,
                    format!("the latest scan does not show {id} as an orphan of this worker"),
                )
            })
    }

    fn grace_is_over(&self, id: &InstanceId, orphan: &Orphan) -> Result<(), Veto> {
        let limits = &self.facts.pool.limits;
        if !self.facts.orphan_is_due(id) {
            return Err(Veto::new(
                Rule::OrphanGrace,
                format!(
                    "{id} has been an orphan for {}; `orphan_grace` is {}, and a scan after it must show it so",
                    self.now.since(orphan.since),
                    limits.orphan_grace
                ),
            )
            .opening_at(orphan.since + limits.orphan_grace));
        }
        self.is_of_late("the latest scan", self.facts.scanned_at)
    }

    /// Checks the first source, the record. [`Scene::permit`] has checked the lease already.
    fn record_agrees(&self, orphan: &Orphan) -> Result<(), Veto> {
        let record = &self.facts.record;
        self.is_fresh("the worker's record", Some(record.read_at), CHECK_AGE_MAX)?;
        let named = record
            .stored
            .as_ref()
            .and_then(|stored| stored.record.adopted.as_ref());
        if named == Some(&orphan.adopted) {
            return Ok(());
        }
        Err(Veto::new(
            Rule::SourcesDisagree,
            format!(
                "the worker's record names {} as its instance, and this host {}",
                named.map_or("none", |adopted| adopted.id.as_str()),
                orphan.adopted.id
            ),
        ))
    }

    /// Checks the second source, the cloud: the readings of the orphan and of the adopted instance
    /// by id must agree with the scans.
    fn cloud_agrees(&self, check: &OrphanCheck, orphan: &Orphan) -> Result<(), Veto> {
        let worker = self.facts;
        let id = &check.id;
        if !check.is_complete() {
            let text = format!(
                "{id}, the adopted instance and the pointer were not read since its grace ended"
            );
            return Err(Veto::new(Rule::StaleReading, text));
        }
        let adopted = worker.adopted_instance();
        let read_at = adopted.and_then(|known| known.read_at);
        self.is_fresh(
            "the reading of the adopted instance",
            read_at,
            CHECK_AGE_MAX,
        )?;
        let reading = check.reading.as_ref();
        let asked_at = reading.map(|(_, asked_at)| *asked_at);
        self.is_fresh(
            "the reading of the orphan by its id",
            asked_at,
            CHECK_AGE_MAX,
        )?;
        let grace_ended = orphan.since + worker.pool.limits.orphan_grace;
        let by_id = reading
            .filter(|(_, asked_at)| *asked_at >= grace_ended)
            .and_then(|(reading, _)| worker.origin_of_orphan(reading));
        let latest = worker
            .instances
            .get(id)
            .and_then(|known| worker.origin_of_orphan(&known.instance));
        if by_id.as_ref() == Some(&orphan.origin) && latest.as_ref() == Some(&orphan.origin) {
            return Ok(());
        }
        let state = reading.map(|(reading, _)| reading.state);
        let adopted_state = adopted.map(|known| known.instance.state);
        Err(Veto::new(
            Rule::SourcesDisagree,
            format!(
                "by the scans {id} is an orphan; read by its id it is {}, and the adopted {} is {}",
                state.unwrap_or_default().as_str(),
                orphan.adopted.id,
                adopted_state.unwrap_or_default().as_str()
            ),
        ))
    }

    /// Checks that no caller was sent to the orphan lately, and that none is being or would be sent
    /// there.
    fn is_not_needed(&self, id: &InstanceId) -> Result<(), Veto> {
        let worker = self.facts;
        match &worker.pointer {
            None => {
                let text = "the pointer could not be read, and may name it";
                return Err(Veto::new(Rule::StaleReading, text));
            }
            Some(Some(named)) if named == id => {
                let text =
                    format!("the pointer names {id}; it is made to name the adopted one first");
                return Err(Veto::new(Rule::PointerNamesIt, text));
            }
            Some(_) => {}
        }
        let route = worker.route.as_ref();
        let is_served = route.is_some_and(|it| &it.instance == id && self.now < it.valid_until);
        let is_read = worker.asking.reads.contains(id);
        if is_served || is_read {
            let text = format!("{id} is being asked for right now");
            return Err(Veto::new(Rule::InUse, text));
        }
        let handed_out = worker.handed_out_at(id);
        let idle_min = worker.pool.limits.idle_min;
        match handed_out.map(|at| (at, self.now.since(at))) {
            Some((at, ago)) if ago < idle_min => Err(Veto::new(
                Rule::RecentActivity,
                format!("{id} was handed out {ago} ago; `idle_min` is {idle_min}"),
            )
            .opening_at(at + idle_min)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

//! The shadow of a dry run: what the host would have written into records and pointers. It stays in
//! memory, and the host reads it instead of the real values, so that each decision rests on the
//! ones before. A value of the shadow ends when the real one changes: another program has acted.
//!
//! Instances have no shadow: how an instance would fare, only the cloud can tell. The guard vetoes
//! what would change one ([`Rule::DryRun`](crate::veto::Rule::DryRun)).

use std::collections::BTreeMap;

use crate::model::cloud::PointerReading;
use crate::model::id::{InstanceId, PointerName, Region, Version, WorkerId};
use crate::model::store::{Committed, Refresh, Refreshed, Stored, Write};
use crate::model::time::Instant;

/// The records and pointers that a host in a dry run would have written.
///
/// Each function takes the real value, which the caller has just read.
#[derive(Debug, Default)]
pub struct Shadow {
    records: BTreeMap<WorkerId, ShadowRecord>,
    pointers: BTreeMap<(Region, PointerName), ShadowPointer>,
}

#[derive(Debug)]
struct ShadowRecord {
    /// The version of the real record when the shadow was last made equal to it.
    over: Version,
    stored: Stored,
}

#[derive(Debug)]
struct ShadowPointer {
    /// The real reading that the value would have replaced.
    over: PointerReading,
    reading: PointerReading,
}

impl Shadow {
    /// The worker's record as the host would find it.
    pub fn read(&mut self, worker: &WorkerId, real: Option<Stored>) -> Option<Stored> {
        let Some(shadow) = self.records.get_mut(worker) else {
            return real;
        };
        let real = real.unwrap_or_default();
        shadow.stored.activity = shadow.stored.activity.with(real.activity);
        if shadow.over < real.version {
            shadow.over = real.version;
            // A reader takes only a higher version for news.
            shadow.stored.version = shadow.stored.version.next().max(real.version);
            shadow.stored.record = real.record;
        }
        Some(shadow.stored.clone())
    }

    /// Takes in a write, as a store would.
    pub fn commit(&mut self, write: &Write, real: Option<Stored>) -> Committed {
        let over = version(real.as_ref());
        let current = self.read(&write.worker, real);
        if let Some(refused) = write.refused_by(current.as_ref()) {
            return refused;
        }
        let stored = Stored {
            version: write.expected.next(),
            record: write.record.clone(),
            activity: current.unwrap_or_default().activity,
        };
        let committed = Committed::Written(stored.version);
        let shadow = ShadowRecord { over, stored };
        self.records.insert(write.worker.clone(), shadow);
        committed
    }

    /// Takes in a refresh of the activity, as a store would.
    pub fn refresh(
        &mut self,
        worker: &WorkerId,
        refresh: Refresh,
        real: Option<Stored>,
    ) -> Refreshed {
        let over = version(real.as_ref());
        let current = self.read(worker, real);
        let takes_it_in = |stored: &Stored| refresh.phases().contains(&stored.record.phase);
        let Some(mut stored) = current.filter(takes_it_in) else {
            return Refreshed::NotRunning;
        };
        stored.activity.refresh(refresh);
        let shadow = ShadowRecord { over, stored };
        self.records.insert(worker.clone(), shadow);
        Refreshed::Written
    }

    /// The pointer as the host would find it.
    pub fn pointer(
        &self,
        region: &Region,
        name: &PointerName,
        real: PointerReading,
    ) -> PointerReading {
        let shadow = self.pointers.get(&(region.clone(), name.clone()));
        let shadow = shadow.filter(|shadow| shadow.over == real);
        shadow.map_or(real, |shadow| shadow.reading.clone())
    }

    /// Takes in that the pointer would name this instance from `now` on.
    pub fn write_pointer(
        &mut self,
        region: Region,
        name: PointerName,
        id: InstanceId,
        now: Instant,
        real: PointerReading,
    ) {
        let reading = PointerReading {
            names: Some(id),
            written_at: Some(now),
        };
        let shadow = ShadowPointer {
            over: real,
            reading,
        };
        self.pointers.insert((region, name), shadow);
    }
}

fn version(stored: Option<&Stored>) -> Version {
    stored.map_or(Version::default(), |stored| stored.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Epoch;
    use crate::model::store::{Phase, WorkerRecord};

    fn worker() -> WorkerId {
        WorkerId::from("chat")
    }

    fn record(epoch: u64) -> WorkerRecord {
        WorkerRecord {
            epoch: Epoch::new(epoch),
            phase: Phase::Running,
            ..WorkerRecord::default()
        }
    }

    fn real(version: u64, epoch: u64) -> Option<Stored> {
        Some(Stored {
            version: Version::new(version),
            record: record(epoch),
            ..Stored::default()
        })
    }

    fn write(expected: u64, epoch: u64) -> Write {
        Write {
            worker: worker(),
            expected: Version::new(expected),
            record: record(epoch),
            if_idle: None,
        }
    }

    #[test]
    fn a_write_is_read_back_while_the_real_record_stays() {
        let mut shadow = Shadow::default();
        assert_eq!(
            shadow.commit(&write(3, 9), real(3, 1)),
            Committed::Written(Version::new(4))
        );
        assert_eq!(shadow.read(&worker(), real(3, 1)), real(4, 9));
        assert_eq!(shadow.read(&"other".into(), real(3, 1)), real(3, 1));
    }

    #[test]
    fn a_real_write_ends_the_shadow_and_is_news_to_its_reader() {
        let mut shadow = Shadow::default();
        for version in 3..7 {
            shadow.commit(&write(version, 9), real(3, 1));
        }
        // The shadow is at 7 when another host writes 4.
        let lost = shadow.commit(&write(7, 9), real(4, 2));
        assert_eq!(lost, Committed::Lost(real(8, 2)));
        assert_eq!(shadow.read(&worker(), real(4, 2)), real(8, 2));
        // A reading that was asked for before that is no news.
        assert_eq!(shadow.read(&worker(), real(3, 1)), real(8, 2));
    }

    #[test]
    fn reports_of_both_count_as_activity() {
        let mut shadow = Shadow::default();
        let at = Instant::from_ms(50);
        let refreshed = shadow.refresh(&worker(), Refresh::HandedOut { at }, real(1, 1));
        assert_eq!(refreshed, Refreshed::Written);
        let mut seen = real(1, 1);
        let seen_activity = &mut seen.as_mut().unwrap().activity;
        seen_activity.heartbeat_at = Some(at);
        let activity = shadow.read(&worker(), seen).unwrap().activity;
        assert_eq!(activity.handed_out_at, Some(at));
        assert_eq!(activity.heartbeat_at, Some(at));
        let none = shadow.refresh(&"other".into(), Refresh::Heartbeat { at }, None);
        assert_eq!(none, Refreshed::NotRunning);
    }

    #[test]
    fn a_pointer_has_its_shadow_until_another_program_writes_it() {
        let mut shadow = Shadow::default();
        let (region, name) = (Region::from("us-east-1"), PointerName::new("/chat"));
        let reading = |id: &str, at| PointerReading {
            names: Some(id.into()),
            written_at: Some(Instant::from_ms(at)),
        };
        let stale = reading("i-stale", 1);
        let now = Instant::from_ms(9);
        shadow.write_pointer(
            region.clone(),
            name.clone(),
            "i-live".into(),
            now,
            stale.clone(),
        );
        let found = |real| shadow.pointer(&region, &name, real);
        assert_eq!(found(stale), reading("i-live", 9));
        let by_hand = reading("i-other", 20);
        assert_eq!(found(by_hand.clone()), by_hand);
    }
}

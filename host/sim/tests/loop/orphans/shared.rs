//! Several hosts over one store: an orphan is ended once, and by no host that is behind.

use crate::rig::prelude::*;
use reeve_core::cloud::MutationKind;
use reeve_core::id::{Generation, InstanceId};
use reeve_core::spec::LEASE;
use reeve_core::store::{Adopted, Committed, Write};
use reeve_sim::store::MemoryStore;

use super::{SEEN, before};
use crate::rig::estate::{Estate, FOUND, GRACE, HOME, OLD, SCAN, spec};

#[test]
fn two_hosts_end_an_orphan_once_however_their_scans_fall() {
    // At the same instant, within the calls of one look, some calls later, and between two scans.
    for later in [0, 40, 80, 120, 160, 240, 7_000] {
        let mut estate = Estate::over(MemoryStore::new(true), spec());
        estate.run_to(SEEN);
        estate.rig.run(Millis::new(later));
        estate.rig.add_host(spec());
        estate.launch_old();
        estate.run_to(SEEN + GRACE + SCAN + SCAN + SCAN);
        let expected = [(MutationKind::Terminate, OLD.to_owned())];
        assert_eq!(estate.ended(), expected, "{later} ms later");
        estate.assert_home();
    }
}

#[test]
fn an_orphan_that_another_host_adopted_is_kept_and_its_predecessor_ends() {
    let mut estate = Estate::over(MemoryStore::new(true), spec());
    estate.find();
    estate.run_to(Millis::from_secs(400));
    let stored = estate.rig.record();
    let mut record = stored.record.clone();
    record.adopted = Some(Adopted {
        id: InstanceId::from(FOUND),
        generation: Generation::new(3),
        since: estate.rig.now(),
        how: record.adopted.unwrap().how,
        unfinished_before: 0,
        launched_before: None,
        unknown: Default::default(),
    });
    let write = Write {
        worker: incidents::worker(),
        expected: stored.version,
        record,
        if_idle: None,
    };
    let committed = estate.rig.store.commit_now(&write).unwrap();
    assert!(matches!(committed, Committed::Written(_)));
    estate.run_to(SEEN + GRACE + GRACE + GRACE);
    assert!(estate.is_up(FOUND));
    // The one before was launched as the generation that the adopted one counts as: it was found,
    // and is the newer.
    assert_eq!(estate.ended(), [(MutationKind::Terminate, HOME.to_owned())]);
}

#[test]
fn while_another_host_holds_the_lease_an_orphan_is_kept() {
    let mut estate = Estate::over(MemoryStore::new(true), spec());
    estate.launch_old();
    estate.run_to(before(SEEN + GRACE));
    let stored = estate.rig.record();
    let mut record = stored.record.clone();
    record.lease = Some("another".into());
    record.epoch = record.epoch.next();
    let write = Write {
        worker: incidents::worker(),
        expected: stored.version,
        record,
        if_idle: None,
    };
    estate.rig.store.commit_now(&write).unwrap();
    estate.run_to(before(SEEN + GRACE + LEASE));
    assert!(estate.is_up(OLD));
    // It was never renewed, so by the scan after its length it is stale.
    estate.run_to(SEEN + GRACE + LEASE + SCAN + SECOND);
    assert!(!estate.is_up(OLD));
    estate.assert_home();
}

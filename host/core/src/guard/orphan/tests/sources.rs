//! Tests of the two sources, the record and the cloud: an orphan is kept while one of them is
//! silent, is old, or disagrees.

use super::*;

#[test]
fn an_orphan_is_kept_while_the_record_is_old_or_names_another() {
    let mut worker = orphaned(OLD);
    worker.record.read_at = ago(CHECK_AGE_MAX);
    permitted(&worker, &proposal(OLD), MutationKind::Terminate);
    worker.record.read_at = ago(CHECK_AGE_MAX + Millis::new(1));
    refused(&worker, &proposal(OLD), Rule::StaleReading);
    worker.record.read_at = NOW;
    worker.record.stored.as_mut().unwrap().record.adopted = None;
    refused(&worker, &proposal(OLD), Rule::SourcesDisagree);
    worker.record.stored.as_mut().unwrap().record.lease = Some(HostId::from("another"));
    worker.record.seen_at = NOW;
    refused(&worker, &proposal(OLD), Rule::LeaseHeld);
    worker.record.stored = None;
    refused(&worker, &proposal(OLD), Rule::RecordUnknown);
}

#[test]
fn an_orphan_is_kept_while_the_latest_scan_is_older_than_two_intervals() {
    let mut worker = orphaned(OLD);
    let fresh = worker.pool.limits.scan_interval.get() * 2;
    let since = |worker: &mut WorkerFacts, since: Instant| {
        let known = worker.instances.get_mut(&InstanceId::from(OLD)).unwrap();
        known.orphan.as_mut().unwrap().since = since;
    };
    worker.scanned_at = Some(ago(Millis::new(fresh)));
    since(&mut worker, ago(Millis::new(fresh + grace().get())));
    permitted(&worker, &proposal(OLD), MutationKind::Terminate);
    worker.scanned_at = Some(ago(Millis::new(fresh + 1)));
    since(&mut worker, ago(Millis::new(fresh + 1 + grace().get())));
    refused(&worker, &proposal(OLD), Rule::StaleReading);
}

#[test]
fn an_orphan_is_kept_unless_it_was_read_by_its_id_after_its_grace() {
    let worker = orphaned(OLD);
    let read_at = |asked_at| proposal_after(instance(OLD, Some(2)), asked_at);
    let before_its_end = read_at(ago(Millis::new(1)));
    refused(&worker, &before_its_end, Rule::SourcesDisagree);
    let worker = orphaned_since(ago(grace() + CHECK_AGE_MAX + CHECK_AGE_MAX), OLD);
    let of_late = read_at(ago(CHECK_AGE_MAX));
    permitted(&worker, &of_late, MutationKind::Terminate);
    let old = read_at(ago(CHECK_AGE_MAX + Millis::new(1)));
    refused(&worker, &old, Rule::StaleReading);
    let unread = Proposal::EndOrphan(OrphanCheck::new(OLD.into(), NOW));
    refused(&worker, &unread, Rule::StaleReading);
}

#[test]
fn an_orphan_is_kept_if_the_reading_by_id_disagrees_with_the_scans() {
    let mut stopped = instance(OLD, Some(2));
    stopped.state = InstanceState::Stopping;
    let mut moved = instance(OLD, Some(2));
    moved.tags.insert("Name".to_owned(), "another".to_owned());
    let readings = [
        stopped,
        Instance::not_visible(OLD.into()),
        instance(OLD, Some(1)),
        instance(OLD, Some(3)),
        instance(OLD, None),
    ];
    for reading in readings {
        let mut worker = orphaned(OLD);
        read_by_id(&mut worker, reading.clone());
        refused(
            &worker,
            &proposal_after(reading, NOW),
            Rule::SourcesDisagree,
        );
    }
    let mut worker = orphaned(OLD);
    read_by_id(&mut worker, moved.clone());
    refused(&worker, &proposal_after(moved, NOW), Rule::NotThisWorkers);
}

#[test]
fn an_orphan_is_kept_unless_the_adopted_instance_was_just_read_live() {
    let mut worker = orphaned(OLD);
    let home = |worker: &mut WorkerFacts, state, read_at| {
        let known = worker.instances.get_mut(&InstanceId::from(HOME)).unwrap();
        known.instance.state = state;
        known.read_at = Some(read_at);
    };
    home(&mut worker, InstanceState::Pending, ago(CHECK_AGE_MAX));
    permitted(&worker, &proposal(OLD), MutationKind::Terminate);
    let late = ago(CHECK_AGE_MAX + Millis::new(1));
    home(&mut worker, InstanceState::Running, late);
    refused(&worker, &proposal(OLD), Rule::StaleReading);
    for state in [
        InstanceState::Stopping,
        InstanceState::NotVisible,
        InstanceState::Unknown,
    ] {
        home(&mut worker, state, NOW);
        refused(&worker, &proposal(OLD), Rule::SourcesDisagree);
    }
}

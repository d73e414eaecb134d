//! The condition of the adopted instance, as policies see it: who says that it is unwell, and what
//! the provider is going to do with it.

use super::{KnownInstance, WorkerFacts};
use crate::model::health::{Scheduled, SignalKind};
use crate::model::id::InstanceId;
use crate::model::point::{BadSignal, Notice, Signal};
use crate::model::time::Instant;

/// What the health flow knows of one life of the adopted instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The signals that call the instance unwell, and since when.
    pub bad: Vec<(SignalKind, Instant)>,
    /// What the provider is going to do with the instance.
    pub scheduled: Vec<Scheduled>,
}

impl WorkerFacts {
    /// Who says at present that the instance is unwell. Other signals than callers' reports exist of
    /// the adopted instance only.
    pub(super) fn bad_signals(&self, known: &KnownInstance, now: Instant) -> Vec<BadSignal> {
        let is_adopted = self.is_adopted(&known.instance.id);
        let bad = self.condition.bad.iter().filter(|_| is_adopted);
        let of_health = bad.map(|(kind, since)| (signal(*kind), *since));
        let of_callers = known.doubted_at.map(|at| (Signal::Callers, at));
        let all = of_health.chain(of_callers);
        all.map(|(signal, since)| BadSignal {
            signal,
            since_ms: now.since(since).saturating_u32(),
        })
        .collect()
    }

    /// What the provider is going to do with the instance, as policies see it.
    pub(super) fn notices(&self, id: &InstanceId, now: Instant) -> Vec<Notice> {
        let notices = self.scheduled(id).map(|scheduled| Notice {
            kind: scheduled.kind,
            due_in_ms: scheduled.at.since(now).saturating_u32(),
        });
        notices.collect()
    }

    /// The same, as the instance's status checks and its box say it.
    pub(super) fn scheduled(&self, id: &InstanceId) -> impl Iterator<Item = Scheduled> {
        let by_checks = self.condition.scheduled.iter().copied();
        let by_checks = by_checks.filter(|_| self.is_adopted(id));
        let by_box = self.spot.iter().filter(move |(of, _)| of == id);
        by_checks.chain(by_box.flat_map(|(_, notices)| notices.scheduled()))
    }
}

fn signal(kind: SignalKind) -> Signal {
    match kind {
        SignalKind::Http => Signal::Http,
        SignalKind::Tcp => Signal::Tcp,
        SignalKind::StatusChecks => Signal::StatusChecks,
        SignalKind::Heartbeat => Signal::Heartbeat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{NOW, adopt, see, worker};
    use crate::model::boxes::SpotNotices;
    use crate::model::instance::InstanceState;
    use crate::model::point::NoticeKind;
    use crate::model::time::Millis;

    #[test]
    fn signals_and_notices_are_of_the_adopted_instance_and_reports_of_any() {
        let mut facts = worker();
        for id in ["i-one", "i-two"] {
            see(&mut facts, id, InstanceState::Running);
            facts.doubt(&id.into(), NOW);
        }
        adopt(&mut facts, "i-one");
        let later = NOW + Millis::from_secs(5);
        facts.condition = Condition {
            bad: vec![(SignalKind::Http, NOW)],
            scheduled: vec![Scheduled {
                kind: NoticeKind::Retire,
                at: NOW + Millis::from_secs(65),
            }],
        };
        let bad = |id: &str| {
            let known = &facts.instances[&InstanceId::from(id)];
            let bad = facts.bad_signals(known, later).into_iter();
            bad.map(|it| (it.signal, it.since_ms)).collect::<Vec<_>>()
        };
        assert_eq!(
            bad("i-one"),
            [(Signal::Http, 5_000), (Signal::Callers, 5_000)]
        );
        assert_eq!(bad("i-two"), [(Signal::Callers, 5_000)]);
        facts.spot = Some((
            "i-one".into(),
            SpotNotices {
                reclaim_at: Some(NOW + Millis::from_secs(125)),
                rebalance_at: Some(NOW),
            },
        ));
        let notices = facts.notices(&"i-one".into(), later).into_iter();
        let notices: Vec<_> = notices.map(|it| (it.kind, it.due_in_ms)).collect();
        let expected = [
            (NoticeKind::Retire, 60_000),
            (NoticeKind::Reclaim, 120_000),
            (NoticeKind::Rebalance, 0),
        ];
        assert_eq!(notices, expected);
        assert!(facts.notices(&"i-two".into(), later).is_empty());
    }
}

//! An operator's pause: the host changes nothing for the worker, whether a policy, a program or a
//! person asks.

use super::Scene;
use crate::model::veto::{Rule, Veto};

impl Scene<'_> {
    /// Refuses every change while the worker is paused. A running instance keeps running and is
    /// served.
    ///
    /// # Errors
    /// The veto, with the operator's reason.
    pub fn not_paused(&self) -> Result<(), Veto> {
        let Some(paused) = &self.facts.paused else {
            return Ok(());
        };
        let reason = match &paused.reason {
            Some(reason) => format!(": {reason}"),
            None => String::new(),
        };
        let from = match &paused.from {
            Some(from) => format!(" ({from})"),
            None => String::new(),
        };
        Err(Veto::new(
            Rule::Paused,
            format!(
                "an operator{from} has paused the worker{reason}; nothing is changed for it until `reeve worker resume {}`",
                self.facts.id
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{OrphanCheck, OverdueCheck, WorkerFacts};
    use crate::guard::tests::{NOW, adopt, permitted, refused, scene_with, worker};
    use crate::guard::{Proposal, Reaping};
    use crate::model::id::HostId;
    use crate::model::instance::AddressKind;
    use crate::model::point::resolve::Target;
    use crate::model::store::Paused;
    use crate::model::veto::Rule;

    fn paused() -> WorkerFacts {
        let mut worker = worker();
        worker.paused = Some(Paused {
            since: NOW,
            reason: Some("the disk is being copied".to_owned()),
            by: HostId::from("another"),
            from: Some("the token of an operator".into()),
            unknown: Default::default(),
        });
        worker
    }

    #[test]
    fn every_change_of_the_cloud_is_refused_while_the_worker_is_paused() {
        let mut worker = paused();
        adopt(&mut worker, "i-one");
        let reaping = Reaping {
            id: "i-one".into(),
            reason_code: "orphan".to_owned(),
        };
        let overdue = OverdueCheck {
            adopted: worker.adopted.clone().unwrap(),
            begun: NOW,
            cloud_asked: None,
            reading: None,
        };
        let proposals = [
            Proposal::EndOverdue(overdue),
            Proposal::Adopt("i-one".into()),
            Proposal::RepairPointer,
            Proposal::Start("i-one".into()),
            Proposal::Launch(0),
            Proposal::ReplayLaunch,
            Proposal::Stop(reaping.clone()),
            Proposal::Terminate(reaping),
            Proposal::EndOrphan(OrphanCheck::new("i-one".into(), NOW)),
            Proposal::Restart {
                id: "i-one".into(),
                initiator: crate::model::restart::Initiator::Person,
                kind: crate::model::spec::RestartBy::StopStart,
            },
        ];
        for proposal in proposals {
            refused(&worker, &proposal, Rule::Paused);
        }
    }

    #[test]
    fn the_pause_is_the_first_rule_and_names_the_operators_reason() {
        let mut worker = paused();
        worker.record.stored = None;
        let veto =
            scene_with(&worker, true, |scene| scene.permit(&Proposal::Launch(0))).unwrap_err();
        assert_eq!(veto.rule, Rule::Paused);
        assert!(veto.text.contains("the disk is being copied"), "{veto}");
    }

    #[test]
    fn a_pause_does_not_change_how_serving_is_judged() {
        let target = Target {
            id: "i-one".into(),
            address: AddressKind::Private,
        };
        let check = |worker: &WorkerFacts| {
            scene_with(worker, false, |scene| scene.check_serve(&target)).unwrap_err()
        };
        assert_eq!(check(&paused()), check(&worker()));
    }

    #[test]
    fn a_worker_that_is_resumed_is_launched_again() {
        let mut worker = paused();
        worker.paused = None;
        permitted(
            &worker,
            &Proposal::Launch(0),
            crate::model::cloud::MutationKind::Launch,
        );
    }
}

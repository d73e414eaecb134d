//! The version of the launch template is read before a launch is first sent, and stored with it. So
//! a replay by any host is the same request, even if the template has got another default version
//! since (G1).

use super::pass::PassStep;
use super::state::{Next, Resolve};
use crate::act;
use crate::facts::{Act, Facts};
use crate::guard::Proposal;
use crate::model::cloud::CloudError;
use crate::model::id::DecisionId;
use crate::turn::Turn;

impl Resolve {
    /// Proposes a launch, after its template's version is known. While launches are held back, the
    /// guard refuses, and the version is of no use.
    pub(super) fn launch(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        option: u32,
    ) -> Next {
        let is_held = facts.backs_off(Act::Launch(option), turn.now).is_some();
        match facts.template_query(option, turn.now).filter(|_| !is_held) {
            Some(query) => {
                self.set_step(PassStep::Template(decision, option));
                turn.query(facts, query);
                Next::Waits
            }
            None => self.change(facts, turn, decision, Proposal::Launch(option)),
        }
    }

    /// Takes in the reading of the version, or its failure, which is a failed launch.
    pub(super) fn template_read(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        error: Option<CloudError>,
    ) -> Next {
        let step = self.pass.as_ref().map(|pass| &pass.step);
        let Some(PassStep::Template(decision, option)) = step else {
            return Next::Waits;
        };
        let (decision, option) = (*decision, *option);
        match error {
            None => self.change(facts, turn, decision, Proposal::Launch(option)),
            Some(error) => {
                act::launch_not_prepared(facts, turn, option, &error);
                Next::AsksResolveAfterWrite
            }
        }
    }
}

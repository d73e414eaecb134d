//! A person's write of the pointer. The record decides, so a pointer that disagrees with it is
//! written back. A pointer that a person has made name another live instance of the worker is told
//! of, and followed where the pool says so (`follow_pointer`), as if the person had said `adopt`.

use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::happened::Happened;
use crate::model::cloud::Query;
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::turn::Turn;

/// The state of this flow. The facts say whether the pointer has moved.
#[derive(Clone, Debug, Default)]
pub(super) struct Pointers {
    /// The instance that is read by its id, because no reading has shown it.
    looking_up: Option<InstanceId>,
    /// The instance that the last notice named; `None` once the pointer names the adopted one.
    told: Option<InstanceId>,
    heard: Option<InstanceId>,
}

impl Flow for Pointers {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        let Happened::Queried { query, result, .. } = happened else {
            return;
        };
        match query {
            Query::Pointer { .. } if result.is_ok() => {
                let moved_to = facts.pointer_moved_to();
                if moved_to.is_none() {
                    self.told = None;
                }
                self.heard = moved_to
                    .filter(|id| self.told.as_ref() != Some(*id))
                    .cloned();
            }
            Query::Instance { id, .. } if self.looking_up.as_ref() == Some(id) => {
                let looked_up = self.looking_up.take();
                self.heard = looked_up.filter(|_| result.is_ok());
            }
            _ => {}
        }
    }

    fn has_heard(&self) -> bool {
        self.heard.is_some()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let id = self.heard.take()?;
        if !facts.instances.contains_key(&id) {
            turn.query(facts, facts.query_of(id.clone()));
            self.looking_up = Some(id);
            return None;
        }
        if !facts.adopted_is_live(turn.now) || !is_another_of_the_workers(facts, &id) {
            return None;
        }
        tell(facts, turn, &id);
        if facts.pool.follow_pointer {
            turn.tell(Happened::MoveWanted(id.clone()));
        }
        self.told = Some(id);
        None
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        let _id = self.looking_up.as_ref()?;
        Some(Wait::answered(
            "the reading of the instance that the pointer names",
        ))
    }
}

/// Whether the instance is live, carries the worker's tag, and may follow the adopted one.
fn is_another_of_the_workers(facts: &WorkerFacts, id: &InstanceId) -> bool {
    let mut candidates = facts.candidates().into_iter();
    candidates.any(|known| &known.instance.id == id)
}

fn tell(facts: &WorkerFacts, turn: &mut Turn<'_>, id: &InstanceId) {
    let (name, worker) = (&facts.spec.pointer, &facts.id);
    let adopted = facts.adopted.as_ref();
    let adopted = adopted.map_or("none", |adopted| adopted.id.as_str());
    let what = match facts.pool.follow_pointer {
        true => "the worker moves there".to_owned(),
        false => format!(
            "the record decides, so the pointer is written back; to move the worker: `reeve worker adopt {worker} {id}`"
        ),
    };
    let text = format!(
        "{name} names {id}, which runs with the worker's tag, and no host of the fleet wrote that; {adopted} is the \
         worker's instance; {what}"
    );
    let fields = [
        ("pointer", name.as_str()),
        ("old_instance_id", adopted),
        ("new_instance_id", id.as_str()),
    ];
    turn.notice(facts, Step::PointerMoved, text, &fields);
}

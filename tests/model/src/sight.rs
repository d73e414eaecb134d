//! What a host sees when it looks: each instance as it is, or as it was before.

use crate::state::{Adopted, Host, INSTANCES_MAX, Id, Shown, State};

/// The readings that a proposal rests on. A look and the write that follows it are one step: what changes in between
/// is there as a reading that lags, and what another host writes in between makes the write fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    readings: [Option<Shown>; INSTANCES_MAX],
    /// What the pointer is believed to say; `None`: not read, or not certain.
    pub pointer: Option<Option<Id>>,
}

impl Sight {
    /// What the host sees if the instances in the mask `lag` are shown as they were; `None`: one of them has settled.
    /// `reads_pointer`: a pass reads it, a scan does not.
    pub fn of(state: &State, host: Host, lag: u8, reads_pointer: bool) -> Option<Self> {
        let mut readings = [None; INSTANCES_MAX];
        for id in state.cloud.ids() {
            let instance = state.cloud.instance(id);
            let lags = lag & (1 << id.0) != 0;
            let shown = if lags { instance.before? } else { instance.now };
            let is_adopted = |it: Adopted| it.id == id;
            let view = state.host(host).view.as_ref();
            let by_id = view
                .and_then(|it| it.record.adopted)
                .is_some_and(is_adopted);
            // A tag scan does not show it, a look by its id says that it is not there.
            let is_seen = shown != Shown::Hidden || by_id;
            readings[usize::from(id.0)] = is_seen.then_some(shown);
        }
        let pointer = match reads_pointer {
            true => Some(state.cloud.pointer),
            false => state.host(host).pointer,
        };
        Some(Self { readings, pointer })
    }

    /// What was read of the instance; `None`: nothing.
    pub fn reading(&self, id: Id) -> Option<Shown> {
        self.readings[usize::from(id.0)]
    }
}

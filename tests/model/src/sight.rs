//! A host's readings: each instance in its present state, or in its former one.

use crate::state::{Adopted, Host, INSTANCES_MAX, Id, Shown, State};

/// The readings that a proposal rests on. A reading and the write that follows it are one step: a
/// change in between is a reading that lags, and another host's write in between makes the write
/// fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    readings: [Option<Shown>; INSTANCES_MAX],
    /// The instance that the pointer names, as far as the host knows; `None`: not read, or not
    /// certain.
    pub pointer: Option<Option<Id>>,
}

impl Sight {
    /// The host's readings if those of the instances in the mask `lag` lag; `None`: one of these
    /// has settled. `reads_pointer` is true for a pass, and false for a scan, which reads no
    /// pointer.
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
            // A scan by tag leaves a hidden instance out; a look-up by id says that it is not
            // there.
            let is_seen = shown != Shown::Hidden || by_id;
            readings[usize::from(id.0)] = is_seen.then_some(shown);
        }
        let pointer = match reads_pointer {
            true => Some(state.cloud.pointer),
            false => state.host(host).pointer,
        };
        Some(Self { readings, pointer })
    }

    /// The reading of the instance; `None`: there is none.
    pub fn reading(&self, id: Id) -> Option<Shown> {
        self.readings[usize::from(id.0)]
    }
}

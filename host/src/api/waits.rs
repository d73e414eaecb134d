//! How many callers may wait for their worker at a time. A waiting caller holds its connection for
//! minutes, so without a bound they would fill the doors.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Half of the connections of one door, so that others find a place at each.
const WAITS_MAX: usize = 2_048;
/// Over HTTP/2 a peer's few connections carry thousands of requests.
const PEER_WAITS_MAX: usize = 512;

/// The callers that wait.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all: usize,
    /// Those on other machines, by address.
    peers: BTreeMap<IpAddr, usize>,
}

/// The place of a caller that waits. Dropping it frees the place.
pub(super) struct Waiting<'a> {
    waits: &'a Waits,
    peer: Option<IpAddr>,
}

impl Waits {
    /// A place for a caller that speaks from this address; `None` for a caller on this machine.
    /// Without a place, the caller is to be answered at once.
    pub(super) fn take(&self, peer: Option<IpAddr>) -> Option<Waiting<'_>> {
        let mut state = self.lock();
        if state.all >= WAITS_MAX {
            return None;
        }
        if let Some(peer) = peer {
            let count = state.peers.entry(peer).or_default();
            if *count >= PEER_WAITS_MAX {
                return None;
            }
            *count += 1;
        }
        state.all += 1;
        Some(Waiting { waits: self, peer })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.waits.lock();
        state.all -= 1;
        let Some(peer) = self.peer else {
            return;
        };
        if let Some(count) = state.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                state.peers.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_takes_a_part_of_the_places_and_leaves_them_when_it_is_answered() {
        let waits = Waits::default();
        let one = Some(IpAddr::from([10, 0, 0, 1]));
        let other = Some(IpAddr::from([10, 0, 0, 2]));
        let mut places: Vec<_> = (0..PEER_WAITS_MAX)
            .map(|_| waits.take(one).unwrap())
            .collect();
        assert!(waits.take(one).is_none());
        assert!(waits.take(other).is_some());
        places.extend((PEER_WAITS_MAX..WAITS_MAX).map(|_| waits.take(None).unwrap()));
        assert!(waits.take(other).is_none() && waits.take(None).is_none());
        drop(places);
        assert!(waits.take(one).is_some());
        assert!(waits.lock().peers.is_empty());
    }
}

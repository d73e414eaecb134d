//! Whether this host can hear its boxes: what their door tells the loop.
//!
//! Flow: the door notes each connection that it turns away; the reports note from which address each worker's box
//! speaks; the loop takes both before it judges a silence, and tells the core which workers' boxes it may have missed.
//! A place that is taken at the door's own cap may have been any box's. One that is taken at a peer's cap may have been
//! a box at that address, or one whose address this host does not know yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::id::WorkerId;

/// Peers that are told apart between two looks of the loop. More at their caps at once are as bad as a full door.
const PEERS_MAX: usize = 64;

/// Shared by the door, the reports and the loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearing(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// From where each worker's box last showed its token.
    heard_from: BTreeMap<WorkerId, IpAddr>,
    missed: Missed,
    /// Connections turned away since the last line in the log, and the latest reason.
    count: u64,
    latest: Option<TurnedAway>,
}

/// Which cap a connection was turned away for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// This peer has as many connections as one peer may have.
    Peer(IpAddr),
    /// The door has as many as it may have.
    Door,
}

/// Whose boxes may have been turned away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    everyone: bool,
    peers: BTreeSet<IpAddr>,
}

impl Hearing {
    /// A box showed a good token from this address.
    pub(crate) fn heard(&self, worker: &WorkerId, from: IpAddr) {
        let mut inner = self.lock();
        if inner.heard_from.get(worker) != Some(&from) {
            inner.heard_from.insert(worker.clone(), from);
        }
    }

    /// The door turned a connection away.
    pub(crate) fn turned_away(&self, reason: TurnedAway) {
        let mut inner = self.lock();
        inner.count = inner.count.saturating_add(1);
        inner.latest = Some(reason);
        match reason {
            TurnedAway::Peer(peer) if inner.missed.peers.len() < PEERS_MAX => {
                inner.missed.peers.insert(peer);
            }
            TurnedAway::Peer(_) | TurnedAway::Door => inner.missed.everyone = true,
        }
    }

    /// Which of these workers' boxes may have been turned away since this was last asked.
    pub(crate) fn take_missed<'a>(
        &self,
        workers: impl Iterator<Item = &'a WorkerId>,
    ) -> Vec<WorkerId> {
        let mut inner = self.lock();
        if inner.missed == Missed::default() {
            return Vec::new();
        }
        let missed = std::mem::take(&mut inner.missed);
        let is_missed = |worker: &&WorkerId| {
            let from = inner.heard_from.get(*worker);
            missed.everyone || from.is_none_or(|from| missed.peers.contains(from))
        };
        workers.filter(is_missed).cloned().collect()
    }

    /// How many connections were turned away since this was last asked, and the latest reason.
    pub(crate) fn take_count(&self) -> Option<(u64, TurnedAway)> {
        let mut inner = self.lock();
        let latest = inner.latest.take()?;
        Some((std::mem::take(&mut inner.count), latest))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn missed(hearing: &Hearing) -> Vec<String> {
        let workers = ["near", "far", "unknown"].map(WorkerId::from);
        let missed = hearing.take_missed(workers.iter());
        missed.iter().map(ToString::to_string).collect()
    }

    fn hearing() -> Hearing {
        let hearing = Hearing::default();
        hearing.heard(&WorkerId::from("near"), NEAR);
        hearing.heard(&WorkerId::from("far"), FAR);
        hearing
    }

    #[test]
    fn a_full_door_may_have_missed_every_box() {
        let hearing = hearing();
        assert_eq!(missed(&hearing), [""; 0]);
        hearing.turned_away(TurnedAway::Door);
        assert_eq!(missed(&hearing), ["near", "far", "unknown"]);
        assert_eq!(missed(&hearing), [""; 0]);
    }

    #[test]
    fn a_peer_at_its_cap_may_have_missed_its_own_boxes_and_those_of_unknown_address() {
        let hearing = hearing();
        hearing.turned_away(TurnedAway::Peer(NEAR));
        hearing.turned_away(TurnedAway::Peer(NEAR));
        assert_eq!(missed(&hearing), ["near", "unknown"]);
        assert_eq!(hearing.take_count(), Some((2, TurnedAway::Peer(NEAR))));
        assert_eq!(hearing.take_count(), None);
    }

    #[test]
    fn more_peers_at_their_caps_than_are_told_apart_count_as_a_full_door() {
        let hearing = hearing();
        for number in 0..=PEERS_MAX {
            let peer = std::net::Ipv4Addr::from_bits(0x0b00_0000 + number as u32);
            hearing.turned_away(TurnedAway::Peer(peer.into()));
        }
        assert_eq!(missed(&hearing), ["near", "far", "unknown"]);
    }
}

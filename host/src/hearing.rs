//! Tracks whether this host can hear its boxes: which connections the listener for boxes turned
//! away.
//!
//! Flow: the listener notes each connection it turns away. Reports note the address from which each
//! worker's box speaks. Before the loop judges a silence, it takes both and tells the core which
//! workers' boxes may have been missed. At the listener's own cap, any box may have been turned
//! away. At a peer's cap, only a box at that address may have been, or a box whose address is not
//! known yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::id::WorkerId;

/// How many peers are kept apart between two reads by the loop. More peers at their caps count as a
/// full listener.
const PEERS_MAX: usize = 64;

/// Shared by the listener, the report handlers and the loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearing(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// The address from which each worker's box last showed its token.
    heard_from: BTreeMap<WorkerId, IpAddr>,
    missed: Missed,
    /// Connections turned away since the last log line, and the latest reason.
    count: u64,
    latest: Option<TurnedAway>,
}

/// The cap that turned a connection away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// The cap of one peer address.
    Peer(IpAddr),
    /// The cap of the whole listener.
    Door,
}

/// Whose boxes may have been turned away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    everyone: bool,
    peers: BTreeSet<IpAddr>,
}

impl Hearing {
    /// Records that a box showed a good token from this address.
    pub(crate) fn heard(&self, worker: &WorkerId, from: IpAddr) {
        let mut inner = self.lock();
        if inner.heard_from.get(worker) != Some(&from) {
            inner.heard_from.insert(worker.clone(), from);
        }
    }

    /// Records that a connection was turned away.
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

    /// The workers whose boxes may have been turned away since the last call.
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

    /// How many connections were turned away since the last call, and the latest reason.
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
    fn a_peer_at_its_cap_may_miss_its_boxes_and_boxes_of_unknown_address() {
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

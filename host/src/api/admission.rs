//! Decides which connections a listener for other machines accepts, and which connection it closes to
//! make room.
//!
//! A connection *waits* while no request runs on it: the client has sent nothing, or half a head,
//! or is idle between requests. A waiting connection uses a place and costs its client nothing, so
//! it is closed first. When a peer or the listener is at its cap, a new connection replaces a
//! waiting one. If no connection waits, the new one is refused. So clients that send half a head,
//! however many, cannot keep requests out.
//!
//! Guarantees: a peer never has more connections than its cap, and the listener never more than its
//! own. At the peer's cap, that peer's oldest waiting connection is closed. At the listener's cap,
//! the oldest waiting connection of the peer with the most waiting connections is closed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;

use crate::hearing::{Hearing, TurnedAway};
use crate::metrics::Metrics;

/// Connections of one listener at most. Each takes some kilobytes.
const CONNECTIONS_MAX: usize = 4_096;
/// Connections of one listener at least, however few files a process may open.
const CONNECTIONS_MIN: usize = 64;

/// The caps on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caps {
    /// For one peer address.
    pub(crate) per_peer: usize,
    /// For the whole listener.
    pub(crate) door: usize,
}

/// The connections of one listener.
pub(crate) struct Admission {
    name: &'static str,
    caps: Caps,
    hearing: Hearing,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Per peer, ordered by when the connection opened or last began to wait.
    peers: BTreeMap<IpAddr, BTreeMap<u64, Connection>>,
    open: usize,
    last: u64,
}

struct Connection {
    /// The requests that run on it; over HTTP/2 there may be several.
    running: usize,
    /// When it last began to wait.
    waits_since: u64,
    /// Closes the connection when dropped.
    _end: oneshot::Sender<()>,
}

/// The place of one connection. Dropping it frees the place.
pub(super) struct Place {
    admission: Arc<Admission>,
    peer: IpAddr,
    number: u64,
}

/// The address a request comes from. Set only at a listener with an admission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Marks a running request on a connection for as long as it lives.
pub(super) struct Request<'a>(&'a Place);

impl Caps {
    /// This cap per peer, and the host's cap for a listener.
    pub(crate) fn per_peer(per_peer: usize) -> Self {
        Self {
            per_peer,
            door: connections_max(),
        }
    }

    /// The host's cap for a local listener, whose clients cannot be told apart by address.
    pub(crate) fn local() -> Self {
        Self::per_peer(connections_max())
    }
}

/// The connections of one listener: a fifth of the files that this process may open, because there
/// are four listeners and other files.
fn connections_max() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let share = usize::try_from(files / 5).unwrap_or(usize::MAX);
    share.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

impl Admission {
    /// Those of the listener with this name in the metrics.
    pub(crate) fn new(
        name: &'static str,
        caps: Caps,
        hearing: Hearing,
        metrics: Metrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            caps,
            hearing,
            metrics,
            state: Mutex::default(),
        })
    }

    /// Returns a place for a connection of this peer, and a receiver that ends when another
    /// connection needs the place. `None`: there is no place.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
    ) -> Option<(Arc<Place>, oneshot::Receiver<()>)> {
        // An IPv4 client is the same peer at a dual-stack socket and at an IPv4 socket.
        let peer = peer.to_canonical();
        let mut state = self.lock();
        if state.count(peer) >= self.caps.per_peer {
            self.note(TurnedAway::Peer(peer));
            state.end_oldest_of(peer)?;
        }
        if state.open >= self.caps.door {
            self.note(TurnedAway::Door);
            let crowded = state.with_most_waiting()?;
            state.end_oldest_of(crowded)?;
        }
        state.last += 1;
        let number = state.last;
        let (end, ended) = oneshot::channel();
        let connection = Connection {
            running: 0,
            waits_since: number,
            _end: end,
        };
        state
            .peers
            .entry(peer)
            .or_default()
            .insert(number, connection);
        state.open += 1;
        let admission = Arc::clone(self);
        let place = Place {
            admission,
            peer,
            number,
        };
        Some((Arc::new(place), ended))
    }

    fn note(&self, reason: TurnedAway) {
        self.hearing.turned_away(reason);
        let cap = match reason {
            TurnedAway::Peer(_) => "peer",
            TurnedAway::Door => "door",
        };
        self.metrics.turned_away(self.name, cap);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Since when no request runs on it.
    fn waits_since(&self) -> Option<u64> {
        (self.running == 0).then_some(self.waits_since)
    }
}

impl State {
    fn count(&self, peer: IpAddr) -> usize {
        self.peers.get(&peer).map_or(0, BTreeMap::len)
    }

    /// Closes the longest waiting connection of this peer. `None`: no connection of it waits.
    fn end_oldest_of(&mut self, peer: IpAddr) -> Option<()> {
        let connections = self.peers.get(&peer)?.iter();
        let waiting = connections.filter_map(|(number, it)| Some((it.waits_since()?, *number)));
        let (_, number) = waiting.min()?;
        self.remove(peer, number);
        Some(())
    }

    /// The peer with the most waiting connections. On a tie, the one whose oldest connection waits
    /// longest.
    fn with_most_waiting(&self) -> Option<IpAddr> {
        let peers = self.peers.iter().filter_map(|(peer, connections)| {
            let waiting = connections.values().filter_map(Connection::waits_since);
            let oldest = waiting.clone().min()?;
            Some((waiting.count(), std::cmp::Reverse(oldest), *peer))
        });
        peers.max().map(|(.., peer)| peer)
    }

    fn remove(&mut self, peer: IpAddr, number: u64) {
        let Some(connections) = self.peers.get_mut(&peer) else {
            return;
        };
        if connections.remove(&number).is_some() {
            self.open = self.open.saturating_sub(1);
        }
        if connections.is_empty() {
            self.peers.remove(&peer);
        }
    }
}

impl Place {
    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Marks the connection as busy until the returned value is dropped.
    pub(super) fn begin_request(&self) -> Request<'_> {
        self.change(|connection, _| connection.running += 1);
        Request(self)
    }

    fn end_request(&self) {
        self.change(|connection, now| {
            connection.running = connection.running.saturating_sub(1);
            connection.waits_since = now;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Connection, u64)) {
        let mut state = self.admission.lock();
        state.last += 1;
        let now = state.last;
        let connections = state.peers.get_mut(&self.peer);
        if let Some(connection) = connections.and_then(|them| them.get_mut(&self.number)) {
            change(connection, now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.lock().remove(self.peer, self.number);
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    fn admission(per_peer: usize, door: usize) -> Arc<Admission> {
        let caps = Caps { per_peer, door };
        Admission::new("boxes", caps, Hearing::default(), Metrics::new())
    }

    fn has_ended(ended: &mut oneshot::Receiver<()>) -> bool {
        ended.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn at_a_peers_cap_its_oldest_waiting_connection_makes_room() {
        let admission = admission(2, 10);
        let (first, mut first_ended) = admission.admit(peer(1)).unwrap();
        let (_second, mut second_ended) = admission.admit(peer(1)).unwrap();
        let request = first.begin_request();
        let (_third, mut third_ended) = admission.admit(peer(1)).unwrap();
        assert!(!has_ended(&mut first_ended), "a request runs on it");
        assert!(has_ended(&mut second_ended));
        drop(request);
        let (_fourth, _) = admission.admit(peer(1)).unwrap();
        assert!(!has_ended(&mut first_ended), "it has waited for less time");
        assert!(has_ended(&mut third_ended));
    }

    #[test]
    fn with_requests_under_way_on_all_of_them_a_connection_is_turned_away() {
        let admission = admission(1, 2);
        let (first, _first_ended) = admission.admit(peer(1)).unwrap();
        let _request = first.begin_request();
        assert!(admission.admit(peer(1)).is_none());
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        assert!(admission.admit(mapped).is_none(), "the same peer");
        let (second, _second_ended) = admission.admit(peer(2)).unwrap();
        let _request = second.begin_request();
        assert!(admission.admit(peer(3)).is_none());
        let taken = admission.hearing.take_count();
        assert_eq!(taken, Some((3, TurnedAway::Door)));
    }

    #[test]
    fn at_the_doors_cap_the_peer_with_the_most_waiting_connections_makes_room() {
        let admission = admission(3, 4);
        let (_box, mut box_ended) = admission.admit(peer(1)).unwrap();
        let mut crowd: Vec<_> = (0..3).map(|_| admission.admit(peer(2)).unwrap()).collect();
        let (_another, _another_ended) = admission.admit(peer(3)).unwrap();
        assert!(!has_ended(&mut box_ended));
        let ended = crowd.iter_mut().map(|(_, ended)| has_ended(ended));
        assert_eq!(ended.collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_is_over() {
        let admission = admission(1, 1);
        for _ in 0..3 {
            let (place, _ended) = admission.admit(peer(1)).unwrap();
            let _request = place.begin_request();
        }
        let (first, first_ended) = admission.admit(peer(1)).unwrap();
        let (second, _second_ended) = admission.admit(peer(1)).unwrap();
        drop((first, first_ended));
        let _request = second.begin_request();
        assert!(admission.admit(peer(2)).is_none(), "taken once, freed once");
        let state = admission.lock();
        assert_eq!((state.open, state.peers.len()), (1, 1));
    }
}

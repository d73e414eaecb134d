//! The hosts as their callers reach them: behind a load balancer, in turn. A crash of a host cuts
//! its connections, and the callers and boxes that waited ask again.

use std::collections::BTreeMap;

use reeve_core::id::RequestId;
use reeve_core::request::Request;
use reeve_core::time::Millis;

use super::{Pending, Stage};
use crate::timeline::Entry;

/// The time until a caller or a box whose connection was refused or cut connects again.
pub(super) const RECONNECT: Millis = Millis::from_secs(5);

/// Something that happens to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happens {
    /// It ends at once, and loses what it had in memory.
    Crash,
    /// It is started again.
    Begin,
    /// Its process stands still for this long. Requests to it wait.
    Sleep(Millis),
}

/// Which hosts are up, and the pending requests of each.
pub(super) struct Hosts {
    up: Vec<bool>,
    /// The number of requests so far, which says whose turn is next.
    turns: usize,
    at: BTreeMap<RequestId, usize>,
}

impl Hosts {
    pub(super) fn new(count: usize) -> Self {
        Self {
            up: vec![true; count],
            turns: 0,
            at: BTreeMap::new(),
        }
    }

    /// This host, or the one whose turn it is; `None`: it is down, or all are.
    fn take_turn(&mut self, host: Option<usize>) -> Option<usize> {
        if host.is_some() {
            return host.filter(|number| self.up.get(*number) == Some(&true));
        }
        let up: Vec<usize> = self.all_up().collect();
        let turn = self.turns.checked_rem(up.len())?;
        self.turns += 1;
        up.get(turn).copied()
    }

    pub(super) fn all_up(&self) -> impl Iterator<Item = usize> {
        let up = self.up.iter().enumerate();
        up.filter_map(|(number, up)| up.then_some(number))
    }

    /// A request has its response.
    pub(super) fn on_response(&mut self, request: RequestId) {
        self.at.remove(&request);
    }
}

impl Stage<'_> {
    /// Submits a request to the host whose turn it is; `false`: no host is up.
    #[must_use]
    pub(super) fn submit(&mut self, request: RequestId, what: Request) -> bool {
        self.submit_to(None, request, what)
    }

    /// Submits a request to this host, or to the one whose turn it is; `false`: it is down.
    #[must_use]
    pub(super) fn submit_to(
        &mut self,
        host: Option<usize>,
        request: RequestId,
        what: Request,
    ) -> bool {
        let Some(number) = self.hosts.take_turn(host) else {
            return false;
        };
        self.hosts.at.insert(request, number);
        self.host.ask(number, &self.worker, request, what);
        true
    }

    /// Lets this happen to a host. Nothing happens to a host that the run does not have, to one that
    /// is down, or by a begin to one that is up.
    pub(super) fn happen_to_host(&mut self, number: usize, happens: Happens) {
        let Some(up) = self.hosts.up.get_mut(number) else {
            return;
        };
        if *up == (happens == Happens::Begin) {
            return;
        }
        let event = match happens {
            Happens::Crash => {
                *up = false;
                self.host.crash(number);
                "crashes".to_owned()
            }
            Happens::Begin => {
                *up = true;
                self.host.begin(number);
                "is started again".to_owned()
            }
            Happens::Sleep(length) => {
                self.host.pause(number, length);
                format!("stands still for {length}")
            }
        };
        let who = match self.hosts.up.len() {
            1 => "host".to_owned(),
            _ => format!("host {}", number + 1),
        };
        self.run.entries.push(Entry::event(self.now, &who, event));
        if happens == Happens::Crash {
            self.cut_connections(number);
        }
    }

    fn cut_connections(&mut self, number: usize) {
        let cut = self.hosts.at.extract_if(.., |_, at| *at == number);
        let cut: Vec<_> = cut.map(|(request, _)| request).collect();
        for request in cut {
            self.reconnect_box(request);
            if let Some(who) = self.doubting.remove(&request) {
                self.note(&who, "loses its connection");
            }
            if let Some(pending) = self.pending.remove(&request) {
                self.note(&pending.caller, "loses its connection");
                self.come_back(&pending, RECONNECT);
            }
        }
    }

    /// A caller reaches no host.
    pub(super) fn find_no_host(&mut self, pending: &Pending) {
        self.note(&pending.caller, "reaches no host");
        self.come_back(pending, RECONNECT);
    }
}

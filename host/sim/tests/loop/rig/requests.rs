//! Requests to hosts, and the responses.

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::demand::DemandReading;
use reeve_core::event::WorkerEvent;
use reeve_core::id::{InstanceId, RequestId, WorkerId};
use reeve_core::operator::{Command, CommandOutcome, Refused};
use reeve_core::request::Request;
use reeve_core::response::{LookOutcome, NotYet, NotYetCode, Resolution, Response};
use reeve_sim::engine::statement;

use super::prelude::*;

impl Rig {
    /// A caller asks where the worker is. The response comes as time passes.
    pub(crate) fn ask(&mut self) -> RequestId {
        self.ask_of(0)
    }

    /// The same, of this host.
    pub(crate) fn ask_of(&mut self, host: usize) -> RequestId {
        self.request(host, Request::Resolve { wait: None })
    }

    /// A caller asks, and so much time passes, within which the response has to come.
    pub(crate) fn ask_and_run(&mut self, length: Millis) -> Resolution {
        let request = self.ask();
        self.run(length);
        let resolution = self.resolution(request);
        resolution.expect("a response within the time given")
    }

    /// A caller asks, and gets the address of this instance within a second.
    #[track_caller]
    pub(crate) fn expect_served(&mut self) -> InstanceId {
        self.expect_served_within(SECOND)
    }

    /// The same, within this length.
    #[track_caller]
    pub(crate) fn expect_served_within(&mut self, length: Millis) -> InstanceId {
        let request = self.ask();
        self.run(length);
        self.expect_served_to(request)
    }

    /// This caller has got the address of this instance.
    #[track_caller]
    pub(crate) fn expect_served_to(&mut self, request: RequestId) -> InstanceId {
        match self.resolution(request) {
            Some(Resolution::Served(route)) => route.instance,
            other => panic!("expected an address, got {other:?}"),
        }
    }

    /// A caller asks, and gets no address within this length.
    #[track_caller]
    pub(crate) fn expect_not_yet(&mut self, length: Millis) -> NotYetCode {
        let request = self.ask();
        self.run(length);
        self.expect_not_yet_to(request).code
    }

    /// This caller has got no address.
    #[track_caller]
    pub(crate) fn expect_not_yet_to(&mut self, request: RequestId) -> NotYet {
        match self.resolution(request) {
            Some(Resolution::NotYet(not_yet)) => not_yet,
            other => panic!("expected no address, got {other:?}"),
        }
    }

    /// A box or an application says something. The response comes as time passes.
    pub(crate) fn say(&mut self, said: Statement) -> RequestId {
        self.say_to(0, said)
    }

    /// The same, to this host.
    pub(crate) fn say_to(&mut self, host: usize, said: Statement) -> RequestId {
        let said = statement(self.requests.next(), said);
        self.request(host, said)
    }

    /// A box or an application says something, and a second passes, within which the response has
    /// to come.
    pub(crate) fn say_and_run(&mut self, said: Statement) -> Receipt {
        self.say_to_and_run(0, said)
    }

    /// The same, to this host.
    pub(crate) fn say_to_and_run(&mut self, host: usize, said: Statement) -> Receipt {
        let request = self.say_to(host, said);
        self.run(SECOND);
        self.receipt(request).expect("a receipt within a second")
    }

    /// Gives the host a command. The response comes at once, since the store and the policies
    /// answer at once; a restart that ends an instance waits for the cloud's answer.
    #[track_caller]
    pub(crate) fn command(&mut self, command: Command) -> Result<CommandOutcome, Refused> {
        self.command_to(0, command)
    }

    /// The same, to this host.
    #[track_caller]
    pub(crate) fn command_to(
        &mut self,
        host: usize,
        command: Command,
    ) -> Result<CommandOutcome, Refused> {
        let request = self.request(host, super::command(command));
        let by = self.now() + SECOND;
        while self.response(request).is_none() && self.next_at().is_some_and(|at| at <= by) {
            self.step();
        }
        match self.response(request) {
            Some(Response::Command(result)) => result.clone(),
            other => panic!("no response within a second: {other:?}"),
        }
    }

    /// Gives the host a command. The response comes as time passes.
    pub(crate) fn give(&mut self, command: Command) -> RequestId {
        self.request(0, super::command(command))
    }

    /// Whether the response to this request has come.
    pub(crate) fn has_response(&mut self, request: RequestId) -> bool {
        self.response(request).is_some()
    }

    /// A caller asks the first host where this worker is.
    pub(crate) fn ask_for(&mut self, worker: &WorkerId) -> RequestId {
        self.request_of(0, worker, Request::Resolve { wait: None })
    }

    /// Makes a request to this host.
    pub(crate) fn request(&mut self, host: usize, what: Request) -> RequestId {
        self.request_of(host, &incidents::worker(), what)
    }

    /// The same, about this worker.
    pub(crate) fn request_of(
        &mut self,
        host: usize,
        worker: &WorkerId,
        what: Request,
    ) -> RequestId {
        self.requests = self.requests.next();
        let request = self.requests;
        self.submit(host, worker, request, what);
        request
    }

    /// What a caller got; `None`: the response has not come.
    pub(crate) fn resolution(&mut self, request: RequestId) -> Option<Resolution> {
        match self.response(request)? {
            Response::Resolve(resolution) => Some(resolution.clone()),
            other => panic!("not of a resolve: {other:?}"),
        }
    }

    /// What a box or an application got; `None`: the response has not come.
    pub(crate) fn receipt(&mut self, request: RequestId) -> Option<Receipt> {
        match self.response(request)? {
            Response::Statement(receipt) => Some(receipt.clone()),
            other => panic!("not of a statement: {other:?}"),
        }
    }

    /// What a caller heard that does not reach an instance. The response comes at once.
    #[track_caller]
    pub(crate) fn looked(&mut self, request: RequestId) -> LookOutcome {
        match self.response(request) {
            Some(Response::Unreachable(looked)) => looked.outcome,
            other => panic!("expected what the host does, got {other:?}"),
        }
    }

    fn response(&mut self, request: RequestId) -> Option<&Response> {
        let new = self.engine.take_responses();
        self.responses.extend(new);
        self.responses.get(&request)
    }

    /// The host reads that no caller has used the worker for ten minutes.
    pub(crate) fn read_no_demand(&mut self) {
        self.read_no_demand_on(0);
    }

    /// The same, on this host.
    pub(crate) fn read_no_demand_on(&mut self, host: usize) {
        let demand = DemandReading::Requests {
            count: 0,
            window: Millis::from_secs(600),
            until: self.now(),
        };
        let demand = WorkerEvent::DemandRead(Some(demand));
        self.tell(host, &incidents::worker(), demand);
    }
}

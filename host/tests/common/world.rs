//! A small scripted cloud: one pointer, a few instances, a record of every call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use reeve_core::cloud::{
    CloudError, CloudErrorKind, Mutation, Outcome, PointerReading, Query, Reading,
};
use reeve_core::guard::Permit;
use reeve_core::id::{InstanceId, PointerName, Region};
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::ports::{Cloud, CloudFuture};
use reeve_sim::world::BOX_ROLE;
use tokio::sync::Semaphore;

/// The region of all resources.
pub(crate) const REGION: &str = "us-east-1";
/// The tag key that identifies a worker's instances.
pub(crate) const TAG_KEY: &str = "Name";

/// The cloud, shared by the test and the host.
pub(crate) struct World {
    state: Mutex<State>,
    /// Makes queries fail as if the network were down.
    pub(crate) unreachable: AtomicBool,
    /// Makes queries panic.
    pub(crate) panics: AtomicBool,
    /// A mutation waits for a permit of this semaphore. It has many by default.
    pub(crate) mutations: Semaphore,
}

#[derive(Default)]
struct State {
    pointers: BTreeMap<PointerName, InstanceId>,
    instances: BTreeMap<InstanceId, Instance>,
    mutations: Vec<Mutation>,
    queries: usize,
}

impl World {
    /// An empty world.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            unreachable: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            mutations: Semaphore::new(1000),
        })
    }

    /// Adds a running instance with the worker's tag and an address.
    pub(crate) fn add_running(&self, id: &str, tag_value: &str) {
        self.add(id, tag_value, InstanceState::Running, Some([10, 0, 0, 1]));
    }

    /// Adds an instance with the worker's tag.
    pub(crate) fn add(&self, id: &str, tag_value: &str, state: InstanceState, ip: Option<[u8; 4]>) {
        let instance = Instance {
            id: InstanceId::from(id),
            state,
            private_ip: ip.map(Into::into),
            public_ip: None,
            launched_at: None,
            role: Some(BOX_ROLE.to_owned()),
            state_reason: None,
            tags: BTreeMap::from([(TAG_KEY.to_owned(), tag_value.to_owned())]),
        };
        self.state().instances.insert(instance.id.clone(), instance);
    }

    /// Makes the pointer name an instance.
    pub(crate) fn point(&self, pointer: &str, id: &str) {
        let (pointer, id) = (PointerName::from(pointer), InstanceId::from(id));
        self.state().pointers.insert(pointer, id);
    }

    /// The instance that the pointer names.
    pub(crate) fn pointer(&self, pointer: &str) -> Option<String> {
        let state = self.state();
        state
            .pointers
            .get(&PointerName::from(pointer))
            .map(ToString::to_string)
    }

    /// Every mutation so far.
    pub(crate) fn mutations(&self) -> Vec<Mutation> {
        self.state().mutations.clone()
    }

    /// The number of queries so far.
    pub(crate) fn queries(&self) -> usize {
        self.state().queries
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn read(&self, query: Query) -> Result<Reading, CloudError> {
        assert!(!self.panics.load(Ordering::SeqCst), "the cloud panics");
        let mut state = self.state();
        state.queries += 1;
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(CloudError {
                operation: "Query".to_owned(),
                kind: CloudErrorKind::Transient,
                code: "Connection".to_owned(),
                message: "no route".to_owned(),
                retry_after: None,
            });
        }
        Ok(match query {
            Query::Pointer { name, .. } => Reading::Pointer(PointerReading {
                names: state.pointers.get(&name).cloned(),
                written_at: None,
            }),
            Query::Instance { id, .. } => {
                let known = state.instances.get(&id).cloned();
                Reading::Instance(known.unwrap_or_else(|| Instance::not_visible(id)))
            }
            Query::Scan {
                tag_key,
                tag_values,
                ..
            } => {
                let wanted = |instance: &&Instance| {
                    let value = instance.tags.get(&tag_key);
                    value.is_some_and(|value| tag_values.contains(value))
                };
                Reading::Scan(state.instances.values().filter(wanted).cloned().collect())
            }
            Query::Demand { .. } => Reading::Demand(BTreeMap::new()),
            Query::StatusChecks { .. } => Reading::StatusChecks(BTreeMap::new()),
            Query::TemplateVersion { .. } => Reading::TemplateVersion(1),
        })
    }

    fn write(&self, mutation: Mutation) -> Outcome {
        let mut state = self.state();
        state.mutations.push(mutation.clone());
        match mutation {
            Mutation::WritePointer { name, id, .. } => {
                state.pointers.insert(name, id);
                Outcome::Accepted
            }
            Mutation::Launch { tags, .. } => {
                let instance = Instance {
                    id: InstanceId::new(format!("i-launched-{}", state.instances.len())),
                    state: InstanceState::Running,
                    private_ip: Some([10, 0, 1, 1].into()),
                    public_ip: None,
                    launched_at: None,
                    role: Some(BOX_ROLE.to_owned()),
                    state_reason: None,
                    tags,
                };
                state
                    .instances
                    .insert(instance.id.clone(), instance.clone());
                Outcome::Launched(instance)
            }
            Mutation::Start { id, .. } => {
                if let Some(instance) = state.instances.get_mut(&id) {
                    instance.state = InstanceState::Running;
                    instance.private_ip = Some([10, 0, 0, 2].into());
                }
                Outcome::Accepted
            }
            Mutation::Reboot { .. } => Outcome::Accepted,
            Mutation::Stop { id, .. } | Mutation::Terminate { id, .. } => {
                if let Some(instance) = state.instances.get_mut(&id) {
                    instance.state = InstanceState::Stopping;
                }
                Outcome::Accepted
            }
        }
    }
}

impl Cloud for World {
    fn query(&self, query: Query) -> CloudFuture<'_, Reading> {
        Box::pin(async move { self.read(query) })
    }

    fn mutate(&self, permit: Permit) -> CloudFuture<'_, Outcome> {
        Box::pin(async move {
            // Only a test that has ended closes it.
            let _leave = self.mutations.acquire().await;
            Ok(self.write(permit.into_mutation()))
        })
    }
}

/// The region as the core's type.
pub(crate) fn region() -> Region {
    Region::from(REGION)
}

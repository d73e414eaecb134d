//! Mutations of EC2 and SSM, and the dispatch to those of ECS. Each request is sent once; the
//! holder of the permit handles errors.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{LaunchTemplateSpecification, ResourceType, Tag, TagSpecification};
use aws_sdk_ssm::types::ParameterType;
use reeve_core::cloud::{CloudError, Mutation, Outcome, POINTER_NONE};
use reeve_core::compute::{Compute, LaunchSource};
use reeve_core::id::{DecisionId, InstanceId, LaunchToken, PointerName};
use reeve_core::instance::Instance;

use crate::region::Clients;
use crate::template::{self, DEFAULT_VERSION};
use crate::{AwsCloud, convert, error, fargate};

impl AwsCloud {
    /// Carries out a mutation for this decision. Outside this crate, only a guard's permit leads
    /// here.
    ///
    /// A stop or termination that clears the pointer clears it first. If the second step fails, the
    /// pointer names nothing, and the next resolve finds the running instance by its tag. In the
    /// other order, a failure would leave a pointer to a stopped instance
    /// (docs/incidents.md#stale-pointer). So an error of the second step, even a definite one,
    /// leaves the pointer cleared.
    pub(crate) async fn carry_out(
        &self,
        mutation: Mutation,
        decision: DecisionId,
    ) -> Result<Outcome, CloudError> {
        match mutation {
            Mutation::Launch {
                region,
                source,
                token,
                tags,
            } => {
                let clients = self.regions.changing(&region);
                let launched = match source {
                    // An attempt of a host that did not resolve the version.
                    LaunchSource::LaunchTemplate(name) => {
                        let template = template::specification(&name, DEFAULT_VERSION);
                        launch(&clients, template, &token, &tags).await
                    }
                    LaunchSource::LaunchTemplateVersion(at) => {
                        let version = at.version.to_string();
                        let template = template::specification(&at.launch_template, &version);
                        launch(&clients, template, &token, &tags).await
                    }
                    LaunchSource::Fargate(task) => {
                        fargate::run(&clients.ecs, &task, &token, &tags).await
                    }
                };
                launched.map(Outcome::Launched)
            }
            Mutation::Start {
                region,
                compute,
                id,
            } => {
                let clients = self.regions.changing(&region);
                match compute {
                    Compute::Ec2 => start(&clients, &id).await?,
                    Compute::Fargate { .. } => return Err(fargate::cannot("start", &id)),
                }
                Ok(Outcome::Accepted)
            }
            Mutation::Reboot { region, id } => {
                reboot(&self.regions.changing(&region), &id).await?;
                Ok(Outcome::Accepted)
            }
            Mutation::Stop {
                region,
                compute,
                id,
                clear_pointer,
            } => {
                let clients = self.regions.changing(&region);
                if let Compute::Fargate { .. } = compute {
                    return Err(fargate::cannot("stop for a while", &id));
                }
                clear(&clients, clear_pointer.as_ref()).await?;
                stop(&clients, &id).await?;
                Ok(Outcome::Accepted)
            }
            Mutation::Terminate {
                region,
                compute,
                id,
                clear_pointer,
            } => {
                let clients = self.regions.changing(&region);
                clear(&clients, clear_pointer.as_ref()).await?;
                match compute {
                    Compute::Ec2 => terminate(&clients, &id).await?,
                    Compute::Fargate { cluster } => {
                        fargate::end(&clients.ecs, &cluster, &id, decision).await?;
                    }
                }
                Ok(Outcome::Accepted)
            }
            Mutation::WritePointer { region, name, id } => {
                write_pointer(&self.regions.changing(&region), &name, id.as_str()).await?;
                Ok(Outcome::Accepted)
            }
        }
    }
}

async fn launch(
    clients: &Clients,
    template: LaunchTemplateSpecification,
    token: &LaunchToken,
    tags: &BTreeMap<String, String>,
) -> Result<Instance, CloudError> {
    const OPERATION: &str = "RunInstances";
    let answer = clients
        .ec2
        .run_instances()
        .launch_template(template)
        .client_token(token.as_str())
        .min_count(1)
        .max_count(1)
        .set_tag_specifications(instance_tags(tags).map(|tags| vec![tags]))
        .send()
        .await
        .map_err(|failure| error::sorted(OPERATION, &failure))?;
    let launched = answer
        .instances()
        .first()
        .ok_or_else(|| error::garbled(OPERATION, "no instance".to_owned()))?;
    convert::instance(OPERATION, launched)
}

/// Tags for the instance only. The template decides about its volumes, and tags on them would need
/// a wider permission.
fn instance_tags(tags: &BTreeMap<String, String>) -> Option<TagSpecification> {
    if tags.is_empty() {
        return None;
    }
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    Some(
        TagSpecification::builder()
            .resource_type(ResourceType::Instance)
            .set_tags(Some(tags.iter().map(tag).collect()))
            .build(),
    )
}

async fn start(clients: &Clients, id: &InstanceId) -> Result<(), CloudError> {
    let request = clients.ec2.start_instances().instance_ids(id.as_str());
    match request.send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(error::sorted("StartInstances", &failure)),
    }
}

async fn reboot(clients: &Clients, id: &InstanceId) -> Result<(), CloudError> {
    let request = clients.ec2.reboot_instances().instance_ids(id.as_str());
    match request.send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(error::sorted("RebootInstances", &failure)),
    }
}

async fn stop(clients: &Clients, id: &InstanceId) -> Result<(), CloudError> {
    let request = clients.ec2.stop_instances().instance_ids(id.as_str());
    match request.send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(error::sorted("StopInstances", &failure)),
    }
}

async fn terminate(clients: &Clients, id: &InstanceId) -> Result<(), CloudError> {
    let request = clients.ec2.terminate_instances().instance_ids(id.as_str());
    match request.send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(error::sorted("TerminateInstances", &failure)),
    }
}

async fn clear(clients: &Clients, pointer: Option<&PointerName>) -> Result<(), CloudError> {
    match pointer {
        Some(name) => write_pointer(clients, name, POINTER_NONE).await,
        None => Ok(()),
    }
}

/// SSM has no compare-and-set, so this overwrites. The guard has permitted it.
async fn write_pointer(
    clients: &Clients,
    name: &PointerName,
    value: &str,
) -> Result<(), CloudError> {
    let request = clients
        .ssm
        .put_parameter()
        .name(name.as_str())
        .value(value)
        .r#type(ParameterType::String)
        .overwrite(true);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(error::sorted("PutParameter", &failure)),
    }
}

//! Queries to EC2 and SSM, and the dispatch to those of ECS and CloudWatch. They change nothing, so
//! they may be retried.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Reservation};
use reeve_core::cloud::{CloudError, PointerReading, Query, Reading};
use reeve_core::compute::Compute;
use reeve_core::id::{InstanceId, PointerName};
use reeve_core::instance::Instance;

use crate::{AwsCloud, convert, demand, error, fargate, status_checks, template};

/// The most values one filter may have (EC2 user guide, "Filter the resources").
pub(crate) const FILTER_VALUES_MAX: usize = 200;

impl AwsCloud {
    /// Sends a query to the region it names.
    pub(crate) async fn ask(&self, query: Query) -> Result<Reading, CloudError> {
        match query {
            Query::Pointer { region, name } => {
                let ssm = self.regions.asking(&region).ssm;
                read_pointer(&ssm, &name).await.map(Reading::Pointer)
            }
            Query::Instance {
                region,
                compute,
                id,
            } => {
                let clients = self.regions.asking(&region);
                let found = match compute {
                    Compute::Ec2 => describe(&clients.ec2, id).await,
                    Compute::Fargate { cluster } => {
                        fargate::describe(&clients.ecs, &cluster, id, &self.task_roles).await
                    }
                };
                found.map(Reading::Instance)
            }
            Query::Scan {
                region,
                compute,
                tag_key,
                tag_values,
                tasks,
            } => {
                let clients = self.regions.asking(&region);
                let found = match compute {
                    Compute::Ec2 => {
                        let page_instances = self.regions.scan_page_instances();
                        scan(&clients.ec2, &tag_key, &tag_values, page_instances).await
                    }
                    Compute::Fargate { cluster } => {
                        let page_tasks = self.regions.scan_page_tasks();
                        let tag = (tag_key.as_str(), tag_values.as_slice());
                        let reading = (page_tasks, &self.task_roles);
                        fargate::scan(&clients.ecs, &cluster, tag, &tasks, reading).await
                    }
                };
                found.map(Reading::Scan)
            }
            Query::Demand {
                region,
                period,
                since,
                until,
                metrics,
            } => {
                let cloudwatch = self.regions.asking(&region).cloudwatch;
                let window = demand::Window {
                    period,
                    since,
                    until,
                };
                demand::read(&cloudwatch, window, metrics)
                    .await
                    .map(Reading::Demand)
            }
            Query::TemplateVersion { region, template } => {
                let ec2 = self.regions.asking(&region).ec2;
                template::version(&ec2, &template)
                    .await
                    .map(Reading::TemplateVersion)
            }
            Query::StatusChecks { region, ids } => {
                let ec2 = self.regions.asking(&region).ec2;
                status_checks::read(&ec2, &ids)
                    .await
                    .map(Reading::StatusChecks)
            }
        }
    }
}

async fn read_pointer(
    ssm: &aws_sdk_ssm::Client,
    name: &PointerName,
) -> Result<PointerReading, CloudError> {
    match ssm.get_parameter().name(name.as_str()).send().await {
        Ok(answer) => convert::pointer(name, answer.parameter()),
        Err(refusal) if error::code_of(&refusal) == Some("ParameterNotFound") => {
            Ok(PointerReading::default())
        }
        Err(failure) => Err(error::sorted("GetParameter", &failure)),
    }
}

async fn describe(ec2: &aws_sdk_ec2::Client, id: InstanceId) -> Result<Instance, CloudError> {
    const OPERATION: &str = "DescribeInstances";
    let asked = ec2.describe_instances().instance_ids(id.as_str());
    let answer = match asked.send().await {
        Ok(answer) => answer,
        Err(refusal) if error::code_of(&refusal) == Some("InvalidInstanceID.NotFound") => {
            return Ok(Instance::not_visible(id));
        }
        Err(failure) => return Err(error::sorted(OPERATION, &failure)),
    };
    // EC2 leaves out an instance of another account instead of refusing the call.
    match answer
        .reservations()
        .iter()
        .flat_map(Reservation::instances)
        .next()
    {
        Some(found) => convert::instance(OPERATION, found),
        None => Ok(Instance::not_visible(id)),
    }
}

/// Returns every instance whose tag has one of the values, in any state, or an error. A partial
/// list would look as if instances had vanished.
async fn scan(
    ec2: &aws_sdk_ec2::Client,
    tag_key: &str,
    tag_values: &[String],
    page_instances: i32,
) -> Result<Vec<Instance>, CloudError> {
    let mut found = BTreeMap::new();
    for values in tag_values.chunks(FILTER_VALUES_MAX) {
        let filter = Filter::builder()
            .name(format!("tag:{tag_key}"))
            .set_values(Some(values.iter().map(|value| literal(value)).collect()))
            .build();
        turn_pages(ec2, &filter, page_instances, &mut found).await?;
    }
    Ok(found.into_values().collect())
}

/// Reads all pages of one filter. The SDK's paginator treats a repeated page token as the end,
/// which would make the scan partial, so it is not used.
async fn turn_pages(
    ec2: &aws_sdk_ec2::Client,
    filter: &Filter,
    page_instances: i32,
    found: &mut BTreeMap<InstanceId, Instance>,
) -> Result<(), CloudError> {
    const OPERATION: &str = "DescribeInstances";
    let mut token: Option<String> = None;
    loop {
        let page = ec2
            .describe_instances()
            .filters(filter.clone())
            .max_results(page_instances)
            .set_next_token(token.clone())
            .send()
            .await
            .map_err(|failure| error::sorted(OPERATION, &failure))?;
        for listed in page.reservations().iter().flat_map(Reservation::instances) {
            let instance = convert::instance(OPERATION, listed)?;
            found.insert(instance.id.clone(), instance);
        }
        let next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(());
        }
        if next == token {
            let repeated = "the token of the page it belongs to, so the pages have no end";
            return Err(error::garbled(OPERATION, repeated.to_owned()));
        }
        token = next;
    }
}

/// Escapes a filter value, because `*` and `?` are wildcards (EC2 user guide, "Filter the
/// resources").
fn literal(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_tag_value_is_looked_for_letter_by_letter() {
        let cases = [
            ("chat-worker", "chat-worker"),
            ("*amazon?\\", "\\*amazon\\?\\\\"),
        ];
        for (value, filter) in cases {
            assert_eq!(literal(value), filter);
        }
    }
}

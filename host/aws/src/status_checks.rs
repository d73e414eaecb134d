//! Reads EC2's status checks, for many instances in one call.
//!
//! An instance that EC2 does not report is left out, which means "unavailable". An unknown id makes
//! EC2 refuse the whole call, although the id may only be not visible yet (EC2 developer guide,
//! "Eventual consistency"). So the other ids are read without it.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    EventCode, InstanceStatus, InstanceStatusEvent, InstanceStatusSummary, SummaryStatus,
};
use reeve_core::cloud::CloudError;
use reeve_core::health::{Check, Scheduled, StatusChecks};
use reeve_core::id::InstanceId;
use reeve_core::point::NoticeKind;

use crate::{convert, error};

const OPERATION: &str = "DescribeInstanceStatus";

/// The most ids per call (EC2 API reference, DescribeInstanceStatus, `InstanceId`).
pub(crate) const BATCH_IDS_MAX: usize = 100;

type Found = BTreeMap<InstanceId, StatusChecks>;

/// Reads the checks of all these instances as far as EC2 reports them, or returns an error.
pub(crate) async fn read(ec2: &Client, ids: &[InstanceId]) -> Result<Found, CloudError> {
    let mut found = Found::new();
    let mut batches: Vec<&[InstanceId]> = ids.chunks(BATCH_IDS_MAX).rev().collect();
    while let Some(batch) = batches.pop() {
        let is_whole = read_batch(ec2, batch, &mut found).await?;
        // A refused batch is halved until the unknown id is alone; then it is left out.
        if !is_whole && batch.len() > 1 {
            let (first, second) = batch.split_at(batch.len() / 2);
            batches.extend([second, first]);
        }
    }
    Ok(found)
}

/// Reads all pages of one batch. `false`: the batch names an instance that EC2 does not know.
/// `MaxResults` is not set, because EC2 refuses it together with ids.
async fn read_batch(
    ec2: &Client,
    ids: &[InstanceId],
    found: &mut Found,
) -> Result<bool, CloudError> {
    let asked: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut token: Option<String> = None;
    loop {
        let answer = ec2
            .describe_instance_status()
            .set_instance_ids(Some(asked.clone()))
            .set_next_token(token.clone())
            .send()
            .await;
        let page = match answer {
            Ok(page) => page,
            Err(refusal) if error::code_of(&refusal) == Some("InvalidInstanceID.NotFound") => {
                return Ok(false);
            }
            Err(failure) => return Err(error::sorted(OPERATION, &failure)),
        };
        found.extend(page.instance_statuses().iter().filter_map(of_instance));
        let next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(true);
        }
        if next == token {
            let repeated = "the token of the page it belongs to, so the pages have no end";
            return Err(error::garbled(OPERATION, repeated.to_owned()));
        }
        token = next;
    }
}

fn of_instance(status: &InstanceStatus) -> Option<(InstanceId, StatusChecks)> {
    let checks = StatusChecks {
        instance: check(status.instance_status()),
        system: check(status.system_status()),
        scheduled: status.events().iter().filter_map(scheduled).collect(),
    };
    Some((InstanceId::new(status.instance_id()?), checks))
}

/// An event that is still to come. EC2 shows an event for a week after its end, and says so at the
/// beginning of the description (EC2 API reference, InstanceStatusEvent).
fn scheduled(event: &InstanceStatusEvent) -> Option<Scheduled> {
    let description = event.description().unwrap_or_default();
    let is_over = ["[Completed]", "[Canceled]"]
        .into_iter()
        .any(|word| description.starts_with(word));
    let kind = match event.code()? {
        EventCode::InstanceReboot | EventCode::SystemReboot => NoticeKind::Reboot,
        EventCode::SystemMaintenance => NoticeKind::Maintenance,
        EventCode::InstanceStop => NoticeKind::Stop,
        EventCode::InstanceRetirement => NoticeKind::Retire,
        _ => return None,
    };
    let at = convert::instant(event.not_before()?)?;
    (!is_over).then_some(Scheduled { kind, at })
}

/// A status that this SDK does not know becomes `Unknown`.
fn check(summary: Option<&InstanceStatusSummary>) -> Check {
    match summary.and_then(InstanceStatusSummary::status) {
        Some(SummaryStatus::Ok) => Check::Ok,
        Some(SummaryStatus::Impaired) => Check::Impaired,
        Some(SummaryStatus::Initializing) => Check::Initializing,
        Some(SummaryStatus::InsufficientData) => Check::InsufficientData,
        Some(SummaryStatus::NotApplicable) => Check::NotApplicable,
        Some(_) | None => Check::Unknown,
    }
}

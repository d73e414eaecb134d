//! Refreshes of a worker's activity: a time that only moves forward and a count that only rises,
//! only in the phases in which the refresh counts.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use reeve_core::id::WorkerId;
use reeve_core::store::{Phase, Refresh, Refreshed, StoreError};
use reeve_core::time::Instant;

use super::DynamoStore;
use super::item::{is_in_phase, number, text};
use super::request::{Change, Tried};

/// The attributes that a refresh changes.
struct Attributes {
    /// The time's attribute and value.
    time: (&'static str, Instant),
    /// The count's attribute and the number to add. `None`: this activity has no count.
    count: Option<(&'static str, u64)>,
    /// The phases in which the refresh is accepted.
    phases: &'static [Phase],
}

impl DynamoStore {
    /// Refreshes time and count in one step. An item with a later time refuses the whole step. Then
    /// the count is added alone, because those deliveries still happened.
    ///
    /// A step that adds is sent once: a retry after a lost response would count twice.
    pub(super) async fn refresh_one(
        &self,
        worker: &WorkerId,
        refresh: Refresh,
    ) -> Result<Refreshed, StoreError> {
        let doing = format!("refresh the activity of {worker}");
        let attributes = Attributes::of(refresh);
        let client = match attributes.count {
            Some(_) => &self.clients.once,
            None => &self.clients.repeating,
        };
        let item = match self
            .update(client, worker, attributes.whole(), &doing)
            .await?
        {
            Tried::Done => return Ok(Refreshed::Written),
            Tried::Refused(item) => item,
        };
        if !item
            .as_ref()
            .is_some_and(|item| is_in_phase(item, refresh.phases()))
        {
            return Ok(Refreshed::NotRunning);
        }
        let Some(count_alone) = attributes.count_alone() else {
            return Ok(Refreshed::Written);
        };
        match self.update(client, worker, count_alone, &doing).await? {
            Tried::Done => Ok(Refreshed::Written),
            Tried::Refused(_) => Ok(Refreshed::NotRunning),
        }
    }
}

impl Attributes {
    fn of(refresh: Refresh) -> Self {
        let (time, count) = match refresh {
            Refresh::HandedOut { at } => (("handed_out_at", at), None),
            Refresh::Delivered { at, count } => (("delivered_at", at), Some(("delivered", count))),
            Refresh::Processed { at, count } => (("processed_at", at), Some(("processed", count))),
            Refresh::Heartbeat { at } => (("heartbeat_at", at), None),
            Refresh::Busy { until } => (("busy_until", until), None),
        };
        Self {
            time,
            count,
            phases: refresh.phases(),
        }
    }

    /// Time and count, if the time is later than the item's.
    fn whole(&self) -> Change {
        let (time, at) = self.time;
        let (in_phase, mut values) = self.in_phase();
        values.insert(":at".to_owned(), number(at.as_ms()));
        let mut update = format!("SET #{time} = :at");
        if let Some((count, added)) = self.count {
            values.insert(":added".to_owned(), number(added));
            update.push_str(&format!(" ADD #{count} :added"));
        }
        Change {
            update,
            condition: format!("{in_phase} AND (attribute_not_exists(#{time}) OR #{time} < :at)"),
            values,
        }
    }

    /// The count, whatever the item's time.
    fn count_alone(&self) -> Option<Change> {
        let (count, added) = self.count?;
        let (condition, mut values) = self.in_phase();
        values.insert(":added".to_owned(), number(added));
        Some(Change {
            update: format!("ADD #{count} :added"),
            condition,
            values,
        })
    }

    /// The condition that the worker is in one of the phases, with its values.
    fn in_phase(&self) -> (String, HashMap<String, AttributeValue>) {
        let name = |phase: &Phase| format!(":{}", phase.as_str());
        let names: Vec<String> = self.phases.iter().map(name).collect();
        let values = self
            .phases
            .iter()
            .map(|phase| (name(phase), text(phase.as_str())));
        (
            format!("#phase IN ({})", names.join(", ")),
            values.collect(),
        )
    }
}

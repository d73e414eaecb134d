//! Refreshes of a worker's activity: a time that only moves forward, a count that only rises, and
//! neither unless the worker runs.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use reeve_core::id::WorkerId;
use reeve_core::store::{Phase, StoreError, Touch, Touched};
use reeve_core::time::Instant;

use super::DynamoStore;
use super::item::{is_running, number, text};
use super::request::{Change, Tried};

/// The attributes that a refresh is about.
struct Refresh {
    /// The time's attribute, and its value.
    time: (&'static str, Instant),
    /// The count's attribute, and how much is added; `None`: this activity is not counted.
    count: Option<(&'static str, u64)>,
}

impl DynamoStore {
    /// Time and count in one step. An item that has a later time refuses the step as a whole; then the
    /// count is added by itself, because those deliveries happened all the same.
    ///
    /// A step that adds is sent once: sent again after a lost reply, it would count twice.
    pub(super) async fn touch_one(
        &self,
        worker: &WorkerId,
        touch: Touch,
    ) -> Result<Touched, StoreError> {
        let doing = format!("refresh the activity of {worker}");
        let refresh = Refresh::of(touch);
        let client = match refresh.count {
            Some(_) => &self.clients.once,
            None => &self.clients.repeating,
        };
        let item = match self.update(client, worker, refresh.whole(), &doing).await? {
            Tried::Done => return Ok(Touched::Refreshed),
            Tried::Refused(item) => item,
        };
        if !item.as_ref().is_some_and(is_running) {
            return Ok(Touched::NotRunning);
        }
        let Some(count_alone) = refresh.count_alone() else {
            return Ok(Touched::Refreshed);
        };
        match self.update(client, worker, count_alone, &doing).await? {
            Tried::Done => Ok(Touched::Refreshed),
            Tried::Refused(_) => Ok(Touched::NotRunning),
        }
    }
}

impl Refresh {
    fn of(touch: Touch) -> Self {
        match touch {
            Touch::HandedOut { at } => Self {
                time: ("handed_out_at", at),
                count: None,
            },
            Touch::Delivered { at, count } => Self {
                time: ("delivered_at", at),
                count: Some(("delivered", count)),
            },
            Touch::Processed { at, count } => Self {
                time: ("processed_at", at),
                count: Some(("processed", count)),
            },
            Touch::Heartbeat { at } => Self {
                time: ("heartbeat_at", at),
                count: None,
            },
            Touch::Busy { until } => Self {
                time: ("busy_until", until),
                count: None,
            },
        }
    }

    /// Time and count, if the time is later than the item's.
    fn whole(&self) -> Change {
        let (time, at) = self.time;
        let mut values = running();
        values.insert(":at".to_owned(), number(at.as_ms()));
        let mut update = format!("SET #{time} = :at");
        if let Some((count, added)) = self.count {
            values.insert(":added".to_owned(), number(added));
            update.push_str(&format!(" ADD #{count} :added"));
        }
        Change {
            update,
            condition: format!(
                "#phase = :running AND (attribute_not_exists(#{time}) OR #{time} < :at)"
            ),
            values,
        }
    }

    /// The count, whatever the item's time.
    fn count_alone(&self) -> Option<Change> {
        let (count, added) = self.count?;
        let mut values = running();
        values.insert(":added".to_owned(), number(added));
        Some(Change {
            update: format!("ADD #{count} :added"),
            condition: "#phase = :running".to_owned(),
            values,
        })
    }
}

fn running() -> HashMap<String, AttributeValue> {
    HashMap::from([(":running".to_owned(), text(Phase::Running.as_str()))])
}

//! For how long a delivery is tried again, in the words of either runtime.

use std::time::Duration;

use serde_json::Value;

use crate::api::style::Style;
use crate::api::subscribe::Retry;

/// The first wait of Dapr's `exponential` (kit/retry), which grows by half each time, to at most a minute.
const DAPR_FIRST: Duration = Duration::from_millis(500);
const DAPR_LONGEST: Duration = Duration::from_secs(60);
/// The first wait that a Trigger asks for, which doubles each time.
pub(super) const KNATIVE_FIRST: Duration = Duration::from_millis(200);

/// The largest number of retries whose waits sum to at most the time, and that sum.
pub(super) struct Schedule {
    pub(super) retries: u32,
    pub(super) waits: Duration,
}

/// Dapr's schedule.
pub(super) fn dapr(retry: &Retry) -> Schedule {
    schedule(retry.for_about, DAPR_FIRST, |wait| (wait * 3 / 2).min(DAPR_LONGEST))
}

/// Knative's schedule (`delivery.backoffPolicy: exponential`).
pub(super) fn knative(retry: &Retry) -> Schedule {
    schedule(retry.for_about, KNATIVE_FIRST, |wait| wait * 2)
}

fn schedule(at_most: Duration, first: Duration, next: fn(Duration) -> Duration) -> Schedule {
    let mut schedule = Schedule { retries: 0, waits: Duration::ZERO };
    let mut wait = first;
    while schedule.waits + wait <= at_most {
        schedule.retries += 1;
        schedule.waits += wait;
        wait = next(wait);
    }
    schedule
}

/// How long an event can be on its way to the application, from the first try to giving up.
pub(crate) fn budget(retry: &Retry, side: Style) -> Duration {
    match side {
        Style::Sidecar => dapr(retry).dapr_budget(retry),
        Style::Broker => {
            let schedule = knative(retry);
            schedule.waits + retry.timeout.unwrap_or_default() * (schedule.retries + 1)
        }
    }
}

/// The same of a Trigger's `delivery`, as podwire writes it.
pub(crate) fn delivery_budget(delivery: &Value) -> Duration {
    let period = |field: &str| {
        let seconds = delivery[field].as_str()?.strip_prefix("PT")?.strip_suffix('S')?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    };
    let retries = delivery["retry"].as_u64().unwrap_or_default().min(30) as u32;
    let waits = period("backoffDelay").unwrap_or(KNATIVE_FIRST).saturating_mul(2_u32.saturating_pow(retries) - 1);
    waits.saturating_add(period("timeout").unwrap_or_default().saturating_mul(retries + 1))
}

/// Dapr's and Knative's schedule, for people.
pub(crate) fn in_words(retry: &Retry) -> [String; 2] {
    let words = |schedule: Schedule| format!("{} retries in about {:.1}s", schedule.retries, schedule.waits.as_secs_f64());
    [words(dapr(retry)), words(knative(retry))]
}

impl Schedule {
    /// How long a delivery can take in Dapr, from the first try to giving up: its waits vary by half, and every try may take its timeout.
    pub(super) fn dapr_budget(&self, retry: &Retry) -> Duration {
        self.waits * 3 / 2 + retry.timeout.unwrap_or_default() * (self.retries + 1)
    }
}

/// A period as ISO 8601 writes it: `PT0.2S`.
pub(super) fn iso8601(period: Duration) -> String {
    format!("PT{}S", period.as_secs_f64())
}

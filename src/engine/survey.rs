//! What a policy is told of itself: whether it holds, whom it governs, and whom it would hit.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::app::App;
use super::governing::{Governing, check_policy};
use super::snapshot::Snapshot;
use super::status::Step;
use crate::api::policy::{InjectionPolicyStatus, WouldDeny};

/// How many of those that it would hit are named.
const NAMED: usize = 5;

/// The step that writes the status of a policy, where it has another; `policy` is the object as it is, `apps` are all applications of the cluster, each of which is looked at once and dropped.
pub fn survey(policy: &Value, apps: impl IntoIterator<Item = App>, snapshot: &Snapshot, now: Duration) -> Option<Step> {
    let name = policy["metadata"]["name"].as_str().unwrap_or_default();
    let spec = snapshot.policies.as_ref().and_then(|known| known.get(name));
    let before = InjectionPolicyStatus::deserialize(&policy["status"]).unwrap_or_default();
    let generation = policy["metadata"]["generation"].as_i64();
    let faults = spec.map(check_policy).unwrap_or_default();
    let (truth, reason, message) = match (&spec, faults.first()) {
        (None, _) => ("False", "Unreadable", "podwire cannot read it; what it last said holds".to_owned()),
        (Some(_), None) => ("True", "Accepted", String::new()),
        (Some(_), Some(_)) => {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            ("False", "InvalidPolicy", texts.join(" | ").chars().take(1000).collect())
        }
    };
    let governed = |namespace: &&String| Governing::of(namespace, snapshot).name.as_deref() == Some(name);
    let (mut applications, mut hit) = (0, Vec::new());
    for app in apps.into_iter().filter(|app| app.policy.as_deref() == Some(name)) {
        applications += usize::from(!app.members.is_empty());
        if !app.faults.is_empty() && !app.pods.is_empty() {
            hit.push(format!("{}/{}", app.namespace, app.app_id));
        }
    }
    let same = before.conditions.iter().find(|one| one.type_ == "Accepted" && one.status == truth);
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    let changed = same.map_or_else(|| Time(Timestamp::from_second(seconds).unwrap_or_default()), |one| one.last_transition_time.clone());
    let accepted = Condition {
        last_transition_time: changed,
        message,
        observed_generation: generation,
        reason: reason.to_owned(),
        status: truth.to_owned(),
        type_: "Accepted".to_owned(),
    };
    let status = InjectionPolicyStatus {
        observed_generation: generation,
        conditions: vec![accepted],
        namespaces: snapshot.namespaces.iter().flat_map(|known| known.keys()).filter(governed).count(),
        applications,
        would_deny: WouldDeny { count: hit.len(), names: hit.into_iter().take(NAMED).collect() },
    };
    let written = json!({
        "apiVersion": policy["apiVersion"],
        "kind": policy["kind"],
        "metadata": { "name": name, "uid": policy["metadata"]["uid"] },
        "status": status,
    });
    (before != status || policy["status"].is_null()).then_some(Step::Status(written))
}

//! What is sent back: an AdmissionReview made of a verdict, or a refusal of what is no review.

use std::collections::BTreeMap;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use k8s_openapi::ByteString;
use serde::Serialize;

use crate::engine::{Code, Decision, Finding, Verdict, summary, warnings};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Answer<'a>,
}

/// The answer to one request.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<String, String>,
}

/// Why a pod is refused, as a Status of `meta/v1`.
#[derive(Serialize)]
struct Status {
    status: &'static str,
    code: u16,
    reason: &'static str,
    message: String,
}

impl Status {
    fn of(verdict: &Verdict) -> Self {
        let failed = verdict.findings.iter().any(|finding| finding.code == Code::InternalFailure);
        let (code, reason) = if verdict.retryable() {
            (503, "ServiceUnavailable")
        } else if failed {
            (500, "InternalError")
        } else {
            (403, "Forbidden")
        };
        Status { status: "Failure", code, reason, message: summary(&verdict.findings) }
    }
}

/// The AdmissionReview that answers `uid` with `verdict`.
pub(super) fn review(uid: &str, verdict: &Verdict) -> Result<Vec<u8>, serde_json::Error> {
    let denied = matches!(verdict.decision, Decision::Denied);
    let told: Vec<Finding> = verdict.findings.iter().filter(|finding| !(denied && finding.prevents())).cloned().collect();
    let patch = match &verdict.decision {
        Decision::Wired(patch) if !patch.0.is_empty() => Some(ByteString(serde_json::to_vec(patch)?)),
        _ => None,
    };
    write(Answer {
        uid,
        allowed: !denied,
        status: denied.then(|| Status::of(verdict)),
        patch_type: patch.as_ref().map(|_| "JSONPatch"),
        patch,
        warnings: warnings(&told),
        audit_annotations: verdict.audit(),
    })
}

/// The AdmissionReview that lets `uid` pass untouched.
pub(super) fn pass(uid: &str) -> Result<Vec<u8>, serde_json::Error> {
    write(Answer { uid, allowed: true, ..Answer::default() })
}

fn write(response: Answer<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Review { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response })
}

/// Why a request gets no review.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the body ended before it was complete")]
    Broken,
    #[error("the body names no request.uid, so there is nobody to answer")]
    NoUid,
    #[error("the content type is not application/json")]
    NotJson,
    #[error("the body is larger than this webhook takes")]
    TooLarge,
    #[error("the body took longer than this webhook waits")]
    TooSlow,
    #[error("the answer could not be written")]
    Unwritable,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Refusal::Broken | Refusal::NoUid => StatusCode::BAD_REQUEST,
            Refusal::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Unwritable => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = serde_json::json!({ "error": self.to_string() }).to_string();
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

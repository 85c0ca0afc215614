//! The Secret that holds the webhook's CA and certificate.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::edge::certs::{Held, PARTS};

/// What it holds.
pub(super) fn held(secret: &Secret) -> Held {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes.0).into_owned())
    };
    Held::of(PARTS.map(text))
}

/// The same Secret, holding this.
pub(super) fn holding(secret: Secret, held: &Held) -> Secret {
    let mut data = secret.data.unwrap_or_default();
    data.extend(held.parts().map(|(key, text)| (key.to_owned(), ByteString(text.as_bytes().to_vec()))));
    Secret { data: Some(data), ..secret }
}

//! The bytes of a request: so many, in time, or a refusal.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::Refusal;

/// For how long the rest of a body is thrown away that was refused for its size.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it is, in limits of a body.
const LINGER_LIMITS: usize = 4;

/// Reads a body of at most `limit` bytes until `end`.
///
/// What is too large is refused by what it says of itself, or as soon as it turns out to be.
pub(super) async fn read(body: Body, limit: usize, end: Instant) -> Result<Vec<u8>, Refusal> {
    let announced = body.size_hint().lower();
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    if announced <= limit as u64 {
        bytes.reserve_exact(announced as usize);
        loop {
            match timeout_at(end, chunks.next()).await {
                Err(_elapsed) => return Err(Refusal::TooSlow),
                Ok(Some(Err(_))) => return Err(Refusal::Broken),
                Ok(None) => return Ok(bytes),
                Ok(Some(Ok(chunk))) if chunk.len() > limit - bytes.len() => break,
                Ok(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
            }
        }
    }
    tokio::spawn(timeout(LINGER, throw_away(chunks, limit.saturating_mul(LINGER_LIMITS))));
    Err(Refusal::TooLarge)
}

/// why: closing a connection on which bytes lie unread resets it, and a reset may overtake the answer.
async fn throw_away(mut chunks: BodyDataStream, mut limit: usize) {
    while let Some(Ok(chunk)) = chunks.next().await {
        let Some(rest) = limit.checked_sub(chunk.len()) else { return };
        limit = rest;
    }
}

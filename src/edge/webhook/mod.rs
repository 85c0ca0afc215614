//! The webhook: answers the API server about pods, and says of itself whether it can.
//!
//! ```text
//!   TLS ──▶ admission ──▶ review ──▶ decide ──▶ engine::admit
//!            the door      read       when          what
//!               ◀────────── answer ◀──────────────────┘
//! ```

mod admission;
mod answer;
mod body;
mod config;
mod decide;
mod error;
mod observe;
mod review;
mod server;

#[cfg(test)]
mod tests;

pub use config::{Config, Limits};
pub use error::WebhookError;
pub use server::{Addresses, Bound, bind};

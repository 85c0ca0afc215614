//! The controller: keeps for each application what it needs beside its pods, and says on its Wiring whether it works.
//!
//! ```text
//!   watch ──▶ listener ──▶ world ──▶ queue ──▶ reconciler ──▶ engine::reconcile
//!                            ▲                     │   what next
//!                            └──── writer ◀────────┘   daprd, notices
//! ```
//!
//! Every replica watches; the one that holds the Lease works.

mod channels;
mod climb;
mod components;
mod daprd;
mod exposition;
mod key;
mod lease;
mod listener;
mod notices;
mod observe;
mod pace;
mod queue;
mod read;
mod reconciler;
mod server;
mod sidecars;
mod world;
mod writer;

#[cfg(test)]
mod tests;

pub use server::{Bound, Config, ControllerError, bind, unique};

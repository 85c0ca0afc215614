//! podwire wires Kubernetes pods to an event runtime, from a few annotations and in one of two styles.
//!
//! ```text
//!   cli ───▶ edge ───▶ engine ───▶ api
//!  speaks    does      decides     what is written
//!     └────────────────▶
//! ```
//!
//! Without the default feature `edge` the library is [`api`] and [`engine`] alone: values in, values out, no runtime.

pub mod api;
#[cfg(feature = "edge")]
pub mod cli;
#[cfg(feature = "edge")]
pub mod edge;
pub mod engine;

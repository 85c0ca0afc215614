//! Does: may wait, read a clock, open a socket. What is decided is the engine's; nothing here decides.

pub mod certs;
pub mod telemetry;
pub mod watch;
pub mod webhook;

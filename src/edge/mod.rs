//! Does: may wait, read a clock, open a socket. What is decided is the engine's; nothing here decides.

pub mod certs;
pub(crate) mod clock;
pub mod controller;
pub(crate) mod http;
pub mod install;
pub(crate) mod look;
pub(crate) mod probe;
pub mod telemetry;
pub mod watch;
pub mod webhook;

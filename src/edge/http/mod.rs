//! What every server of podwire has: a socket, connections that do not stay for nothing, and pages for those who look after it.

mod listen;
mod probes;
mod server;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use listen::listen;
pub(crate) use probes::{Probed, probes};
pub(crate) use server::{Patience, server, until_stopped};

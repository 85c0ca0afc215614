//! What podwire keeps of its own installation while it leads: the policy that was installed with it, and the webhook's certificates.
//!
//! ```text
//!           ┌─▶ policy:  file ──▶ InjectionPolicy
//!   keep ───┤
//!           └─▶ issuer:  Secret ◀──▶ certs::Held ──▶ registration: caBundle of each entry of both webhook configurations
//! ```

mod config;
mod issuer;
mod keep;
mod policy;
mod registration;
mod secret;

pub use config::{Certificates, Installation};
use config::{MANAGER, Trouble};
pub(crate) use keep::keep;

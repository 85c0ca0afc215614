//! The server's certificates: read from files, checked as a whole, and replaced while it serves.
//!
//! ```text
//!   Files ──▶ Contents ──▶ Served ──▶ RustlsConfig
//!    read      compare      check       swap
//! ```

mod error;
mod files;
mod rotation;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

pub use error::CertificatesError;
pub use files::Files;
pub use rotation::{Certificates, Change};

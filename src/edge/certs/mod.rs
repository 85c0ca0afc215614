//! The webhook's certificates. A server takes them from files, checks them as a whole, and replaces them while it serves; whoever makes them is told what the next ones are.
//!
//! ```text
//!   Files ──▶ Contents ──▶ Served ──▶ RustlsConfig        Held, now ──▶ Next
//!    read      compare      check       swap               what is kept   what is to be kept, and when to look again
//! ```

mod authority;
mod error;
mod files;
mod folder;
mod rotation;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use authority::PARTS;
pub use authority::{AuthorityError, Held, Next, Wanted};
pub use error::CertificatesError;
pub use files::Files;
pub use folder::{FolderError, keep_in};
pub use rotation::{Certificates, Change};

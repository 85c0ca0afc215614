//! The webhook from outside: bytes in, bytes out; then over TLS.

mod bodies;
mod connections;
mod reviews;
mod support;

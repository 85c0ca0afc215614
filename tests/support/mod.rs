//! What the cluster tests and the demo share: a real control plane, podwire on it, and a few words to speak to both.
#![allow(dead_code)] // Either uses a part of it.

pub(crate) mod control_plane;
pub(crate) mod lab;
pub(crate) mod podwire;

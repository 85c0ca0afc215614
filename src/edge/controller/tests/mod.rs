//! The world and the engine together, against a cluster that is a map: what is made, in which order, and what becomes of it with time.

mod drained;
mod life;
mod sim;
mod status;

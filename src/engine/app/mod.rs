//! An application: every workload of a namespace that has its app-id, the pods that run for it, and how they agree.

mod application;
mod member;
mod seen;

pub use application::App;
pub use member::Member;
pub use seen::{Running, Workload, app_id};

//! A node of its own with real Dapr, Redis and Knative: how it is started and ended, and what a process inside of it sees.
#![allow(dead_code, unused_imports)] // The tests and the demo each use a part of it.

mod house;
mod images;
mod inside;
mod install;

pub(crate) use house::{Begun, House, INSIDE};
pub(crate) use images::{APP, load};
pub(crate) use inside::{Node, holds, request};
pub(crate) use install::{NAMESPACE, install};

pub(crate) use super::client::Caller;
pub(crate) use super::failure::{Failure, require, wait_for};

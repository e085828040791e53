//! raft-rs behind the C interface that raft_core.h describes; each function is documented there.

mod ffi;
mod group;
mod store;

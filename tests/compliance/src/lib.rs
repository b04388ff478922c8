//! What the compliance tests share.
//!
//! The tests judge a set of LXC tools by what it does: `LXC_UNDER_TEST=upstream` takes Debian's from
//! `/usr/bin`, `ours` (the default) those of `make install` under `LXC_RS_PREFIX`. A test holds for
//! both, or lies in `tests/ours`.
//!
//! Begin at [`Bed`]: the namespaces and directories one test lives in. Dropping it ends and removes
//! all that the test made, whether the test passed or not.
//!
//! Everything here panics with a plain message when the test cannot go on.

mod bed;
mod container;
mod helper;
mod host;
mod inventory;
pub mod notify;
mod root;
mod run;
mod schema;
mod terminal;
mod text;
mod tools;
mod wire;

pub use bed::{Bed, View};
pub use container::{Container, Draft};
pub use helper::Helper;
pub use host::{process_parent, wait_until};
pub use inventory::Inventory;
pub use root::debian_root;
pub use run::{Output, Run, Running};
pub use schema::check_json;
pub use terminal::Terminal;
pub use text::{Scrub, fields, without_source};
pub use tools::{Side, Tools};
pub use wire::{CommandSocket, Reply};

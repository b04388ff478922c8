//! Other containers that are made of this one, and what this one is made of again.

use std::path::Path;

use lxc_types::Name;

use super::{Container, Result};
use crate::copy::{self, CopyOptions};
use crate::ephemeral::{self, EphemeralOptions};
use crate::snapshot::{self, Snapshot};

impl Container {
    /// Copies it.
    ///
    /// # Errors
    /// See [`copy::Error`]; nothing of the copy is left then.
    pub fn copy(&self, o: &CopyOptions) -> Result<Container> {
        copy::copy(self, o)
    }

    /// Gives it another name, perhaps in another folder of containers.
    ///
    /// # Errors
    /// See [`copy::Error`]: it runs, has snapshots, or others need it.
    pub fn rename(&self, lxcpath: &Path, name: &Name, hook_args: &[String]) -> Result<Container> {
        crate::rename::rename(self, lxcpath, name, hook_args)
    }

    /// Makes a container of it that lasts for one run. It is not started.
    ///
    /// # Errors
    /// See [`copy::Error`].
    pub fn copy_ephemeral(&self, o: &CopyOptions, special: &EphemeralOptions) -> Result<Container> {
        ephemeral::create(self, o, special)
    }

    /// Its snapshots.
    ///
    /// # Errors
    /// Their folder cannot be read.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        snapshot::list(self)
    }

    /// Makes a snapshot; `comment` is a file with words about it.
    ///
    /// # Errors
    /// See [`copy::Error`].
    pub fn snapshot(&self, comment: Option<&Path>) -> Result<Name> {
        snapshot::create(self, comment)
    }

    /// Makes the container `new` of a snapshot: that may be this one.
    ///
    /// # Errors
    /// See [`copy::Error`]; nothing has changed then.
    pub fn restore(&self, snapshot: &Name, new: &Name) -> Result<()> {
        snapshot::restore(self, snapshot, new)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// There is none of that name, or a container needs it.
    pub fn destroy_snapshot(&self, snapshot: &Name) -> Result<()> {
        snapshot::destroy(self, snapshot)
    }

    /// Removes all snapshots.
    ///
    /// # Errors
    /// As [`Container::destroy_snapshot`].
    pub fn destroy_snapshots(&self) -> Result<()> {
        snapshot::destroy_all(self)
    }
}

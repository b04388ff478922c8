//! A reader of real files, for tests.

use std::io::ErrorKind;
use std::path::Path;

use lxc_config::document::{Content, ReadError};

pub fn read(path: &Path) -> Result<Content, ReadError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Failed(error.to_string()),
    };
    if path.is_dir() {
        let names = std::fs::read_dir(path).map_err(failed)?;
        let names: Result<_, _> = names.map(|entry| entry.map(|entry| entry.file_name())).collect();
        return Ok(Content::Folder(names.map_err(failed)?));
    }
    std::fs::read(path).map(Content::File).map_err(failed)
}

//! Configuration files on disk: reading them with their includes.

use std::io::ErrorKind;
use std::path::Path;

use lxc_config::document::{Content, ReadError};
use lxc_config::{Config, Context, Diagnostic, Document, interpret};

/// A configuration file that was read without errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub document: Document,
    /// What it means.
    pub config: Config,
    /// What is odd in it.
    pub warnings: Vec<Diagnostic>,
}

/// Reads files and folders for the configuration language.
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path) -> Result<Content, ReadError> {
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Failed(e.to_string().split(" (os error").next().unwrap_or_default().to_owned()),
    };
    match std::fs::read(path) {
        Ok(bytes) => Ok(Content::File(bytes)),
        Err(e) if e.kind() == ErrorKind::IsADirectory => {
            let entries = std::fs::read_dir(path).map_err(failed)?;
            Ok(Content::Folder(entries.flatten().map(|e| e.file_name()).collect()))
        }
        Err(e) => Err(failed(e)),
    }
}

/// What values may depend on in this process.
pub fn context() -> Context<'static> {
    Context {
        page_size: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
        environment: &|name| std::env::var(name).ok(),
    }
}

/// Random bytes for the open digits of hardware addresses.
pub fn random_byte() -> u8 {
    let mut byte = [0];
    // With the kernel's random source gone, any digit is as good.
    rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty()).ok();
    byte[0]
}

/// Reads a file and everything that it includes.
///
/// # Errors
/// All problems that are errors, then those that are not.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let (mut document, mut problems) = lxc_config::parse(path, &mut read);
    document.fill_hwaddrs(&mut random_byte);
    let (config, more) = interpret(&document, &context());
    problems.extend(more);
    finish(document, config, problems)
}

/// Reads the form that one process hands to another.
///
/// # Errors
/// All problems that are errors, then those that are not.
pub fn load_flattened(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    let (document, mut problems) = lxc_config::parse_flattened(text);
    let (config, more) = interpret(&document, &context());
    problems.extend(more);
    finish(document, config, problems)
}

fn finish(document: Document, config: Config, problems: Vec<Diagnostic>) -> Result<Loaded, Vec<Diagnostic>> {
    let (mut errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(Diagnostic::is_error);
    if errors.is_empty() {
        return Ok(Loaded { document, config, warnings });
    }
    errors.extend(warnings);
    Err(errors)
}

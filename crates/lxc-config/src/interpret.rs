//! From what the files say to what they mean.

use crate::config::{Config, NetKind};
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::keys::{Context, KeyError, Outcome};
use crate::origin::Origin;

/// Gives a document's meaning, and everything that is wrong with it.
///
/// A refused line changes nothing; the others still count, so that a config with errors can be looked
/// at. Whoever starts a container must refuse it if any diagnostic [is an error](Diagnostic::is_error).
pub fn interpret(document: &Document, context: &Context<'_>) -> (Config, Vec<Diagnostic>) {
    let mut config = Config::default();
    let mut problems = Vec::new();
    interpret_into(&mut config, document, context, &mut problems);
    problems.extend(devices_without_type(&config));
    (config, problems)
}

/// Applies a document's settings to a config.
pub fn interpret_into(
    config: &mut Config,
    document: &Document,
    context: &Context<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    for entry in document.entries() {
        match config.set_from(entry.key, entry.value, entry.origin, context) {
            Ok(Outcome::Exact) => {}
            Ok(Outcome::Adjusted(why)) => {
                problems.push(placed(Diagnostic::warning(why).with_key(entry.key), entry.origin));
            }
            Err(error) => problems.push(placed(Diagnostic::from(error), entry.origin)),
        }
    }
}

/// Devices that no start can make.
fn devices_without_type(config: &Config) -> impl Iterator<Item = Diagnostic> {
    config.net.iter().filter(|device| device.kind == NetKind::Unset).map(|device| {
        let key = format!("lxc.net.{}", device.index);
        let help = format!("add \"{key}.type = …\" before its other lines");
        let problem = Diagnostic::warning("the network device has no type, the container will not start");
        placed(problem.with_key(key).with_help(help), &device.origin)
    })
}

fn placed(problem: Diagnostic, origin: &Origin) -> Diagnostic {
    match origin {
        Origin::Program => problem,
        Origin::File(span) => problem.at(span.clone()),
    }
}

impl From<KeyError> for Diagnostic {
    fn from(error: KeyError) -> Self {
        let problem = Diagnostic::error(error.cause()).with_key(error.key());
        match error.help() {
            Some(help) => problem.with_help(help),
            None => problem,
        }
    }
}

//! `lxc-config check`: what is wrong or odd in configurations, and what they want that this host lacks.

use std::path::Path;

use lxc_config::config::{AppArmor, Capabilities, NetKind};
use lxc_config::document::Document;
use lxc_config::lint::{self, Finding, Rule};
use lxc_config::{Config, Diagnostic, Origin, Span};
use lxc_core::facts::Facts;
use lxc_core::plan::{self, PlanError, Wish};
use lxc_core::{Dirs, Mode, config_file};
use lxc_types::{Name, StorageKind};
use serde::Serialize;

use crate::checkconfig::kernel::KernelConfig;
use crate::json;
use crate::output;
use crate::report::{self, Failure};
use crate::session::absolute;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Oddities are failures, too.
    pub strict: bool,
    /// For programs.
    pub json: bool,
}

/// Checks files and tells what is found; the exit code.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(files: &[std::ffi::OsString], options: Options) -> Result<u8, Failure> {
    let dirs = Dirs::of_this_process();
    let kernel = crate::checkconfig::running_kernel();
    let mut findings = Vec::new();
    for file in files {
        findings.extend(check(&absolute(Path::new(file))?, &dirs, kernel.as_ref()));
    }
    if options.json {
        print_json(&findings)?;
    } else {
        output::write(findings.iter().map(text).collect::<String>().as_bytes())?;
    }
    Ok(u8::from(findings.iter().any(|finding| options.strict || finding.diagnostic.is_error())))
}

/// All that is found in one file, in the order of its lines.
fn check(file: &Path, dirs: &Dirs, kernel: Option<&KernelConfig>) -> Vec<Finding> {
    let (document, before) = lxc_config::parse(file, &mut config_file::read);
    let (config, mut findings) = lint::lint(&document, before, &config_file::context());
    // What cannot be read cannot be planned.
    if !findings.iter().any(|finding| finding.diagnostic.is_error()) {
        let host = OnHost { document: &document, config: &config, file, dirs, kernel };
        host.check(&mut findings);
    }
    let place = |finding: &Finding| {
        let span = finding.diagnostic.origin.as_ref();
        span.map(|span| (*span.file != *file, span.file.clone(), span.line, span.column))
    };
    findings.sort_by_key(place);
    findings
}

/// A configuration that can be read, and the host it is to run on.
struct OnHost<'a> {
    document: &'a Document,
    config: &'a Config,
    file: &'a Path,
    dirs: &'a Dirs,
    kernel: Option<&'a KernelConfig>,
}

impl OnHost<'_> {
    fn check(&self, findings: &mut Vec<Finding>) {
        findings.extend(self.features());
        findings.extend(self.security());
        match Facts::gather(self.dirs, self.config.cgroup.relative) {
            Ok(facts) => findings.extend(self.plan(&facts)),
            Err(e) => findings.push(self.finding(Rule::Lacking, Diagnostic::error(e.to_string()))),
        }
    }

    /// What a start would say.
    fn plan(&self, facts: &Facts) -> Vec<Finding> {
        let folder = self.file.parent();
        let name = folder.and_then(Path::file_name).and_then(|name| name.to_str());
        let name: Option<Name> = name.and_then(|name| name.parse().ok());
        let Some(name) = name.or_else(|| "check".parse().ok()) else { return Vec::new() };
        let wish = Wish {
            name,
            lxcpath: folder.and_then(Path::parent).unwrap_or(&self.dirs.lxcpath).to_owned(),
            config_file: Some(self.file.to_owned()),
            mode: Mode::Start,
            argv: Vec::new(),
        };
        let mut found = Vec::new();
        let global = plan::cgroup::Global { pattern: facts.cgroup_pattern.clone() };
        // Its errors are the whole plan's.
        if let Ok(cgroup) = plan::cgroup::plan(self.config, &wish.name, &global, facts.euid) {
            let warnings = cgroup.check(&facts.hierarchies).unwrap_or_default();
            let lacking = |w: &_| self.finding(Rule::Lacking, Diagnostic::warning(format!("{w}")));
            found.extend(warnings.iter().map(lacking));
        }
        if let Err(error) = plan::plan(self.config, facts, self.dirs, &wish) {
            let rule = match error {
                PlanError::Contradiction(_) => Rule::Contradictory,
                _ => Rule::Lacking,
            };
            found.push(self.finding(rule, Diagnostic::error(report::chain(&error))));
        }
        found
    }

    /// With the place that the text speaks of.
    fn finding(&self, rule: Rule, mut diagnostic: Diagnostic) -> Finding {
        let spoken_of = self.document.entries().filter_map(|entry| match entry.origin {
            Origin::File(span) if diagnostic.message.contains(&span.to_string()) => Some(span),
            _ => None,
        });
        // "line 4 of X" is in "line 14 of X" only from its second letter on, but "of X" may begin a longer path.
        diagnostic.origin = spoken_of.max_by_key(|span| span.to_string().len()).cloned();
        Finding { rule, diagnostic }
    }

    fn lacking(&self, key: &str, origin: &Origin, text: &str) -> Finding {
        let mut diagnostic = Diagnostic::warning(text).with_key(key);
        diagnostic.origin = match origin {
            Origin::File(span) => Some(span.clone()),
            Origin::Program => None,
        };
        Finding { rule: Rule::Lacking, diagnostic }
    }

    /// The last line with a key.
    fn last(&self, key: &str) -> Option<&Origin> {
        self.document.entries().filter(|entry| entry.key == key).last().map(|entry| entry.origin)
    }

    /// Features of the kernel that a key wants.
    fn features(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let lacks = |symbol: &str| self.kernel.is_some_and(|kernel| kernel.built(symbol).is_none());
        let mut want = |symbol: &str, key: &str, origin: Option<&Origin>| {
            if let Some(origin) = origin
                && lacks(symbol)
            {
                found.push(self.lacking(
                    key,
                    origin,
                    &format!("this kernel was built without CONFIG_{symbol}"),
                ));
            }
        };
        for device in &self.config.net {
            let symbols: &[&str] = match &device.kind {
                NetKind::Veth(_) => &["VETH"],
                NetKind::Macvlan(_) => &["MACVLAN"],
                NetKind::Ipvlan { .. } => &["IPVLAN"],
                NetKind::Vlan { .. } => &["VLAN_8021Q"],
                NetKind::Unset | NetKind::Empty | NetKind::None | NetKind::Phys => &[],
            };
            let key = format!("lxc.net.{}.type", device.index);
            symbols.iter().for_each(|symbol| want(symbol, &key, self.last(&key)));
        }
        let root = self.config.rootfs.source.as_ref();
        if let Some(root) = root.filter(|root| root.value.kind == Some(StorageKind::Overlay)) {
            want("OVERLAY_FS", "lxc.rootfs.path", Some(&root.origin));
        }
        for (key, symbol) in [
            ("lxc.idmap", "USER_NS"),
            ("lxc.sched.core", "SCHED_CORE"),
            ("lxc.keyring.session", "KEYS"),
            ("lxc.time.offset.boot", "TIME_NS"),
            ("lxc.time.offset.monotonic", "TIME_NS"),
            ("lxc.seccomp.profile", "SECCOMP_FILTER"),
        ] {
            want(symbol, key, self.last(key));
        }
        for setting in &self.config.sysctls {
            let path = format!("/proc/sys/{}", setting.value.name.replace('.', "/"));
            if !Path::new(&path).exists() {
                let key = format!("lxc.sysctl.{}", setting.value.name);
                found.push(self.lacking(&key, &setting.origin, &format!("this kernel has no {path}")));
            }
        }
        found
    }

    /// Labels and capabilities that this kernel does not know.
    fn security(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let exists = |path: &str| Path::new(path).exists();
        let AppArmor { profile, allow_incomplete, .. } = &self.config.lsm.apparmor;
        if let Some(profile) = profile
            && !["unconfined", "unchanged"].contains(&profile.value.as_str())
            && !allow_incomplete
            && !exists("/sys/kernel/security/apparmor")
            && !exists("/sys/module/apparmor")
        {
            found.push(self.lacking("lxc.apparmor.profile", &profile.origin, "this kernel has no AppArmor"));
        }
        if let Some(context) = &self.config.lsm.selinux.context
            && !exists("/sys/fs/selinux/status")
        {
            found.push(self.lacking("lxc.selinux.context", &context.origin, "SELinux is not active"));
        }
        let (key, list) = match &self.config.caps {
            Capabilities::All => return found,
            Capabilities::Drop(list) => ("lxc.cap.drop", list),
            Capabilities::Keep(list) => ("lxc.cap.keep", list),
        };
        let last = lxc_sys::caps::last().unwrap_or(u32::MAX);
        for capability in list.iter().filter(|capability| u32::from(capability.value.number()) > last) {
            let text = format!("this kernel does not know {}", capability.value);
            found.push(self.lacking(key, &capability.origin, &text));
        }
        found
    }
}

/// `FILE:LINE:COLUMN: error: KEY: what (help) [rule]`.
fn text(finding: &Finding) -> String {
    let Diagnostic { origin, .. } = &finding.diagnostic;
    let place = origin.as_ref().map(place).unwrap_or_default();
    let bare = Diagnostic { origin: None, ..finding.diagnostic.clone() };
    format!("{place}{}: {bare} [{}]\n", severity(&bare), finding.rule.as_str())
}

fn place(span: &Span) -> String {
    format!("{}:{}:{}: ", span.file.display(), span.line, span.column)
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    if diagnostic.is_error() { "error" } else { "warning" }
}

fn print_json(findings: &[Finding]) -> Result<u8, Failure> {
    #[derive(Serialize)]
    struct Answer<'a> {
        findings: Vec<Item<'a>>,
    }
    #[derive(Serialize)]
    struct Item<'a> {
        severity: &'static str,
        rule: &'static str,
        file: Option<String>,
        line: Option<u32>,
        column: Option<u32>,
        key: Option<&'a str>,
        message: &'a str,
        help: Option<&'a str>,
    }
    let items = findings.iter().map(|Finding { rule, diagnostic }| Item {
        severity: severity(diagnostic),
        rule: rule.as_str(),
        file: diagnostic.origin.as_ref().map(|span| span.file.display().to_string()),
        line: diagnostic.origin.as_ref().map(|span| span.line),
        column: diagnostic.origin.as_ref().map(|span| span.column),
        key: diagnostic.key.as_deref(),
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
    });
    let items = items.collect();
    json::print("lint", &Answer { findings: items })
}

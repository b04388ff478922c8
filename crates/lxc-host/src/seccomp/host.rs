//! Compiling a policy. Runs in the monitor, before the container's first process is made.
//!
//! libseccomp knows every architecture's system calls and their numbers. As in upstream, a policy is
//! compiled once for the native architecture and once for each other one whose programs this host can
//! run, every rule goes into each of them, and the parts are merged into one program.

use std::os::fd::OwnedFd;

use libseccomp::error::SeccompErrno;
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use lxc_sys::Op;
use lxc_sys::seccomp::Instruction;
use lxc_types::seccomp::{
    Action, Arch, ArgFilter, Compare, NamedPolicy, NumberRule, Policy, Rule, Section, Target,
};
use rustix::fs::MemfdFlags;

use super::{Program, Supervision};

/// `MNT_FORCE` of umount2(2).
const MNT_FORCE: u64 = 1;

/// Why a policy cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libseccomp refuses a rule.
    #[error("seccomp rule in line {line} (\"{target} {action}\") is impossible on {arch}: {why}")]
    Rule {
        /// Line of the policy file.
        line: u32,
        /// The system call.
        target: String,
        /// Its action.
        action: Action,
        /// The architecture, or `native`.
        arch: &'static str,
        /// What libseccomp answered, in words.
        why: String,
    },
    /// libseccomp fails otherwise.
    #[error("libseccomp cannot {0}: {1}")]
    Library(&'static str, libseccomp::error::SeccompError),
    /// What libseccomp wrote is no program.
    #[error("libseccomp wrote no valid program ({0} bytes)")]
    Malformed(usize),
    /// A system call failed.
    #[error(transparent)]
    System(#[from] lxc_sys::Error),
}

/// A program and what of the policy is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// For [`super::guest::install`].
    pub program: Program,
    /// Rules about system calls that this host's libseccomp does not know: worth a line in the log,
    /// for a mistyped name protects nothing.
    pub unknown: Vec<Skipped>,
}

/// A rule that has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Line of the policy file.
    pub line: u32,
    /// The unknown system call.
    pub name: String,
}

/// Whether rules of a section take effect on this host: it is the section of an architecture whose
/// programs the host can run.
pub fn runs_here(section: Section) -> bool {
    match section {
        Section::All => true,
        Section::Arch(arch) => {
            let host = rustix::system::uname();
            archs_of(host.machine().to_bytes()).iter().any(|(known, _)| *known == arch)
        }
    }
}

/// Compiles a policy.
///
/// # Errors
/// A rule that contradicts the default action or looks at an argument twice, and what libseccomp
/// itself fails in.
pub fn compile(policy: &Policy) -> Result<Compiled, Error> {
    match policy {
        Policy::Numbers(rules) => compile_numbers(rules),
        Policy::Named(policy) => compile_named(policy),
    }
}

fn compile_numbers(rules: &[NumberRule]) -> Result<Compiled, Error> {
    let mut filter = Filter::new(Action::Kill, None)?;
    for rule in rules {
        let number = i32::try_from(rule.number).unwrap_or(i32::MAX);
        let text = || rule.number.to_string();
        filter.add(rule.line, text, ScmpSyscall::from(number), Action::Allow, &[])?;
    }
    let program = Program { instructions: export(&filter.context)?, supervision: Supervision::None };
    Ok(Compiled { program, unknown: Vec::new() })
}

fn compile_named(policy: &NamedPolicy) -> Result<Compiled, Error> {
    let mut main = Filter::new(policy.default, None)?;
    let mut others = Vec::new();
    let host = rustix::system::uname();
    for (arch, token) in archs_of(host.machine().to_bytes()) {
        if *token != ScmpArch::native() {
            others.push(Filter::new(policy.default, Some((*arch, *token)))?);
        }
    }
    let mut unknown = Vec::new();
    for rule in policy.rules.iter().filter(|rule| runs_here(rule.section)) {
        let name = match &rule.target {
            Target::Syscall(name) => name.as_str(),
            Target::ForceUmount => "umount2",
        };
        let Ok(syscall) = ScmpSyscall::from_name(name) else {
            unknown.push(Skipped { line: rule.line, name: name.to_owned() });
            continue;
        };
        if syscall.as_raw_syscall() >= 0 {
            main.add_rule(rule, syscall)?;
        }
        for other in &mut others {
            other.add_rule(rule, syscall)?;
        }
    }
    for other in others {
        main.context.merge(other.context).map_err(|e| Error::Library("merge two architectures", e))?;
    }
    let asks = policy.default == Action::Notify || policy.rules.iter().any(|r| r.action == Action::Notify);
    let supervision = if asks { Supervision::Wanted } else { Supervision::None };
    Ok(Compiled { program: Program { instructions: export(&main.context)?, supervision }, unknown })
}

/// The part of a program for one architecture.
struct Filter {
    context: ScmpFilterContext,
    /// `None` is the native one.
    arch: Option<Arch>,
}

impl Filter {
    fn new(default: Action, arch: Option<(Arch, ScmpArch)>) -> Result<Self, Error> {
        let make = || {
            let mut context = ScmpFilterContext::new(library_action(default))?;
            // Let a tracer skip a system call by the number -1.
            context.set_api_tskip(true)?;
            if let Some((_, token)) = arch {
                context.add_arch(token)?;
                context.remove_arch(ScmpArch::Native)?;
            }
            Ok(context)
        };
        let context = make().map_err(|e| Error::Library("begin a program", e))?;
        Ok(Filter { context, arch: arch.map(|(arch, _)| arch) })
    }

    fn add_rule(&mut self, rule: &Rule, syscall: ScmpSyscall) -> Result<(), Error> {
        let (action, args) = match rule.target {
            Target::Syscall(_) => (rule.action, rule.args.iter().map(library_arg).collect()),
            Target::ForceUmount => {
                let forced = ScmpArgCompare::new(1, ScmpCompareOp::MaskedEqual(MNT_FORCE), MNT_FORCE);
                (rule.action, vec![forced])
            }
        };
        self.add(rule.line, || rule.target.to_string(), syscall, action, &args)
    }

    fn add(
        &mut self,
        line: u32,
        target: impl Fn() -> String,
        syscall: ScmpSyscall,
        action: Action,
        args: &[ScmpArgCompare],
    ) -> Result<(), Error> {
        let scmp = library_action(action);
        let answer = if args.is_empty() {
            self.context.add_rule_exact(scmp, syscall)
        } else {
            self.context.add_rule_conditional_exact(scmp, syscall, args)
        };
        let why = match answer {
            Ok(_) => return Ok(()),
            Err(e) => match e.errno() {
                // This architecture has no such system call.
                Some(SeccompErrno::EDOM) if self.arch.is_some() => return Ok(()),
                // There socketcall(2) and ipc(2) stand for many calls and pass their arguments through a
                // pointer, where no program can look. The native part has taken these same arguments.
                Some(SeccompErrno::EINVAL) if self.arch.is_some() && !args.is_empty() => return Ok(()),
                Some(SeccompErrno::EACCES) => {
                    "the action is what happens to a system call without a rule anyway".to_owned()
                }
                Some(SeccompErrno::EEXIST) => "it contradicts an earlier rule".to_owned(),
                _ => e.to_string(),
            },
        };
        let arch = self.arch.map_or("native", arch_name);
        Err(Error::Rule { line, target: target(), action, arch, why })
    }
}

fn arch_name(arch: Arch) -> &'static str {
    Arch::ALL.iter().find(|(known, _)| *known == arch).map_or("", |(_, name)| name)
}

fn library_action(action: Action) -> ScmpAction {
    match action {
        Action::Kill => ScmpAction::KillThread,
        Action::Errno(errno) => ScmpAction::Errno(errno.into()),
        Action::Allow => ScmpAction::Allow,
        Action::Trap => ScmpAction::Trap,
        Action::Notify => ScmpAction::Notify,
    }
}

fn library_arg(filter: &ArgFilter) -> ScmpArgCompare {
    let op = match filter.compare {
        Compare::NotEqual => ScmpCompareOp::NotEqual,
        Compare::Less => ScmpCompareOp::Less,
        Compare::LessOrEqual => ScmpCompareOp::LessOrEqual,
        Compare::Equal => ScmpCompareOp::Equal,
        Compare::GreaterOrEqual => ScmpCompareOp::GreaterEqual,
        Compare::Greater => ScmpCompareOp::Greater,
        Compare::MaskedEqual(mask) => ScmpCompareOp::MaskedEqual(mask),
    };
    ScmpArgCompare::new(filter.index.into(), op, filter.value)
}

/// The architectures whose programs a machine (as `uname -m` names it) runs; its own comes first.
fn archs_of(machine: &[u8]) -> &'static [(Arch, ScmpArch)] {
    const X86: (Arch, ScmpArch) = (Arch::X86, ScmpArch::X86);
    const ARM: (Arch, ScmpArch) = (Arch::Arm, ScmpArch::Arm);
    const PPC: (Arch, ScmpArch) = (Arch::Ppc, ScmpArch::Ppc);
    const MIPS: (Arch, ScmpArch) = (Arch::Mips, ScmpArch::Mips);
    const MIPSEL: (Arch, ScmpArch) = (Arch::Mipsel, ScmpArch::Mipsel);
    match machine {
        b"x86_64" => &[(Arch::X86_64, ScmpArch::X8664), X86, (Arch::X32, ScmpArch::X32)],
        b"aarch64" => &[(Arch::Arm64, ScmpArch::Aarch64), ARM],
        b"ppc64" => &[(Arch::Ppc64, ScmpArch::Ppc64), PPC],
        // The kernel gives both byte orders the same name.
        b"mips64" if cfg!(target_endian = "big") => {
            &[(Arch::Mips64, ScmpArch::Mips64), MIPS, (Arch::Mips64n32, ScmpArch::Mips64N32)]
        }
        b"mips64" => {
            &[(Arch::Mipsel64, ScmpArch::Mipsel64), MIPSEL, (Arch::Mipsel64n32, ScmpArch::Mipsel64N32)]
        }
        b"i386" | b"i486" | b"i586" | b"i686" => &[X86],
        b"ppc64le" => &[(Arch::Ppc64le, ScmpArch::Ppc64Le)],
        b"ppc" => &[PPC],
        b"mips" if cfg!(target_endian = "big") => &[MIPS],
        b"mips" => &[MIPSEL],
        b"s390x" => &[(Arch::S390x, ScmpArch::S390X)],
        b"s390" => &[(Arch::S390, ScmpArch::S390)],
        b"loongarch64" => &[(Arch::Loongarch64, ScmpArch::Loongarch64)],
        machine if machine.starts_with(b"armv") => &[ARM],
        _ => &[],
    }
}

/// The program as the kernel wants it. libseccomp (before 2.6) gives it only through a descriptor.
fn export(context: &ScmpFilterContext) -> Result<Box<[Instruction]>, Error> {
    let file: OwnedFd =
        rustix::fs::memfd_create("seccomp", MemfdFlags::CLOEXEC).op("memfd_create", "seccomp")?;
    context.export_bpf(&file).map_err(|e| Error::Library("write the program", e))?;
    let size = rustix::fs::tell(&file).op("lseek", "seccomp")?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let got = rustix::io::pread(&file, &mut bytes[..], 0).op("pread", "seccomp")?;
    bytes.truncate(got);
    match Instruction::list(&bytes) {
        Some(list) if !list.is_empty() => Ok(list),
        _ => Err(Error::Malformed(got)),
    }
}

//! Compiled programs, run by an interpreter of our own over `struct seccomp_data` and compared with
//! what the policy says.
#![cfg(target_arch = "x86_64")]

use lxc_sys::seccomp::Instruction;
use lxc_types::seccomp::{
    Action, Arch, ArgFilter, Compare, NamedPolicy, NumberRule, Policy, Rule, Section, Target,
};

use super::host::Skipped;
use super::{Supervision, compile, runs_here};

const NATIVE: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const ARM64: u32 = 0xc000_00b7;
const X32_BIT: u32 = 0x4000_0000;
const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const ERRNO: u32 = 0x0005_0000;

/// What the program answers to a system call.
fn run(program: &[Instruction], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(arch.to_ne_bytes());
    data.extend([0; 8]);
    data.extend(args.iter().flat_map(|arg| arg.to_ne_bytes()));
    let (mut at, mut a) = (0, 0_u32);
    loop {
        let Instruction { code, if_true, if_false, operand } = program[at];
        at += 1;
        let holds = match code {
            0x20 => {
                let from = operand as usize;
                a = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
                continue;
            }
            0x54 => {
                a &= operand;
                continue;
            }
            0x06 => return operand,
            0x05 => {
                at += operand as usize;
                continue;
            }
            0x15 => a == operand,
            0x25 => a > operand,
            0x35 => a >= operand,
            0x45 => a & operand != 0,
            other => panic!("instruction {other:#x}"),
        };
        at += usize::from(if holds { if_true } else { if_false });
    }
}

fn rule(name: &str, action: Action, args: &[ArgFilter]) -> Rule {
    Rule {
        section: Section::All,
        target: Target::Syscall(name.to_owned()),
        action,
        args: args.to_vec(),
        line: 7,
    }
}

fn named(default: Action, rules: Vec<Rule>) -> Policy {
    Policy::Named(NamedPolicy { default, rules })
}

fn program(default: Action, rules: Vec<Rule>) -> Box<[Instruction]> {
    compile(&named(default, rules)).unwrap().program.instructions
}

#[test]
fn a_denied_call_is_denied_on_every_architecture() {
    let mut rules =
        vec![rule("kexec_load", Action::Errno(1), &[]), rule("finit_module", Action::Errno(1), &[])];
    let (target, action) = (Target::ForceUmount, Action::Errno(13));
    rules.push(Rule { section: Section::All, target, action, args: Vec::new(), line: 3 });
    let program = program(Action::Allow, rules);
    let none = [0; 6];
    for (arch, kexec_load, umount2) in
        [(NATIVE, 246, 166), (I386, 283, 52), (NATIVE, 528 | X32_BIT, 166 | X32_BIT)]
    {
        assert_eq!(run(&program, arch, kexec_load, none), ERRNO | 1);
        assert_eq!(run(&program, arch, umount2, none), ALLOW);
        assert_eq!(run(&program, arch, umount2, [0, 1, 0, 0, 0, 0]), ERRNO | 13);
        assert_eq!(run(&program, arch, umount2, [0, 2 | 1, 0, 0, 0, 0]), ERRNO | 13);
        assert_eq!(run(&program, arch, umount2, [1, 2, 1, 1, 1, 1]), ALLOW);
    }
    // i386's number on x86-64 is another call.
    assert_eq!(run(&program, NATIVE, 283, none), ALLOW);
    // A tracer may skip a call.
    assert_eq!(run(&program, NATIVE, u32::MAX, none), ALLOW);
    assert_eq!(run(&program, ARM64, 246, none), KILL);
}

#[test]
fn an_allow_list_kills_the_rest() {
    let rules = vec![rule("read", Action::Allow, &[]), rule("write", Action::Trap, &[])];
    let program = program(Action::Kill, rules);
    let none = [0; 6];
    assert_eq!(run(&program, NATIVE, 0, none), ALLOW);
    assert_eq!(run(&program, NATIVE, 1, none), TRAP);
    assert_eq!(run(&program, NATIVE, 2, none), KILL);
    assert_eq!(run(&program, I386, 3, none), ALLOW);
    assert_eq!(run(&program, I386, 0, none), KILL);
    assert_eq!(run(&program, NATIVE, X32_BIT, none), ALLOW);
}

#[test]
fn version_one_is_native_only() {
    let rules = [0, 60].map(|number| NumberRule { number, line: 3 }).to_vec();
    let compiled = compile(&Policy::Numbers(rules)).unwrap();
    let program = compiled.program.instructions;
    assert_eq!(run(&program, NATIVE, 60, [0; 6]), ALLOW);
    assert_eq!(run(&program, NATIVE, 61, [0; 6]), KILL);
    assert_eq!(run(&program, I386, 60, [0; 6]), KILL);
}

#[test]
fn notify_wants_a_listener() {
    let compiled = compile(&named(Action::Allow, vec![rule("mknod", Action::Notify, &[])])).unwrap();
    assert_eq!(compiled.program.supervision, Supervision::Wanted);
    assert_eq!(run(&compiled.program.instructions, NATIVE, 133, [0; 6]), NOTIFY);
    let compiled = compile(&named(Action::Allow, vec![rule("mknod", Action::Kill, &[])])).unwrap();
    assert_eq!(compiled.program.supervision, Supervision::None);
}

/// The policy's meaning, without a compiler.
fn model(rules: &[(u32, Action, ArgFilter)], number: u32, args: [u64; 6]) -> u32 {
    let holds = |filter: &ArgFilter| {
        let arg = args[usize::from(filter.index)];
        match filter.compare {
            Compare::NotEqual => arg != filter.value,
            Compare::Less => arg < filter.value,
            Compare::LessOrEqual => arg <= filter.value,
            Compare::Equal => arg == filter.value,
            Compare::GreaterOrEqual => arg >= filter.value,
            Compare::Greater => arg > filter.value,
            Compare::MaskedEqual(mask) => arg & mask == filter.value & mask,
        }
    };
    let found = rules.iter().find(|(n, _, filter)| *n == number && holds(filter));
    match found.map(|(_, action, _)| *action) {
        Some(Action::Errno(errno)) => ERRNO | u32::from(errno),
        Some(Action::Trap) => TRAP,
        _ => ALLOW,
    }
}

#[test]
fn comparisons_mean_what_they_say() {
    // Numbers around the border between the two halves the kernel's program compares one by one.
    let values = [0, 1, 7, 0x1000, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, u64::MAX - 1, u64::MAX];
    let compares = [
        Compare::NotEqual,
        Compare::Less,
        Compare::LessOrEqual,
        Compare::Equal,
        Compare::GreaterOrEqual,
        Compare::Greater,
        Compare::MaskedEqual(0x1_0000_1001),
    ];
    for (i, compare) in compares.into_iter().enumerate() {
        for value in values {
            let index = u8::try_from(i % 6).unwrap();
            let value = if let Compare::MaskedEqual(mask) = compare { value & mask } else { value };
            let filter = ArgFilter { index, compare, value };
            let other = ArgFilter { index: 5 - index, compare: Compare::Equal, value: 3 };
            let rules =
                vec![rule("ioctl", Action::Errno(5), &[filter]), rule("mount", Action::Trap, &[other])];
            let program = program(Action::Allow, rules);
            let meaning = [(16, Action::Errno(5), filter), (165, Action::Trap, other)];
            for arg in values.into_iter().chain([3]) {
                for number in [16, 165, 0] {
                    let mut args = [0; 6];
                    args[usize::from(index)] = arg;
                    args[usize::from(5 - index)] = if number == 165 { 3 } else { arg };
                    let context = format!("{compare:?} {value:#x}, {number} {args:x?}");
                    assert_eq!(
                        run(&program, NATIVE, number, args),
                        model(&meaning, number, args),
                        "{context}"
                    );
                }
            }
        }
    }
}

#[test]
fn unknown_names_are_reported_and_foreign_ones_skipped() {
    let rules = vec![
        rule("kexec_laod", Action::Kill, &[]),
        // Calls of i386 only.
        rule("umount", Action::Errno(1), &[]),
        rule("socketcall", Action::Errno(2), &[]),
        // A call that i386 lacks.
        rule("arch_prctl", Action::Errno(3), &[]),
    ];
    let compiled = compile(&named(Action::Allow, rules)).unwrap();
    assert_eq!(compiled.unknown, [Skipped { line: 7, name: "kexec_laod".into() }]);
    let program = compiled.program.instructions;
    assert_eq!(run(&program, I386, 22, [0; 6]), ERRNO | 1);
    assert_eq!(run(&program, I386, 102, [0; 6]), ERRNO | 2);
    assert_eq!(run(&program, NATIVE, 158, [0; 6]), ERRNO | 3);
}

/// i386 has two ways to each socket call. Upstream's program (5.0.2) leaves both out, so that there a
/// denied one is not denied at all and an allowed one not allowed.
#[test]
fn socket_calls_of_i386_are_held_too() {
    let algorithms = ArgFilter { index: 0, compare: Compare::Equal, value: 38 };
    let rules =
        vec![rule("socket", Action::Errno(97), &[algorithms]), rule("sendmsg", Action::Errno(1), &[])];
    let program = program(Action::Allow, rules);
    let (socketcall, socket, sendmsg) = (102, 359, 370);
    assert_eq!(run(&program, NATIVE, 41, [38, 0, 0, 0, 0, 0]), ERRNO | 97);
    assert_eq!(run(&program, NATIVE, 41, [1, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(run(&program, I386, sendmsg, [0; 6]), ERRNO | 1);
    assert_eq!(run(&program, I386, socketcall, [16, 0, 0, 0, 0, 0]), ERRNO | 1);
    assert_eq!(run(&program, I386, socketcall, [17, 0, 0, 0, 0, 0]), ALLOW);
    // Arguments behind a pointer cannot be filtered; as in upstream there is no rule then.
    assert_eq!(run(&program, I386, socketcall, [1, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(run(&program, I386, socket, [38, 0, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn sections_are_for_this_host_or_ignored() {
    for arch in [Arch::X86, Arch::X32, Arch::X86_64] {
        assert!(runs_here(Section::Arch(arch)));
    }
    assert!(runs_here(Section::All));
    assert!(!runs_here(Section::Arch(Arch::Arm64)));
    let mut foreign = rule("read", Action::Kill, &[]);
    foreign.section = Section::Arch(Arch::Arm);
    let mut compat = rule("write", Action::Kill, &[]);
    compat.section = Section::Arch(Arch::X86);
    let program = program(Action::Allow, vec![foreign, compat]);
    assert_eq!(run(&program, NATIVE, 0, [0; 6]), ALLOW);
    // As upstream: a section of this host is for all of its architectures.
    assert_eq!(run(&program, NATIVE, 1, [0; 6]), KILL);
}

#[test]
fn impossible_rules_are_explained() {
    let error = |rules: Vec<Rule>| compile(&named(Action::Allow, rules)).unwrap_err().to_string();
    assert_eq!(
        error(vec![rule("read", Action::Allow, &[])]),
        "seccomp rule in line 7 (\"read allow\") is impossible on native: the action is what happens to a \
         system call without a rule anyway"
    );
    let twice = ArgFilter { index: 0, compare: Compare::Equal, value: 1 };
    assert!(error(vec![rule("read", Action::Kill, &[twice, twice])]).contains("line 7"));
}

#[test]
#[ignore = "a measurement"]
fn how_long_the_shipped_policy_takes() {
    let names = ["kexec_load", "open_by_handle_at", "init_module", "finit_module", "delete_module"];
    let mut rules: Vec<Rule> = names.iter().map(|name| rule(name, Action::Errno(1), &[])).collect();
    let (target, action) = (Target::ForceUmount, Action::Errno(13));
    rules.push(Rule { section: Section::All, target, action, args: Vec::new(), line: 3 });
    let policy = named(Action::Allow, rules);
    for _ in 0..5 {
        let before = std::time::Instant::now();
        let compiled = compile(&policy).unwrap();
        println!("{:?}, {} instructions", before.elapsed(), compiled.program.instructions.len());
    }
}

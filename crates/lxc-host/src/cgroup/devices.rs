//! Device rules of v2: a list of them, and the program that the kernel asks about each device.
//!
//! There is no devices controller in v2. A program attached to the group gets the device and what is
//! to be done with it, and answers 0 or 1 (`struct bpf_cgroup_dev_ctx` in the kernel's `linux/bpf.h`).

use lxc_sys::bpf::Instruction;
use lxc_sys::{Op, Result};
use lxc_types::device_rule::{DeviceAccess, DeviceInput, DeviceKind, DeviceRule};
use rustix::fs::FileType;

use super::SettingError;
use super::spec::Verdict;

/// The device rules of a running container. The newest comes first and wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList {
    /// What happens to a device that no rule speaks of.
    default: Verdict,
    /// Whether a rule has said so, or it is only how lists begin.
    explicit: bool,
    rules: Vec<(Verdict, DeviceRule)>,
}

impl Default for DeviceList {
    /// Denies what is not allowed; binds nothing until there is a rule.
    fn default() -> Self {
        DeviceList { default: Verdict::Deny, explicit: false, rules: Vec::new() }
    }
}

/// Whether a list is another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is.
    Changed,
    /// It is not.
    Same,
}

impl DeviceList {
    /// Adds what `devices.allow` or `devices.deny` says. `a` alone sets the default and empties the
    /// list; a rule that is there already changes its verdict; else it comes before the others.
    ///
    /// # Errors
    /// The path of a rule is no device node.
    pub fn add(&mut self, verdict: Verdict, input: &DeviceInput) -> Result<Change, SettingError> {
        let rule = match input {
            DeviceInput::All => {
                let fresh = DeviceList { default: verdict, explicit: true, rules: Vec::new() };
                let change = if *self == fresh { Change::Same } else { Change::Changed };
                *self = fresh;
                return Ok(change);
            }
            DeviceInput::Rule(rule) => *rule,
            DeviceInput::Path { path, access } => node(path, *access)?,
        };
        match self.rules.iter_mut().find(|(_, known)| *known == rule) {
            Some((known, _)) if *known == verdict => return Ok(Change::Same),
            Some((known, _)) => *known = verdict,
            None => self.rules.insert(0, (verdict, rule)),
        }
        Ok(Change::Changed)
    }

    /// Whether nothing was ever said about devices, so that no program is needed.
    pub fn is_unset(&self) -> bool {
        self.rules.is_empty() && !self.explicit
    }

    /// The program that answers for this list.
    pub fn program(&self) -> Vec<Instruction> {
        let mut program = prologue();
        // A rule that says what is the default anyway is left out, as upstream does.
        for (verdict, rule) in self.rules.iter().filter(|(verdict, _)| *verdict != self.default) {
            let tests = tests(rule);
            let Some(tests) = tests else { continue };
            let unconditional = tests.is_empty();
            // A test that fails jumps over those after it and over the two instructions of the answer.
            let count = tests.len();
            for (at, (opcode, register, value)) in tests.into_iter().enumerate() {
                program.push(instruction(opcode, register, 0, count - at + 1, value));
            }
            program.extend(answer(*verdict));
            if unconditional {
                // Nothing comes after: the kernel refuses instructions that are never reached.
                return program;
            }
        }
        program.extend(answer(self.default));
        program
    }
}

/// The rule for a device node of the host; symbolic links are followed.
///
/// # Errors
/// The path is not there or is no device.
pub fn node(path: &str, access: DeviceAccess) -> Result<DeviceRule, SettingError> {
    let stat = rustix::fs::stat(path).op("stat", path)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => DeviceKind::Block,
        FileType::CharacterDevice => DeviceKind::Char,
        _ => return Err(SettingError::NoDevice(path.to_owned())),
    };
    let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    Ok(DeviceRule { kind, major: Some(major), minor: Some(minor), access })
}

/// A rule's text for the v1 controller: the path form is looked up, anything else stays as it is.
///
/// # Errors
/// As [`node`]; a path form without access.
pub fn v1_text(value: &str) -> Result<String, SettingError> {
    if !value.starts_with('/') {
        return Ok(value.to_owned());
    }
    match value.parse()? {
        DeviceInput::Path { path, access } => Ok(node(&path, access)?.to_string()),
        other => Ok(other.to_string()),
    }
}

const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xbf;
const MOVE_VALUE: u8 = 0xb7;
const AND_VALUE: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_UNEQUAL: u8 = 0x55;
const JUMP_ANY_BIT: u8 = 0x45;
const EXIT: u8 = 0x95;

fn instruction(opcode: u8, to: u8, from: u8, offset: usize, value: i32) -> Instruction {
    let offset = u64::try_from(offset).unwrap_or_default() & 0xffff;
    let value = u64::from(value.cast_unsigned());
    let registers = u64::from(to) | u64::from(from) << 4;
    Instruction(u64::from(opcode) | registers << 8 | offset << 16 | value << 32)
}

/// Takes the context apart: its first word holds the type below and the access above.
fn prologue() -> Vec<Instruction> {
    vec![
        instruction(LOAD_WORD, TYPE, CONTEXT, 0, 0),
        instruction(MOVE, ACCESS, TYPE, 0, 0),
        instruction(AND_VALUE, TYPE, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ]
}

fn answer(verdict: Verdict) -> [Instruction; 2] {
    let value = match verdict {
        Verdict::Allow => 1,
        Verdict::Deny => 0,
    };
    [instruction(MOVE_VALUE, 0, 0, 0, value), instruction(EXIT, 0, 0, 0, 0)]
}

/// The jumps that leave a rule: opcode, register, value. `None` for a rule that no device matches.
fn tests(rule: &DeviceRule) -> Option<Vec<(u8, u8, i32)>> {
    let mut tests = Vec::new();
    if !rule.access.contains(DeviceAccess::ALL) {
        // All that is asked for must be in the rule: no other bit may be set.
        tests.push((JUMP_ANY_BIT, ACCESS, i32::from(DeviceAccess::ALL.bits() & !rule.access.bits())));
    }
    match rule.kind {
        DeviceKind::Any => {}
        DeviceKind::Block => tests.push((JUMP_UNEQUAL, TYPE, 1)),
        DeviceKind::Char => tests.push((JUMP_UNEQUAL, TYPE, 2)),
    }
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        if let Some(number) = number {
            // Device numbers have 12 and 20 bits.
            tests.push((JUMP_UNEQUAL, register, i32::try_from(number).ok()?));
        }
    }
    Some(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a list means, told apart from how it is compiled.
    fn meaning(list: &DeviceList, kind: u32, access: u8, major: u32, minor: u32) -> u64 {
        let hit = list.rules.iter().filter(|(verdict, _)| *verdict != list.default).find(|(_, rule)| {
            let right_kind = match rule.kind {
                DeviceKind::Any => true,
                DeviceKind::Block => kind == 1,
                DeviceKind::Char => kind == 2,
            };
            right_kind
                && access & !rule.access.bits() == 0
                && rule.major.is_none_or(|n| n == major)
                && rule.minor.is_none_or(|n| n == minor)
        });
        u64::from(hit.map_or(list.default, |(verdict, _)| *verdict) == Verdict::Allow)
    }

    fn run(program: &[Instruction], kind: u32, access: u8, major: u32, minor: u32) -> u64 {
        let bytes: Vec<u8> = program.iter().flat_map(|i| i.0.to_le_bytes()).collect();
        let machine = rbpf::EbpfVmRaw::new(Some(&bytes)).expect("the program is well-formed");
        let mut context = Vec::new();
        for word in [u32::from(access) << 16 | kind, major, minor] {
            context.extend_from_slice(&word.to_le_bytes());
        }
        machine.execute_program(&mut context).expect("it runs to its end")
    }

    fn list(inputs: &[(&str, &str)]) -> DeviceList {
        let mut list = DeviceList::default();
        for (verdict, text) in inputs {
            let verdict = if *verdict == "allow" { Verdict::Allow } else { Verdict::Deny };
            list.add(verdict, &text.parse().unwrap()).unwrap();
        }
        list
    }

    /// A small generator: the same sequence each time, so that a failure can be looked at.
    struct Dice(u64);
    impl Dice {
        fn below(&mut self, n: u64) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((self.0 >> 33) % n).unwrap()
        }
    }

    #[test]
    fn programs_mean_what_their_lists_mean() {
        let mut dice = Dice(7);
        for _ in 0..400 {
            let mut list = DeviceList::default();
            for _ in 0..dice.below(9) {
                let number = |dice: &mut Dice| ["*", "0", "1", "5", "1048575", "4294967295"][dice.below(6)];
                let kind = ["a", "b", "c"][dice.below(3)];
                let access = ["r", "w", "m", "rw", "rm", "wm", "rwm"][dice.below(7)];
                let text = match dice.below(12) {
                    0 => "a".to_owned(),
                    _ => format!("{kind} {}:{} {access}", number(&mut dice), number(&mut dice)),
                };
                let verdict = [Verdict::Allow, Verdict::Deny][dice.below(2)];
                list.add(verdict, &text.parse().unwrap()).unwrap();
            }
            let program = list.program();
            for kind in [1, 2] {
                for access in 1..8 {
                    for (major, minor) in [(0, 0), (1, 5), (5, 1), (1, 1_048_575), (7, 7)] {
                        let want = meaning(&list, kind, access, major, minor);
                        assert_eq!(run(&program, kind, access, major, minor), want, "{list:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_shipped_rules() {
        let list =
            list(&[("deny", "a"), ("allow", "c *:* m"), ("allow", "c 1:3 rwm"), ("allow", "c 136:* rwm")]);
        let program = list.program();
        assert_eq!(run(&program, 2, 6, 1, 3), 1);
        assert_eq!(run(&program, 2, 1, 9, 9), 1);
        assert_eq!(run(&program, 2, 3, 9, 9), 0);
        assert_eq!(run(&program, 1, 1, 9, 9), 0);
        assert_eq!(run(&program, 2, 4, 136, 77), 1);
    }

    #[test]
    fn modes_and_flips() {
        assert!(DeviceList::default().is_unset());
        assert!(!list(&[("deny", "a")]).is_unset());
        let mut all = list(&[("allow", "c 1:3 r"), ("allow", "a"), ("deny", "c 1:9 r")]);
        assert_eq!(run(&all.program(), 2, 2, 1, 9), 0);
        assert_eq!(run(&all.program(), 2, 2, 1, 3), 1);
        assert_eq!(all.add(Verdict::Deny, &"c 1:9 r".parse().unwrap()).unwrap(), Change::Same);
        assert_eq!(all.add(Verdict::Allow, &"c 1:9 r".parse().unwrap()).unwrap(), Change::Changed);
        assert_eq!(run(&all.program(), 2, 2, 1, 9), 1);
        assert_eq!(all.add(Verdict::Allow, &DeviceInput::All).unwrap(), Change::Changed);
        assert_eq!(all.add(Verdict::Allow, &DeviceInput::All).unwrap(), Change::Same);
    }

    #[test]
    fn nothing_follows_a_rule_for_all() {
        let program = list(&[("allow", "c 1:3 r"), ("allow", "a *:* rwm")]).program();
        assert_eq!(program.len(), 8);
        assert_eq!(run(&program, 1, 7, 9, 9), 1);
    }

    #[test]
    fn paths_are_looked_up() {
        assert_eq!(v1_text("/dev/null rw").unwrap(), "c 1:3 rw");
        assert_eq!(v1_text("c 1:3 anything").unwrap(), "c 1:3 anything");
        assert_eq!(v1_text("/dev rw").unwrap_err().to_string(), "/dev is not a device node");
        assert!(v1_text("/none/such rw").unwrap_err().to_string().starts_with("stat(/none/such): "));
        let mut list = DeviceList::default();
        list.add(Verdict::Allow, &"/dev/null r".parse().unwrap()).unwrap();
        assert_eq!(run(&list.program(), 2, 2, 1, 3), 1);
    }
}

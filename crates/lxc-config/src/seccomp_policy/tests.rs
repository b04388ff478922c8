//! Each case was also given to LXC 5.0.2; where the two differ on purpose, the test says so.

use super::*;
use lxc_types::seccomp::Arch;

fn on_x86(section: Section) -> bool {
    matches!(section, Section::All | Section::Arch(Arch::X86 | Arch::X32 | Arch::X86_64))
}

fn named(text: &str) -> NamedPolicy {
    match parse(text, on_x86) {
        Ok(Policy::Named(policy)) => policy,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn causes(text: &str) -> Vec<Cause> {
    parse(text, on_x86).unwrap_err().into_iter().map(|e| e.cause).collect()
}

fn one_rule(line: &str) -> Rule {
    let mut policy = named(&format!("2\ndenylist\n{line}\n"));
    assert_eq!(policy.rules.len(), 1, "{line}");
    policy.rules.remove(0)
}

#[test]
fn the_shipped_policy() {
    let text =
        "2\ndenylist\nreject_force_umount  # comment\n[all]\nkexec_load errno 1\nfinit_module errno 1\n";
    let policy = named(text);
    assert_eq!(policy.default, Action::Allow);
    assert_eq!(policy.rules.len(), 3);
    assert_eq!(policy.rules[0].target, Target::ForceUmount);
    assert_eq!(policy.rules[0].action, Action::Errno(13));
    assert_eq!(policy.rules[1].target, Target::Syscall("kexec_load".into()));
    assert_eq!(policy.rules[1].action, Action::Errno(1));
    assert_eq!(policy.rules[2].line, 6);
}

#[test]
fn version_one() {
    let policy = parse("1\nfoo allowlist bar\n1 # x\n 2\n", on_x86).unwrap();
    let Policy::Numbers(rules) = policy else { panic!("not version 1") };
    assert_eq!(rules, [NumberRule { number: 1, line: 3 }, NumberRule { number: 2, line: 4 }]);
    assert_eq!(causes("1\nwhitelist\n1\n"), [Cause::NotAllowlist]);
    assert_eq!(causes("1\nallowlist\n1\n\n"), [Cause::Number]);
    assert_eq!(causes("1\nallowlist\nread\n"), [Cause::Number]);
}

#[test]
fn headers() {
    assert_eq!(named(" 2\ndenylist\n").default, Action::Allow);
    assert_eq!(named("2\r\n denylist\r\n").default, Action::Allow);
    assert_eq!(named("2\nwhitelist").default, Action::Kill);
    assert_eq!(named("2\ndenylist kill\n").default, Action::Kill);
    assert_eq!(named("2\nblacklist  errno 5\n").default, Action::Errno(5));
    assert_eq!(named("2\nallowlist trap\n").default, Action::Trap);
    for text in ["", "3\ndenylist\n", "x\n", "-1\nallowlist\n", "22\ndenylist\n"] {
        assert_eq!(causes(text), [Cause::Version], "{text:?}");
    }
    assert_eq!(causes("2\n"), [Cause::NoPolicyLine]);
    assert_eq!(causes("2 x\ndenylist\n"), [Cause::NoList]);
    assert_eq!(causes("2\ndenylist debug\n"), [Cause::Debug]);
    assert_eq!(causes("2\ndenylisterrno 5\n"), [Cause::Action("5".into())]);
}

#[test]
fn actions() {
    assert_eq!(one_rule("read").action, Action::Kill);
    assert_eq!(one_rule("read # kill").action, Action::Kill);
    assert_eq!(one_rule("read  errno 1").action, Action::Errno(1));
    assert_eq!(one_rule("read errno7").action, Action::Errno(7));
    assert_eq!(one_rule("read errno 0").action, Action::Errno(0));
    assert_eq!(one_rule("read allowed").action, Action::Allow);
    assert_eq!(one_rule("read trap").action, Action::Trap);
    assert_eq!(one_rule("read notify").action, Action::Notify);
    assert_eq!(named("2\nallowlist\nread\n").rules[0].action, Action::Allow);
    for line in ["read errno", "read errno -1", "read errno 70000", "read errno x"] {
        assert_eq!(causes(&format!("2\ndenylist\n{line}\n")), [Cause::Errno], "{line}");
    }
    assert_eq!(causes("2\ndenylist\n read\n"), [Cause::Action("read".into())]);
    // A blank and an action: a rule about the system call without a name.
    assert_eq!(named("2\ndenylist\n kill\n\n").rules, []);
}

#[test]
fn argument_filters() {
    let rule = one_rule("mount errno 1 [3,0x1000,&=,0x1000] [0,010,SCMP_CMP_GE]");
    let masked = ArgFilter { index: 3, compare: Compare::MaskedEqual(0x1000), value: 0x1000 };
    let least = ArgFilter { index: 0, compare: Compare::GreaterOrEqual, value: 8 };
    assert_eq!(rule.args, [masked, least]);
    let rule = one_rule("read errno 1 x [0x1,0xffffffffffffffff,!=");
    assert_eq!(rule.args, [ArgFilter { index: 1, compare: Compare::NotEqual, value: u64::MAX }]);
    // More than upstream takes: blanks inside the brackets.
    assert_eq!(one_rule("read kill [0, 1, ==]").args.len(), 1);

    let cause = |args: &str| causes(&format!("2\ndenylist\nread errno 1 {args}\n"));
    assert_eq!(cause("[7,1,==]"), [Cause::ArgIndex("7".into())]);
    assert_eq!(cause("[0,1,==][0,2,==]"), [Cause::ArgIndex("0".into())]);
    assert_eq!(cause("[0,-1,==]"), [Cause::ArgValue("-1".into())]);
    assert_eq!(cause("[0,+1,==]"), [Cause::ArgValue("+1".into())]);
    assert_eq!(cause("[0,18446744073709551616,==]"), [Cause::ArgValue("18446744073709551616".into())]);
    assert_eq!(cause("[0,1,~~]"), [Cause::ArgCompare("~~".into())]);
    assert_eq!(cause("[0,1]"), [Cause::ArgShape]);
    assert_eq!(cause("[0,1,==] trailing"), [Cause::ArgShape]);
    // The bracket is read although it stands in a comment.
    assert_eq!(cause("# [0,x]"), [Cause::ArgShape]);
    assert_eq!(causes("2\ndenylist\nread [0,1,==]\n"), [Cause::Action("[0,1,==]".into())]);
}

#[test]
fn sections() {
    let text = "2\ndenylist\n[arm]\n garbage\n[X86]\nread\n[ppc]\nwrite\n[all]\nopen\n";
    let policy = named(text);
    let found: Vec<_> = policy.rules.iter().map(|r| (r.section, r.target.to_string())).collect();
    assert_eq!(found, [(Section::Arch(Arch::X86), "read".into()), (Section::All, "open".into())]);
    assert_eq!(causes("2\ndenylist\n[all] \n"), [Cause::Section(UnknownSection("all".into()))]);
    assert_eq!(causes("2\ndenylist\n  [all]\n"), [Cause::Action("[all]".into())]);
}

#[test]
fn errors_say_where_and_what_was_meant() {
    let errors = parse("2\ndenylist\nread errrno 1\n[arm46]\nopen kill [0,1,=]\n", on_x86).unwrap_err();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "line 3, column 6: \"read errrno 1\": \"errrno 1\" is no action (kill, errno N, allow, trap, \
             notify); did you mean \"errno\"?",
            "line 4, column 1: \"[arm46]\": there is no section \"[arm46]\"; did you mean \"arm64\"?",
            "line 5, column 16: \"open kill [0,1,=]\": \"=\" is no comparison (!= < <= == >= > &=)",
        ]
    );
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[12]\n(denylist|allowlist)[ a-z0-9]{0,8}\n([a-z#\\[\\],=&0-9x \u{e9}]{0,30}\n){0,5}") {
        if let Err(errors) = parse(&text, on_x86) {
            proptest::prop_assert!(!errors.is_empty());
            for error in errors {
                let line = text.split('\n').nth(error.line as usize - 1).unwrap_or_default();
                proptest::prop_assert!(error.text == line || error.text.ends_with(line.trim_start()));
                proptest::prop_assert!(error.column as usize <= line.chars().count() + 1);
            }
        }
    }
}

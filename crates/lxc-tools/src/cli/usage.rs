//! The text of `--usage`: all options in one paragraph, in upstream's layout.

use clap::Command;

use super::listed::{self, Value};

/// The usage of `command`, four options a line.
pub fn text(program: &str, command: &Command) -> String {
    let mut text = format!("Usage: {program} ");
    for (n, option) in (1..).zip(listed::all(command)) {
        text.push('[');
        if let Some(short) = option.short {
            text.push_str(&format!("-{short}|"));
        }
        text.push_str("--");
        text.push_str(option.long);
        match option.value {
            Value::None => {}
            Value::Optional => text.push_str(&format!("[={}]", option.long.to_uppercase())),
            Value::Needed => text.push_str(&format!("={}", option.long.to_uppercase())),
        }
        text.push_str("] ");
        if n % 4 == 0 {
            text.push_str("\n\t");
        }
    }
    text.push('\n');
    text
}

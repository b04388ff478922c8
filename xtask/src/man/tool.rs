//! The page of a tool.

use lxc_tools::described::OptionValue;
use lxc_tools::described::{self, Described, Shown};

use super::{escape, head, paragraph, section, see_also};

/// `lxc-NAME(1)` as roff.
pub fn page(tool: &Described) -> String {
    let mut page = head(tool.program, 1, &tool.about);
    section(&mut page, "SYNOPSIS");
    page.push_str(&format!(".B {}\n{}\n", escape(tool.program), escape(tool.synopsis)));
    section(&mut page, "DESCRIPTION");
    tool.text.paragraphs.iter().for_each(|text| paragraph(&mut page, text));
    let (own, plain): (Vec<_>, Vec<_>) = tool.options.iter().partition(|option| option.own);
    if !plain.is_empty() {
        section(&mut page, "OPTIONS");
        plain.iter().for_each(|option| entry(&mut page, option));
    }
    if !own.is_empty() {
        section(&mut page, "OPTIONS THAT LXC DOES NOT HAVE");
        own.iter().for_each(|option| entry(&mut page, option));
    }
    if tool.common {
        section(&mut page, "COMMON OPTIONS");
        let own_rcfile = tool.options.iter().any(|option| option.long == "rcfile");
        for option in described::common() {
            let absent = match option.long.as_str() {
                "name" => tool.names.is_none(),
                "rcfile" => own_rcfile,
                _ => false,
            };
            if !absent {
                entry(&mut page, &option);
            }
        }
        paragraph(
            &mut page,
            "Long names may be abbreviated as long as one option alone is meant. Options may stand behind other \
             arguments; two dashes end them.",
        );
    }
    section(&mut page, "EXIT STATUS");
    for (code, meaning) in tool.text.exit {
        page.push_str(&format!(".TP\n.B {}\n{}\n", escape(code), escape(meaning)));
    }
    if !tool.text.examples.is_empty() {
        section(&mut page, "EXAMPLES");
        for (line, meaning) in tool.text.examples {
            page.push_str(&format!(".TP\n.B {}\n{}\n", escape(line), escape(meaning)));
        }
    }
    see_also(&mut page, &[("lxc", 7), ("lxc.container.conf", 5), ("lxc.system.conf", 5)]);
    page
}

fn entry(page: &mut String, option: &Shown) {
    let letter = option.short.map(|letter| format!("\\fB{}\\fR", escape(&format!("-{letter}"))));
    let long =
        (!option.long.is_empty()).then(|| format!("\\fB{}\\fR", escape(&format!("--{}", option.long))));
    let names = [letter, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let name = escape(&option.value_name);
    let glue = if option.long.is_empty() { " " } else { "=" };
    let value = match option.value {
        OptionValue::None => String::new(),
        OptionValue::Optional => format!("[={name}]"),
        OptionValue::Needed => format!("{glue}\\fI{name}\\fR"),
    };
    let stop = if option.help.ends_with('.') { "" } else { "." };
    page.push_str(&format!(".TP\n{names}{value}\n{}{stop}\n", escape(&option.help)));
}

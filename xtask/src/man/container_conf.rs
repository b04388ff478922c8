//! `lxc.container.conf(5)`, made from the table of keys.

use lxc_config::keys::{self, Family, Key, Shape, Standing};

use super::{escape, head, paragraph, section, see_also};

/// `lxc.container.conf(5)` as roff.
pub fn page() -> String {
    let mut page = head("lxc.container.conf", 5, "configuration of a container");
    section(&mut page, "DESCRIPTION");
    PROLOGUE.iter().for_each(|text| paragraph(&mut page, text));
    section(&mut page, "SYNTAX");
    SYNTAX.iter().for_each(|text| paragraph(&mut page, text));
    page.push_str(
        ".PP\n.EX\nlxc.uts.name = c1\nlxc.rootfs.path = dir:/var/lib/lxc/c1/rootfs\n\
         lxc.include = /usr/share/lxc/config/common.conf\nlxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\n\
         lxc.net.0.flags = up\n.EE\n",
    );
    keys::FAMILIES.iter().for_each(|known| family(&mut page, known));
    section(&mut page, "FILES");
    for (path, text) in FILES {
        page.push_str(&format!(".TP\n.I {}\n{}\n", escape(path), escape(text)));
    }
    see_also(
        &mut page,
        &[
            ("lxc", 7),
            ("lxc.system.conf", 5),
            ("lxc-create", 1),
            ("lxc-start", 1),
            ("capabilities", 7),
            ("cgroups", 7),
            ("namespaces", 7),
        ],
    );
    page
}

const PROLOGUE: [&str; 2] = [
    "A container is described by a text file, usually the file config in the container's directory. It says where \
     the root filesystem lies, which program to run, which parts of the host the container shares, and what it \
     may do. New containers begin with a copy of /etc/lxc/default.conf; for users other than root that is \
     default.conf below ~/.config/lxc.",
    "The file is read when a program works on the container. A running container keeps the settings it was started \
     with.",
];

const SYNTAX: [&str; 5] = [
    "Each line is a key, an equals sign and a value; blanks around them do not count. A line whose first character \
     is # is a comment, but a # behind a value is part of it. Lines that do not begin with lxc. are ignored, so \
     that other programs may keep their own. Nothing is expanded, and no line continues on the next.",
    "One pair of quotes around the value, double or single, is taken away, which keeps blanks at its ends.",
    "Lines count from top to bottom. For most keys a later line replaces an earlier one; where the text below says \
     \"list\", each line adds to those before. An empty value takes back what earlier lines said of the key.",
    "An unknown key or a value that does not fit is an error: the container does not start. All errors of a config \
     are reported, each with its file and line.",
    "Numbers are decimal, hexadecimal after 0x, or octal after 0. Names of signals begin with SIG.",
];

const FILES: [(&str, &str); 4] = [
    ("/var/lib/lxc/NAME/config", "The config of the container NAME of root."),
    ("~/.local/share/lxc/NAME/config", "The same for other users."),
    ("/etc/lxc/default.conf", "What new containers begin with."),
    ("/usr/share/lxc/config", "Files that configs of distributions include."),
];

fn family(page: &mut String, family: &Family) {
    section(page, family.title);
    paragraph(page, family.doc);
    family.keys.iter().for_each(|known| key(page, known));
}

fn key(page: &mut String, key: &Key) {
    let values = match key.shape {
        Shape::Group => String::new(),
        Shape::Single | Shape::List | Shape::Action => format!(" \\fI{}\\fR", escape(key.values)),
    };
    page.push_str(&format!(".TP\n\\fB{}\\fR ={values}\n{}", escape(key.name), escape(key.doc)));
    if key.shape == Shape::List {
        page.push_str(" This is a list.");
    }
    if key.standing == Standing::Own {
        page.push_str(" LXC without \"rs\" does not know this key.");
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_entry() {
        let page = page();
        for key in keys::all() {
            assert!(page.contains(&format!(".TP\n\\fB{}\\fR =", escape(key.name))), "{}", key.name);
        }
    }
}

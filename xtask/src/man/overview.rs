//! The pages that are about no single tool.

use lxc_tools::described::Described;

use super::{escape, head, paragraph, section, see_also};

/// `lxc.system.conf(5)`.
pub fn system_conf() -> String {
    let mut page = head("lxc.system.conf", 5, "the settings of LXC on this host");
    section(&mut page, "DESCRIPTION");
    paragraph(
        &mut page,
        "The file /etc/lxc/lxc.conf, for users other than root ~/.config/lxc/lxc.conf, says where containers and \
         their storage are. Each line is a key, an equals sign and a value; lines that begin with # are comments. \
         The file need not be there. lxc-config(1) prints the values.",
    );
    section(&mut page, "KEYS");
    for (key, about) in KEYS {
        page.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", escape(key), escape(about)));
    }
    section(&mut page, "FILES");
    page.push_str(".TP\n.I /etc/lxc/lxc.conf\nThe file of root.\n");
    page.push_str(".TP\n.I \\(ti/.config/lxc/lxc.conf\nThe file of another user.\n");
    see_also(&mut page, &[("lxc", 7), ("lxc.container.conf", 5), ("lxc-config", 1)]);
    page
}

/// Each key of the file, with what it is for.
const KEYS: [(&str, &str); 10] = [
    ("lxc.lxcpath", "The directory of the containers: /var/lib/lxc, for users ~/.local/share/lxc."),
    (
        "lxc.default_config",
        "The configuration that new containers begin with: /etc/lxc/default.conf, for users ~/.config/lxc/default.conf.",
    ),
    ("lxc.cgroup.pattern", "The path of a container's control groups, with %n for its name."),
    ("lxc.cgroup.use", "The controllers to use, joined by commas; all, if it is not set."),
    ("lxc.bdev.lvm.vg", "The volume group of containers on LVM: lxc."),
    ("lxc.bdev.lvm.thin_pool", "The thin pool in it: lxc."),
    ("lxc.bdev.zfs.root", "The data set below which containers on ZFS are: lxc."),
    ("lxc.bdev.rbd.rbdpool", "The pool of containers on Ceph: lxc."),
    ("lxc.bdev.rbd.rbduser", "The user for it."),
    (
        "lxc.autostart.jobs",
        "How many containers lxc-autostart(1) starts at a time. LXC does not have this key.",
    ),
];

/// `lxc.conf(5)`.
pub fn conf() -> String {
    let mut page = head("lxc.conf", 5, "configuration files of LXC");
    section(&mut page, "DESCRIPTION");
    paragraph(&mut page, "There are two kinds of configuration.");
    page.push_str(".TP\n.BR lxc.system.conf (5)\nThe host: where containers and their storage are.\n");
    page.push_str(".TP\n.BR lxc.container.conf (5)\nOne container: its root, network, limits and rights.\n");
    see_also(&mut page, &[("lxc", 7), ("lxc.system.conf", 5), ("lxc.container.conf", 5)]);
    page
}

/// `lxc(7)`.
pub fn lxc(tools: &[Described]) -> String {
    let mut page = head("lxc", 7, "Linux containers");
    section(&mut page, "DESCRIPTION");
    for text in ABOUT {
        paragraph(&mut page, text);
    }
    section(&mut page, "A CONTAINER'S LIFE");
    paragraph(
        &mut page,
        "A container is made by lxc-create(1), started by lxc-start(1), entered by lxc-attach(1), looked at by \
         lxc-info(1) and lxc-ls(1), stopped by lxc-stop(1) and removed by lxc-destroy(1). A single program runs in \
         one by lxc-execute(1).",
    );
    page.push_str(
        ".PP\n.EX\nlxc\\-create \\-n c1 \\-t busybox\nlxc\\-start c1\nlxc\\-attach c1\nlxc\\-stop c1\n\
         lxc\\-destroy c1\n.EE\n",
    );
    section(&mut page, "STATES");
    for (state, about) in STATES {
        page.push_str(&format!(".TP\n.B {state}\n{}\n", escape(about)));
    }
    section(&mut page, "PROGRAMS");
    for tool in tools {
        page.push_str(&format!(".TP\n.BR {} (1)\n{}.\n", escape(tool.program), escape(&tool.about)));
    }
    section(&mut page, "FILES");
    for (path, about) in FILES {
        page.push_str(&format!(".TP\n.I {}\n{}\n", escape(path), escape(about)));
    }
    see_also(
        &mut page,
        &[
            ("lxc.container.conf", 5),
            ("lxc.system.conf", 5),
            ("namespaces", 7),
            ("cgroups", 7),
            ("capabilities", 7),
        ],
    );
    page
}

const ABOUT: [&str; 3] = [
    "A container is a group of processes that see a system of their own: a root file system, process ids, users, \
     host name, network and devices. They share the host's kernel, which keeps them apart by namespaces, control \
     groups, capabilities, filters of system calls and a security module.",
    "Each running container has a monitor, a process of the host named [lxc monitor]. It starts the container, \
     answers the tools, keeps the console and cleans up at the end. There is no daemon for all.",
    "Containers of root may map their users to others of the host by lxc.idmap; then root inside is nobody \
     outside.",
];

const STATES: [(&str, &str); 8] = [
    ("STOPPED", "It does not run."),
    ("STARTING", "Its monitor prepares it."),
    ("RUNNING", "Its init runs."),
    ("STOPPING", "Its init has ended, and its monitor cleans up."),
    ("ABORTING", "It could not be started."),
    ("FREEZING", "Its processes are being held."),
    ("FROZEN", "Its processes are held."),
    ("THAWED", "Its processes were let go on."),
];

const FILES: [(&str, &str); 4] = [
    ("/var/lib/lxc/NAME", "The container NAME of root: config, rootfs, snaps."),
    ("/etc/lxc/lxc.conf", "Settings of the host, see lxc.system.conf(5)."),
    ("/etc/lxc/default.conf", "What the configuration of new containers begins with."),
    ("/usr/share/lxc/templates", "The templates of lxc-create(1)."),
];

#[cfg(test)]
mod tests {
    use lxc_config::system::SystemConfig;

    use super::*;

    #[test]
    fn every_key_of_the_host_is_told() {
        let mut told: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        let mut known = SystemConfig::KEYS.to_vec();
        told.sort_unstable();
        known.sort_unstable();
        assert_eq!(told, known);
    }
}

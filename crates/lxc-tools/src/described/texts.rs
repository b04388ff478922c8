//! What manual pages say beside the options: paragraphs, exit codes, examples.

/// The words of a manual page.
#[derive(Debug)]
pub struct Text {
    /// The paragraphs of the description.
    pub paragraphs: &'static [&'static str],
    /// The exit codes, each with its meaning.
    pub exit: &'static [(&'static str, &'static str)],
    /// Command lines, each with what it does.
    pub examples: &'static [(&'static str, &'static str)],
}

/// What 0 and 1 mean for most tools.
const PLAIN: &[(&str, &str)] = &[("0", "It was done."), ("1", "It was not; standard error says why.")];

const NONE: Text = Text { paragraphs: &[], exit: &[], examples: &[] };

/// The text for a tool.
pub fn of(program: &str) -> &'static Text {
    TEXTS.iter().find(|(name, _)| *name == program).map_or(&NONE, |(_, text)| text)
}

const TEXTS: &[(&str, Text)] = &[
    (
        "lxc-attach",
        Text {
            paragraphs: &[
                "The program runs in the namespaces and control groups of the container, with its security label, \
                 capabilities and system call filter. Without a program it is the login shell of the container's \
                 user. Where one of the three standard descriptors is a terminal, the program gets a new terminal \
                 of its own.",
                "With -s only the named namespaces are entered and all privileges of the caller stay; with -e some \
                 or all of them stay in all namespaces. Both can be dangerous where the container is not trusted.",
            ],
            exit: &[
                ("0-127", "The program's own."),
                ("128+N", "The program was killed by signal N."),
                ("126, 127", "The program cannot be executed, or there is none of that name."),
                ("1", "The container does not run, or it could not be entered."),
            ],
            examples: &[
                ("lxc-attach c1", "A shell in the container c1."),
                (
                    "lxc-attach -n c1 --clear-env -v LANG=C -- ps ax",
                    "A program with an environment of its own.",
                ),
                (
                    "lxc-attach -n c1 -s NETWORK -- ip addr",
                    "A program of the host in the container's network.",
                ),
            ],
        },
    ),
    (
        "lxc-autostart",
        Text {
            paragraphs: &[
                "Works on the containers with lxc.start.auto = 1, in the order of lxc.start.order, and waits \
                 lxc.start.delay seconds after each. Without -g only containers in no group are meant. Stopping \
                 goes in the reverse order.",
                "Containers that are named in lxc.start.after start before the one that names them, and stop after \
                 it. With --jobs several start at a time, if they have the same order and do not wait for each \
                 other; without it, several only stop at a time.",
                "Log files that were renamed are opened anew with --reopen-logs: by the monitors of all containers \
                 that run, whichever -g names.",
            ],
            exit: &[
                ("0", "All was done."),
                ("1", "Nothing could be done."),
                ("2", "Some of it could not be done."),
            ],
            examples: &[
                ("lxc-autostart", "Start what is to start with the host."),
                ("lxc-autostart -g onboot,", "First the group onboot, then those without a group."),
                ("lxc-autostart -s -a -A", "Shut everything down."),
                ("lxc-autostart -L", "Only show what would be started."),
                ("lxc-autostart --reopen-logs", "After the log files were renamed."),
            ],
        },
    ),
    (
        "lxc-cgroup",
        Text {
            paragraphs: &[
                "Without a value, the file's content and an empty line are printed. Names are those of the kernel, \
                 such as pids.max or memory.limit_in_bytes. What is set lasts until the container stops; lasting \
                 limits are lxc.cgroup and lxc.cgroup2 in the container's configuration.",
            ],
            exit: PLAIN,
            examples: &[
                ("lxc-cgroup -n c1 pids.max", "How many processes there may be."),
                ("lxc-cgroup -n c1 cpuset.cpus 0-3", "Use four processors."),
            ],
        },
    ),
    (
        "lxc-checkconfig",
        Text {
            paragraphs: &[
                "The configuration is read from /proc/config.gz, from the kernel's modules or from /boot. CONFIG in \
                 the environment names that of another kernel. A feature that is needed and absent is shown as required, others as missing.",
            ],
            exit: &[
                ("0", "The kernel's configuration was found, whatever is in it."),
                ("1", "It was not found."),
            ],
            examples: &[("CONFIG=/boot/config-6.1.0 lxc-checkconfig", "Look at another kernel.")],
        },
    ),
    (
        "lxc-config",
        Text {
            paragraphs: &[
                "The beginning of an item's name will do. What is not set and has no default is said to be not set. \
                 The values come from /etc/lxc/lxc.conf, for users other than root from ~/.config/lxc/lxc.conf; see \
                 lxc.system.conf(5).",
                "With check, configurations of containers are looked at instead: a line for each thing that is wrong \
                 or odd, with file, line and column, and in brackets what kind it is. That is invalid, unknown, \
                 legacy (a name from before LXC 2.1), shadowed (a later line takes it back), contradictory, idle (it \
                 does nothing without another line), or lacking (this kernel or host does not have what is wanted). \
                 LXC does not have this.",
            ],
            exit: &[
                ("0", "The value, or that there is none, was printed; check found no error."),
                ("1", "There is no such item; check found an error or, with --strict, anything at all."),
            ],
            examples: &[
                ("lxc-config lxc.lxcpath", "Where the containers are."),
                ("lxc-config check /var/lib/lxc/*/config", "What could be mended."),
            ],
        },
    ),
    (
        "lxc-console",
        Text {
            paragraphs: &[
                "The container needs lxc.tty.max for terminals other than its console, and something that runs on \
                 them, such as a getty. Ctrl and a, then q leaves; Ctrl and a twice types that key itself.",
            ],
            exit: &[
                ("0", "The terminal was left, or the container ended."),
                ("1", "The container does not run, or the terminal is taken or does not exist."),
            ],
            examples: &[
                ("lxc-console -n c1", "The first free terminal."),
                ("lxc-console -n c1 -t 0", "The console, where messages of the boot appear."),
                ("lxc-console -n c1 -e b", "Ctrl and b, then q leaves."),
            ],
        },
    ),
    (
        "lxc-copy",
        Text {
            paragraphs: &[
                "The copy gets a host name and hardware addresses of its own. With -s it is a layer above the \
                 original, which must not change or go as long as the copy is there. With -e it is such a layer, is \
                 started at once and is removed when it stops.",
            ],
            exit: PLAIN,
            examples: &[
                ("lxc-copy -n c1 -N c2", "A copy of its own."),
                ("lxc-copy -n c1 -N c2 -R", "Another name for c1."),
                ("lxc-copy -n c1 -e -- make test", "Run a program in a copy that is then gone."),
            ],
        },
    ),
    (
        "lxc-create",
        Text {
            paragraphs: &[
                "The container is a directory below lxc.lxcpath with its configuration. A template, a program named \
                 lxc-TEMPLATE, fills its root file system; what stands behind two dashes is for the template, and \
                 -h together with -t shows the template's own options. The template none makes no root file system; \
                 host makes one from the running host, read-only below a writable layer.",
                "The configuration begins as a copy of lxc.default_config or of the file of -f. A creation that \
                 fails or is interrupted leaves nothing.",
            ],
            exit: PLAIN,
            examples: &[
                ("lxc-create -n c1 -t busybox", "A small container."),
                ("lxc-create -n c1 -t download -- -d debian -r bookworm -a amd64", "A ready-made image."),
                ("lxc-create -n c1 -t host", "A container that looks like this host."),
                ("lxc-create -t download -h", "The options of a template."),
            ],
        },
    ),
    (
        "lxc-destroy",
        Text {
            paragraphs: &[
                "Removes the directory of the container with its root file system, and runs lxc.hook.destroy. What \
                 runs must be stopped first, or by -f. What has snapshots goes only with -s, what has copies that \
                 are layers above it not at all.",
            ],
            exit: PLAIN,
            examples: &[("lxc-destroy -n c1 -f", "Stop the container and remove it.")],
        },
    ),
    (
        "lxc-device",
        Text {
            paragraphs: &[
                "The device is named by the path of its node on the host. A node like it is made inside and allowed; \
                 what stands behind is its path inside, if it is another one. Network interfaces cannot be given \
                 to a running container yet.",
            ],
            exit: PLAIN,
            examples: &[
                ("lxc-device -n c1 -- add /dev/ttyS1", "The node appears inside."),
                ("lxc-device -n c1 -- del /dev/ttyS1", "It goes again."),
            ],
        },
    ),
    (
        "lxc-execute",
        Text {
            paragraphs: &[
                "The program is process 2; process 1 is init.lxc(1), which reaps and forwards signals. Without a \
                 program on the command line it is lxc.execute.cmd. The container ends when the program and all \
                 that it has left behind have ended.",
            ],
            exit: &[
                ("0-127", "The program's own."),
                ("128+N", "The program was killed by signal N."),
                ("255", "The program cannot be executed."),
                ("1", "The container could not be started."),
            ],
            examples: &[
                ("lxc-execute -n c1 -- make test", "Run a program and wait for it."),
                ("lxc-execute -n c1 -s lxc.net.0.type=empty -- sh", "With another setting for this run."),
            ],
        },
    ),
    (
        "lxc-freeze",
        Text {
            paragraphs: &["No process of the container runs until lxc-unfreeze(1). It can still be killed."],
            exit: PLAIN,
            examples: &[("lxc-freeze -n c1", "Hold everything.")],
        },
    ),
    (
        "lxc-info",
        Text {
            paragraphs: &[
                "Without options, all is shown. Lines that have nothing to say, as the process id of a container \
                 that does not run, are left out. The values of -c come from the configuration file.",
            ],
            exit: &[("0", "There is such a container."), ("1", "There is none, or it may not be asked.")],
            examples: &[
                ("lxc-info -n c1", "All there is."),
                ("lxc-info -n c1 -sH", "The state alone."),
                ("lxc-info -n c1 -H -c lxc.uts.name", "A value of the configuration."),
            ],
        },
    ),
    (
        "lxc-ls",
        Text {
            paragraphs: &[
                "Names stand in columns where there is a terminal, else one a line. An argument is a regular \
                 expression that names are to match. Several conditions must hold together.",
            ],
            exit: &[("0", "Also when there is nothing to list."), ("1", "The containers cannot be listed.")],
            examples: &[
                ("lxc-ls -f", "A table."),
                ("lxc-ls -1 --running", "The names of those that run, one a line."),
                ("lxc-ls -f -F name,state,ipv4 --filter '^web'", "Chosen columns of chosen containers."),
            ],
        },
    ),
    (
        "lxc-monitor",
        Text {
            paragraphs: &[
                "Prints a line for each state that a container changes to, and for the exit of its init. The name is \
                 an extended regular expression for the whole name; without it all containers are meant. -P may be \
                 given several times.",
            ],
            exit: &[
                ("0", "With -Q: the daemon was told to end."),
                ("1", "The daemon has ended or cannot be reached."),
            ],
            examples: &[
                ("lxc-monitor -n 'web.*'", "Watch some containers."),
                ("lxc-monitor -Q", "End the daemon that collects the messages."),
            ],
        },
    ),
    (
        "lxc-snapshot",
        Text {
            paragraphs: &[
                "A snapshot is a copy of a stopped container in its folder snaps. Without another action one is \
                 made, named snap0, snap1 and so on. -r puts it back in place of the container, or makes a new one \
                 from it with -N.",
            ],
            exit: PLAIN,
            examples: &[
                ("lxc-snapshot -n c1", "Make one."),
                ("lxc-snapshot -n c1 -L", "List them."),
                ("lxc-snapshot -n c1 -r snap0 -N c2", "A new container from a snapshot."),
            ],
        },
    ),
    (
        "lxc-start",
        Text {
            paragraphs: &[
                "Returns when the container runs, or tells why it does not. With -F the terminal becomes the \
                 container's console and the tool stays until the end. What stands behind two dashes is run in place \
                 of lxc.init.cmd.",
                "With -F a service manager that NOTIFY_SOCKET names is told when the container runs and when it stops; \
                 see sd_notify(3). The word journal as the file of -o is systemd's journal.",
            ],
            exit: &[
                ("0", "It runs, or ran with -F."),
                ("1", "It could not be started; standard error says why."),
            ],
            examples: &[
                ("lxc-start -n c1", "Start it in the background."),
                ("lxc-start -n c1 -F", "See it boot."),
                ("lxc-start -n c1 -s lxc.net.0.type=empty -- /bin/sh", "Another program and setting, once."),
                ("lxc-start -n c1 --plan", "Show what would be done."),
            ],
        },
    ),
    (
        "lxc-stop",
        Text {
            paragraphs: &[
                "Asks init to end by lxc.signal.halt (SIGPWR), waits for as long as -t says, then kills by \
                 lxc.signal.stop. With -r init is asked to boot again by lxc.signal.reboot (SIGINT).",
            ],
            exit: &[
                ("0", "It has stopped, or begun to boot again."),
                ("1", "It goes on, or may not be stopped."),
                ("2", "It did not run."),
            ],
            examples: &[
                ("lxc-stop -n c1", "A clean shutdown, the hard way after a minute."),
                ("lxc-stop -n c1 -k", "At once."),
                ("lxc-stop -n c1 --nokill -t 10", "Ask, and give up after ten seconds."),
            ],
        },
    ),
    (
        "lxc-top",
        Text {
            paragraphs: &[
                "Shows what the containers use, again and again. Keys choose the column to sort by: n name, c \
                 processors, b disks, m memory, s memory and swap, k kernel memory; the same again or r turns the \
                 order around, q ends.",
            ],
            exit: PLAIN,
            examples: &[
                ("lxc-top -s m", "The greatest first."),
                ("lxc-top -b -d 1", "For a program to read."),
            ],
        },
    ),
    (
        "lxc-unfreeze",
        Text {
            paragraphs: &["What lxc-freeze(1) holds goes on. A container that does not run is no failure."],
            exit: PLAIN,
            examples: &[("lxc-unfreeze -n c1", "Let it go on.")],
        },
    ),
    (
        "lxc-unshare",
        Text {
            paragraphs: &[
                "The program runs in new namespaces without being a container. A new user namespace has no ids \
                 unless -u gives it one.",
            ],
            exit: &[
                ("0", "The program ended with 0, or runs on its own with -d."),
                ("1", "It ended with something else, or could not be run."),
            ],
            examples: &[
                ("lxc-unshare -s 'MOUNT|PID' -M -- ps ax", "A program that sees only itself."),
                ("lxc-unshare -s UTSNAME -H other -- hostname", "Another host name."),
            ],
        },
    ),
    (
        "lxc-update-config",
        Text {
            paragraphs: &["Comments are converted, too. A file that has only keys of today stays as it is."],
            exit: PLAIN,
            examples: &[(
                "lxc-update-config -c /var/lib/lxc/c1/config",
                "Convert a container's configuration.",
            )],
        },
    ),
    (
        "lxc-usernsexec",
        Text {
            paragraphs: &[
                "The program is user and group 0 of a new user namespace, or those of -u and -g, in a new mount \
                 namespace. Without a program it is /bin/sh. Users other than root may map what /etc/subuid and \
                 /etc/subgid grant them, by newuidmap(1) and newgidmap(1).",
            ],
            exit: &[
                ("0-127", "The program's own."),
                ("128+N", "The program was killed by signal N."),
                ("1", "It could not be run."),
            ],
            examples: &[
                ("lxc-usernsexec", "A shell as root of the granted ids."),
                (
                    "lxc-usernsexec -m b:0:1000:1 -m b:1:190000:1 -- chown 1:1 FILE",
                    "Give a file of user 1000 to the id 190000.",
                ),
            ],
        },
    ),
    (
        "lxc-wait",
        Text {
            paragraphs: &["Returns when the container is in one of the states, at once if it is already."],
            exit: &[
                ("0", "It is in one of the states."),
                ("1", "The time is over, or there is no such state."),
            ],
            examples: &[
                ("lxc-wait -n c1 -s RUNNING", "Until it runs."),
                ("lxc-wait -n c1 -s 'STOPPED|FROZEN' -t 10", "For ten seconds."),
            ],
        },
    ),
    (
        "init.lxc",
        Text {
            paragraphs: &[
                "Process 1 of containers that lxc-execute(1) starts. It runs the program, reaps what is left behind, \
                 and forwards signals to the program, but for SIGHUP. On SIGPWR and SIGTERM all processes get \
                 SIGTERM, and SIGKILL a second later. It ends when no process is left.",
            ],
            exit: &[
                ("0-127", "The program's own."),
                ("128+N", "The program was killed by signal N."),
                ("255", "The program cannot be executed."),
            ],
            examples: &[],
        },
    ),
];

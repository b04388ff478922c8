//! The command lines of all tools: what they accept, and their texts.

use super::*;
use crate::attach::Attach;
use crate::autostart::Autostart;
use crate::cgroup::Cgroup;
use crate::console::Console;
use crate::copy::Copy;
use crate::create::Create;
use crate::destroy::Destroy;
use crate::device::Device;
use crate::execute::Execute;
use crate::freeze::{Freeze, Unfreeze};
use crate::info::Info;
use crate::ls::Ls;
use crate::monitor::Monitor;
use crate::snapshot::Snapshot;
use crate::start::Start;
use crate::stop::Stop;
use crate::top::Top;
use crate::unshare::Unshare;
use crate::wait::Wait;

use listed::Value;

/// Calls a macro for every tool type.
macro_rules! each_tool {
    ($call:ident) => {
        $call!(
            Attach, Autostart, Cgroup, Console, Copy, Create, Destroy, Device, Execute, Freeze, Info, Ls,
            Monitor, Snapshot, Start, Stop, Top, Unfreeze, Unshare, Wait
        )
    };
}

macro_rules! helps {
    ($($tool:ty),*) => { vec![$((<$tool>::PROGRAM, help::text::<$tool>(&command::<$tool>()))),*] };
}

macro_rules! usages {
    ($($tool:ty),*) => { vec![$((<$tool>::PROGRAM, usage::text(<$tool>::PROGRAM, &command::<$tool>()))),*] };
}

macro_rules! commands {
    ($($tool:ty),*) => { vec![$(command::<$tool>()),*] };
}

#[test]
fn helps() {
    for (program, text) in each_tool!(helps) {
        insta::assert_snapshot!(format!("{program}-help"), text);
    }
}

#[test]
fn usages() {
    for (program, text) in each_tool!(usages) {
        insta::assert_snapshot!(format!("{program}-usage"), text);
    }
}

#[test]
fn descriptions_are_sound() {
    for command in each_tool!(commands) {
        command.debug_assert();
    }
}

/// Upstream's own options of each tool: letter (or `-`), name, and `=` for a value, `?` for an optional one.
const UPSTREAM: &[(&str, &str)] = &[
    (
        "lxc-attach",
        "e:elevated-privileges? a:arch= s:namespaces= R:remount-sys-proc -:clear-env -:keep-env -:keep-var= \
         v:set-var= L:pty-log= f:rcfile= u:uid= g:gid= c:context=",
    ),
    ("lxc-autostart", "k:kill L:list r:reboot s:shutdown a:all A:ignore-auto g:groups= t:timeout= -:rcfile="),
    ("lxc-cgroup", "-:rcfile="),
    ("lxc-console", "t:tty= e:escape= -:rcfile="),
    (
        "lxc-copy",
        "N:newname= p:newpath= R:rename s:snapshot a:allowrunning F:foreground d:daemon e:ephemeral m:mount= \
         B:backingstorage= L:fssize= D:keepdata K:keepname M:keepmac t:tmpfs -:rcfile=",
    ),
    (
        "lxc-create",
        "f:config= t:template= B:bdev= 0:lvname= 1:vgname= 2:thinpool= 3:fstype= 4:fssize= 5:zfsroot= 6:dir= \
         7:rbdname= 8:rbdpool= 9:rbduser= -:rcfile=",
    ),
    ("lxc-destroy", "f:force s:snapshots -:rcfile="),
    ("lxc-device", "-:rcfile="),
    (
        "lxc-execute",
        "d:daemon f:rcfile= s:define= u:uid= g:gid= -:share-net= -:share-ipc= -:share-uts= -:share-pid=",
    ),
    ("lxc-freeze", "-:rcfile="),
    ("lxc-info", "c:config= i:ips s:state p:pid S:stats H:no-humanize -:rcfile="),
    (
        "lxc-ls",
        "1:line f:fancy F:fancy-format= -:active -:running -:frozen -:stopped -:defined -:nesting? g:groups= \
         -:filter= -:rcfile=",
    ),
    ("lxc-monitor", "Q:quit -:rcfile="),
    ("lxc-snapshot", "L:list r:restore= N:newname= d:destroy= c:comment= C:showcomments -:rcfile="),
    (
        "lxc-start",
        "d:daemon F:foreground p:pidfile= f:rcfile= c:console= L:console-log= C:close-all-fds s:define= \
         -:share-net= -:share-ipc= -:share-uts= -:share-pid=",
    ),
    ("lxc-stop", "r:reboot W:nowait t:timeout= k:kill -:nokill -:nolock -:rcfile="),
    ("lxc-top", "d:delay= b:batch s:sort= r:reverse -:rcfile="),
    ("lxc-unfreeze", "-:rcfile="),
    ("lxc-unshare", "s:namespaces= u:user= H:hostname= i:ifname= d:daemon M:remount -:rcfile="),
    ("lxc-wait", "s:state= t:timeout= -:rcfile="),
];

const COMMON: &str = "n:name= q:quiet o:logfile= l:logpriority= P:lxcpath=";

#[test]
fn options_of_upstream() {
    for command in each_tool!(commands) {
        let (_, own) = UPSTREAM.iter().find(|(program, _)| *program == command.get_name()).unwrap();
        for wanted in own.split_whitespace().chain(COMMON.split_whitespace()) {
            let (short, rest) = wanted.split_once(':').unwrap();
            let long = rest.trim_end_matches(['=', '?']);
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(long));
            let arg = arg.unwrap_or_else(|| panic!("{} lacks --{long}", command.get_name()));
            let letter = arg.get_short().map_or("-".to_owned(), String::from);
            assert_eq!(letter, short, "{} --{long}", command.get_name());
            let value = match rest.as_bytes().last() {
                Some(b'=') => Value::Needed,
                Some(b'?') => Value::Optional,
                _ => Value::None,
            };
            assert_eq!(listed::value_of(arg), value, "{} --{long}", command.get_name());
        }
    }
}

fn words<T: Tool>(words: &[&str]) -> Result<T, u8> {
    parse::<T>(OsStr::new(T::PROGRAM), &command::<T>(), words.iter().map(OsString::from).collect())
}

#[test]
fn where_the_name_comes_from() {
    for given in
        [&["-n", "c1", "x"][..], &["x", "--name=c1"], &["-nc1", "--", "x"], &["c1", "x"], &["c1", "--", "x"]]
    {
        let tool = words::<Cgroup>(given).unwrap();
        assert_eq!(tool.common().name.as_deref(), Some("c1"), "{given:?}");
        assert_eq!(tool.common().rest, ["x"], "{given:?}");
    }
    assert_eq!(words::<Stop>(&[]).unwrap_err(), 1);
    assert_eq!(words::<Ls>(&["x"]).unwrap().common().name, None);
}

#[test]
fn options_stand_anywhere_before_two_dashes() {
    let tool = words::<Attach>(&["c1", "ls", "-u", "5", "--", "-g", "6"]).unwrap();
    assert_eq!(tool.common().name.as_deref(), Some("c1"));
    assert_eq!(tool.common().rest, ["ls", "-g", "6"]);
}

#[test]
fn exit_codes_of_the_parser() {
    assert_eq!(words::<Info>(&["--help"]).unwrap_err(), 0);
    assert_eq!(words::<Info>(&["-h"]).unwrap_err(), 0);
    assert_eq!(words::<Info>(&["-?"]).unwrap_err(), 1);
    assert_eq!(words::<Info>(&["--usage"]).unwrap_err(), 0);
    assert_eq!(words::<Info>(&["--version"]).unwrap_err(), 0);
    for wrong in
        [&["c1", "--bogus"][..], &["c1", "-Z"], &["-n"], &["c1", "-P", "/a", "-P", "/b"], &["c1", "--s"]]
    {
        assert_eq!(words::<Info>(wrong).unwrap_err(), 1, "{wrong:?}");
    }
    assert_eq!(words::<Wait>(&["c1"]).unwrap_err(), 1, "no state");
    assert_eq!(words::<Cgroup>(&["c1"]).unwrap_err(), 1, "no file");
    assert_eq!(words::<Start>(&["c1", "-s", "lxc.uts.name"]).unwrap_err(), 1, "no value");
    assert_eq!(words::<Attach>(&["c1", "-u", "abc"]).unwrap_err(), 1);
}

#[test]
fn the_last_of_an_option_counts() {
    assert_eq!(words::<Info>(&["-n", "a", "-n", "b"]).unwrap().common().name.as_deref(), Some("b"));
    assert!(words::<Start>(&["a", "-d", "-F", "-d", "-F"]).is_ok());
}

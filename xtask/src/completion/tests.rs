//! The completions, run by the shells themselves. They come with `contrib/packages test`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::files;

/// An `lxc-ls` with three containers, and the scripts.
struct Bench(TempDir);

const LS: &str = "#!/bin/sh
state=
while [ $# -gt 0 ]; do
    case $1 in
    -P) [ \"$2\" = /other ] && echo elsewhere && exit; shift ;;
    --running) state=running ;;
    --stopped) state=stopped ;;
    --frozen) state=frozen ;;
    esac
    shift
done
case $state in
running) echo web1; echo web2 ;;
stopped) echo old ;;
frozen) echo web2 ;;
'') echo old; echo web1; echo web2 ;;
esac
";

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files(&lxc_tools::described::all()) {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let ls = dir.path().join("bin/lxc-ls");
        fs::create_dir_all(ls.parent().unwrap()).unwrap();
        fs::write(&ls, LS).unwrap();
        fs::set_permissions(&ls, fs::Permissions::from_mode(0o755)).unwrap();
        Bench(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, shell: &str, args: &[&str]) -> String {
        let path = format!("{}:/usr/bin:/bin", self.file("bin").display());
        let output = Command::new(shell)
            .args(args)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.0.path())
            .env("TERM", "dumb")
            .current_dir(self.0.path())
            .output()
            .unwrap_or_else(|e| panic!("{shell}: {e}: contrib/packages test"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, "", "{shell} {args:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What bash offers for a line, the cursor at its end.
    fn bash(&self, line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for word in line.split(' ') {
            // As readline splits.
            let mut parts = word.split('=');
            words.extend(parts.next().map(str::to_owned));
            for part in parts {
                words.push("=".to_owned());
                words.push(part.to_owned());
            }
        }
        if line.ends_with('=') {
            words.pop();
        }
        let list: String = words.iter().map(|word| format!("{} ", super::quoted(word))).collect();
        let script = format!(
            "set -u; source {}; COMP_WORDS=({list}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _lxc_rs {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            self.file("bash").display(),
            words[0]
        );
        let mut offered: Vec<String> =
            self.run("bash", &["-c", &script]).lines().map(str::to_owned).collect();
        offered.retain(|word| !word.is_empty());
        offered
    }

    /// What fish offers for a line.
    fn fish(&self, line: &str) -> Vec<String> {
        let tool = line.split(' ').next().unwrap_or_default();
        let file = self.file(&format!("fish/{tool}.fish"));
        let script = format!("source {}; complete -C {}", file.display(), super::quoted(line));
        let said = self.run("fish", &["--no-config", "-c", &script]);
        said.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }
}

#[test]
fn every_tool_has_its_files() {
    let tools = lxc_tools::described::all();
    let files = files(&tools);
    let text = |name: &str| &files.iter().find(|(file, _)| file == name).unwrap().1;
    for tool in &tools {
        assert!(
            text("bash").contains(&format!("    {})\n        options='", tool.program)),
            "{}",
            tool.program
        );
        assert!(
            text("zsh").contains(&format!("    {})\n        _arguments", tool.program)),
            "{}",
            tool.program
        );
        assert!(text(&format!("fish/{}.fish", tool.program)).lines().count() > 3);
    }
}

#[test]
fn bash_names_by_state() {
    let bench = Bench::new();
    for (line, want) in [
        ("lxc-attach ", &["web1", "web2"][..]),
        ("lxc-start -n ", &["old"]),
        ("lxc-start -dn ", &["old"]),
        ("lxc-unfreeze --name ", &["web2"]),
        ("lxc-info --name=", &["old", "web1", "web2"]),
        ("lxc-info --name=w", &["web1", "web2"]),
        ("lxc-info -P /other ", &["elsewhere"]),
        ("lxc-info --lxcpath=/other -n ", &["elsewhere"]),
        ("lxc-create -n ", &[]),
        ("lxc-stop -k o", &[]),
        ("lxc-info -n web1 ", &[]),
    ] {
        assert_eq!(bench.bash(line), want, "{line}");
    }
}

#[test]
fn bash_options_and_values() {
    let bench = Bench::new();
    for (line, want) in [
        ("lxc-info --st", &["--state", "--stats"][..]),
        ("lxc-info --conf", &["--config="]),
        ("lxc-wait -s R", &["RUNNING"]),
        ("lxc-wait --state=FRO", &["FROZEN"]),
        ("lxc-wait -s RUNNING|FRO", &["RUNNING|FROZEN"]),
        ("lxc-ls --fancy-format=name,IPV", &["name,IPV4", "name,IPV6"]),
        ("lxc-attach -s PID|NET", &["PID|NETWORK"]),
        ("lxc-attach web1 -a x8", &["x86", "x86_64"]),
        ("lxc-stop -l WA", &["WARN"]),
        ("lxc-info -c lxc.uts", &["lxc.uts.name"]),
        ("lxc-start -s lxc.rootfs.mo", &["lxc.rootfs.mount"]),
        ("lxc-config lxc.lx", &["lxc.lxcpath"]),
        ("lxc-create -B over", &["overlay"]),
        ("lxc-create -t hos", &["host"]),
        ("lxc-execute --share-net w", &["web1", "web2"]),
        ("lxc-attach web1 -- setpri", &["setpriv"]),
        ("lxc-unshare -s NETWORK -i lo", &["lo"]),
        ("lxc-unshare -u roo", &["root"]),
        ("lxc-attach -f fis", &["fish"]),
        ("lxc-attach -P fi", &["fish"]),
    ] {
        let mut offered = bench.bash(line);
        offered.dedup();
        assert_eq!(offered, want, "{line}");
    }
}

#[test]
fn fish_names_options_and_values() {
    let bench = Bench::new();
    for (line, want) in [
        ("lxc-attach ", &["web1", "web2"][..]),
        ("lxc-start -n ", &["old"]),
        ("lxc-info --name=w", &["--name=web1", "--name=web2"]),
        ("lxc-info --sta", &["--state", "--stats"]),
        ("lxc-wait -s R", &["RUNNING"]),
        ("lxc-config lxc.lx", &["lxc.lxcpath"]),
        ("lxc-info -c lxc.uts", &["lxc.uts.name"]),
    ] {
        let mut offered = bench.fish(line);
        offered.sort();
        assert_eq!(offered, want, "{line}");
    }
}

#[test]
fn scripts_are_well_formed() {
    let bench = Bench::new();
    bench.run("bash", &["-n", &bench.file("bash").display().to_string()]);
    bench.run("zsh", &["-f", "-n", &bench.file("zsh").display().to_string()]);
    for entry in fs::read_dir(bench.file("fish")).unwrap() {
        let file = entry.unwrap().path();
        bench.run("fish", &["--no-config", "-n", &file.display().to_string()]);
    }
}

/// zsh on a terminal of its own, with the script in its function path.
fn zsh(bench: &Bench, line: &str) -> String {
    let functions = bench.file("functions");
    fs::create_dir_all(&functions).unwrap();
    fs::copy(bench.file("zsh"), functions.join("_lxc-rs")).unwrap();
    let script = format!(
        "zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'PS1=\"%%\" fpath=({} $fpath); autoload -Uz compinit; \
         compinit -D -u; stty -echo; zstyle \":completion:*\" list-colors \"\"; LISTMAX=1000; setopt auto_list; \
         bindkey \"^I\" list-choices; print -r READY'; zpty -r -m z out '*READY*'; sleep 0.3; \
         zpty -w -n z {}$'\\t'; sleep 2; zpty -r -t z out '' ; while zpty -r -t z more; do out+=$more; done; \
         print -r -- \"$out\"; zpty -d z",
        functions.display(),
        super::quoted(line)
    );
    bench.run("zsh", &["-f", "-c", &script])
}

#[test]
fn zsh_names_and_values() {
    let bench = Bench::new();
    assert!(Path::new("/usr/bin/zsh").exists(), "zsh is not installed: contrib/packages test");
    for (line, want) in [
        ("lxc-attach ", &["web1", "web2"][..]),
        ("lxc-wait -n web1 -s ST", &["STARTING", "STOPPED"]),
        ("lxc-info --sta", &["--state", "--stats"]),
    ] {
        let shown = zsh(&bench, line);
        for word in want {
            assert!(shown.contains(word), "{line}: {word} is not in {shown:?}");
        }
    }
}

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

/// Files and folders by path.
struct Files(BTreeMap<PathBuf, Content>);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let file =
            |(path, text): &(&str, &str)| (PathBuf::from(path), Content::File(text.as_bytes().to_vec()));
        Files(files.iter().map(file).collect())
    }

    fn folder(mut self, path: &str, names: &[&str]) -> Self {
        let names = names.iter().map(OsString::from).collect();
        self.0.insert(PathBuf::from(path), Content::Folder(names));
        self
    }
}

impl Reader for Files {
    fn read(&mut self, path: &Path) -> Result<Content, ReadError> {
        let key = PathBuf::from(path.to_string_lossy().trim_end_matches('/'));
        self.0.get(&key).cloned().ok_or(ReadError::Missing)
    }
}

fn load(files: &mut Files) -> (Document, Vec<String>) {
    let (document, problems) = parse(Path::new("/c/config"), files);
    (document, problems.iter().map(Diagnostic::to_string).collect())
}

fn listed(document: &Document) -> Vec<String> {
    document.entries().map(|entry| entry.to_string()).collect()
}

#[test]
fn lines() {
    let text = "# lxc.a = comment\r\n\n   \t\n  lxc.uts.name\t=  \"a b\" \t\r\nfoo = bar\nlxc.arch='x'\rlxc.b = c # d\n lxc.e=";
    let (document, problems) = load(&mut Files::new(&[("/c/config", text)]));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(document.to_text(), text.as_bytes());
    assert_eq!(listed(&document), ["lxc.uts.name = a b", "lxc.arch = x", "lxc.b = c # d", "lxc.e = "]);
    let origin = |at: usize| match document.entries().nth(at).unwrap().origin {
        Origin::File(span) => (span.line, span.column, span.len),
        Origin::Program => panic!("no file"),
    };
    assert_eq!(origin(0), (4, 3, 21));
    assert_eq!(origin(1), (6, 1, 12));
    assert_eq!(origin(2), (7, 1, 13));
    assert_eq!(origin(3), (8, 2, 6));
}

#[test]
fn quotes() {
    for (text, inner) in
        [("\"a\"", "a"), ("'a\"", "'a\""), ("\"", "\""), ("\"\"", ""), ("''x''", "'x'"), ("a\"b\"", "a\"b\"")]
    {
        assert_eq!(unquote(text), inner, "{text}");
    }
}

#[test]
fn broken_lines() {
    let mut bytes = b"lxc.uts.name c1\nlxc.a\0 = 1\nlxc.b = \xff\n\xff\nlxc.c = 1\n".to_vec();
    bytes.extend(b"lxc.d");
    let mut reader = |_: &Path| Ok(Content::File(bytes.clone()));
    let (document, problems) = parse(Path::new("/c/config"), &mut reader);
    assert_eq!(document.to_text(), bytes);
    let problems: Vec<_> = problems.iter().map(Diagnostic::to_string).collect();
    assert_eq!(
        problems,
        [
            "/c/config:1:1: lxc.uts.name: there is no \"=\" after the key (write \"lxc.uts.name = c1\")",
            "/c/config:2:1: lxc.a: the line holds a NUL byte",
            "/c/config:3:1: lxc.b: the line is no UTF-8 text (byte 0xff)",
            "/c/config:6:1: lxc.d: there is no \"=\" after the key (write \"lxc.d = …\")",
        ]
    );
    assert_eq!(listed(&document), ["lxc.c = 1"]);
}

#[test]
fn includes() {
    let mut files = Files::new(&[
        ("/c/config", "lxc.a = 1\nlxc.include = /i/one\nlxc.b = 2\nlxc.include = /d/\nlxc.include =\n"),
        ("/i/one", "lxc.i = 1\n# x\nlxc.include = \"/i/two\"\nlxc.j = 1"),
        ("/i/two", "lxc.k = 1"),
        ("/d/b.conf", "lxc.db = 1\n"),
        ("/d/a.conf", "lxc.da = 1\n"),
        ("/d/.h.conf", "lxc.dh = 1\n"),
    ])
    .folder("/d", &["b.conf", "a.conf", ".h.conf", ".conf", "c.cfg"]);
    let (document, problems) = load(&mut files);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        listed(&document),
        [
            "lxc.a = 1",
            "lxc.i = 1",
            "lxc.k = 1",
            "lxc.j = 1",
            "lxc.b = 2",
            "lxc.dh = 1",
            "lxc.da = 1",
            "lxc.db = 1"
        ]
    );
    assert!(document.to_text().ends_with(b"lxc.include = /d/\nlxc.include =\n"));
}

#[test]
fn missing_includes() {
    let text = "lxc.include = /no\nlxc.include = /no/\nlxc.include = /d\n";
    let mut files = Files::new(&[("/c/config", text)]).folder("/d", &["gone.conf"]);
    let (_, problems) = load(&mut files);
    assert_eq!(
        problems,
        [
            "/c/config:1:1: lxc.include: cannot read /no: no such file",
            "/c/config:3:1: lxc.include: cannot read /d/gone.conf: no such file",
        ]
    );
    let (document, problems) = load(&mut Files::new(&[]));
    assert_eq!(problems, ["cannot read the config /c/config: no such file"]);
    assert!(document.to_text().is_empty());
}

#[test]
fn cycles() {
    let mut files = Files::new(&[
        ("/c/config", "lxc.include = /i/one\n"),
        ("/i/one", "\nlxc.include = /i//./two\n"),
        ("/i/two", "lxc.k = 1\nlxc.include = /i/one\n"),
    ]);
    let (document, problems) = load(&mut files);
    assert_eq!(
        problems,
        [
            "/i//./two:2:1: lxc.include: the file includes itself: /i/one -> /i/two -> /i/one (remove one of these includes)"
        ]
    );
    assert_eq!(listed(&document), ["lxc.k = 1"]);
}

#[test]
fn floods() {
    // Each file includes the next one twice, 40 deep: 2^40 files if nobody stops it.
    let mut reader = |path: &Path| {
        let level: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let next = format!("lxc.include = /{}\n", level + 1).repeat(2);
        Ok(Content::File(if level < 40 { next.into_bytes() } else { Vec::new() }))
    };
    let (_, problems) = parse(Path::new("/0"), &mut reader);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("more than 4096 files"), "{}", problems[0]);
    // A file that includes one with a new name for ever.
    let mut reader = |path: &Path| {
        let next = path.to_str().unwrap().len();
        Ok(Content::File(format!("lxc.include = /{}\n", "x".repeat(next)).into_bytes()))
    };
    let (_, problems) = parse(Path::new("/0"), &mut reader);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("more than 64 deep"), "{}", problems[0]);
}

#[test]
fn hardware_addresses() {
    let text = " lxc.net.0.hwaddr = \"00:16:3e:xx:XX:0x\" \nlxc.net.1.link = xx\nlxc.include=/i\n";
    let mut files = Files::new(&[("/c/config", text), ("/i", "lxc.net.1.hwaddr=xx:xx:xx:xx:xx:xx")]);
    let (mut document, _) = load(&mut files);
    let mut next = 0;
    document.fill_hwaddrs(&mut || {
        next += 1;
        next
    });
    let own = String::from_utf8(document.to_text()).unwrap();
    assert_eq!(own, " lxc.net.0.hwaddr = \"00:16:3e:12:34:05\" \nlxc.net.1.link = xx\nlxc.include=/i\n");
    assert_eq!(
        listed(&document),
        [
            "lxc.net.0.hwaddr = 00:16:3e:12:34:05",
            "lxc.net.1.link = xx",
            "lxc.net.1.hwaddr = 66:89:ab:cd:ef:01"
        ]
    );
}

#[test]
fn flattened() {
    let text = "#@ 7 /evil\n  lxc.a = \" 1\"\r\n\nlxc.include = /i\nlxc.b = 2\n#@ 8 /evil\nlxc.c = 3\nnonsense\nlxc.bad";
    let mut files = Files::new(&[("/c/config", text), ("/i", "# i\nlxc.i = 1\nlxc.j = '2'")]);
    let (mut document, _) = load(&mut files);
    document.append("lxc.uts.name", " n ").unwrap();
    let flat = document.flatten();
    assert_eq!(
        flat,
        "#@ 0 /c/config\n#@ 2 /c/config\n  lxc.a = \" 1\"\n#@ 2 /i\nlxc.i = 1\nlxc.j = '2'\n#@ 5 /c/config\nlxc.b = 2\n\
         #@ 7 /c/config\nlxc.c = 3\n#@ -\nlxc.uts.name = \" n \"\n"
    );
    let (again, problems) = parse_flattened(&flat);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(again.path(), document.path());
    assert!(again.entries().eq(document.entries()));
    assert_eq!(again.flatten(), flat);
}

#[test]
fn flattened_with_strange_paths() {
    let path = Path::new("/a\\b\nc #@ 1 /x\u{9b}");
    let (document, _) = Document::from_text(path, b"lxc.a = 1\n", &mut Files::new(&[]));
    let flat = document.flatten();
    assert_eq!(flat.lines().count(), 3, "{flat}");
    let (again, problems) = parse_flattened(&flat);
    assert!(problems.is_empty());
    assert!(again.entries().eq(document.entries()));
    for bad in ["#@ x /c\n", "#@ 1\n", "#@ 1 /\\9\n", "hello\n", "lxc.a\n", "lxc.a = \r\n"] {
        assert_eq!(parse_flattened(bad).1.len(), 1, "{bad:?}");
    }
}

#[test]
fn changes() {
    let text = "lxc.uts.name = a\n  lxc.uts.name=b\n# lxc.uts.name = c\nlxc.net.1.type = veth\nlxc.net.10.type = phys\nlxc.cgroup.dir = x\nlxc.cgroup.a = 1\nlxc.cgroup2.a = 1\nlxc.hook.version = 1\nlxc.hook.start = x";
    let mut files = Files::new(&[("/c/config", text)]);
    let after = |change: &dyn Fn(&mut Document)| {
        let (mut document, _) = load(&mut files);
        change(&mut document);
        String::from_utf8(document.to_text()).unwrap()
    };
    let mut after = after;
    let gone = |text: &str, lines: &[&str]| -> String {
        text.split_inclusive('\n').filter(|line| !lines.contains(&line.trim())).collect()
    };
    assert_eq!(
        after(&|d| d.remove("lxc.uts.name").unwrap()),
        gone(text, &["lxc.uts.name = a", "lxc.uts.name=b"])
    );
    assert_eq!(after(&|d| d.remove("lxc.net.1").unwrap()), gone(text, &["lxc.net.1.type = veth"]));
    assert_eq!(
        after(&|d| d.remove("lxc.net").unwrap()),
        gone(text, &["lxc.net.1.type = veth", "lxc.net.10.type = phys"])
    );
    assert_eq!(after(&|d| d.remove("lxc.cgroup").unwrap()), gone(text, &["lxc.cgroup.a = 1"]));
    assert_eq!(after(&|d| d.remove("lxc.cgroup2.a").unwrap()), gone(text, &["lxc.cgroup2.a = 1"]));
    assert_eq!(after(&|d| d.remove("lxc.hook").unwrap()), gone(text, &["lxc.hook.start = x"]));
    assert_eq!(after(&|d| d.append("lxc.arch", "x").unwrap()), format!("{text}\nlxc.arch = x\n"));
    assert_eq!(after(&|d| d.append("lxc.arch", "'x'").unwrap()), format!("{text}\nlxc.arch = \"'x'\"\n"));
}

#[test]
fn nothing_makes_a_second_line() {
    for value in ["a\nlxc.hook.start = x", "a\r", "\0", "\n"] {
        let mut document = Document::new(Path::new("/c/config"));
        assert!(document.append("lxc.uts.name", value).is_err(), "{value:?}");
        assert!(document.to_text().is_empty());
    }
    let mut document = Document::new(Path::new("/c/config"));
    assert!(document.append("lxc.uts.name\nlxc.hook.start", "x").is_err());
    assert!(document.append("lxc.sysctl.a\nlxc.hook.start", "x").is_err());
    assert!(document.to_text().is_empty());
}

#[test]
fn includes_are_overruled_by_steps() {
    let mut files =
        Files::new(&[("/c/config", "lxc.include=/i\nlxc.group = c\n"), ("/i", "lxc.group = a\n")]);
    let (mut document, _) = load(&mut files);
    document.remove("lxc.group").unwrap();
    document.append("lxc.group", "d").unwrap();
    assert_eq!(document.to_text(), b"lxc.include=/i\nlxc.group = d\n");
    assert_eq!(listed(&document), ["lxc.group = a", "lxc.group = ", "lxc.group = d"]);
    let (again, _) = parse_flattened(&document.flatten());
    assert_eq!(listed(&again), listed(&document));
}

#[test]
fn values_are_rewritten_in_place() {
    let text = "# c\n\n  lxc.uts.name\t= a \nfoo\n\t\nlxc.include = /i\nlxc.group='x'\nlxc.group = y";
    let (mut document, problems) =
        load(&mut Files::new(&[("/c/config", text), ("/i", "lxc.uts.name = included\n")]));
    assert!(problems.is_empty(), "{problems:?}");
    let mut seen = Vec::new();
    let mut change = |key: &str, value: &str| {
        seen.push(format!("{key}={value}"));
        match value {
            "a" | "x" => Some("new".to_owned()),
            "y" => Some(" y ".to_owned()),
            _ => None,
        }
    };
    document.rewrite(&mut change).unwrap();
    assert_eq!(seen, ["lxc.uts.name=a", "lxc.include=/i", "lxc.group=x", "lxc.group=y"]);
    document.drop_blank_lines();
    let after = "# c\n  lxc.uts.name\t= new \nfoo\nlxc.include = /i\nlxc.group='new'\nlxc.group = \" y \"\n";
    assert_eq!(String::from_utf8(document.to_text()).unwrap(), after);
    let (again, _) = load(&mut Files::new(&[("/c/config", after), ("/i", "lxc.uts.name = included\n")]));
    assert_eq!(listed(&again), listed(&document));
    assert!(document.rewrite(&mut |_, _| Some("a\nb".to_owned())).is_err());
}

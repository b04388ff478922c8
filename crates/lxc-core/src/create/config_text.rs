//! The text of a new container's configuration.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lxc_config::Config;
use lxc_config::diagnostic::Diagnostic;
use lxc_sys::Op;

use super::{Error, Result};
use crate::config_file;

/// Reads the first configuration: its text with the random digits of hardware addresses filled in and, as
/// upstream writes it, without blank lines; and what it means. No file means no lines.
pub(super) fn read(path: Option<&Path>) -> Result<(String, Config)> {
    let Some(path) = path else { return Ok((String::new(), Config::default())) };
    let mut loaded = config_file::load(path).map_err(Error::Config)?;
    loaded.document.drop_blank_lines();
    match String::from_utf8(loaded.document.to_text()) {
        Ok(text) => Ok((text, loaded.config)),
        Err(_) => Err(Error::Config(vec![Diagnostic::error(format!("{}: not UTF-8", path.display()))])),
    }
}

/// `text` and one more line.
pub(super) fn with_line(text: &str, line: &str) -> String {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{newline}{line}")
}

/// Writes a new configuration: mode 0660 without what the umask takes.
pub(super) fn write(path: &Path, text: &str) -> lxc_sys::Result<()> {
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o660).open(path).op("open", path)?;
    file.write_all(text.as_bytes()).op("write", path)
}

/// Puts the lines about the container's origin before its configuration, which the template has completed.
pub(super) fn prepend_header(path: &Path, template: &str, args: &[OsString]) -> Result<()> {
    let text = std::fs::read(path).op("read", path)?;
    let old = std::fs::metadata(path).op("stat", path)?;
    let next = path.with_extension("new");
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&next).op("open", &next)?;
    file.write_all(header(template, args).as_bytes()).op("write", &next)?;
    file.write_all(&text).op("write", &next)?;
    // A template that works with other ids has given the file away.
    let own = file.metadata().op("stat", &next)?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid())).op("chown", &next)?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(old.mode() & 0o7777)).op("chmod", &next)?;
    Ok(std::fs::rename(&next, path).op("rename", path)?)
}

fn header(template: &str, args: &[OsString]) -> String {
    let mut parameters = String::new();
    for arg in args {
        parameters.push(' ');
        // One line, whatever an argument holds.
        parameters.push_str(&arg.to_string_lossy().replace('\n', "\\n"));
    }
    format!(
        "# Template used to create this container: {template}\n\
         # Parameters passed to the template:{parameters}\n\
         # For additional config options, please look at lxc.container.conf(5)\n\
         \n\
         # Uncomment the following line to support nesting containers:\n\
         #lxc.include = /usr/share/lxc/config/nesting.conf\n\
         # (Be aware this has security implications)\n\
         \n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_their_digits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("default.conf");
        std::fs::write(&path, "# x\n\nlxc.net.0.type = veth\nlxc.net.0.hwaddr = 10:66:6a:xx:xx:xx\n")
            .unwrap();
        let (text, config) = read(Some(&path)).unwrap();
        let address = config.net[0].hwaddr.as_ref().unwrap().value.address().unwrap();
        assert_eq!(address[..3], [0x10, 0x66, 0x6a]);
        let [.., a, b, c] = address;
        assert_eq!(
            text,
            format!("# x\nlxc.net.0.type = veth\nlxc.net.0.hwaddr = 10:66:6a:{a:02x}:{b:02x}:{c:02x}\n")
        );
    }

    #[test]
    fn a_faulty_first_configuration_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("default.conf");
        std::fs::write(&path, "lxc.bogus = 1\n").unwrap();
        let Err(Error::Config(problems)) = read(Some(&path)) else { panic!("accepted") };
        assert_eq!(problems[0].origin.as_ref().unwrap().line, 1);
        assert!(read(Some(&dir.path().join("missing"))).is_err());
    }

    #[test]
    fn the_header_of_upstream() {
        assert_eq!(
            header("/usr/share/lxc/templates/lxc-busybox", &[]),
            "# Template used to create this container: /usr/share/lxc/templates/lxc-busybox\n\
             # Parameters passed to the template:\n\
             # For additional config options, please look at lxc.container.conf(5)\n\
             \n\
             # Uncomment the following line to support nesting containers:\n\
             #lxc.include = /usr/share/lxc/config/nesting.conf\n\
             # (Be aware this has security implications)\n\
             \n"
        );
        let args = ["-d", "debian\nx"].map(OsString::from);
        assert!(header("t", &args).contains("# Parameters passed to the template: -d debian\\nx\n"));
    }

    #[test]
    fn the_header_keeps_the_files_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        std::fs::write(&path, "lxc.uts.name = c1\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        prepend_header(&path, "t", &[]).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("\n\nlxc.uts.name = c1\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_line_is_a_line() {
        assert_eq!(with_line("", "a\n"), "a\n");
        assert_eq!(with_line("x", "a\n"), "x\na\n");
        assert_eq!(with_line("x\n", "a\n"), "x\na\n");
    }
}

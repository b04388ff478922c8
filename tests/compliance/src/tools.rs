//! Which tools a test runs.

use std::env;
use std::path::{Path, PathBuf};

/// Whose tools they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Debian's LXC in `/usr/bin`.
    Upstream,
    /// What this workspace builds.
    Ours,
}

/// A set of LXC tools: `bin/lxc-start` and the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    side: Side,
    bin: PathBuf,
}

impl Tools {
    /// The set under test, by `LXC_UNDER_TEST`.
    ///
    /// # Panics
    /// When the variable has another value than `upstream` or `ours`, or the tools are not there.
    #[must_use]
    pub fn under_test() -> Self {
        let side = match env::var("LXC_UNDER_TEST").as_deref() {
            Ok("upstream") => Side::Upstream,
            Ok("ours") | Err(_) => Side::Ours,
            Ok(other) => panic!("LXC_UNDER_TEST is {other:?}: it takes upstream or ours"),
        };
        let tools = match side {
            Side::Upstream => Self::at(side, Path::new("/usr/bin")),
            Side::Ours => Self::at(side, &prefix("LXC_RS_PREFIX", "install").join("bin")),
        };
        let start = tools.path("lxc-start");
        assert!(start.exists(), "{} is not there: {}", start.display(), tools.remedy());
        tools
    }

    /// Debian's tools, to compare with; `None` where they are not installed.
    #[must_use]
    pub fn upstream() -> Option<Self> {
        let tools = Self::at(Side::Upstream, Path::new("/usr/bin"));
        tools.path("lxc-start").exists().then_some(tools)
    }

    /// Our tools built with the points of failure of the cargo feature `faults`.
    ///
    /// # Panics
    /// When they are not built.
    #[must_use]
    pub fn with_faults() -> Self {
        let tools = Self::at(Side::Ours, &prefix("LXC_RS_FAULTS_PREFIX", "install-faults").join("bin"));
        let start = tools.path("lxc-start");
        assert!(start.exists(), "{} is not there: make install-faults", start.display());
        tools
    }

    fn at(side: Side, bin: &Path) -> Self {
        Self { side, bin: bin.to_owned() }
    }

    fn remedy(&self) -> &'static str {
        match self.side {
            Side::Upstream => "apt-get install lxc",
            Side::Ours => "make install-test",
        }
    }

    /// Whose they are.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The file of one tool, for example `lxc-start`.
    #[must_use]
    pub fn path(&self, tool: &str) -> PathBuf {
        self.bin.join(tool)
    }

    /// The directory of the tools.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }
}

/// `target/NAME` of the workspace, or what the environment says.
fn prefix(variable: &str, name: &str) -> PathBuf {
    env::var_os(variable)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(name), PathBuf::from)
}

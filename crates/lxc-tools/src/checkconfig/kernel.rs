//! The configuration that a kernel was built with: where it is, and what it says.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The first bytes of what gzip wrote.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Far more than any kernel has: what unpacks to more is no configuration.
const MAX: u64 = 16 << 20;

/// How a feature is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {
    /// Into the kernel.
    In,
    /// As a module.
    Module,
}

/// What a configuration says.
#[derive(Clone, Debug, Default)]
pub struct KernelConfig {
    /// Major and minor version, if the file tells.
    pub version: Option<(u32, u32)>,
    /// The whole version, as the file tells it.
    pub release: Option<String>,
    symbols: HashMap<String, Built>,
}

impl KernelConfig {
    /// Reads a file, packed by gzip or not.
    ///
    /// # Errors
    /// Those of reading and unpacking.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let bytes = std::fs::read(path)?;
        if !bytes.starts_with(&GZIP) {
            return Ok(Self::parse(&String::from_utf8_lossy(&bytes)));
        }
        let mut text = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).take(MAX).read_to_end(&mut text)?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Reads the text of `.config`.
    pub fn parse(text: &str) -> Self {
        let mut config = KernelConfig::default();
        for line in text.lines().map(str::trim_start) {
            if config.release.is_none()
                && line.starts_with("# Linux")
                && line.ends_with("Kernel Configuration")
            {
                config.release = line.split(' ').nth(2).map(str::to_owned);
                config.version = config.release.as_deref().and_then(version);
            }
            let Some((name, value)) = line.strip_prefix("CONFIG_").and_then(|rest| rest.split_once('='))
            else {
                continue;
            };
            match value.as_bytes().first() {
                Some(b'y') => config.symbols.insert(name.to_owned(), Built::In),
                Some(b'm') => config.symbols.insert(name.to_owned(), Built::Module),
                _ => None,
            };
        }
        config
    }

    /// How a feature is built; `symbol` is without `CONFIG_`.
    pub fn built(&self, symbol: &str) -> Option<Built> {
        self.symbols.get(symbol).copied()
    }

    /// Whether the kernel is at least of this version; one that does not tell is the newest.
    pub fn is_at_least(&self, version: (u32, u32)) -> bool {
        self.version.is_none_or(|own| own >= version)
    }
}

/// The first two numbers of `6.1.0-rc1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Where the running kernel's configuration may lie, besides `/proc/config.gz`.
pub fn places(release: &str) -> [PathBuf; 2] {
    [format!("/lib/modules/{release}/build/.config"), format!("/boot/config-{release}")].map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let config = KernelConfig::parse(
            "#\n# Linux/x86_64 5.10.0-rc1 Kernel Configuration\n#\nCONFIG_A=y\n CONFIG_B=m\n# CONFIG_C is not set\n\
             CONFIG_D=\"y\"\nCONFIG_E=n\nCONFIG_F=5\n",
        );
        assert_eq!(config.version, Some((5, 10)));
        assert_eq!(config.release.as_deref(), Some("5.10.0-rc1"));
        assert_eq!(config.built("A"), Some(Built::In));
        assert_eq!(config.built("B"), Some(Built::Module));
        for name in ["C", "D", "E", "F"] {
            assert_eq!(config.built(name), None, "{name}");
        }
        assert!(config.is_at_least((5, 10)) && !config.is_at_least((5, 11)));
    }

    #[test]
    fn versions() {
        for head in ["", "# Linux kernel version: 2.6.39", "# Linux/x86 6.x Kernel Configuration"] {
            let config = KernelConfig::parse(head);
            assert_eq!(config.version, None, "{head}");
            assert!(config.is_at_least((99, 0)));
        }
    }

    #[test]
    fn packed() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"CONFIG_VETH=m\n").unwrap();
        let packed = packer.finish().unwrap();
        std::fs::write(&file, &packed).unwrap();
        assert_eq!(KernelConfig::read(&file).unwrap().built("VETH"), Some(Built::Module));
        std::fs::write(&file, &packed[..packed.len() / 2]).unwrap();
        assert!(KernelConfig::read(&file).is_err());
        assert!(KernelConfig::read(dir.path()).is_err());
    }
}

//! Hooks and their environment.

use std::path::{Path, PathBuf};

use lxc_config::Config;
use lxc_config::config::{ConsolePath, EnvVar, HookKind, HookVersion};
use lxc_types::Name;

use super::Wish;
use crate::dirs::Dirs;
use crate::facts::Facts;
use crate::hooks::{Context, Env, Hook};

/// The hooks of a container.
#[derive(Clone, Debug)]
pub struct HookPlan {
    /// All of them, by kind in the order of the configuration.
    pub list: Vec<Hook>,
    /// What they are told, and how.
    pub context: Context,
    /// The environment on the host.
    pub env: Env,
    /// What is added in the guest: `lxc.environment` and `lxc.environment.hooks`.
    pub guest: Vec<EnvVar>,
}

/// The hooks of what happens to a container on disk, and their environment.
pub fn for_disk(config: &Config, dirs: &Dirs, name: &Name, config_file: &Path) -> HookPlan {
    let mut env = Env::of_this_process();
    describe(&mut env, config, dirs, name, Some(config_file));
    HookPlan {
        list: list(config),
        context: Context { name: name.to_string(), version: config.hooks.version },
        env,
        guest: Vec::new(),
    }
}

fn list(config: &Config) -> Vec<Hook> {
    let of = |kind: &HookKind| {
        let kind = *kind;
        config.hooks.list(kind).iter().map(move |h| Hook {
            kind,
            command: h.value.clone(),
            origin: h.origin.to_string(),
        })
    };
    HookKind::ALL.iter().flat_map(of).collect()
}

/// Decides. The environment is the starter's, and upstream's `LXC_*` variables.
pub fn plan(config: &Config, facts: &Facts, dirs: &Dirs, wish: &Wish) -> HookPlan {
    let vars = config.environment.all.iter().chain(&config.environment.hooks);
    HookPlan {
        list: list(config),
        context: Context { name: wish.name.to_string(), version: config.hooks.version },
        env: environment(config, facts, dirs, wish),
        guest: vars.map(|v| v.value.clone()).collect(),
    }
}

fn environment(config: &Config, facts: &Facts, dirs: &Dirs, wish: &Wish) -> Env {
    let mut env = Env::of_this_process();
    describe(&mut env, config, dirs, &wish.name, wish.config_file.as_deref());
    if facts.namespaces.cgroup {
        env.set("LXC_CGNS_AWARE", "1");
    }
    env.set("LXC_LOG_LEVEL", facts.log_level);
    let version = match config.hooks.version {
        HookVersion::Arguments => "0",
        HookVersion::Environment => "1",
    };
    env.set("LXC_HOOK_VERSION", version);
    env
}

/// What a container is, for its hooks.
fn describe(env: &mut Env, config: &Config, dirs: &Dirs, name: &Name, config_file: Option<&Path>) {
    env.set("LXC_NAME", name.as_str());
    if let Some(file) = config_file {
        env.set("LXC_CONFIG_FILE", file);
    }
    if let Some(source) = &config.rootfs.source {
        env.set("LXC_ROOTFS_PATH", &source.value.path);
    }
    let mount = config.rootfs.mount.as_ref().map(|m| PathBuf::from(&m.value));
    env.set("LXC_ROOTFS_MOUNT", mount.unwrap_or_else(|| dirs.rootfs_mount.clone()));
    match &config.terminal.console.path {
        ConsolePath::Auto => {}
        ConsolePath::Disabled => env.set("LXC_CONSOLE", "none"),
        ConsolePath::Device(path) => env.set("LXC_CONSOLE", &path.value),
    }
    if let Some(file) = &config.terminal.console.logfile {
        env.set("LXC_CONSOLE_LOGPATH", &file.value);
    }
}

//! Hooks and their environment.

use lxc_config::Config;
use lxc_config::config::{ConsolePath, EnvVar, HookKind};

use super::Wish;
use crate::dirs::Dirs;
use crate::facts::Facts;
use crate::hooks::{Context, Env, Hook};

/// The hooks of a container.
#[derive(Clone, Debug, PartialEq)]
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

/// Decides. The environment is the starter's, and upstream's `LXC_*` variables.
pub fn plan(config: &Config, facts: &Facts, dirs: &Dirs, wish: &Wish) -> HookPlan {
    let list = HookKind::ALL
        .iter()
        .flat_map(|kind| {
            config.hooks.list(*kind).iter().map(|h| Hook {
                kind: *kind,
                command: h.value.clone(),
                origin: h.origin.to_string(),
            })
        })
        .collect();
    let vars = config.environment.all.iter().chain(&config.environment.hooks);
    HookPlan {
        list,
        context: Context { name: wish.name.to_string(), version: config.hooks.version },
        env: environment(config, facts, dirs, wish),
        guest: vars.map(|v| v.value.clone()).collect(),
    }
}

fn environment(config: &Config, facts: &Facts, dirs: &Dirs, wish: &Wish) -> Env {
    let mut env = Env::of_this_process();
    env.set("LXC_NAME", &*wish.name);
    if let Some(file) = &wish.config_file {
        env.set("LXC_CONFIG_FILE", file);
    }
    if let Some(source) = &config.rootfs.source {
        env.set("LXC_ROOTFS_PATH", &source.value.path);
    }
    let mount = config.rootfs.mount.as_ref().map(|m| m.value.clone().into());
    env.set("LXC_ROOTFS_MOUNT", mount.unwrap_or_else(|| dirs.rootfs_mount.clone()));
    match &config.terminal.console.path {
        ConsolePath::Auto => {}
        ConsolePath::Disabled => env.set("LXC_CONSOLE", "none"),
        ConsolePath::Device(path) => env.set("LXC_CONSOLE", &path.value),
    }
    if let Some(file) = &config.terminal.console.logfile {
        env.set("LXC_CONSOLE_LOGPATH", &file.value);
    }
    if facts.namespaces.cgroup {
        env.set("LXC_CGNS_AWARE", "1");
    }
    env.set("LXC_LOG_LEVEL", facts.log_level);
    env.set("LXC_HOOK_VERSION", match config.hooks.version {
        lxc_config::config::HookVersion::Arguments => "0",
        lxc_config::config::HookVersion::Environment => "1",
    });
    env
}

//! Keys of a config by name: set, show, clear, list, and the whole as text.

use crate::config::{Config, NetDevice, NetKind};
use crate::keys::{self, Context, Empty, Index, Key, KeyError, Outcome, Setting, Shape, ValueError, Write};
use crate::origin::Origin;

impl Config {
    /// Sets or adds a value, as `set_config_item` does; an empty one clears.
    ///
    /// # Errors
    /// An unknown key or a refused value. The config is then as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Outcome, KeyError> {
        self.set_from(key, value, &Origin::Program, &Context::default())
    }

    /// The same for a value of a known origin, where the config may look at its surroundings.
    ///
    /// # Errors
    /// As [`Config::set`].
    pub fn set_from(
        &mut self,
        key: &str,
        value: &str,
        origin: &Origin,
        context: &Context<'_>,
    ) -> Result<Outcome, KeyError> {
        let (row, index) = keys::find(key)?;
        let set = |config: &mut Config, value| {
            if let Some(c) = unwritable(value) {
                return Err(ValueError::Character(c));
            }
            (row.set)(config, &Setting { index, value, origin, context })
        };
        let result = match (value, row.empty) {
            ("", Empty::Clears) => (row.clear)(self, &index).map(|()| Outcome::Exact),
            ("", Empty::Means(meaning)) => set(self, meaning),
            (value, _) => set(self, value),
        };
        result.map_err(|error| KeyError::Value { key: key.to_owned(), error })
    }

    /// Shows a value, as `get_config_item` does: lists have one line an item.
    ///
    /// # Errors
    /// An unknown key, a key without a value, or a network device that does not exist.
    pub fn get(&self, key: &str) -> Result<String, KeyError> {
        let (row, index) = keys::find(key)?;
        (row.get)(self, &index).map_err(|error| KeyError::Value { key: key.to_owned(), error })
    }

    /// Takes a value back to its default, as `clear_config_item` does.
    ///
    /// # Errors
    /// An unknown key.
    pub fn clear(&mut self, key: &str) -> Result<(), KeyError> {
        let (row, index) = keys::find(key)?;
        (row.clear)(self, &index).map_err(|error| KeyError::Value { key: key.to_owned(), error })
    }

    /// The keys below a prefix, as `get_keys` lists them: without the prefix; all whole keys if the
    /// prefix is empty. `lxc.net.0` gives the keys that fit the device's type, or none if there is no
    /// such device.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let names = keys::all().map(|key| key.name);
        if prefix.is_empty() {
            return names.filter(|name| !name.contains(['[', '<'])).map(str::to_owned).collect();
        }
        if let Ok((_, Index::Number(number))) = keys::find(prefix) {
            return self.device_keys(number);
        }
        let below = |name: &str| name.strip_prefix(prefix)?.strip_prefix('.').map(str::to_owned);
        names.filter(|name| !name.contains(['[', '<'])).filter_map(below).collect()
    }

    /// The keys a network device can have.
    fn device_keys(&self, number: u32) -> Vec<String> {
        let Some(device) = self.net.iter().find(|device| device.index == number) else { return Vec::new() };
        let index = Index::Number(device.index);
        keys::all()
            .filter(|key| (key.get)(self, &index).is_ok())
            .filter_map(|key| key.name.strip_prefix("lxc.net.[i]."))
            .map(str::to_owned)
            .collect()
    }

    /// The config as text that means the same, for programs that build one without a file. What is
    /// the default is left out.
    pub fn to_text(&self) -> String {
        let default = Config::default();
        let mut text = String::new();
        for key in keys::all() {
            write_key(&mut text, key, self, &default);
            if key.name == "lxc.net" {
                self.net.iter().for_each(|device| write_device(&mut text, self, device.index));
            }
        }
        text
    }
}

/// The first character that no line of a config can hold.
pub fn unwritable(value: &str) -> Option<char> {
    value.chars().find(|c| matches!(c, '\n' | '\r' | '\0'))
}

fn write_key(text: &mut String, key: &Key, config: &Config, default: &Config) {
    let shown = |config| (key.get)(config, &Index::None).unwrap_or_default();
    match key.write {
        Write::Shown => {
            let value = shown(config);
            if value != shown(default) {
                write_line(text, key.name, value.trim_end_matches('\n'));
            }
        }
        Write::Lines => shown(config).lines().for_each(|value| write_line(text, key.name, value)),
        Write::Values(values) => values(config).iter().for_each(|value| write_line(text, key.name, value)),
        Write::Named(values) => {
            let stem = key.name.split('<').next().unwrap_or_default();
            values(config).iter().for_each(|(name, value)| write_line(text, &format!("{stem}{name}"), value));
        }
        Write::Elsewhere => {}
    }
}

/// The keys of one device, its type first, without what is the default of that type.
fn write_device(text: &mut String, config: &Config, number: u32) {
    let index = Index::Number(number);
    let rows = || keys::all().filter_map(|key| Some((key, key.name.strip_prefix("lxc.net.[i].")?)));
    let fresh_device = NetDevice::new(number, NetKind::Unset, Origin::Program);
    let mut fresh = Config { net: vec![fresh_device], ..Config::default() };
    for (key, name) in rows() {
        let name = format!("lxc.net.{number}.{name}");
        let shown = |config| (key.get)(config, &index).unwrap_or_default();
        let value = shown(config);
        if value == shown(&fresh) {
            continue;
        }
        match key.shape {
            // The shown form of an address leaves its broadcast address out.
            Shape::List if key.name == "lxc.net.[i].ipv4.address" => {
                let device = config.net.iter().find(|device| device.index == number);
                let addresses = device.iter().flat_map(|device| &device.ipv4);
                addresses.for_each(|address| write_line(text, &name, &address.value.to_string()));
            }
            Shape::List => value.lines().for_each(|value| write_line(text, &name, value)),
            Shape::Single | Shape::Group | Shape::Action => write_line(text, &name, &value),
        }
        if key.name == "lxc.net.[i].type" {
            // From here on compared with a device of this type.
            fresh.set(&name, &value).ok();
        }
    }
}

fn write_line(text: &mut String, name: &str, value: &str) {
    let bare = crate::document::unquote(crate::document::trim_value(value)) == value;
    let quote = if bare { "" } else { "\"" };
    text.push_str(&format!("{name} = {quote}{value}{quote}\n"));
}

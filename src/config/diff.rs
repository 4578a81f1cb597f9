//! What changed from one configuration to the next, in plain words: what a reload prints.
//!
//! Not the change itself: the daemon puts the new configuration in force.

use std::collections::BTreeMap;
use std::fmt;

use super::settings::{Config, Setting};

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The change, as `flows.onboarding.expires_after: "48h" is now "24h"`.
    pub what: String,
    /// It is not in force before the daemon is started anew.
    pub restart: bool,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        f.write_str(if self.restart { " (in force after a restart)" } else { "" })
    }
}

/// Sections that are read at the start alone; `server.tokens` is read again.
const AT_START: [&str; 6] =
    ["server.listen", "server.webhooks", "server.header_timeout", "server.body_timeout", "server.max_connections", "store."];

/// Every change, in the order of keys; empty where the two say the same. Secrets are compared and never shown.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Changed> {
    let (old, new) = (by_key(old), by_key(new));
    let mut changes = Vec::new();
    let mut keys: Vec<&&str> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let what = match (old.get(key), new.get(key)) {
            (Some(before), Some(after)) if before.value != after.value => {
                format!("{key}: {} is now {}", shown(before), shown(after))
            }
            (Some(before), Some(after)) if before.mark != after.mark => format!("{key}: the secret there is another one now"),
            // Of what comes or goes with its whole table, only what says something is worth a line.
            (Some(before), None) if before.value.is_some() => format!("{key}: {} is gone", shown(before)),
            (None, Some(after)) if after.value.is_some() => format!("{key}: {} is new", shown(after)),
            _ => continue,
        };
        changes.push(Changed { what, restart: AT_START.iter().any(|start| key.starts_with(start)) || key.starts_with("log.") });
    }
    changes
}

fn by_key(config: &Config) -> BTreeMap<&str, &Setting> {
    config.settings.iter().map(|setting| (setting.key.as_str(), setting)).collect()
}

fn shown(setting: &Setting) -> &str {
    setting.value.as_deref().unwrap_or("(not set)")
}

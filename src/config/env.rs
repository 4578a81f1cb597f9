//! The environment, read in one place.
//!
//! Not settings: the environment says where the configuration stands and holds secrets for those who have no better place.

use std::path::PathBuf;

/// The variable that names the configuration file.
pub const CONFIG: &str = "REENGAGED_CONFIG";
/// The variable in which systemd names the directory of credentials.
pub const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A variable of the environment; `None` where it is absent, empty or no UTF-8.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    // The only place that reads the environment, so that a test of anything else cannot depend on it.
    #[allow(clippy::disallowed_methods)]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the configuration stands: `given` on the command line, else `$REENGAGED_CONFIG`, else `/etc/reengaged/config.toml`
/// where that exists, else `config.toml` in the current directory.
#[must_use]
pub fn locate(given: Option<PathBuf>) -> PathBuf {
    let system = PathBuf::from("/etc/reengaged/config.toml");
    given
        .or_else(|| variable(CONFIG).map(PathBuf::from))
        .or_else(|| system.exists().then_some(system))
        .unwrap_or_else(|| PathBuf::from("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_comes_first() {
        assert_eq!(locate(Some(PathBuf::from("mine.toml"))), PathBuf::from("mine.toml"));
        assert!(locate(None).ends_with("config.toml"));
    }

    #[test]
    fn an_absent_variable_is_none() {
        assert_eq!(variable("REENGAGED_SURELY_NOT_SET"), None);
    }
}

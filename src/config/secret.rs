//! Secrets: where they are read from, and a value that does not print itself.
//!
//! Not a vault: a secret is a file, a systemd credential or an environment variable, and never stands in the configuration.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::env;

/// The largest secret file, in bytes.
const BYTES: usize = 4_096;
/// Most secrets in one file: the present one, and those that are on their way out.
const ROTATED: usize = 4;

/// A secret. It prints as `Secret(..)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// A secret of this text.
    #[must_use]
    pub fn new(text: &str) -> Secret {
        Secret(Arc::from(text))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text: two secrets can be compared by it without saying how far they agree.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where secrets come from. Each answers with the content, or with what is wrong and what would be right.
pub trait SecretSource {
    /// The content of a file; a relative path counts from the configuration file's directory.
    ///
    /// # Errors
    /// Why it cannot be used, to follow the path in a sentence.
    fn file(&self, path: &Path) -> Result<String, String>;

    /// The content of a variable of the environment.
    ///
    /// # Errors
    /// Why it cannot be used, to follow the name in a sentence.
    fn variable(&self, name: &str) -> Result<String, String>;

    /// The content of a systemd credential.
    ///
    /// # Errors
    /// Why it cannot be used, to follow the name in a sentence.
    fn credential(&self, name: &str) -> Result<String, String>;
}

/// Secrets of the machine: its files, its environment, systemd's credentials.
#[derive(Clone, Debug)]
pub struct Machine {
    base: PathBuf,
}

impl Machine {
    /// Secrets of this machine for the configuration at `file`: relative paths count from its directory.
    #[must_use]
    pub fn beside(file: &Path) -> Machine {
        Machine { base: file.parent().map(Path::to_path_buf).unwrap_or_default() }
    }
}

impl SecretSource for Machine {
    fn file(&self, path: &Path) -> Result<String, String> {
        read(&self.base.join(path), true)
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        env::variable(name)
            .ok_or_else(|| "is not set in the environment, or empty; set it, or name a file by the key ending in _file".into())
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err("is no name of a credential; write the name given to LoadCredential=, without a path".into());
        }
        let directory = env::variable(env::CREDENTIALS)
            .ok_or("cannot be read: $CREDENTIALS_DIRECTORY is not set; it is when systemd starts the daemon with LoadCredential=")?;
        // systemd owns the mode of credentials: its directory is closed to others already.
        read(&Path::new(&directory).join(name), false)
    }
}

/// No secrets at all: for reading a configuration whose secrets do not matter, as `plan --flow` does. Every one reads as a placeholder.
#[derive(Clone, Copy, Debug)]
pub struct Withheld;

impl SecretSource for Withheld {
    fn file(&self, path: &Path) -> Result<String, String> {
        Ok(format!("withheld file {}", path.display()))
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        Ok(format!("withheld variable {name}"))
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        Ok(format!("withheld credential {name}"))
    }
}

fn read(path: &Path, check_mode: bool) -> Result<String, String> {
    let cannot = |e: std::io::Error| format!("cannot be read: {e}; it holds the secret and nothing else, readable by the daemon alone");
    let found = std::fs::metadata(path).map_err(cannot)?;
    if !found.is_file() {
        return Err("is no file; name a file that holds the secret and nothing else".into());
    }
    let mode = found.permissions().mode() & 0o777;
    if check_mode && mode & 0o007 != 0 {
        return Err(format!("can be read by everybody on this machine (mode {mode:04o}); chmod 0600 it, and renew the secret"));
    }
    let mut text = String::new();
    let taken = std::fs::File::open(path).and_then(|file| file.take(BYTES as u64 + 1).read_to_string(&mut text));
    taken.map_err(cannot)?;
    if text.len() > BYTES {
        return Err(format!("is longer than {BYTES} bytes; it holds the secret and nothing else"));
    }
    Ok(text)
}

/// The secrets in a content: one a line, the first in use, the others still accepted. Space around them and empty lines do not count.
pub(super) fn split(content: &str) -> Result<Vec<Secret>, String> {
    let secrets: Vec<Secret> = content.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new).collect();
    if secrets.is_empty() {
        return Err("is empty; put the secret in".into());
    }
    if secrets.len() > ROTATED {
        return Err(format!("holds {} lines; at most {ROTATED}: the secret in use, and below it those still accepted", secrets.len()));
    }
    if secrets.iter().any(|s| s.expose().chars().any(char::is_control)) {
        return Err("holds control characters; a secret is printable text, one a line".into());
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_mode(content: &str, mode: u32) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Machine::beside(&directory.path().join("config.toml")).file(Path::new("secret"))
    }

    #[test]
    fn a_file_open_to_everybody_is_refused() {
        assert_eq!(with_mode("s3cret\n", 0o600).unwrap(), "s3cret\n");
        assert_eq!(with_mode("s3cret\n", 0o640).unwrap(), "s3cret\n");
        for mode in [0o644, 0o604, 0o666, 0o602] {
            assert!(with_mode("s3cret\n", mode).unwrap_err().contains(&format!("mode {mode:04o}")), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_long_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::beside(&directory.path().join("config.toml"));
        assert!(machine.file(Path::new("absent")).unwrap_err().starts_with("cannot be read"));
        assert!(machine.file(Path::new(".")).unwrap_err().starts_with("is no file"));
        assert!(with_mode(&"x".repeat(BYTES + 1), 0o600).unwrap_err().contains("longer than"));
        assert!(machine.credential("../etc/passwd").unwrap_err().contains("no name"));
    }

    #[test]
    fn newlines_are_trimmed_and_empty_is_refused() {
        let texts = |content: &str| split(content).map(|all| all.iter().map(|s| s.expose().to_owned()).collect::<Vec<_>>());
        assert_eq!(texts("one\n").unwrap(), ["one"]);
        assert_eq!(texts(" new \r\n\nold\n").unwrap(), ["new", "old"]);
        assert!(texts("\n \n").unwrap_err().contains("empty"));
        assert!(texts("a\nb\nc\nd\ne").unwrap_err().contains("5 lines"));
        assert!(texts("a\u{7}").unwrap_err().contains("control"));
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::new("s3cret")), "Secret(..)");
        assert_ne!(Secret::new("a").digest(), Secret::new("b").digest());
    }
}

//! Small files that must not be lost or half there, and the errors that touching files gives.
//!
//! Not the database and not the ledger: those have their own ways of writing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::engine::ports::Fault;

/// The fault for a file that could not be read or written.
pub(crate) fn failed(doing: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::Unavailable(format!("{doing} {}: {error}", path.display()))
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Fault> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| failed("syncing the directory", dir, &e))
}

/// Puts a file in place whole or not at all, durable on return. `secret` files can be read by their owner alone.
/// `fill` is given the new file's metadata, so that it can say which file it is.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn put(path: &Path, secret: bool, fill: impl FnOnce(&fs::Metadata) -> String) -> Result<(), Fault> {
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
    let written = remove(&fresh).and_then(|()| options.open(&fresh)).and_then(|mut file| {
        let text = fill(&file.metadata()?);
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    });
    written.map_err(|e| failed("writing", path, &e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Removes a file that may not be there.
///
/// # Errors
/// Where it is there and cannot be removed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_whole_and_put_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("FORMAT");
        put(&path, true, |_| "one".to_owned()).unwrap();
        put(&path, false, |_| "two".to_owned()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(put(&home.path().join("none/FORMAT"), false, |_| String::new()).is_err());
    }
}

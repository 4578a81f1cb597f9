//! Which file system a directory is on, and whether a database may live there.
//!
//! Not a test of the disk: it reads what the kernel says is mounted, and refuses those on which sled is known to lose data.

use std::fs;
use std::path::Path;

use crate::engine::ports::Fault;

/// File systems on which a flush that returned may still be lost, or a file may change under its owner.
const REFUSED: [&str; 8] = ["btrfs", "nfs", "cifs", "smb", "9p", "fuse", "overlay", "aufs"];

/// Refuses a directory on a file system that does not keep what sled flushes.
///
/// # Errors
/// [`Fault::Corrupt`], with the way around it: nothing is wrong with the data, and trying again does not help.
pub(super) fn check(root: &Path) -> Result<(), Fault> {
    let Ok(table) = fs::read_to_string("/proc/self/mountinfo") else { return Ok(()) };
    // The directory need not exist yet; then its first parent that does decides.
    let Some(real) = root.ancestors().find_map(|dir| fs::canonicalize(if dir.as_os_str().is_empty() { Path::new(".") } else { dir }).ok())
    else {
        return Ok(());
    };
    match kind_of(&table, &real).filter(|kind| refused(kind)) {
        None => Ok(()),
        Some(kind) => Err(Fault::Corrupt(format!(
            "opening the store {}: it is on {kind}, which does not keep what is flushed through a power cut; \
             use ext4 or xfs, or set [store] any_filesystem = true",
            root.display()
        ))),
    }
}

/// The type of the file system that holds `path`, from the kernel's table of mounts.
fn kind_of<'a>(table: &'a str, path: &Path) -> Option<&'a str> {
    let mut found: Option<(usize, &str)> = None;
    for line in table.lines() {
        // "36 35 98:0 /root /mount/point options - ext4 /dev/root rw"
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let point = point.replace("\\040", " ");
        // A later line for the same place hides the earlier one.
        if path.starts_with(&point) && found.is_none_or(|(length, _)| point.len() >= length) {
            found = Some((point.len(), kind));
        }
    }
    found.map(|(_, kind)| kind)
}

fn refused(kind: &str) -> bool {
    REFUSED.iter().any(|refused| kind.starts_with(refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_and_latest_mount_decides() {
        let table = "22 1 254:0 / / rw,relatime - overlay overlay rw\n\
                     30 22 8:1 / /var/lib rw - ext4 /dev/sda1 rw\n\
                     31 30 0:40 / /var/lib/my\\040data rw shared:1 - fuse.sshfs host:/ rw\n\
                     32 30 0:41 / /var/lib/twice rw - ext4 /dev/sdb rw\n\
                     33 32 0:42 / /var/lib/twice rw - nfs4 host:/ rw\n";
        for (path, kind, bad) in [
            ("/srv/me", "overlay", true),
            ("/var/lib/reengaged", "ext4", false),
            ("/var/lib/my data/store", "fuse.sshfs", true),
            ("/var/lib/twice/a", "nfs4", true),
            ("/var/library", "overlay", true),
        ] {
            assert_eq!(kind_of(table, Path::new(path)), Some(kind));
            assert_eq!(refused(kind), bad, "{kind}");
        }
        assert!(!refused("xfs") && refused("fuseblk") && refused("btrfs"));
        assert_eq!(kind_of("", Path::new("/")), None);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_by_its_parent() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(check(&home.path().join("a/b")).is_ok(), check(home.path()).is_ok());
    }
}

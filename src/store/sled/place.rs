//! The data directory: its lock, its format, its key, and whether it is still the one it was.
//!
//! Not the database in it and not the ledger; both are opened after this has said that they may be.
//!
//! ```text
//! <path>/lock      held with flock as long as the store is open; the holder's process id is in it
//! <path>/FORMAT    format version, instance id, and which file on which machine this is
//! <path>/KEY       the store's secret key, for its owner's eyes only
//! <path>/mark      the last change known to be durable (see mark.rs)
//! <path>/store/    the database        <path>/ledger/  the ledger of sends
//! <path>/CREATING  there while a new directory is being made; what is beside it counts for nothing then
//! <path>/RESTORING there while a backup is being restored; what is beside it counts for nothing then, but for the ledger
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::engine::ports::Fault;
use crate::id::Keys;
use crate::store::check::Checked;
use crate::store::files::{failed, put, remove, sync_dir};
use crate::store::sled::OpenOptions;

/// The format that this program writes.
pub(super) const FORMAT: u32 = 1;
/// What a store is bound to that starts held until `resume`.
const NOWHERE: &str = "-";
/// The same, for one that was restored from a backup.
const RESTORED: &str = "restored";

/// The directory, locked.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    machine: String,
    instance: String,
    pub(super) keys: Keys,
    /// Why sending starts held, where it does.
    pub(super) held: Option<String>,
    /// Let go of when this is dropped.
    _lock: Lock,
}

impl Place {
    /// Locks the directory, making it where there is none: `create` then fills it, and only afterwards is it a store.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where another process has it; [`Fault::Corrupt`] where a part of it is missing or from a newer release.
    pub(super) fn open(root: &Path, options: &OpenOptions, create: impl FnOnce(&Place) -> Result<(), Fault>) -> Result<Place, Fault> {
        fs::create_dir_all(root).map_err(|e| failed("making the directory", root, &e))?;
        let lock = lock(&root.join("lock"))?;
        if root.join("RESTORING").exists() {
            return Err(Fault::Corrupt(format!(
                "opening the store {}: a restore was interrupted here; run `reengaged restore` again",
                root.display()
            )));
        }
        let machine = options.machine.clone().unwrap_or_else(machine_id);
        let format = root.join("FORMAT");
        let fresh = !format.exists();
        if fresh {
            clear(root)?;
            put(&root.join("CREATING"), false, |_| "a store is being made here\n".to_owned())?;
            let secret = random::<32>()?;
            put(&root.join("KEY"), true, |_| sign(&format!("key {}", hex(&secret))))?;
        } else {
            remove(&root.join("CREATING")).map_err(|e| failed("removing", &root.join("CREATING"), &e))?;
        }
        let keys = Keys::new(&read_key(&root.join("KEY"))?);
        let mut place = Place { root: root.to_owned(), machine, instance: String::new(), keys, held: None, _lock: lock };
        if fresh {
            place.instance = hex(&random::<16>()?);
            create(&place)?;
            place.bind()?;
            remove(&root.join("CREATING")).map_err(|e| failed("removing", &root.join("CREATING"), &e))?;
            sync_dir(root)?;
            root.parent().filter(|p| !p.as_os_str().is_empty()).map_or(Ok(()), sync_dir)?;
        } else if let Err(fault) = place.read_format(&format) {
            // With leave, a new instance takes the place of one whose name is lost; a newer format stays refused.
            if !options.accept_loss || !place.instance.is_empty() || read_signed(&format).is_ok_and(|text| format_of(&text).is_some()) {
                return Err(fault);
            }
            tracing::error!("{fault}; with leave, this store has another name from now on");
            place.instance = hex(&random::<16>()?);
            place.unbind("this store's FORMAT was damaged and made anew, with leave; see what was sent meanwhile, then resume")?;
        }
        Ok(place)
    }

    /// Locks a directory in which nothing but a ledger may stand, for a store that is made from a backup. It is no store before
    /// [`Place::restored`].
    ///
    /// # Errors
    /// As [`Place::open`], and where something is in its way.
    pub(super) fn vacant(root: &Path, machine: Option<&str>, instance: String, key: &[u8; 32]) -> Result<Place, Fault> {
        fs::create_dir_all(root).map_err(|e| failed("making the directory", root, &e))?;
        let lock = lock(&root.join("lock"))?;
        if let Some(obstacle) = obstacle(root) {
            return Err(Fault::Corrupt(obstacle));
        }
        put(&root.join("RESTORING"), false, |_| "a backup is being restored here\n".to_owned())?;
        let store = root.join("store");
        if store.exists() {
            fs::remove_dir_all(&store).map_err(|e| failed("removing", &store, &e))?;
        }
        for name in ["FORMAT", "mark"] {
            remove(&root.join(name)).map_err(|e| failed("removing", &root.join(name), &e))?;
        }
        put(&root.join("KEY"), true, |_| sign(&format!("key {}", hex(key))))?;
        let machine = machine.map_or_else(machine_id, str::to_owned);
        Ok(Place { root: root.to_owned(), machine, instance, keys: Keys::new(key), held: None, _lock: lock })
    }

    /// It is a store from here on, and starts held.
    pub(super) fn restored(&mut self) -> Result<(), Fault> {
        self.bind_to(RESTORED)?;
        remove(&self.root.join("RESTORING")).map_err(|e| failed("removing", &self.root.join("RESTORING"), &e))?;
        sync_dir(&self.root)
    }

    /// The directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the database is.
    pub(super) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Where the ledger is.
    pub(super) fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// Where the mark is.
    pub(super) fn mark(&self) -> PathBuf {
        self.root.join("mark")
    }

    /// What a backup must have of it: the instance's name and the secret key.
    pub(super) fn identity(&self) -> Result<(String, [u8; 32]), Fault> {
        Ok((self.instance.clone(), read_key(&self.root.join("KEY"))?))
    }

    /// Makes this directory the store's home: it starts held no more.
    pub(super) fn bind(&mut self) -> Result<(), Fault> {
        let (instance, machine) = (&self.instance, &self.machine);
        put(&self.root.join("FORMAT"), false, |file| {
            sign(&format!("reengaged {FORMAT}\ninstance {instance}\nbound {}", identity(file, machine)))
        })?;
        self.held = None;
        Ok(())
    }

    /// Makes it a store that starts held, at every start, until it is bound again.
    pub(super) fn unbind(&mut self, why: &str) -> Result<(), Fault> {
        self.bind_to(NOWHERE)?;
        self.held = Some(why.to_owned());
        Ok(())
    }

    fn bind_to(&self, word: &str) -> Result<(), Fault> {
        let instance = &self.instance;
        put(&self.root.join("FORMAT"), false, |_| sign(&format!("reengaged {FORMAT}\ninstance {instance}\nbound {word}")))
    }

    fn read_format(&mut self, path: &Path) -> Result<(), Fault> {
        let text = read_signed(path)?;
        match format_of(&text) {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(too_new(&self.root, newer)),
            _ => return Err(unreadable(path)),
        }
        let mut lines = text.lines().skip(1);
        self.instance = lines.next().and_then(|l| l.strip_prefix("instance ")).ok_or_else(|| unreadable(path))?.to_owned();
        let bound = lines.next().and_then(|l| l.strip_prefix("bound ")).ok_or_else(|| unreadable(path))?;
        let file = fs::metadata(path).map_err(|e| failed("reading", path, &e))?;
        if bound == NOWHERE {
            self.held = Some("this store went back in time, with leave; see what was sent meanwhile, then resume".to_owned());
        } else if bound == RESTORED {
            self.held = Some("this store was restored from a backup; see what was sent meanwhile, then resume".to_owned());
        } else if bound != identity(&file, &self.machine) {
            self.held = Some(format!(
                "{} is a copy of a store, or was moved to another machine; make sure that the first one is off, then resume",
                self.root.display()
            ));
        }
        Ok(())
    }
}

/// Looks at the small files of a directory.
///
/// # Errors
/// [`Fault::Corrupt`] where it is from a newer release, or no store.
pub(super) fn check(root: &Path, checked: &mut Checked) -> Result<(), Fault> {
    let format = root.join("FORMAT");
    if !format.exists() && !root.join("KEY").exists() {
        return Err(Fault::Corrupt(format!("checking {}: there is no store", root.display())));
    }
    match read_signed(&format).map(|text| format_of(&text)) {
        Ok(Some(newer)) if newer > FORMAT => return Err(too_new(root, newer)),
        Ok(Some(FORMAT)) => checked.records += 1,
        Ok(_) | Err(Fault::Corrupt(_)) => checked.found(&format, "as a whole", "it is missing or not what was written"),
        Err(fault) => return Err(fault),
    }
    match read_key(&root.join("KEY")) {
        Ok(_) => checked.records += 1,
        Err(Fault::Corrupt(_)) => {
            let what = "it is missing or not what was written, and no conversation can be known by its name without it";
            checked.found(root.join("KEY"), "as a whole", what);
        }
        Err(fault) => return Err(fault),
    }
    for (name, what) in [("CREATING", "a store was being made here, and is not whole"), ("RESTORING", "a restore was interrupted here")] {
        if root.join(name).exists() {
            checked.found(root.join(name), "as a whole", what);
        }
    }
    Ok(())
}

/// The version that a FORMAT file says.
fn format_of(text: &str) -> Option<u32> {
    text.lines().next().and_then(|l| l.strip_prefix("reengaged ")).and_then(|v| v.parse().ok())
}

fn too_new(root: &Path, newer: u32) -> Fault {
    Fault::Corrupt(format!(
        "opening the store {}: it has format {newer} and this program knows formats up to {FORMAT}; use a newer reengaged",
        root.display()
    ))
}

/// What is in the way of restoring into a directory, and what to do about it.
pub(super) fn obstacle(root: &Path) -> Option<String> {
    let interrupted = root.join("RESTORING").exists();
    let mine = |name: &str| matches!(name, "store" | "KEY" | "FORMAT" | "mark" | "RESTORING" | "KEY.new" | "FORMAT.new" | "RESTORING.new");
    let stays = |name: &str| matches!(name, "lock" | "ledger" | "backups" | "lost+found");
    let names = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut there: Vec<String> = names.filter(|name| !(stays(name) || (interrupted && mine(name)))).collect();
    there.sort();
    (!there.is_empty()).then(|| {
        format!(
            "restoring into {}: {} there already, and nothing is overwritten; move all but ledger/ away and leave ledger/ where it is, \
             since it says what was sent",
            root.display(),
            match &there[..] {
                [one] => format!("{one} is"),
                more => format!("{} are", more.join(", ")),
            }
        )
    })
}

/// Removes what an interrupted creation left; refuses to touch anything else.
fn clear(root: &Path) -> Result<(), Fault> {
    let creating = root.join("CREATING").exists();
    for name in ["store", "ledger"] {
        let path = root.join(name);
        if path.exists() {
            if !creating {
                return Err(Fault::Corrupt(format!(
                    "opening the store {}: {name}/ is there and FORMAT is not; put FORMAT back as it was, or choose an empty directory",
                    root.display()
                )));
            }
            fs::remove_dir_all(&path).map_err(|e| failed("removing", &path, &e))?;
        }
    }
    for name in ["KEY", "mark"] {
        let path = root.join(name);
        if path.exists() && !creating {
            return Err(Fault::Corrupt(format!(
                "opening the store {}: {name} is there and FORMAT is not; put FORMAT back as it was, or choose an empty directory",
                root.display()
            )));
        }
        remove(&path).map_err(|e| failed("removing", &path, &e))?;
    }
    Ok(())
}

/// The lock of a directory, held.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child of this process that has not begun its own program yet holds the same open file.
        let _ = self.0.unlock();
    }
}

/// Takes the lock, before anything in the directory is touched.
pub(super) fn lock(path: &Path) -> Result<Lock, Fault> {
    let mut options = File::options();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(|e| failed("opening the lock", path, &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder may be writing its number just now; then the message has none.
            let _ = file.read_to_string(&mut holder);
            return Err(Fault::Unavailable(format!("opening the store: {} is locked by pid {}", path.display(), holder.trim())));
        }
        Err(TryLockError::Error(error)) => return Err(failed("locking", path, &error)),
    }
    let pid = format!("{}\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(pid.as_bytes()));
    written.map_err(|e| failed("writing the lock", path, &e))?;
    Ok(Lock(file))
}

/// Which file on which machine: a copy has another inode or another time of birth.
fn identity(file: &fs::Metadata, machine: &str) -> String {
    let born = file.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos());
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(file);
    #[cfg(not(unix))]
    let inode = 0;
    let machine = if machine.is_empty() { "unknown" } else { machine };
    format!("{machine} {inode} {born}")
}

fn machine_id() -> String {
    fs::read_to_string("/etc/machine-id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn read_key(path: &Path) -> Result<[u8; 32], Fault> {
    let text = read_signed(path)?;
    let digits = text.trim_end().strip_prefix("key ").filter(|d| d.len() == 64 && d.is_ascii());
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.ok_or_else(|| unreadable(path))?.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        *byte = pair.ok_or_else(|| unreadable(path))?;
    }
    Ok(key)
}

/// A text with its checksum as the last line.
fn sign(text: &str) -> String {
    format!("{text}\nsum {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

fn read_signed(path: &Path) -> Result<String, Fault> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData) => {
            return Err(unreadable(path));
        }
        Err(error) => return Err(failed("reading", path, &error)),
    };
    let body = text.rsplit_once("\nsum ").map(|(body, _)| body.to_owned()).ok_or_else(|| unreadable(path))?;
    if sign(&body) != text {
        return Err(unreadable(path));
    }
    Ok(body)
}

fn unreadable(path: &Path) -> Fault {
    Fault::Corrupt(format!("reading {}: it is missing or not what was written; put it back as it was", path.display()))
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Fault::Unavailable(format!("making the store's key: {e}")))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;

    fn open(root: &Path, machine: &str) -> Result<Place, Fault> {
        let options = OpenOptions { machine: Some(machine.to_owned()), ..OpenOptions::default() };
        Place::open(root, &options, |place| fs::create_dir(place.store()).map_err(|e| failed("making", &place.store(), &e)))
    }

    #[test]
    fn a_second_opener_is_told_who_has_it() {
        let home = tempfile::tempdir().unwrap();
        let first = open(home.path(), "m").unwrap();
        let refused = open(home.path(), "m").unwrap_err();
        assert!(refused.to_string().ends_with(&format!("is locked by pid {}", std::process::id())), "{refused}");
        drop(first);
        open(home.path(), "m").unwrap();
    }

    #[test]
    fn keys_last_and_a_copy_or_another_machine_is_held_until_bound() {
        let home = tempfile::tempdir().unwrap();
        let name = |place: &Place| (place.keys.conversation("a"), place.keys.send(place.keys.conversation("a"), Moment(1), 0));
        let first = open(home.path(), "m").map(|p| (name(&p), p.held)).unwrap();
        let again = open(home.path(), "m").map(|p| (name(&p), p.held)).unwrap();
        assert_eq!((&first, first.1.is_none()), (&again, true));
        let mut elsewhere = open(home.path(), "other").unwrap();
        assert!(elsewhere.held.is_some());
        elsewhere.bind().unwrap();
        drop(elsewhere);
        assert!(open(home.path(), "other").unwrap().held.is_none());

        let copy = tempfile::tempdir().unwrap();
        for file in ["FORMAT", "KEY"] {
            fs::copy(home.path().join(file), copy.path().join(file)).unwrap();
        }
        assert!(open(copy.path(), "other").unwrap().held.is_some());
        let mut back = open(home.path(), "other").unwrap();
        back.unbind("went back").unwrap();
        drop(back);
        assert!(open(home.path(), "other").unwrap().held.is_some());
    }

    #[test]
    fn missing_or_changed_parts_are_refused_and_an_interrupted_creation_is_begun_again() {
        let home = tempfile::tempdir().unwrap();
        drop(open(home.path(), "m").unwrap());
        let format = home.path().join("FORMAT");
        let text = fs::read_to_string(&format).unwrap();
        for changed in [text.replace("bound m", "bound n"), String::new(), sign("reengaged 9\ninstance x\nbound -")] {
            fs::write(&format, changed).unwrap();
            assert!(matches!(open(home.path(), "m"), Err(Fault::Corrupt(_))));
        }
        fs::remove_file(&format).unwrap();
        assert!(matches!(open(home.path(), "m"), Err(Fault::Corrupt(_))));
        fs::write(home.path().join("CREATING"), "").unwrap();
        assert!(open(home.path(), "m").unwrap().held.is_none());
        fs::remove_file(home.path().join("KEY")).unwrap();
        assert!(matches!(open(home.path(), "m"), Err(Fault::Corrupt(_))));
    }
}

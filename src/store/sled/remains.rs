//! What is left of a log that may be damaged: looked at group by group, for the check and for who saves what can be saved.
//!
//! Not how a start reads it, which takes all of it or none: that is `log.rs`.

use std::fs;
use std::path::Path;

use crate::engine::ports::Fault;
use crate::engine::record::Change;
use crate::store::files::failed;
use crate::store::sled::frames;
use crate::store::sled::log::read_group;

/// What is damaged in the log in `dir`, by file and byte, and how many groups are whole. A torn end is none: the mark tells what was
/// durable.
///
/// # Errors
/// Where the disk refuses.
pub(super) fn look(dir: &Path, found: &mut dyn FnMut(&Path, usize, &str)) -> Result<u64, Fault> {
    let mut whole = 0;
    let files = frames::files(dir)?;
    for (n, (_, path)) in files.iter().enumerate() {
        let bytes = match fs::read(path) {
            // Folded meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.map_err(|e| failed("reading the log", path, &e))?,
        };
        let mut place = 0;
        loop {
            while let Some(frame) = frames::at(&bytes, place) {
                match read_group(frame.body, &mut |_, _| ()) {
                    Some(_) => whole += 1,
                    None => found(path, place, "its group cannot be read"),
                }
                place = frame.end;
            }
            match frames::behind(&bytes, place) {
                Some((next, _)) => {
                    found(path, place, "its checksum is wrong");
                    place = next;
                }
                None => break,
            }
        }
        if n + 1 < files.len() && bytes[place..].iter().any(|byte| *byte != 0) {
            found(path, place, "its checksum is wrong");
        }
    }
    Ok(whole)
}

/// Tells the groups of the log in `dir` that are whole, in order; what comes behind a hole too.
///
/// # Errors
/// Where the disk refuses.
pub(super) fn whole_groups(dir: &Path, take: &mut dyn FnMut(Vec<(u64, Change)>) -> Result<(), Fault>) -> Result<(), Fault> {
    for (_, path) in frames::files(dir)? {
        let bytes = fs::read(&path).map_err(|e| failed("reading the log", &path, &e))?;
        let mut next = frames::at(&bytes, 0).map(|frame| (0, frame)).or_else(|| frames::behind(&bytes, 0));
        while let Some((_, frame)) = next {
            let mut group = Vec::new();
            if read_group(frame.body, &mut |seq, change| group.push((seq, change))).is_some() {
                take(group)?;
            }
            next = frames::at(&bytes, frame.end).map(|at| (frame.end, at)).or_else(|| frames::behind(&bytes, frame.end));
        }
    }
    Ok(())
}

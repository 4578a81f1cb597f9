//! Store, ledger and mark, cut off at their system calls: a process that writes is recorded once, and then the power goes at every sync,
//! in the middle of writes, and with what was not synced lost, half there or out of order. Everything acknowledged is there each time.
//!
//! Not a device: what a sync has returned for is there. `kill/power.rs` cuts a real file system.

mod disk;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use disk::{Disk, Kept, Op, SECTOR};

use crate::store_kill;
use crate::support::{debian, long, made};

/// What was recorded, and where.
struct Record {
    home: tempfile::TempDir,
    ops: Vec<Op>,
}

impl Record {
    /// Records a process that makes a store, writes groups of changes, folds them, and ends; `None` where it cannot be recorded.
    fn make() -> Option<Record> {
        if !debian("strace", "strace") {
            return None;
        }
        let home = tempfile::tempdir().expect("a directory");
        let (root, trace) = (made(home.path().join("store")), home.path().join("trace"));
        let calls = "openat,mkdir,pwrite64,pwritev,write,writev,ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,rmdir,fsync,\
                     fdatasync";
        let status = Command::new("strace")
            .args(["-f", "-y", "-xx", "-s", "1048576", "-e", &format!("trace={calls}"), "-o"])
            .arg(&trace)
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "store_kill::child", "--nocapture"])
            .env(store_kill::CHILD, &root)
            .env(store_kill::ROUNDS_OF_CHILD, if long() { "60" } else { "24" })
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .output()
            .expect("strace runs");
        let trace = fs::read_to_string(trace).unwrap_or_default();
        if !status.status.success() {
            crate::support::skipped(
                "cuts at system calls",
                &format!("strace cannot record here: {}", String::from_utf8_lossy(&status.stderr)),
            );
            return None;
        }
        let ops = disk::read(&trace, &root);
        let mut whole = Disk::default();
        ops.iter().for_each(|op| whole.apply(op));
        assert!(whole.is(&root), "the record is not what happened");
        Some(Record { home, ops })
    }

    /// What was acknowledged before the call at this place.
    fn acknowledged(&self, before: usize) -> u64 {
        let said = self.ops[..before].iter().rev().filter_map(|op| match op {
            Op::Said(text) => text.trim().strip_prefix("acknowledged ").and_then(|number| number.parse().ok()),
            _ => None,
        });
        said.into_iter().next().unwrap_or(0)
    }

    /// Opens what is left of the disk, and looks for everything that was acknowledged before the call at `before`.
    fn check(&self, disk: &Disk, kept: Kept, before: usize) {
        let to = self.home.path().join("cut");
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&to).expect("a directory");
        disk.write(&self.home.path().join("store"), &to, kept);
        println!("the power goes before call {before} of {}, {:?}: {kept:?}", self.ops.len(), brief(self.ops.get(before)));
        store_kill::check(&to, self.acknowledged(before));
    }
}

fn brief(op: Option<&Op>) -> String {
    format!("{op:?}").chars().take(120).collect()
}

/// Of so many, those at even distances, so that there are about `wanted`.
fn some(all: Vec<usize>, wanted: usize) -> Vec<usize> {
    let step = all.len().div_ceil(wanted).max(1);
    all.into_iter().step_by(step).collect()
}

#[test]
fn cut_off_at_every_sync_everything_acknowledged_is_there() {
    let Some(record) = Record::make() else { return };
    let syncs = (0..record.ops.len()).filter(|at| matches!(record.ops[*at], Op::Sync(_))).collect();
    let cuts = some(syncs, if long() { usize::MAX } else { 40 });
    let (mut disk, mut done, mut tried) = (Disk::default(), 0, 0);
    for cut in cuts {
        // Before the sync, and after it.
        for before in [cut, cut + 1] {
            record.ops[done..before].iter().for_each(|op| disk.apply(op));
            done = before;
            for kept in [Kept::Sent, Kept::Synced, Kept::Some(before as u64)] {
                record.check(&disk, kept, before);
                tried += 1;
            }
        }
    }
    println!("{tried} cuts at syncs, {} acknowledged in the end", record.acknowledged(record.ops.len()));
    assert!(tried >= 100 && record.acknowledged(record.ops.len()) > 100);
}

#[test]
fn cut_off_in_the_middle_of_a_write_everything_acknowledged_is_there() {
    let Some(record) = Record::make() else { return };
    let writes = (0..record.ops.len()).filter(|at| !edges(&record.ops[*at]).is_empty()).collect();
    let cuts = some(writes, if long() { usize::MAX } else { 40 });
    let (mut disk, mut done, mut tried) = (Disk::default(), 0, 0);
    for cut in cuts {
        record.ops[done..cut].iter().for_each(|op| disk.apply(op));
        done = cut;
        for edge in edges(&record.ops[cut]).into_iter().take(if long() { usize::MAX } else { 3 }) {
            let mut torn = disk.clone();
            torn.tear(&record.ops[cut], edge);
            record.check(&torn, Kept::Sent, cut);
            tried += 1;
        }
    }
    println!("{tried} writes torn at sectors");
    assert!(tried >= 20);
}

/// Where sectors end inside a write, if its place is known; otherwise its own 512 bytes. None for what is no write, or within one sector.
fn edges(op: &Op) -> Vec<usize> {
    let Op::Write(_, at, bytes) = op else { return Vec::new() };
    let first = at.map_or(SECTOR, |at| SECTOR - at as usize % SECTOR);
    (first..bytes.len()).step_by(SECTOR).collect()
}

/// A record that is none would let everything pass.
#[test]
fn a_store_that_does_not_sync_is_noticed() {
    let Some(record) = Record::make() else { return };
    let mut disk = Disk::default();
    // As if nothing had been synced after it was made.
    let kept = |path: &Path| path.ends_with("db") || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log."));
    let made = record.ops.iter().position(|op| matches!(op, Op::Said(text) if text.contains("acknowledged"))).expect("something said");
    for (place, op) in record.ops.iter().enumerate() {
        if place < made || !matches!(op, Op::Sync(path) if kept(path)) {
            disk.apply(op);
        }
    }
    let lost = std::panic::catch_unwind(|| record.check(&disk, Kept::Synced, record.ops.len()));
    assert!(lost.is_err(), "everything acknowledged is there, and nothing was synced");
}

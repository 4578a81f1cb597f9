//! Power cuts: store and ledger stand on a file system of their own, in a file. At the cut the daemon is stopped, the file is copied,
//! and only the copy goes on: what had not been sent to the device is gone.
//!
//! Not a device that lies about what it keeps, and not a cut in the middle of one write: `recorded.rs` has those.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::checker::Figures;
use super::dice::Dice;
use super::provider::Temper;
use super::stage::Stage;
use super::{ordered, seed};
use crate::support::skipped;

/// Cuts on one file system; then another begins.
const ERA: usize = 20;

/// A file system in a file.
pub(super) struct Disk {
    home: tempfile::TempDir,
}

impl Disk {
    /// Makes and mounts one; `None`, said aloud, where that cannot be.
    pub(super) fn new(what: &str) -> Option<Disk> {
        // In memory where that is: the test is of what is sent to the device, not of the device.
        let room = Some(Path::new("/dev/shm")).filter(|room| room.is_dir()).map_or_else(std::env::temp_dir, Path::to_owned);
        let disk = Disk { home: tempfile::tempdir_in(room).expect("a directory") };
        fs::create_dir(disk.mounted()).expect("a directory");
        let made = run("truncate", &["-s", "160M", &text(&disk.image())])
            && run("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", &text(&disk.image())])
            && disk.mount();
        if !made {
            skipped(what, "a file system in a file cannot be made and mounted here: that takes root, mkfs.ext4 and loop devices");
        }
        made.then_some(disk)
    }

    fn image(&self) -> PathBuf {
        self.home.path().join("image")
    }

    fn mounted(&self) -> PathBuf {
        self.home.path().join("mounted")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.mounted().join("data")
    }

    /// The journal is written by explicit syncs alone: the next by itself is minutes away.
    fn mount(&self) -> bool {
        run("mount", &["-o", "loop,commit=300", &text(&self.image()), &text(&self.mounted())])
    }

    fn unmount(&self) -> bool {
        run("umount", &[&text(&self.mounted())])
    }

    /// What the device has been sent up to now, as a file.
    pub(super) fn copy(&self) {
        assert!(run("cp", &["--sparse=always", &text(&self.image()), &text(&self.home.path().join("copy"))]), "the image can be copied");
    }

    /// The copy takes the place of the file system, which nobody uses any more.
    pub(super) fn swap(&self) {
        assert!(self.unmount(), "nobody uses it");
        fs::rename(self.home.path().join("copy"), self.image()).expect("it can be renamed");
        assert!(self.mount(), "its journal can be replayed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Waits until every thread of a process is stopped: one that is in the middle of a sync stops when that is done.
fn stopped(process: u32) {
    let still = || {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process is there");
        let state = |task: &Path| fs::read_to_string(task.join("stat")).ok().and_then(|stat| stat.rsplit(") ").next()?.chars().next());
        tasks.flatten().all(|task| matches!(state(&task.path()), None | Some('T')))
    };
    for _ in 0..60_000 {
        if still() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it does not stop");
}

/// One life under load, and the power cut at its end.
pub(super) async fn cut(stage: &mut Stage, disk: &Disk, life: u64) {
    let Some(daemon) = stage.restart("").await else { return };
    let loading = tokio::spawn(Arc::clone(&stage.load).run(daemon.base.clone(), usize::MAX / 2));
    tokio::time::sleep(Duration::from_millis(life)).await;
    daemon.signal("STOP");
    tokio::task::block_in_place(|| {
        stopped(daemon.pid());
        disk.copy();
        daemon.kill();
    });
    // What had been answered before the cut is still read, and counts.
    loading.await.expect("the load ends when the daemon does");
    tokio::task::block_in_place(|| disk.swap());
    stage.checker.figures.cuts += 1;
    stage.kills += 1;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_power_cut_everything_acknowledged_is_there_and_nothing_goes_out_twice() {
    let wanted = ordered("REENGAGED_CUTS").unwrap_or(if crate::support::long() { 40 } else { 6 }) as usize;
    let seed = seed();
    let mut dice = Dice::new(seed, 4);
    let mut total = Figures::default();
    let mut era = 0;
    while total.cuts < wanted {
        let Some(disk) = Disk::new("power cuts") else { return };
        let mut stage = Stage::new(seed.wrapping_add(era), Temper::Moody, Some(&disk.data()));
        era += 1;
        for round in 0..ERA.min(wanted - total.cuts) {
            cut(&mut stage, &disk, dice.below(1_200)).await;
            stage.judge(seed, round);
            // A file of sled that nobody has synced would be empty now.
            assert!(!stage.log().contains("corrupt"), "seed {seed}, round {round}:\n{}", stage.log());
        }
        let figures = stage.end().await;
        stage.judge(seed, ERA);
        total.add(&figures);
        println!("seed {seed}, {era} file systems: {total:?}");
    }
    assert!(total.handed_over > wanted, "the test must do something to say something: {total:?}");
}

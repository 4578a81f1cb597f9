//! What the tests of the whole share: Debian's packages, and saying aloud that a test did not run.
//! Not fixtures of one concern: those stand in the module that uses them.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Says past the test runner's capture that `what` was not tested, and why.
pub(crate) fn skipped(what: &str, why: &str) {
    // Not eprintln: the runner would keep that to itself for a test that passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}

/// Whether tests whose names say `long` do more work.
#[allow(clippy::disallowed_methods, reason = "an order to the tests, not configuration")]
pub(crate) fn long() -> bool {
    std::env::var_os("REENGAGED_LONG").is_some()
}

/// Whether `program` runs on this machine, with Debian's `package` installed for it where it is missing and that can be done (as root, with
/// apt-get, with a package server in reach). Says SKIPPED aloud where it does not.
pub(crate) fn debian(program: &str, package: &str) -> bool {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if runs(program) {
        return true;
    }
    let installed = || apt_get(&["install", "-y", "--no-install-recommends", package]) && runs(program);
    if is_root() && runs("apt-get") && (installed() || (apt_get(&["update"]) && installed())) {
        return true;
    }
    skipped(program, &format!("not on this machine, and `apt-get install {package}` was not possible"));
    false
}

/// The permissions of a file.
pub(crate) fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o7777)
}

/// A directory, made.
pub(crate) fn made(path: std::path::PathBuf) -> std::path::PathBuf {
    std::fs::create_dir_all(&path).expect("a directory in a temporary one");
    path
}

fn apt_get(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    quietly(command)
}

fn runs(program: &str) -> bool {
    // openssl takes the word alone.
    ["--version", "version"].into_iter().any(|version| {
        let mut command = Command::new(program);
        command.arg(version);
        quietly(command)
    })
}

fn quietly(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[test]
fn a_program_that_nobody_packages_is_not_there() {
    assert!(runs("cargo") || runs("ls"), "a program that is there runs");
    assert!(!runs("reengaged-no-such-program"));
}

//! The files under `systemd/`, read by systemd's own tools. Not a run under systemd: that needs it as the first process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::debian;

/// The exposure that the unit may have at most, times ten, as `--threshold` counts it.
const EXPOSURE: &str = "15";

#[test]
fn the_unit_is_understood_by_systemd() {
    if !debian("systemd-analyze", "systemd") {
        return;
    }
    // `verify` wants the program to exist, and nothing is installed here: so the binary just built stands in.
    let unit = std::fs::read_to_string(file("reengaged.service")).expect("reading the unit");
    let installed = "ExecStart=/usr/bin/reengaged ";
    assert_eq!(unit.matches(installed).count(), 1, "the unit starts /usr/bin/reengaged");
    let folder = tempfile::tempdir().expect("a folder for the unit");
    let copy = folder.path().join("reengaged.service");
    let built = format!("ExecStart={} ", env!("CARGO_BIN_EXE_reengaged"));
    std::fs::write(&copy, unit.replace(installed, &built)).expect("writing a copy of the unit");
    let output = run("systemd-analyze", &["verify", "--man=no", copy.to_str().expect("a temporary path in UTF-8")]);
    assert!(output.status.success() && said(&output).is_empty(), "systemd-analyze verify: {}", said(&output));

    std::fs::write(&copy, unit.replace("RestartSec=2s", "RestartSecond=2s").replace(installed, &built)).expect("writing a broken copy");
    let output = run("systemd-analyze", &["verify", "--man=no", copy.to_str().expect("a temporary path in UTF-8")]);
    assert!(said(&output).contains("RestartSecond"), "verify finds a planted mistake: {}", said(&output));
}

#[test]
fn the_unit_is_locked_down() {
    if !debian("systemd-analyze", "systemd") {
        return;
    }
    let unit = file("reengaged.service");
    let unit = unit.to_str().expect("a manifest folder in UTF-8");
    let threshold = format!("--threshold={EXPOSURE}");
    let output = run("systemd-analyze", &["security", "--offline=yes", "--no-pager", &threshold, unit]);
    assert!(output.status.success(), "systemd-analyze security, at most {EXPOSURE} tenths: {}", said(&output));
    let output = run("systemd-analyze", &["security", "--offline=yes", "--no-pager", "--threshold=1", unit]);
    assert!(!output.status.success(), "the threshold is looked at: {}", said(&output));
}

#[test]
fn the_unit_says_what_the_daemon_relies_on() {
    let unit = std::fs::read_to_string(file("reengaged.service")).expect("reading the unit");
    for line in [
        "Type=notify",
        "NotifyAccess=main",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "RestartPreventExitStatus=78",
        "TimeoutStopSec=60s",
        "StateDirectory=reengaged",
        "User=reengaged",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} is missing from systemd/reengaged.service");
    }
    assert!(unit.lines().any(|line| line.starts_with("WatchdogSec=")), "the watchdog is on");
    let secrets = unit.lines().filter(|line| line.contains("LoadCredential=") && line.contains("/etc/reengaged/credentials/"));
    assert!(secrets.count() >= 2, "examples of credentials stand in it");
}

#[test]
fn the_user_and_the_folders_are_made() {
    if !debian("systemd-sysusers", "systemd") || !debian("systemd-tmpfiles", "systemd") {
        return;
    }
    let root = tempfile::tempdir().expect("a root for the user and the folders");
    std::fs::create_dir(root.path().join("etc")).expect("its /etc");
    let at_root = format!("--root={}", root.path().display());
    let users = file("reengaged.sysusers");
    let output = run("systemd-sysusers", &[&at_root, users.to_str().expect("a manifest folder in UTF-8")]);
    assert!(output.status.success(), "systemd-sysusers: {}", said(&output));
    let passwd = std::fs::read_to_string(root.path().join("etc/passwd")).expect("the users made");
    assert!(
        passwd.lines().any(|line| line.starts_with("reengaged:") && line.ends_with(":/var/lib/reengaged:/usr/sbin/nologin")),
        "{passwd}"
    );

    let folders = file("reengaged.tmpfiles");
    let output = run("systemd-tmpfiles", &[&at_root, "--create", folders.to_str().expect("a manifest folder in UTF-8")]);
    assert!(output.status.success(), "systemd-tmpfiles: {}", said(&output));
    assert_eq!(mode(&root.path().join("etc/reengaged")), 0o750);
    assert_eq!(mode(&root.path().join("etc/reengaged/credentials")), 0o700);
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.permissions().mode() & 0o777
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("running {program}: {error}"))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).trim().to_owned()
}

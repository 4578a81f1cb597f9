//! What the running daemon has closed about itself: core dumps, its memory, its files. As another user than root where that can be had,
//! because root may do everything. Not the unit's part: `systemd` reads that.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{mode, skipped};
use crate::whole::process::{Daemon, client, post};

/// Debian's nobody.
const NOBODY: u32 = 65_534;

const CONFIGURATION: &str = r#"
[server]
listen = "unix:api.sock"
tokens.hand = { scopes = ["operate"], file = "hand" }
[store]
path = "data"
any_filesystem = true
[lines.support]
provider = "console"
flow = "onboarding"
[flows.onboarding]
enable_follow_up = true
"#;

/// A home for the daemon, of the user that it is to run as; `None` where only the present user can be had.
fn home(listen: &str) -> (tempfile::TempDir, Option<u32>) {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path();
    std::fs::write(path.join("config.toml"), CONFIGURATION.replace("unix:api.sock", listen)).expect("a file");
    std::fs::write(path.join("hand"), "a token of the tests\n").expect("a file");
    std::fs::set_permissions(path.join("hand"), std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let root = std::fs::metadata(path).expect("the home").uid() == 0;
    if root {
        for file in [path.to_owned(), path.join("config.toml"), path.join("hand")] {
            std::os::unix::fs::chown(file, Some(NOBODY), Some(NOBODY)).expect("root gives files away");
        }
    }
    (dir, root.then_some(NOBODY))
}

/// Runs it in its home, as that user, with core dumps allowed and a mask that hides nothing.
fn start(dir: &Path, user: Option<u32>) -> Daemon {
    let mut daemon = Daemon::spawn_as(dir, &[], |command| {
        let mut binary = command.get_program().to_owned();
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        if let Some(user) = user {
            // Where the program was built may be closed to that user.
            let copy = dir.join("reengaged");
            std::fs::copy(&binary, &copy).expect("a copy of the program");
            std::os::unix::fs::chown(&copy, Some(user), None).expect("root gives files away");
            binary = copy.into();
        }
        *command = Command::new("sh");
        command.arg("-c").arg("ulimit -c unlimited 2>/dev/null || ulimit -c $(ulimit -H -c); umask 0; exec \"$0\" \"$@\"");
        command.arg(binary).args(words).current_dir(dir);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
    });
    daemon.wait_ready();
    daemon
}

/// Whether a program of this user may read this file.
fn may_read(user: Option<u32>, file: &str) -> bool {
    let mut command = Command::new("head");
    command.args(["-c", "1", file]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.status().expect("head is there").success()
}

#[test]
fn its_memory_is_nobodys_and_no_crash_writes_it_down() {
    let (dir, user) = home("127.0.0.1:0");
    let mut daemon = start(dir.path(), user);
    let pid = daemon.pid();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("the limits of a process");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit of core dumps");
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"], "{core}");
    // What the kernel does not dump belongs to root in /proc, whoever runs it: no debugger of the same user gets in.
    assert_eq!(std::fs::metadata(format!("/proc/{pid}/environ")).expect("its /proc").uid(), 0);
    let mut sleeper = Command::new("sleep");
    sleeper.arg("600").stdin(Stdio::null());
    if let Some(user) = user {
        sleeper.uid(user).gid(user);
    }
    let mut sleeper = sleeper.spawn().expect("sleep is there");
    if user.is_some() {
        for file in ["environ", "maps", "auxv"] {
            assert!(may_read(user, &format!("/proc/{}/{file}", sleeper.id())), "of another program of that user it can be read: {file}");
            assert!(!may_read(user, &format!("/proc/{pid}/{file}")), "{file} can be read by programs of the same user");
        }
    } else {
        skipped("another program's look into the memory", "run as root, so that there are two users");
    }
    sleeper.kill().and_then(|()| sleeper.wait()).expect("it can be ended");

    daemon.signal("ABRT");
    let ended = daemon.wait();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    let names = std::fs::read_dir(dir.path()).expect("its home").map(|entry| entry.expect("an entry").file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("core")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_its_own_can_be_read_by_others() {
    let (dir, user) = home("127.0.0.1:0");
    let mut daemon = start(dir.path(), user);
    let body = json!({"type": "question", "conversation": "ana", "line": "support", "to": "+573001112233", "question": {"text": "?"}});
    let (status, _) = post(&client(), &format!("{}/v1/events", daemon.base), &body).await.expect("an answer");
    assert_eq!(status, 401, "with a token configured nobody comes in without one");
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    let mut seen = 0;
    let mut folders = vec![dir.path().join("data")];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder) & 0o077, 0, "{} is open to others", folder.display());
        for entry in std::fs::read_dir(&folder).expect("a directory").map(|entry| entry.expect("an entry").path()) {
            seen += 1;
            assert_eq!(mode(&entry) & 0o077, 0, "{} is open to others: {:o}", entry.display(), mode(&entry));
            if entry.is_dir() {
                folders.push(entry);
            }
        }
    }
    assert!(seen > 6, "{seen} files and folders");
}

#[test]
fn the_socket_of_the_api_is_for_its_user_and_group() {
    let folder = tempfile::tempdir().expect("a directory for the socket");
    let socket = folder.path().join("api.sock");
    let (dir, _) = home(&format!("unix:{}", socket.display()));
    let _daemon = start(dir.path(), None);
    assert_eq!(mode(&socket), 0o660);
}

/// Not a test of its own: `a_fault_tells_where_and_not_what` runs it in a process of its own, because it ends in a panic.
#[test]
#[ignore = "ends in a panic, as it should; run by the test beside it"]
fn stumbles_over_a_text() {
    reengaged::cli::shut::hush();
    let text = format!("ñ{}{}", super::planted::SAID, super::planted::NUMBER);
    let _ = &text[1..];
}

#[test]
fn a_fault_tells_where_and_not_what() {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["security::closed::stumbles_over_a_text", "--exact", "--ignored", "--nocapture"]);
    let output = child.stdin(Stdio::null()).output().expect("it runs");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("a fault in the program at tests/it/security/closed.rs:"), "{told}");
    assert_eq!(super::planted::found(told.as_bytes(), &super::planted::all()), None, "the standard library's message has the text");
}

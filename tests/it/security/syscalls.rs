//! The real binary under the unit's own list of system calls: every call that `SystemCallFilter=` does not let through fails with EPERM,
//! as it would there, and the daemon does all of its work all the same. The list is what systemd says it is.
//!
//! Not the kernel's own filter, which a test without systemd as the first process cannot load without unsafe code: strace stands in its
//! place, and what it refuses it also tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use reengaged::clock::Clock;
use reengaged::moment::MINUTE;
use serde_json::json;

use crate::stub::Stub;
use crate::support::{debian, skipped};
use crate::whole::process::{Daemon, client, get, post, verb};

/// The sets of system calls by their names, each with its own calls and the sets in it.
fn sets() -> BTreeMap<String, Vec<String>> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager"]).stdin(Stdio::null()).output();
    let output = output.expect("systemd-analyze runs");
    assert!(output.status.success(), "systemd-analyze syscall-filter: {}", String::from_utf8_lossy(&output.stderr));
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match (line.strip_prefix('@'), line.strip_prefix("    ")) {
            (Some(set), _) => name = format!("@{set}"),
            (None, Some(item)) if !item.starts_with('#') => sets.entry(name.clone()).or_default().push(item.trim().to_owned()),
            _ => {}
        }
    }
    sets
}

fn calls(sets: &BTreeMap<String, Vec<String>>, name: &str) -> BTreeSet<String> {
    let of = |item: &String| if item.starts_with('@') { calls(sets, item) } else { BTreeSet::from([item.clone()]) };
    sets.get(name).unwrap_or_else(|| panic!("systemd knows no {name}")).iter().flat_map(of).collect()
}

/// What the unit lets through, as its lines say one after the other; `@default` always is.
fn allowed(sets: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let unit = include_str!("../../../systemd/reengaged.service");
    let mut allowed = calls(sets, "@default");
    let lines: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    assert!(lines.len() >= 2 && unit.contains("SystemCallErrorNumber=EPERM"), "{lines:?}");
    for line in lines {
        let (not, names) = line.strip_prefix('~').map_or((false, line), |names| (true, names));
        for call in names.split_whitespace().flat_map(|name| calls(sets, name)) {
            if not {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    allowed
}

/// What makes strace refuse all but these calls, and tell what it refused.
fn refusing(allowed: &BTreeSet<String>) -> [String; 2] {
    // A question mark lets strace pass over what this machine does not have.
    let list = allowed.iter().map(|name| format!("?{name}")).collect::<Vec<_>>().join(",");
    [format!("--trace=!{list}"), format!("--inject=!{list}:error=EPERM")]
}

/// The daemon under strace, which refuses all but those calls and writes down what it refused.
fn start(dir: &Path, allowed: &BTreeSet<String>) -> Daemon {
    let list = refusing(allowed);
    let mut daemon = Daemon::spawn_as(dir, &[], |command| {
        let binary = command.get_program().to_owned();
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o"]).arg(dir.join("refused")).args(list).arg(binary).args(words);
        traced.env("REENGAGED_TEST_SECRET", crate::whole::process::SECRET);
        *command = traced;
    });
    daemon.wait_ready();
    daemon
}

/// The names of the calls that were refused.
fn refused(dir: &Path) -> BTreeSet<String> {
    let told = std::fs::read_to_string(dir.join("refused")).expect("what strace refused");
    let name = |line: &str| line.split_once(' ').and_then(|(_, call)| call.trim_start().split_once('(')).map(|(name, _)| name.to_owned());
    told.lines().filter(|line| line.contains("(INJECTED)")).filter_map(name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_its_work_is_done_with_the_calls_that_the_unit_allows() {
    if !debian("strace", "strace") || !debian("systemd-analyze", "systemd") {
        return;
    }
    let trial = Command::new("strace").args(["-o", "/dev/null", "true"]).stdin(Stdio::null()).status();
    if !trial.is_ok_and(|status| status.success()) {
        return skipped("the unit's list of system calls", "this machine does not let strace trace");
    }
    let sets = sets();
    let mut allowed = allowed(&sets);
    assert!(allowed.len() > 200 && !allowed.contains("setrlimit") && !allowed.contains("reboot"), "{allowed:?}");
    // systemd starts the program before the list holds for it; here strace does.
    allowed.insert("execve".to_owned());
    let receiver = Stub::answering(200, "", "ok");
    let dir = tempfile::tempdir().expect("a directory");
    let list = refusing(&allowed);
    let mut chroot = Command::new("strace");
    chroot.args(["-f", "-qq", "-o"]).arg(dir.path().join("refused")).args(list).args(["chroot", "/", "true"]);
    let chroot = chroot.stderr(Stdio::null()).status();
    assert!(!chroot.expect("strace runs").success() && refused(dir.path()).contains("chroot"), "what is refused fails, and is told");
    let line = |name: &str, url: &str| {
        format!("[lines.{name}]\nprovider = \"webhook\"\nurl = \"{url}\"\nsecret_env = \"REENGAGED_TEST_SECRET\"\nflow = \"onboarding\"\n")
    };
    let configuration = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nwebhooks = \"unix:{}\"\n[store]\npath = \"data\"\nany_filesystem = true\n{}{}\
         [flows.onboarding]\nenable_follow_up = true\nfollow_up_delay = 30\nstart_business_hours = \"00:00\"\n\
         end_business_hours = \"00:00\"\n",
        dir.path().join("hooks.sock").display(),
        line("support", receiver.url("/").as_str()),
        line("named", &format!("http://localhost:{}/", receiver.address.port())),
    );
    std::fs::write(dir.path().join("config.toml"), configuration).expect("a file");
    let mut daemon = start(dir.path(), &allowed);
    let client = client();
    for line in ["support", "named"] {
        let at = Clock::system().wall().plus(-31 * MINUTE).to_string();
        let event = json!({"type": "question", "conversation": line, "line": line, "at": at, "question": {"text": "?"}});
        let (status, answer) = post(&client, &format!("{}/v1/events", daemon.base), &event).await.expect("an answer");
        assert_eq!(status, 200, "{answer}");
    }
    tokio::task::block_in_place(|| receiver.wait_for(2));
    let backup = dir.path().join("backup");
    for words in [vec!["backup", backup.to_str().expect("text")], vec!["fsck"]] {
        let words: Vec<&str> = words.into_iter().chain(["--url", &daemon.base]).collect();
        let done = tokio::task::block_in_place(|| verb(dir.path(), &words));
        assert_eq!(done.0, 0, "{done:?}");
    }
    assert_eq!(get(&client, &format!("{}/metrics", daemon.base)).await.0, 200);
    // The signal is for the daemon, which is strace's child.
    let child = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.pid())).expect("strace's child");
    let signal = |name: &str| assert!(Command::new("kill").args([name, child.trim()]).status().expect("kill is there").success());
    signal("-HUP");
    daemon.wait_notified("read again");
    signal("-TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    assert_eq!(refused(dir.path()), BTreeSet::new(), "the unit would refuse these");
}

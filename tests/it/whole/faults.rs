//! What the tests of faults share: a daemon's configuration, events and their answers, load, waiting until something is seen, and
//! file systems that come and go. Not a fault of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Daemon, client, get};

/// A directory with a configuration: one line that sends to `url`, open day and night.
pub(super) fn directory(url: &str, server: &str, store: &str, rest: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    configure(dir.path(), url, server, store, rest);
    dir
}

/// Writes the configuration of [`directory`].
pub(super) fn configure(dir: &Path, url: &str, server: &str, store: &str, rest: &str) {
    let configuration = format!(
        r#"
[server]
listen = "127.0.0.1:0"
{server}
[store]
path = "data"
any_filesystem = true
{store}
[lines.support]
provider = "webhook"
url = "{url}"
secret_env = "REENGAGED_TEST_SECRET"
flow = "onboarding"
catch_up_wait = "0s"
{rest}
[flows.onboarding]
enable_follow_up = true
follow_up_delay = 30
start_business_hours = "00:00"
end_business_hours = "00:00"
"#
    );
    std::fs::write(dir.join("config.toml"), configuration).expect("a file");
}

/// A question to somebody: now, by the daemon's clock, or so many seconds ago by ours.
pub(super) fn question(conversation: &str, seconds_ago: Option<i64>) -> Value {
    let mut event = json!({"type": "question", "id": format!("q-{conversation}"), "conversation": conversation,
        "question": {"id": "name", "text": "What is your name?"}});
    if let Some(ago) = seconds_ago {
        let at = reengaged::clock::Clock::system().wall().plus(-ago * reengaged::moment::SECOND);
        event["at"] = json!(at.to_string());
    }
    event
}

/// How an event was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answered {
    /// With 200.
    Acknowledged,
    /// With this status, and whether it was told when to come back.
    Refused(u16, bool),
    /// Not at all.
    Unanswered,
}

/// Posts an event.
pub(super) async fn tell(client: &reqwest::Client, base: &str, event: &Value) -> Answered {
    let asked = client.post(format!("{base}/v1/events")).header("content-type", "application/json").body(event.to_string());
    match asked.send().await {
        Ok(answer) if answer.status().as_u16() == 200 => match answer.text().await {
            Ok(_) => Answered::Acknowledged,
            Err(_) => Answered::Unanswered,
        },
        Ok(answer) => Answered::Refused(answer.status().as_u16(), answer.headers().contains_key("retry-after")),
        Err(_) => Answered::Unanswered,
    }
}

/// What load came to.
#[derive(Default, Debug)]
pub(super) struct Told {
    /// Conversations whose question was answered with 200.
    pub(super) acknowledged: BTreeSet<String>,
    /// How the others were answered.
    pub(super) refused: Vec<Answered>,
}

/// Asks new people on so many lanes at once, each until it is refused or has asked so many; `name` keeps them apart.
pub(super) async fn load(base: &str, name: &str, lanes: usize, each: usize) -> Told {
    let told = Arc::new(Mutex::new(Told::default()));
    let mut under_way = tokio::task::JoinSet::new();
    let client = client();
    for lane in 0..lanes {
        let (base, name, told, client) = (base.to_owned(), name.to_owned(), Arc::clone(&told), client.clone());
        under_way.spawn(async move {
            for i in 0..each {
                let conversation = format!("{name}-{lane}-{i}");
                let mut event = question(&conversation, None);
                event["vars"] = json!({"long": "x".repeat(900)});
                let answered = tell(&client, &base, &event).await;
                let mut told = told.lock().expect("nobody panics here");
                if answered != Answered::Acknowledged {
                    told.refused.push(answered);
                    return;
                }
                told.acknowledged.insert(conversation);
            }
        });
    }
    under_way.join_all().await;
    std::mem::take(&mut *told.lock().expect("nobody panics here"))
}

/// All conversations that the daemon knows, by the names they were told under.
pub(super) async fn known(daemon: &Daemon) -> BTreeSet<String> {
    let (client, mut names, mut cursor) = (client(), BTreeSet::new(), String::new());
    loop {
        let (status, page) = get(&client, &format!("{}/v1/conversations?limit=1000{cursor}", daemon.base)).await;
        assert_eq!(status, 200, "{page}");
        let page_names = page["conversations"].as_array().into_iter().flatten().filter_map(|one| one["conversation"].as_str());
        names.extend(page_names.map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&after={next}"),
            None => return names,
        }
    }
}

/// Nothing that was acknowledged is gone.
pub(super) async fn keeps(daemon: &Daemon, acknowledged: &BTreeSet<String>) {
    let known = known(daemon).await;
    let lost: Vec<&String> = acknowledged.difference(&known).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged are gone: {lost:?}\n{}", lost.len(), acknowledged.len(), daemon.log());
}

/// Returns when it is seen; fails after a minute.
pub(super) async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    // Polled: what is waited for is told by nobody.
    for _ in 0..1_200 {
        if seen().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not seen in a minute: {what}");
}

/// `GET /readyz`: the status, and what it says.
pub(super) async fn ready(daemon: &Daemon) -> (u16, String) {
    // Who is turned away may get no answer at all.
    let Ok(answer) = client().get(format!("{}/readyz", daemon.base)).send().await else { return (0, String::new()) };
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap_or_default());
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

/// Waits until `/readyz` says that it is ready, or what contains `why`.
pub(super) async fn until_ready(daemon: &Daemon, why: Option<&str>) {
    until(&format!("/readyz: {why:?}"), async || match (ready(daemon).await, why) {
        ((200, _), None) => true,
        ((503, told), Some(why)) => told.contains(why),
        _ => false,
    })
    .await;
}

/// A figure of `/metrics`.
pub(super) async fn figure(daemon: &Daemon, name: &str) -> Option<f64> {
    let text = client().get(format!("{}/metrics", daemon.base)).send().await.ok()?.text().await.ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// A file system, taken away again when this is dropped.
pub(super) struct Mounted(PathBuf);

impl Mounted {
    /// Memory as a disk of this size at `at`; `None` where that cannot be done here.
    pub(super) fn tmpfs(at: &Path, size: &str) -> Option<Mounted> {
        std::fs::create_dir_all(at).expect("a directory");
        let at = at.to_owned();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", text(&at)]).then_some(Mounted(at))
    }

    /// An ext4 in a file, made with these options where it is not there, at `at`.
    pub(super) fn ext4(image: &Path, make: &[&str], at: &Path) -> Option<Mounted> {
        std::fs::create_dir_all(at).expect("a directory");
        if !image.exists() {
            std::fs::File::create(image).and_then(|file| file.set_len(32 << 20)).expect("a file");
            if !run("mkfs.ext4", &[&["-q", "-F"], make, &[text(image)]].concat()) {
                return None;
            }
        }
        let at = at.to_owned();
        run("mount", &["-o", "loop", text(image), text(&at)]).then_some(Mounted(at))
    }

    /// Mounts it again with other options.
    pub(super) fn again(&self, options: &str) {
        assert!(run("mount", &["-o", &format!("remount,{options}"), text(&self.0)]), "mounted again with {options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", text(&self.0)]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test is text")
}

pub(super) fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Writes into `dir` until it is full.
pub(super) fn fill(dir: &Path) -> PathBuf {
    let ballast = dir.join("ballast");
    let mut file = std::fs::File::create(&ballast).expect("a file");
    for size in [65_536, 512] {
        let zeros = vec![0; size];
        while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
    }
    ballast
}

//! The daemon as a child process. Ready when it says so to systemd's socket, which is ours here: nothing is polled.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Longer than any start or stop takes on a busy machine; a bound for failures, not a wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a process is asked whether it is still there.
const TICK: Duration = Duration::from_millis(5);

/// What the line of the tests signs with.
pub(crate) const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

pub(crate) struct Daemon {
    child: Child,
    notify: UnixDatagram,
    pub(crate) base: String,
    log: PathBuf,
}

impl Daemon {
    /// Starts `reengaged serve` on the configuration in `dir/config.toml`; returns when it is ready.
    pub(crate) fn start(dir: &Path) -> Daemon {
        let mut daemon = Daemon::spawn(dir, &[]);
        daemon.wait_ready();
        daemon
    }

    /// Starts it and does not wait.
    pub(crate) fn spawn(dir: &Path, extra: &[&str]) -> Daemon {
        Daemon::spawn_armed(dir, extra, "")
    }

    /// Starts it with these points armed, where they are built in, and does not wait.
    pub(crate) fn spawn_armed(dir: &Path, extra: &[&str], points: &str) -> Daemon {
        Daemon::spawn_as(dir, extra, |command| {
            command.env("REENGAGED_TEST_SECRET", SECRET).env("FAILPOINTS", points);
        })
    }

    /// Starts it as `change` has it and does not wait. What it prints and logs is in `stdout` and `log` beneath `dir`.
    pub(crate) fn spawn_as(dir: &Path, extra: &[&str], change: impl FnOnce(&mut Command)) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reengaged"));
        command.arg("serve").arg("--config").arg(dir.join("config.toml")).args(extra);
        change(&mut command);
        Daemon::launch(dir, command)
    }

    /// Starts it under a program that runs it (a tracer, a limiter; none where the list is empty), with these variables, and does not wait.
    pub(crate) fn spawn_through(dir: &Path, through: &[&str], variables: &[(&str, &str)]) -> Daemon {
        let mut words = through.iter().copied().chain([env!("CARGO_BIN_EXE_reengaged")]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).arg("serve").arg("--config").arg(dir.join("config.toml"));
        command.env("REENGAGED_TEST_SECRET", SECRET).envs(variables.iter().copied());
        Daemon::launch(dir, command)
    }

    fn launch(dir: &Path, mut command: Command) -> Daemon {
        let socket = dir.join("notify.sock");
        if socket.exists() {
            std::fs::remove_file(&socket).expect("an old socket can be removed");
        }
        let notify = UnixDatagram::bind(&socket).expect("a socket in a temporary directory");
        notify.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // Whoever it is run as may tell.
        std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("a mode");
        let file = |name: &str| std::fs::File::options().create(true).append(true).open(dir.join(name)).expect("a file for what it says");
        command.env("NOTIFY_SOCKET", &socket).stdin(Stdio::null()).stdout(file("stdout")).stderr(file("log"));
        let child = command.spawn().expect("the binary starts");
        Daemon { child, notify, base: String::new(), log: dir.join("log") }
    }

    /// Waits for what the daemon tells systemd: a message that contains `what`.
    pub(crate) fn wait_notified(&mut self, what: &str) -> String {
        let mut buffer = [0; 4_096];
        loop {
            let n = self.notify.recv(&mut buffer).unwrap_or_else(|error| panic!("waiting for {what}: {error}\n{}", self.log()));
            let message = String::from_utf8_lossy(&buffer[..n]).into_owned();
            if message.contains(what) {
                return message;
            }
        }
    }

    pub(crate) fn wait_ready(&mut self) {
        let message = self.wait_notified("READY=1");
        let address = message.split("listening at ").nth(1).and_then(|rest| rest.split_whitespace().next());
        self.base = format!("http://{}", address.expect("the status names the address"));
    }

    /// Whether it got ready; `false` where it ended instead.
    pub(crate) fn ready_or_gone(&mut self) -> bool {
        self.notify.set_read_timeout(Some(TICK)).expect("a timeout");
        let mut buffer = [0; 4_096];
        for _ in 0..PATIENCE.as_millis() / TICK.as_millis() {
            if let Ok(n) = self.notify.recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..n]).into_owned();
                if let Some(address) = message.split("listening at ").nth(1).and_then(|rest| rest.split_whitespace().next()) {
                    self.base = format!("http://{address}");
                    self.notify.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                    return true;
                }
            } else if self.gone().is_some() {
                return false;
            }
        }
        panic!("neither ready nor gone in a minute\n{}", self.log());
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn gone(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be asked")
    }

    /// How it ended; `None` where it still runs after so long.
    pub(crate) fn gone_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        for _ in 0..limit.as_millis() / TICK.as_millis() {
            if let Some(status) = self.gone() {
                return Some(status);
            }
            std::thread::sleep(TICK);
        }
        self.gone()
    }

    /// Its process, for what is done to it from outside.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status().expect("kill is there");
        assert!(killed.success(), "the daemon is there to be signalled");
    }

    /// kill -9: the process is gone when this returns.
    pub(crate) fn kill(mut self) {
        self.untrace();
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is gone");
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = std::fs::File::open(&self.log) {
            file.read_to_string(&mut text).unwrap_or_default();
        }
        text
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", self.log());
        }
        self.untrace();
        // It may have ended by itself, or been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a verb on the configuration in `dir` to its end: exit code, standard output, standard error.
pub(crate) fn verb(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_reengaged"))
        .args(arguments)
        .arg("--config")
        .arg(dir.join("config.toml"))
        .env("REENGAGED_TEST_SECRET", SECRET)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A client that neither pools for long nor follows anything.
#[allow(clippy::disallowed_methods, reason = "a test's own client: it follows no redirect that it meets")]
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
}

/// Posts JSON; the status and the body, or the error of a connection that died.
pub(crate) async fn post(client: &reqwest::Client, url: &str, body: &Value) -> Result<(u16, Value), reqwest::Error> {
    let answer = client.post(url).header("content-type", "application/json").body(body.to_string()).send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// Gets JSON.
pub(crate) async fn get(client: &reqwest::Client, url: &str) -> (u16, Value) {
    let answer = client.get(url).send().await.expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

impl Daemon {
    /// Waits until it tells systemd that its start waits, and why; it can be asked from then on.
    pub(crate) fn wait_waiting(&mut self) -> String {
        let message = self.wait_notified("and waiting: ");
        let address = message.split("listening at ").nth(1).and_then(|rest| rest.split_whitespace().next());
        self.base = format!("http://{}", address.expect("the status names the address"));
        message
    }

    /// Takes all that it has told systemd so far; then whether it feeds the watchdog within this time.
    pub(crate) fn feeds_within(&mut self, limit: Duration) -> bool {
        let mut buffer = [0; 4_096];
        self.notify.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        while self.notify.recv(&mut buffer).is_ok() {}
        self.notify.set_read_timeout(Some(limit)).expect("a timeout");
        let told = self.notify.recv(&mut buffer).map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned());
        self.notify.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        told.is_ok_and(|told| told.contains("WATCHDOG=1"))
    }

    /// What the kernel says of it, in KiB: `VmRSS`, `VmHWM`.
    pub(crate) fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it is there");
        let line = status.lines().find(|line| line.starts_with(what)).expect("the kernel says it");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// Waits until it is ready (`None`) or has ended, with which code.
    pub(crate) fn ready_or_ended(&mut self) -> Option<Option<i32>> {
        if self.ready_or_gone() { None } else { Some(self.wait().code()) }
    }

    /// Ends who traces it: a thread that a tracer holds up cannot be killed.
    fn untrace(&self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).map_or("0", str::trim);
        if tracer != "0" {
            let _ = Command::new("kill").args(["-9", tracer]).status();
        }
    }
}

//! The daemon as a child process. Ready when it says so to systemd's socket, which is ours here: nothing is polled.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Longer than any start or stop takes on a busy machine; a bound for failures, not a wait.
const PATIENCE: Duration = Duration::from_secs(60);

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
        Daemon::spawn_as(dir, extra, |command| {
            command.env("REENGAGED_TEST_SECRET", SECRET);
        })
    }

    /// Starts it as `change` has it and does not wait. What it prints and logs is in `stdout` and `log` beneath `dir`.
    pub(crate) fn spawn_as(dir: &Path, extra: &[&str], change: impl FnOnce(&mut Command)) -> Daemon {
        let socket = dir.join("notify.sock");
        if socket.exists() {
            std::fs::remove_file(&socket).expect("an old socket can be removed");
        }
        let notify = UnixDatagram::bind(&socket).expect("a socket in a temporary directory");
        notify.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let log = dir.join("log");
        let stderr = std::fs::File::options().create(true).append(true).open(&log).expect("a log file");
        let stdout = std::fs::File::options().create(true).append(true).open(dir.join("stdout")).expect("a file for what it prints");
        let mut command = Command::new(env!("CARGO_BIN_EXE_reengaged"));
        command.arg("serve").arg("--config").arg(dir.join("config.toml")).args(extra).env("NOTIFY_SOCKET", &socket);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        change(&mut command);
        let child = command.spawn().expect("the binary starts");
        Daemon { child, notify, base: String::new(), log }
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

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status().expect("kill is there");
        assert!(killed.success(), "the daemon is there to be signalled");
    }

    /// kill -9: the process is gone when this returns.
    pub(crate) fn kill(mut self) {
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

//! The daemon as a child of the demo: the real binary, a temporary directory, the console provider, a scaled clock.
//!
//! Not an engine of the demo's own: everything goes through the child's HTTP and comes out of its console.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixDatagram;
use tokio::process::{Child, ChildStdout, Command};

use crate::clock::Clock;
use crate::provider::client;

/// How long the child may take to be ready, or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The running child.
pub(super) struct Daemon {
    child: Child,
    client: reqwest::Client,
    base: String,
    /// What the console provider prints: what people would receive.
    pub(super) console: Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    /// Starts `reengaged serve` in `home` and waits until it is ready.
    pub(super) async fn start(home: &Path, configuration: &str, clock: &Clock) -> Result<Daemon, String> {
        let (config, socket, log) = (home.join("config.toml"), home.join("notify.sock"), home.join("log"));
        std::fs::write(&config, configuration).map_err(|e| format!("writing {}: {e}", config.display()))?;
        let notify = UnixDatagram::bind(&socket).map_err(|e| format!("listening at {}: {e}", socket.display()))?;
        let stderr = std::fs::File::create(&log).map_err(|e| format!("writing {}: {e}", log.display()))?;
        let program = std::env::current_exe().map_err(|e| format!("finding this program's own file: {e}"))?;
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .arg("--clock")
            .arg(clock.described())
            .env("NOTIFY_SOCKET", &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("starting the daemon: {e}"))?;
        let console = child.stdout.take().map(|out| BufReader::new(out).lines()).ok_or("the daemon has no output")?;
        let address = tokio::select! {
            ready = tokio::time::timeout(PATIENCE, address(&notify)) => ready.unwrap_or_else(|_| Err("it was not ready in time".to_owned())),
            _ = child.wait() => Err("it ended at once".to_owned()),
        };
        let address = address.map_err(|why| format!("starting the daemon: {why}; it said:\n{}", said(&log)))?;
        Ok(Daemon { child, client: client::build(&client::Settings::default())?, base: format!("http://{address}"), console })
    }

    /// Posts an event; the answer is durable.
    pub(super) async fn event(&self, event: &Value) -> Result<Value, String> {
        let request = self.client.post(format!("{}/v1/events", self.base)).header("content-type", "application/json");
        let answer = request.body(event.to_string()).send().await.map_err(|e| format!("telling the daemon: {}", e.without_url()))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|e| format!("telling the daemon: {}", e.without_url()))?;
        match (status.is_success(), serde_json::from_str(&body)) {
            (true, Ok(answer)) => Ok(answer),
            _ => Err(format!("telling the daemon {event}: HTTP {status}: {body}")),
        }
    }

    /// Asks for anything.
    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await;
        let body = match answer {
            Ok(answer) => answer.text().await,
            Err(e) => Err(e),
        };
        let body = body.map_err(|e| format!("asking the daemon for {path}: {}", e.without_url()))?;
        serde_json::from_str(&body).map_err(|e| format!("asking the daemon for {path}: {e}: {body}"))
    }

    /// Stops the child as systemd would, and waits for it.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|e| format!("stopping the daemon: {e}"))?;
        }
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("stopping the daemon: it ended with {status}")),
            Ok(Err(e)) => Err(format!("stopping the daemon: {e}")),
            Err(_) => Err("stopping the daemon: it did not end in time".to_owned()),
        }
    }
}

/// The bot's question, as an event.
pub(super) fn question(conversation: &str, text: &str) -> Value {
    json!({"type": "question", "conversation": conversation, "question": {"id": text, "text": text}})
}

async fn address(notify: &UnixDatagram) -> Result<String, String> {
    let mut buffer = [0; 4_096];
    loop {
        let n = notify.recv(&mut buffer).await.map_err(|e| e.to_string())?;
        let message = String::from_utf8_lossy(&buffer[..n]);
        if message.contains("READY=1") {
            let address = message.split("listening at ").nth(1).and_then(|rest| rest.split_whitespace().next());
            return address.map(str::to_owned).ok_or_else(|| format!("it did not say where it listens: {message}"));
        }
    }
}

fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

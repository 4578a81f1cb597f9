//! `check` beside a running daemon: who relies on a template that cannot be sent.
//!
//! Not the rest of `check`.

use std::process::Command;

use crate::emulator::{Emulator, Meta};
use crate::whole::process::Daemon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_tells_who_relies_on_a_paused_template() {
    let provider = Emulator::start(Meta::new());
    let home = tempfile::tempdir().expect("a directory");
    for (name, text) in [("token", &provider.manners.token), ("app", &provider.manners.app_secret)] {
        use std::os::unix::fs::PermissionsExt;
        let path = home.path().join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    let socket = home.path().join("api.sock");
    let text = format!(
        r#"
[server]
listen = "unix:{}"
webhooks = "127.0.0.1:0"
[store]
path = "data"
any_filesystem = true
[lines.support]
provider = "whatsapp_cloud"
api = "{}"
phone_number_id = "106540352242922"
token_file = "token"
app_secret_file = "app"
verify_token_file = "app"
daily = 1000
flow = "onboarding"
[flows.onboarding]
enable_follow_up = true
session.template = "reengage_es"
session.template_vars = ["name"]
"#,
        socket.display(),
        provider.api("/v25.0")
    );
    let config = home.path().join("config.toml");
    std::fs::write(&config, text).expect("a file");
    let check = || {
        let done = Command::new(env!("CARGO_BIN_EXE_reengaged")).arg("check").arg("--config").arg(&config).output().expect("it runs");
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    assert!(!check().contains("paused"), "no daemon runs: {}", check());
    let mut daemon = Daemon::spawn(home.path(), &[]);
    let status = daemon.wait_notified("READY=1");
    let webhooks = status.split("and ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("the second address");
    provider.calls(&format!("http://{webhooks}"), "support");
    assert!(!check().contains("paused"), "nothing is known yet: {}", check());
    let now = reengaged::clock::Clock::system().wall();
    assert_eq!(provider.deliver(&provider.manners.template_becomes("reengage_es", "es", "PAUSED", now)).await, 200);
    let said = check();
    let warned = "flows.onboarding.session.template = \"reengage_es/es\": the provider of line \"support\" has paused or rejected it";
    assert!(said.contains(warned), "{said}");
}

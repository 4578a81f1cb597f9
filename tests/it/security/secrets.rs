//! Secrets come from files that nobody else can read, from systemd's credentials or from the environment, and from nowhere else: the real
//! binary refuses the rest and repeats none of it. Not every key: `config` breaks each.

use std::os::unix::fs::PermissionsExt as _;

use super::planted::{SECRET, found};
use crate::whole::process::{Daemon, verb};

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
tokens.hand = { scopes = ["operate"], @TOKEN@ }
[store]
path = "data"
any_filesystem = true
[lines.support]
provider = "webhook"
url = "http://127.0.0.1:9/"
@LINE@
flow = "onboarding"
[flows.onboarding]
enable_follow_up = true
"#;

/// A home whose token and secret are said so, and whose secret file has this mode and content.
fn home(token: &str, secret: &str, mode: u32, content: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), CONFIGURATION.replace("@TOKEN@", token).replace("@LINE@", secret)).expect("a file");
    std::fs::write(dir.path().join("file"), content).expect("a file");
    std::fs::set_permissions(dir.path().join("file"), std::fs::Permissions::from_mode(mode)).expect("a mode");
    dir
}

#[test]
fn a_secret_that_others_can_read_is_refused_and_not_repeated() {
    let content = format!("{SECRET}0123456789abcdef\n");
    let (token, secret) = ("file = \"file\"", "secret_file = \"file\"");
    let inside = format!("secret = \"{SECRET}inside\"");
    let token_inside = format!("token = \"{SECRET}inside\"");
    for (token, secret, mode, content, says) in [
        (token, secret, 0o644, &*content, "can be read by everybody on this machine (mode 0644); chmod 0600 it, and renew the secret"),
        (token, secret, 0o606, &content, "mode 0606"),
        (token, secret, 0o600, "\n", "is empty"),
        (token, secret, 0o600, &"x".repeat(5_000), "longer than"),
        (token, "secret_file = \"gone\"", 0o600, &content, "cannot be read"),
        (token, "secret_credential = \"line\"", 0o600, &content, "$CREDENTIALS_DIRECTORY is not set"),
        (token, "secret_env = \"REENGAGED_NOT_SET\"", 0o600, &content, "is not set in the environment"),
        (token, &inside, 0o600, &content, "secrets never stand in this file"),
        (&token_inside, secret, 0o600, &content, "secrets never stand in this file"),
    ] {
        let dir = home(token, secret, mode, content);
        let mut daemon = Daemon::spawn(dir.path(), &[]);
        assert_eq!(daemon.wait().code(), Some(78), "{says}");
        let (code, stdout, stderr) = verb(dir.path(), &["check"]);
        assert_eq!(code, 2, "{says}: {stderr}");
        for told in [daemon.log(), format!("{stdout}{stderr}")] {
            assert!(told.contains(says), "{says} is not in {told}");
            assert_eq!(found(told.as_bytes(), &[SECRET]), None);
        }
        assert!(!dir.path().join("data").exists(), "nothing was begun: {says}");
    }
    let dir = home(token, secret, 0o600, &format!("  {content}\n"));
    assert_eq!(verb(dir.path(), &["check"]).0, 0, "space and newlines around it do not count");
}

//! Nobody makes the daemon call into its own network: addresses of hooks by their text, in the configuration, and by every answer of the
//! resolver. Not the operator's own addresses, which are trusted: those of lines, of bots, and hooks with `allow_private`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reengaged::config::{self, SecretSource};
use reengaged::hooks::guard::PublicOnly;
use reengaged::moment::Moment;
use reengaged::provider::client::{self, Ended};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::stub::Stub;

/// Secrets as this test has them.
struct Same;

impl SecretSource for Same {
    fn file(&self, _: &Path) -> Result<String, String> {
        Ok("a secret of some length".to_owned())
    }

    fn variable(&self, _: &str) -> Result<String, String> {
        Err("is not set".to_owned())
    }

    fn credential(&self, _: &str) -> Result<String, String> {
        Err("is none".to_owned())
    }
}

fn table(mark: char) -> Vec<&'static str> {
    include_str!("urls.txt").lines().filter(|line| line.starts_with(mark)).map(|line| &line[2..]).collect()
}

fn configuration(url: &str, more: &str) -> String {
    format!(
        "[lines.a]\nprovider = \"console\"\n[flows.f]\nenable_follow_up = true\n[hooks.crm]\nurl = {}\nsecret_file = \"crm\"\n{more}",
        toml::Value::String(url.to_owned())
    )
}

#[test]
fn no_hook_is_configured_into_a_network_of_ours() {
    let parse = |text: &str| config::parse(text, "config.toml", &Same);
    let (refused, allowed) = (table('-'), table('+'));
    assert!(refused.len() >= 60, "{} addresses", refused.len());
    for url in refused {
        let mistakes = parse(&configuration(url, "")).expect_err(url).to_string();
        assert!(mistakes.contains("hooks.crm.url"), "{url}: {mistakes}");
    }
    for url in allowed {
        assert!(parse(&configuration(url, "")).is_ok(), "{url}");
    }
    // Its own network is the operator's to open, for a hook that stands in the operator's own file.
    assert!(parse(&configuration("http://127.0.0.1:9000/hook", "allow_private = true\n")).is_ok());
    assert!(parse(&configuration("http://127.0.0.1:9000/hook", "")).is_err());
}

/// A resolver that says one thing first and another later, for each name.
#[derive(Default)]
struct Changing(Mutex<BTreeMap<String, usize>>);

/// What it says, one answer after the other: the last for ever.
const ANSWERS: [&[&str]; 4] = [&["192.0.2.1", "9.9.9.9"], &["127.0.0.1"], &["::ffff:127.0.0.1", "169.254.169.254"], &["::1", "10.0.0.1"]];

impl Resolve for Changing {
    fn resolve(&self, name: Name) -> Resolving {
        let mut asked = self.0.lock().expect("no test panics while it holds this");
        let times = asked.entry(name.as_str().to_owned()).or_default();
        let answer = ANSWERS[(*times).min(ANSWERS.len() - 1)];
        *times += 1;
        let found: Vec<SocketAddr> = answer.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect();
        Box::pin(std::future::ready(Ok(Box::new(found.into_iter()) as Addrs)))
    }
}

/// A name that was public when it was checked and is private when it is called leads nowhere, at whichever call it changes.
#[test]
fn a_name_that_changes_its_answer_is_not_called() {
    let stub = Stub::answering(200, "", "ok");
    let port = stub.address.port();
    let resolver = Arc::new(Changing::default());
    let guarded = PublicOnly::over(Arc::<Changing>::clone(&resolver));
    let connect = Duration::from_millis(100);
    let settings = client::Settings { resolver: Some(Arc::new(guarded)), connect, ..client::Settings::default() };
    let client = client::build(&settings).expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("http://hook.example:{port}/");
    for call in 0..6 {
        let ended = runtime.block_on(client::call(client.get(&url), Duration::from_secs(5), Moment(0)));
        let Ended::NotSent(why) = &ended else { panic!("call {call}: {ended:?}") };
        assert!(call == 0 || why.contains("allow_private"), "call {call}: {why}");
    }
    assert_eq!((stub.connections(), resolver.0.lock().expect("the counts")["hook.example"]), (0, 6), "asked anew at each call");
    // The same names, without the guard, lead here: it is the guard that keeps them away.
    let open = client::Settings { resolver: Some(resolver), connect, ..client::Settings::default() };
    let client = client::build(&open).expect("a client");
    for url in [format!("http://other.example:{port}/"), format!("http://other.example:{port}/")] {
        runtime.block_on(client::call(client.get(&url), Duration::from_secs(5), Moment(0)));
    }
    assert_eq!(stub.connections(), 1);
}

//! The verbs `inbounds` and `outbounds` against the edge: what they print, as tables and as JSON, and how they fail.
//!
//! Not their help.

use clap::Parser;
use reengaged::cli::args::{Arguments, Verb};
use reengaged::cli::print::{Failure, Paint};
use reengaged::cli::verbs::{Desk, run};
use reengaged::http::Tokens;
use serde_json::Value;

use super::approvals::approve;
use super::desk::{CONFIGURATION, Guide, NOW};

/// Runs a verb; what it printed, or how it failed.
async fn verb(guide: &Guide, words: &[&str]) -> Result<String, Failure> {
    let home = tempfile::tempdir().expect("a directory");
    let config = home.path().join("config.toml");
    std::fs::write(&config, CONFIGURATION).expect("a file");
    let url = guide.base.trim_end_matches("/v1/whatsapp").to_owned();
    let mut all: Vec<String> = std::iter::once("reengaged").chain(words.iter().copied()).map(str::to_owned).collect();
    all.extend(["--url".to_owned(), url, "--config".to_owned(), config.display().to_string()]);
    let done = tokio::task::spawn_blocking(move || {
        let _home = home;
        let arguments = Arguments::try_parse_from(all).unwrap_or_else(|error| panic!("{error}"));
        let Verb::Client(verb) = arguments.verb else { panic!("a verb of another kind") };
        let mut out = Vec::new();
        let mut desk = Desk { config: arguments.config, now: NOW, out: &mut out, paint: Paint::plain() };
        run(verb, &mut desk).map(|()| String::from_utf8(out).expect("text"))
    });
    done.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inbounds_from_the_command_line() {
    let guide = Guide::start(Tokens::default()).await;
    let made = verb(&guide, &["inbounds", "create", "--line", "support", "--flow", "kyc", "Quiero empezar"]).await.unwrap();
    let (id, rest) = made.split_once(": ").expect("an id");
    let link = "https://api.whatsapp.com/send?phone=57317770000&text=Quiero%20empezar";
    assert_eq!(rest, format!("Quiero empezar\n{link}\n"));
    assert_eq!(verb(&guide, &["inbounds", "link", id]).await.unwrap(), format!("{link}\n"));
    let by_number = ["inbounds", "create", "--phone", "5716000001", "--provider", "console", "--flow", "onboarding", "Hola bot"];
    let other = verb(&guide, &by_number).await.unwrap();
    let table = verb(&guide, &["inbounds", "list"]).await.unwrap();
    assert!(
        table.starts_with("INBOUND") && table.contains("kyc         Quiero empezar") && table.contains("onboarding  Hola bot"),
        "{table}"
    );
    let played = verb(&guide, &["inbounds", "test", id]).await.unwrap();
    let lines: Vec<&str> = played.lines().collect();
    assert_eq!(lines[0], "person → support: \"Quiero empezar\"  (starts flow kyc)");
    assert!(lines[1].contains("support → ") && lines[1].contains("\"¿Su nombre?\""), "the first question: {played}");
    let played = verb(&guide, &["inbounds", "test", other.split(':').next().expect("an id")]).await.unwrap();
    assert!(played.contains("your own bot has the word"), "{played}");
    let json: Value = serde_json::from_str(&verb(&guide, &["inbounds", "test", id, "--json"]).await.unwrap()).unwrap();
    assert_eq!((&json["flow"], &json["said"][0]), (&"kyc".into(), &"¿Su nombre?".into()));
    let edited = verb(&guide, &["inbounds", "edit", id, "--message", "Empezar ya"]).await.unwrap();
    assert!(edited.ends_with("text=Empezar%20ya\n"), "{edited}");
    assert_eq!(verb(&guide, &["inbounds", "delete", id]).await.unwrap(), format!("{id} is deleted\n"));
    for (words, code, says) in [
        (&["inbounds", "link", id][..], 1, "there is no inbound"),
        (&["inbounds", "create", "--line", "nobody", "--flow", "kyc", "x"], 2, "finding line nobody: there is none of that name"),
        (&["inbounds", "create", "--line", "support", "--flow", "nobody", "x"], 2, "filing an inbound: flow_id: \"nobody\" is no flow"),
        (&["inbounds", "create", "--line", "sales", "--flow", "kyc", "HOLA bot"], 1, "could not tell it from that of"),
    ] {
        let failure = verb(&guide, words).await.expect_err("it fails");
        assert_eq!(failure.code, code, "{words:?}: {}", failure.message);
        assert!(failure.message.contains(says) && !failure.message.contains('\n'), "{words:?}: {}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outbounds_from_the_command_line() {
    let guide = Guide::start(Tokens::default()).await;
    let create = [
        "outbounds",
        "create",
        "--line",
        "support",
        "--name",
        "Welcome",
        "--category",
        "UTILITY",
        "--language",
        "es",
        "--continue",
        "Continuar",
        "--cancel",
        "Cancelar",
        "--var",
        "name=Ana",
        "Hola {{.name}}, ¿empezamos?",
    ];
    let made = verb(&guide, &create).await.unwrap();
    let (id, status) = made.split_once(": ").expect("an id");
    assert_eq!(status, "PENDING\n");
    approve(&guide, id).await;
    assert_eq!(verb(&guide, &["outbounds", "status", id]).await.unwrap(), "APPROVED\n");
    let json: Value = serde_json::from_str(&verb(&guide, &["outbounds", "status", id, "--json"]).await.unwrap()).unwrap();
    assert_eq!((&json["var.name"], &json["line"]), (&"Ana".into(), &"support".into()));
    let table = verb(&guide, &["outbounds", "list"]).await.unwrap();
    assert!(table.starts_with("OUTBOUND") && table.contains("APPROVED  support  UTILITY   Welcome"), "{table}");
    let send = ["outbounds", "send", id, "--country", "57", "--number", "3181230000", "--flow", "onboarding", "--var", "name=Roger"];
    let refused = verb(&guide, &send).await.expect_err("nobody agreed");
    assert_eq!(refused.code, 2);
    assert!(refused.message.contains("user_authorized: must be true"), "{}", refused.message);
    let sent = verb(&guide, &[&send[..], &["--authorized"]].concat()).await.unwrap();
    assert!(sent.starts_with("cnv_") && sent.ends_with(": waiting\n"), "{sent}");
    let wrong = verb(&guide, &["outbounds", "send", id, "--country", "57", "--number", "1", "--var", "name"]).await.expect_err("no value");
    assert!(wrong.message.contains("write it as name=value"), "{}", wrong.message);
    assert_eq!(verb(&guide, &["outbounds", "delete", id]).await.unwrap(), format!("{id} is deleted\n"));
}

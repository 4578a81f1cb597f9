//! The verbs that talk to the daemon, against the edge: what they print, and how they fail.
//! Not their help: that is `help`.

use clap::Parser;
use reengaged::cli::args::{Arguments, Verb};
use reengaged::cli::print::{Failure, Paint};
use reengaged::cli::verbs::{Desk, run};
use reengaged::http::{Address, Scopes, Tokens};
use reengaged::moment::Moment;
use sha2::{Digest, Sha256};

use super::fake;
use super::wire::{Server, standard};

/// Runs a verb as the command line has it; what it printed, or how it failed.
async fn verb(line: &str) -> Result<String, Failure> {
    let words: Vec<String> = std::iter::once("reengaged").chain(line.split_whitespace()).map(str::to_owned).collect();
    let done = tokio::task::spawn_blocking(move || {
        let arguments = Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
        let Verb::Client(verb) = arguments.verb else { panic!("a verb of another kind") };
        let mut out = Vec::new();
        let now = Moment::parse("2026-03-02T12:00:00Z").unwrap();
        let mut desk = Desk { config: arguments.config, now, out: &mut out, paint: Paint::plain() };
        run(verb, &mut desk).map(|()| String::from_utf8(out).unwrap())
    });
    done.await.unwrap()
}

fn url(server: &Server) -> String {
    match &server.address {
        Address::Tcp(at) => format!("http://{at}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_mask_numbers_and_json_does_not() {
    let server = Server::start(standard()).await;
    let url = url(&server);
    let table = verb(&format!("conversations list --url {url}")).await.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["ID", "CONVERSATION", "LINE", "FLOW", "STATE", "NEXT"]);
    assert!(lines[1].ends_with("alice         support  onboarding  waiting  2026-03-01T23:15:00.000Z"), "{table}");
    assert!(lines[2].contains("57300*****32") && !table.contains("573001112232"), "{table}");
    assert!(verb(&format!("conversations list --json --url {url}")).await.unwrap().contains("573001112232"));
    let page = verb(&format!("conversations list --limit 1 --url {url}")).await.unwrap();
    assert!(page.ends_with("more: --after cnv_00000000000000000000000001\n"), "{page}");
    let doubts = verb(&format!("doubts --url {url}")).await.unwrap();
    assert!(doubts.contains("57300*****33") && doubts.contains("waiting for a status"), "{doubts}");
    assert!(verb(&format!("upcoming --url {url}")).await.unwrap().contains("2026-03-01T22:30:00.000Z  support  7           2"));
    let late = verb(&format!("upcoming --late --url {url}")).await.unwrap();
    assert!(late.contains("57311*****31") && !late.contains("573112223331") && late.contains("2026-03-01T23:30:00.000Z"), "{late}");
    assert!(verb(&format!("hooks dead --url {url}")).await.unwrap().contains("conversation.declined"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acting_says_what_came_of_it() {
    let server = Server::start(standard()).await;
    let url = url(&server);
    let waits = "alice: waiting; the follow-up goes out as a message at 2026-03-01T23:15:00.000Z\n";
    for act in ["cancel", "send-now", "release"] {
        assert_eq!(verb(&format!("conversations {act} alice --url {url}")).await.unwrap(), waits);
    }
    assert_eq!(verb(&format!("conversations postpone alice 3h --url {url}")).await.unwrap(), waits);
    assert!(verb(&format!("conversations hold alice --url {url}")).await.unwrap().contains(": held; waiting"));
    assert_eq!(verb(&format!("conversations erase alice --url {url}")).await.unwrap(), "cnv_00000000000000000000000001 is erased\n");
    assert_eq!(verb(&format!("pause --line support --url {url}")).await.unwrap(), "paused: line support\n");
    assert_eq!(verb(&format!("pause --url {url}")).await.unwrap(), "paused: line support, all\n");
    assert_eq!(verb(&format!("resume --url {url}")).await.unwrap(), "paused: line support\n");
    assert_eq!(verb(&format!("hooks replay crm --url {url}")).await.unwrap(), "1 to be delivered again\n");
    assert!(verb(&format!("doubts resend snd_00000000000000000000000005 --url {url}")).await.unwrap().contains("waiting"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_a_real_decision() {
    let server = Server::start(standard()).await;
    let told = verb(&format!("explain alice --url {}", url(&server))).await.unwrap();
    let head = "alice  cnv_00000000000000000000000001, line support, flow onboarding\n\
                waiting; follow-up 1 goes out as a message at 2026-03-01T23:15:00.000Z\n";
    assert!(told.starts_with(head), "{told}");
    for says in [
        "  silence  2026-03-01T23:15:00.000Z",
        "to 57300*****33",
        "last question (unanswered): ¿Tu nombre?",
        "the rules have changed since",
        "would decide otherwise",
    ] {
        assert!(told.contains(says), "{says} is not in\n{told}");
    }
    let story = verb(&format!("explain alice --as-scenario --url {}", url(&server))).await.unwrap();
    assert!(story.contains("\npolicy   ") && story.contains("\nrecorded ") && story.contains("\n----\n"), "{story}");
    assert!(!story.contains("alice") && !story.contains("nombre"), "a story names and quotes nobody: {story}");
    reengaged::shapes::story::Story::read(&story).expect("a story that reads");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_one_line_and_a_code() {
    let tokens = Tokens::new(vec![(Sha256::digest(b"eye").into(), Scopes { read: true, ..Scopes::default() })]);
    let server = Server::with(standard(), tokens, fake::engine()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (eye, empty) = (file("eye", "eye\n"), file("empty", "\n"));
    let tokens = "server.tokens.eye = { scopes = [\"read\"], env = \"NOT_SET_HERE\" }";
    let rest = "[lines.a]\nprovider = \"console\"\n[flows.f]\n";
    let toml = file("config.toml", &format!("server.listen = \"{}\"\n{tokens}\n{rest}", server.address));
    let url = url(&server);
    for (line, code, says) in [
        (format!("explain nobody --url {url} --token-file {eye}"), 1, "explaining nobody: conversation: no conversation \"nobody\""),
        (format!("conversations show 573001112200 --url {url} --token-file {eye}"), 1, "looking at 57300*****00: "),
        (
            format!("conversations cancel alice --url {url} --token-file {eye}"),
            78,
            "cancelling alice: this token does not have the scope operate; give a token that may, by --token-file",
        ),
        (format!("conversations list --url {url}"), 78, "listing conversations: send a known token"),
        (
            format!("conversations list --after 5 --url {url} --token-file {eye}"),
            2,
            "listing conversations: reading the query: after = \"5\"",
        ),
        (format!("conversations list --url {url} --token-file {empty}"), 78, "is empty; it holds the token"),
        (format!("conversations list --token-file {eye}.gone --url {url}"), 78, "reading --token-file"),
        ("conversations list --url https://localhost".into(), 2, "reading --url https://localhost: this program speaks no TLS"),
        ("conversations list --url unix:/nowhere/at.all".into(), 1, "listing conversations: no daemon at unix:/nowhere/at.all: "),
        (format!("conversations list --config {}/gone.toml", directory.path().display()), 78, "finding the daemon: "),
        (format!("conversations list --config {toml}"), 78, "listing conversations: send a known token"),
    ] {
        let failure = verb(&line).await.expect_err(&line);
        assert_eq!(failure.code, code, "{line}: {}", failure.message);
        assert!(failure.message.contains(says) && !failure.message.contains('\n'), "{line}: {}", failure.message);
    }
    let found = verb(&format!("conversations list --config {toml} --token-file {eye}")).await.unwrap();
    assert!(found.contains("alice"), "{found}");
    server.stop().await;
}

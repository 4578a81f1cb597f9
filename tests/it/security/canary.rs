//! The real binary at the finest level of its log, led down every path that something of a person or a secret takes: none of it is in
//! what it writes for people and machines, and no secret and no word of the person is on its disk.
//!
//! Not what an operator asks to be shown: a conversation that is looked at has its number.

use std::path::Path;
use std::time::Duration;

use reengaged::clock::Clock;
use reengaged::moment::{Moment, SECOND};
use serde_json::{Value, json};

use super::planted::{MOODS, NUMBER, SAID, SECRET, TEXT, all, configuration, files, found, parrot, secret_of};
use crate::emulator::sign;
use crate::stub::Stub;
use crate::whole::process::{Daemon, client, verb};

/// The program under way, and every refusal that it gave.
struct Stage {
    dir: tempfile::TempDir,
    daemon: Daemon,
    client: reqwest::Client,
    refusals: Vec<(String, String)>,
}

impl Stage {
    fn start(api: &Stub) -> Stage {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("config.toml"), configuration(dir.path(), api)).expect("a file");
        let daemon = Stage::daemon(dir.path());
        Stage { dir, daemon, client: client(), refusals: Vec::new() }
    }

    /// With no secret in its environment.
    fn daemon(dir: &Path) -> Daemon {
        let mut daemon = Daemon::spawn_as(dir, &[], |_| {});
        daemon.wait_ready();
        daemon
    }

    /// Asks; the status and the body. Refusals are kept.
    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> (u16, String) {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.daemon.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let (status, mut told) = (answer.status().as_u16(), String::new());
        for (name, value) in answer.headers() {
            told += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
        told += &answer.text().await.expect("a body");
        if status >= 400 || path == "/metrics" {
            self.refusals.push((path.to_owned(), told.clone()));
        }
        (status, told)
    }

    async fn event(&mut self, event: Value) -> u16 {
        let headers = [("authorization", &*bearer("bot")), ("content-type", "application/json")];
        self.ask("POST", "/v1/events", &headers, event.to_string()).await.0
    }
}

fn bearer(name: &str) -> String {
    format!("Bearer {}", secret_of(name))
}

fn ago(minutes: i64) -> Moment {
    Clock::system().wall().plus(-minutes * 60 * SECOND)
}

/// Somebody on every line is asked something, says something, and falls silent; the follow-up is due at once, and is called.
async fn follow_ups(stage: &mut Stage, api: &Stub) {
    for kind in ["meta", "gup", "twi", "tru", "own"] {
        for n in 0..MOODS {
            let (line, conversation) = (format!("{kind}{n}"), format!("{TEXT} {kind}{n}"));
            let said = json!({"type": "user_message", "conversation": conversation, "line": line, "flow": "onboarding", "text": SAID,
                "to": format!("+{NUMBER}"), "at": ago(40).to_string(), "vars": {"name": TEXT}, "attributes": {"note": TEXT}});
            assert_eq!(stage.event(said).await, 200, "{line}");
            let asked = json!({"type": "question", "conversation": conversation, "at": ago(31).to_string(),
                "question": {"id": "q", "text": format!("{TEXT}?"), "payload": {"field": TEXT}}});
            assert_eq!(stage.event(asked).await, 200, "{line}");
        }
    }
    // Every line has called once what cannot be called again, whatever came of it.
    for kind in ["meta", "gup", "twi", "tru", "own"] {
        for n in 0..MOODS {
            let path = format!(" /api/{kind}{n}");
            let mut seen = 0;
            while !api.requests().iter().any(|request| request.line().contains(&path)) {
                assert!(api.has_within(seen + 1, Duration::from_secs(60)), "{kind}{n} was never called");
                seen = api.requests().len();
            }
        }
    }
}

/// What providers send, and what others send in their name.
async fn webhooks(stage: &mut Stage) {
    let at = ago(1).0 / SECOND;
    let message = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp", "metadata": {"display_phone_number": "5716000001", "phone_number_id": "106540352242920"},
        "contacts": [{"profile": {"name": SAID}, "wa_id": NUMBER}],
        "messages": [{"from": NUMBER, "id": format!("wamid.{SAID}"), "timestamp": at.to_string(), "type": "text", "text": {"body": SAID}}],
        "statuses": [{"id": "wamid.x", "status": "failed", "timestamp": at.to_string(), "recipient_id": NUMBER,
            "errors": [{"code": 131_026, "title": SAID, "message": format!("{SAID} {NUMBER}")}]}]}}]}]})
    .to_string();
    for body in
        [&message, &message.replace("\"text\"", "\"sticker\""), &format!("{{\"entry\": \"{SAID} {NUMBER}\""), &format!("[\"{NUMBER}\"]")]
    {
        let signature = sign::meta(&secret_of("app"), body.as_bytes());
        for signature in [&*signature, &signature[..20], NUMBER, ""] {
            stage.ask("POST", "/hooks/meta0", &[("x-hub-signature-256", signature)], body.clone()).await;
        }
        stage.ask("POST", &format!("/hooks/gup0?token={}", secret_of("guphook")), &[], body.clone()).await;
        stage.ask("POST", &format!("/hooks/gup0?token={SECRET}wrong&x={NUMBER}"), &[], body.clone()).await;
        stage.ask("POST", &format!("/hooks/{NUMBER}"), &[], body.clone()).await;
    }
    for word in [&*secret_of("verify"), &format!("{SECRET}wrong")] {
        let query = format!("hub.mode=subscribe&hub.verify_token={word}&hub.challenge={NUMBER}");
        stage.ask("GET", &format!("/hooks/meta0?{query}"), &[], "").await;
    }
    let fields = [("From", format!("whatsapp:+{NUMBER}")), ("To", "whatsapp:+57160000010".to_owned()), ("Body", SAID.to_owned())]
        .map(|(name, value)| (name.to_owned(), value));
    let form = format!("From=whatsapp%3A%2B{NUMBER}&To=whatsapp%3A%2B57160000010&Body={SAID}");
    let signature = sign::twilio(&secret_of("twi"), "https://reengaged.example.test/hooks/twi0", &fields);
    for signature in [&*signature, NUMBER] {
        let headers = [("x-twilio-signature", signature), ("content-type", "application/x-www-form-urlencoded")];
        stage.ask("POST", "/hooks/twi0", &headers, form.clone()).await;
    }
    let claims = json!({"iat": at, "process_id": SAID, "events": [{"phone": NUMBER, "text": SAID}]}).to_string();
    for secret in [secret_of("truhook"), format!("{SECRET}wrong")] {
        stage.ask("POST", "/hooks/tru0", &[], sign::jwt("HS256", &secret, &claims)).await;
    }
}

/// Requests that are wrong in every way, each with a canary where the fault is.
async fn mistakes(stage: &mut Stage) {
    let (bot, eye, hand) = (bearer("bot"), bearer("eye"), bearer("hand"));
    let events = [
        format!("{{\"type\":\"{NUMBER}\",\"conversation\":\"c\"}}"),
        format!("{{\"type\":\"hold\",\"conversation\":\"{NUMBER}\"}}"),
        format!("{{\"type\":\"hold\",\"conversation\":\"+{NUMBER}\\u0000\"}}"),
        format!("{{\"type\":\"hold\",\"conversation\":{NUMBER}}}"),
        format!("{{\"type\":\"hold\",\"conversation\":\"c\",\"{NUMBER}\":1}}"),
        format!("{{\"type\":\"hold\",\"conversation\":\"c\",\"to\":\"{NUMBER}\"}}"),
        "{\"type\":\"hold\",\"conversation\":\"c\",\"to\":\"+1 555 000 1234 x\"}".to_owned(),
        format!("{{\"type\":\"hold\",\"conversation\":\"c\",\"line\":\"{NUMBER}\",\"flow\":\"{NUMBER}\"}}"),
        format!("{{\"type\":\"user_message\",\"conversation\":\"c\",\"line\":\"own0\",\"flow\":\"{NUMBER}\",\"text\":\"{SAID}\"}}"),
        format!("{{\"type\":\"user_message\",\"conversation\":\"c\",\"line\":\"own0\",\"text\":[\"{SAID}\"]}}"),
        format!("{{\"type\":\"question\",\"conversation\":\"c\",\"line\":\"own0\",\"question\":\"{SAID}\"}}"),
        format!(
            "{{\"type\":\"question\",\"conversation\":\"c\",\"line\":\"own0\",\"question\":{{\"text\":\"{SAID}{}\"}}}}",
            "x".repeat(4_100)
        ),
        format!("{{\"type\":\"user_message\",\"conversation\":\"c\",\"text\":\"{SAID}"),
        format!("{{\"type\":\"user_message\",\"conversation\":\"{NUMBER}\",\"vars\":{{\"{NUMBER}\":{NUMBER}}}}}"),
        format!("{SAID} {NUMBER}"),
    ];
    for event in &events {
        let headers = [("authorization", &*bot), ("content-type", "application/json")];
        let (status, _) = stage.ask("POST", "/v1/events", &headers, event.clone()).await;
        assert!((400..=499).contains(&status), "{event}: {status}");
    }
    let headers = [("authorization", &*bot), ("content-type", "application/x-ndjson")];
    let (status, told) = stage.ask("POST", "/v1/events", &headers, events.join("\n")).await;
    assert_eq!(status, 200);
    stage.refusals.push(("a stream of mistakes".to_owned(), told));
    for (method, path, token) in [
        ("GET", format!("/v1/conversations/{NUMBER}"), &eye),
        ("GET", format!("/v1/conversations/%2B{NUMBER}/explain"), &eye),
        ("DELETE", format!("/v1/conversations/{NUMBER}"), &hand),
        ("POST", format!("/v1/conversations/{NUMBER}/cancel"), &hand),
        ("POST", format!("/v1/conversations/{NUMBER}/cancel"), &eye),
        ("GET", format!("/v1/conversations?after={NUMBER}"), &eye),
        ("GET", format!("/v1/conversations?state={NUMBER}"), &eye),
        ("GET", format!("/v1/conversations?{NUMBER}={SAID}"), &eye),
        ("GET", format!("/v1/conversations?limit={NUMBER}{NUMBER}"), &eye),
        ("POST", format!("/v1/doubts/{NUMBER}/resend"), &hand),
        ("POST", format!("/v1/hooks/{NUMBER}/replay"), &hand),
        ("GET", format!("/v1/whatsapp/outbounds/{NUMBER}"), &eye),
        ("GET", format!("/{NUMBER}/{SAID}"), &eye),
        ("GET", "/v1/doubts".to_owned(), &format!("Bearer {SECRET}wrong")),
        ("GET", "/v1/doubts".to_owned(), &format!("Basic {SECRET}wrong")),
    ] {
        let (status, _) = stage.ask(method, &path, &[("authorization", token)], "").await;
        assert!((400..=499).contains(&status), "{path}: {status}");
    }
    for body in
        [format!("{{\"line\":\"{NUMBER}\"}}"), format!("{{\"{NUMBER}\":1}}"), format!("{{\"line\":{NUMBER}}}"), format!("[\"{SAID}\"]")]
    {
        let headers = [("authorization", &*hand), ("content-type", "application/json")];
        assert!(stage.ask("POST", "/v1/pause", &headers, body).await.0 >= 400);
    }
}

/// The guide's calls: forms that are wrong, and outbounds that the provider does not take.
async fn forms(stage: &mut Stage) {
    let hand = bearer("hand");
    let headers = [("authorization", &*hand), ("content-type", "application/x-www-form-urlencoded")];
    let whole = format!(
        "waba_phone_number=5716000000&is_notification=true&content=Hola+%7B%7B.name%7D%7D+{TEXT}&category=UTILITY&template_type=TEXT\
         &language_code=es&outbound_name=a_name&var.name={TEXT}"
    );
    for form in [whole.clone(), whole.replace("UTILITY", NUMBER), whole.replace("TEXT&", "VIDEO&media_url=15550001234&"), NUMBER.to_owned()]
    {
        stage.ask("POST", "/v1/whatsapp/outbounds", &headers, form).await;
    }
    let send = format!("outbound_id={NUMBER}&country_code=1&phone_number=5550001234&var.name={TEXT}");
    for form in [send.clone(), send.replace("country_code=1", &format!("country_code={NUMBER}")), format!("{NUMBER}={NUMBER}")] {
        assert!(stage.ask("POST", "/v1/whatsapp/outbounds/send", &headers, form).await.0 >= 400);
    }
    let inbound = format!("waba_phone_number={NUMBER}&inbound_message={TEXT}&flow_id={NUMBER}");
    assert!(stage.ask("POST", "/v1/whatsapp/inbounds", &headers, inbound).await.0 >= 400);
}

/// What an operator does from the command line, and says of itself.
fn verbs(stage: &mut Stage) {
    let url = stage.daemon.base.clone();
    let hand = stage.dir.path().join("hand").display().to_string();
    let backup = stage.dir.path().join("backup").display().to_string();
    for words in [
        vec!["conversations", "show", NUMBER],
        vec!["conversations", "cancel", NUMBER],
        vec!["explain", NUMBER],
        vec!["doubts", "resend", NUMBER],
        vec!["backup", &backup],
        vec!["fsck"],
    ] {
        let mut words = words.clone();
        words.extend(["--url", &url, "--token-file", &hand]);
        let (code, stdout, stderr) = tokio::task::block_in_place(|| verb(stage.dir.path(), &words));
        assert!(code <= 2, "{words:?}: {stderr}");
        stage.refusals.push((words[..2].join(" "), format!("{stdout}{stderr}")));
    }
}

/// A secret that somebody wrote into the file is not repeated.
fn reload(stage: &mut Stage) {
    let path = stage.dir.path().join("config.toml");
    let good = std::fs::read_to_string(&path).expect("the configuration");
    let bad = good.replace("token_file = \"meta\"", &format!("token = \"{SECRET}inside\"\npassword = \"{SECRET}inside\""));
    std::fs::write(&path, bad).expect("a file");
    stage.daemon.signal("HUP");
    stage.daemon.wait_notified("has mistakes");
    std::fs::write(&path, good).expect("a file");
    stage.daemon.signal("HUP");
    stage.daemon.wait_notified("read again");
}

/// What every other program of this machine may look up.
fn shown_to_all(pid: u32) -> Vec<(String, Vec<u8>)> {
    let of = |name: &str| (format!("/proc/PID/{name}"), std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default());
    vec![of("cmdline"), of("environ"), of("comm"), of("status")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_anybody_is_in_what_it_writes() {
    let api = parrot();
    let mut stage = Stage::start(&api);
    follow_ups(&mut stage, &api).await;
    webhooks(&mut stage).await;
    mistakes(&mut stage).await;
    forms(&mut stage).await;
    verbs(&mut stage);
    reload(&mut stage);
    let eye = bearer("eye");
    let (status, figures) = stage.ask("GET", "/metrics", &[("authorization", &*eye)], "").await;
    assert!(status == 200 && figures.contains("reengaged_sends_total"), "{figures}");
    let mut written = shown_to_all(stage.daemon.pid());
    assert!(written.iter().all(|(_, bytes)| !bytes.is_empty()), "/proc tells of it");
    let hand = bearer("hand");
    let (status, _) = stage.ask("DELETE", &format!("/v1/conversations/{TEXT}%20meta0"), &[("authorization", &*hand)], "").await;
    assert_eq!(status, 200, "an operator erases by name");

    // Killed, started again on what there is, and stopped as it should be.
    let Stage { dir, daemon, refusals, .. } = stage;
    daemon.kill();
    let mut daemon = Stage::daemon(dir.path());
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let (code, stdout, stderr) = tokio::task::block_in_place(|| verb(dir.path(), &["fsck"]));
    assert_eq!(code, 0, "{stderr}");

    assert!(refusals.len() > 60, "{} refusals", refusals.len());
    written.extend(refusals.into_iter().map(|(what, told)| (what, told.into_bytes())));
    written.push(("fsck".to_owned(), format!("{stdout}{stderr}").into_bytes()));
    let log = std::fs::read(dir.path().join("log")).expect("the log");
    let lines = String::from_utf8_lossy(&log).lines().count();
    assert!(lines > 300, "at the finest level there is much to say: {lines} lines");
    written.push(("the log".to_owned(), log));
    written.push(("standard output".to_owned(), std::fs::read(dir.path().join("stdout")).expect("standard output")));
    for (what, bytes) in &written {
        assert_eq!(found(bytes, &all()), None, "{what} tells of somebody");
    }
    for (file, bytes) in files(&dir.path().join("data")).into_iter().chain([read(&dir.path().join("backup"))]) {
        assert_eq!(found(&bytes, &[SAID, SECRET]), None, "{file} has a secret, or what a person said");
    }
    let (_, kept) = read(&dir.path().join("backup"));
    assert!(found(&kept, &[TEXT]).is_some(), "the search finds what is there");
}

fn read(path: &Path) -> (String, Vec<u8>) {
    (path.display().to_string(), std::fs::read(path).expect("a file"))
}

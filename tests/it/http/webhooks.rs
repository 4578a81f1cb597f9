//! `/hooks/{line}` over real sockets: what is proved, what is kept, what is answered, and on which line.
//! Not handing on to a bot (`forward`), and not what providers send: each inbox has tests of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reengaged::conversation::State;
use reengaged::engine::desk::{Desk, Request};
use reengaged::engine::request::{Answer, Inbound, Rejected, What, Who};
use reengaged::http::{Address, Forward, Listener, Settings, Site, Tokens};
use reengaged::id::ConversationId;
use tokio::io::AsyncWriteExt;

use super::inbox::hooks;
use super::wire::{Reply, Server, inside, quick, standard};
use super::{fake, wire};

/// What the engine does with each thing that it is told.
#[derive(Clone)]
pub(super) enum Mind {
    /// Takes it.
    Keeps,
    /// Refuses it so.
    Refuses(Rejected),
    /// Says nothing.
    Silent,
}

/// An engine that writes down what it is told, group by group.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<Vec<String>>>>, Arc<Mutex<Vec<Inbound>>>);

impl Recorder {
    pub(super) fn desk(&self, mind: Mind) -> Desk {
        let (desk, mut requests) = fake::desk();
        let (seen, whole) = (Arc::clone(&self.0), Arc::clone(&self.1));
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(request) = requests.recv().await {
                let answer = |_: &Inbound| match &mind {
                    Mind::Refuses(rejected) => Err(rejected.clone()),
                    _ => Ok(Answer::of(ConversationId(1), &State::new(ConversationId(1), false))),
                };
                // Whoever asked may have given up.
                match request {
                    Request::Events(events, reply) => {
                        seen.lock().unwrap().push(events.iter().map(told).collect());
                        whole.lock().unwrap().extend(events.iter().cloned());
                        match mind {
                            Mind::Silent => unanswered.push(reply),
                            _ => drop(reply.send(events.iter().map(answer).collect())),
                        }
                    }
                    Request::Template(news, reply) => {
                        let news = news.iter().map(|(line, news)| format!("{line} template {} {}", news.template, news.usable));
                        seen.lock().unwrap().push(news.collect());
                        drop(reply.send(if let Mind::Refuses(rejected) = &mind { Err(rejected.clone()) } else { Ok(()) }));
                    }
                    other => panic!("nobody asks {other:?}"),
                }
            }
        });
        desk
    }

    /// The events since the last time, whole.
    pub(super) fn take(&self) -> Vec<Inbound> {
        std::mem::take(&mut self.1.lock().unwrap())
    }

    pub(super) fn seen(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().clone()
    }
}

fn told(event: &Inbound) -> String {
    let who = match &event.who {
        Who::Person(person) => format!("+{}", person.phone),
        Who::Named(names) => names.join("|"),
        Who::Message => "?".to_owned(),
        other => panic!("no webhook names {other:?}"),
    };
    let text = match &event.what {
        What::UserMessage(text) | What::Spoke(Some(text)) => format!(" {text}"),
        _ => String::new(),
    };
    let (line, id) = (event.line.as_deref().unwrap_or("-"), event.id.as_deref().unwrap_or("-"));
    let at = if event.at.is_some() { "" } else { " at arrival" };
    format!("{line} {} {id} {who}{text}{at}", event.what.kind())
}

/// A server whose lines are those of `inbox`, before an engine of this mind.
pub(super) async fn server(settings: Settings, mind: Mind, bot: Option<&Arc<dyn Forward>>) -> (Server, Recorder) {
    let recorder = Recorder::default();
    let server = Server::with(settings, Tokens::default(), recorder.desk(mind)).await;
    server.site.replace_hooks(hooks(bot));
    (server, recorder)
}

pub(super) async fn post(server: &Server, path: &str, body: &str) -> Reply {
    server.ask(&format!("POST {path}"), &[("content-type", "text/plain"), ("x-proof", "right")], body).await
}

/// The value of a line of `/metrics`; empty where there is none.
async fn metric(server: &Server, name: &str) -> String {
    let body = server.get("/metrics").await.body;
    let line = body.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_default();
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_handshake_is_answered_with_the_bare_word() {
    let (server, recorder) = server(standard(), Mind::Keeps, None).await;
    let reply = server.get("/hooks/chat?right=%3Cb%3E").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "%3Cb%3E"));
    assert!(reply.head.contains("content-type: text/plain") && reply.head.contains("x-content-type-options: nosniff"), "{}", reply.head);
    for (path, status, slug) in [
        ("/hooks/chat?wrong=x", 403, "wrong-word"),
        ("/hooks/chat", 405, "method-not-allowed"),
        ("/hooks/chat/status?right", 405, "method-not-allowed"),
        ("/hooks/nobody?right=x", 404, "no-webhooks"),
        ("/hooks/nobody/status", 404, "no-webhooks"),
        ("/hooks/", 404, "not-found"),
    ] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.slug().as_str()), (status, slug), "{path}");
        assert_eq!(reply.head.contains("allow: post"), status == 405, "{}", reply.head);
    }
    assert!(recorder.seen().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn what_proves_nothing_changes_nothing() {
    let (server, recorder) = server(standard(), Mind::Keeps, None).await;
    for proof in ["wrong", "", "bytes"] {
        let reply = server.ask("POST /hooks/chat", &[("x-proof", proof)], "said m1 1 hello").await;
        assert_eq!((reply.status, reply.slug().as_str()), (401, "unproved"), "{proof}");
        assert!(!reply.head.contains("www-authenticate") && !reply.body.contains("hello"), "{}", reply.body);
    }
    let twice = server.ask("POST /hooks/chat", &[("x-proof", "right"), ("x-proof", "right")], "said m1 1 hello").await;
    assert_eq!(twice.status, 401);
    assert!(recorder.seen().is_empty());
    assert_eq!(metric(&server, "reengaged_webhooks_received_total{line=\"chat\",verdict=\"unproved\"}").await, "4");
    assert_eq!(post(&server, "/hooks/nobody", "said m1 1 hello").await.slug(), "no-webhooks");
    server.stop().await;
}

#[tokio::test]
async fn a_proof_sees_the_target_as_it_came_and_whom_a_trusted_proxy_names() {
    let (server, recorder) = server(standard(), Mind::Keeps, None).await;
    let proved = |name: &'static str, value: &'static str| [("x-proof", name), ("x-forwarded-for", value)];
    for (path, headers, status) in [
        ("/hooks/chat/status?a=%20b", proved("target", "-"), 200),
        ("/hooks/chat/status?a=+b", proved("target", "-"), 401),
        ("/hooks/chat", proved("peer", "203.0.113.9, 198.51.100.7"), 200),
        ("/hooks/chat", proved("peer", "198.51.100.7, 203.0.113.9"), 401),
    ] {
        let reply = server.ask(&format!("POST {path}"), &headers, "said m1 1 hello").await;
        assert_eq!(reply.status, status, "{path} {headers:?}");
    }
    assert_eq!(recorder.seen().len(), 2);
    let mut distrusting = hooks(None);
    distrusting.proxies = reengaged::http::Proxies::default();
    server.site.replace_hooks(distrusting);
    let reply = server.ask("POST /hooks/chat", &proved("peer", "198.51.100.7"), "said m1 1 hello").await;
    assert_eq!(reply.status, 401, "a stranger's word on where it comes from counts for nothing");
    server.stop().await;
}

#[tokio::test]
async fn a_batch_is_one_group_in_its_order_each_on_its_line() {
    let (server, recorder) = server(standard(), Mind::Keeps, None).await;
    let batch = "said m2 1 ¿Qué tal? 👋\nsaid m1 - \\u00bfQu\\u00e9?\nreaction\nspoke e1 1 hola\nspoke e2 2 hola\nstatus m9/read 1 -\n\
                 named j1 - IDP1\nsaid x1 3 not of this provider\nsaid x2 7 nobody's\nreaction";
    let reply = post(&server, "/hooks/chat", batch).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    let expected = [
        "chat user_message m2 +573001112233 ¿Qué tal? 👋",
        "chat user_message m1 +573001112233 \\u00bfQu\\u00e9?",
        "chat spoke e1 +573001112233 hola",
        "echo hold e2 +573001112233",
        "chat status m9/read ?",
        "chat succeeded j1 IDP1|another",
    ];
    assert_eq!(recorder.seen(), [expected.map(str::to_owned)]);
    assert_eq!(metric(&server, "reengaged_webhooks_passed_total{line=\"chat\",kind=\"reaction\"}").await, "2");
    assert_eq!(metric(&server, "reengaged_webhooks_passed_total{line=\"chat\",kind=\"elsewhere\"}").await, "2");
    assert_eq!(metric(&server, "reengaged_webhooks_received_total{line=\"chat\",verdict=\"kept\"}").await, "1");
    assert_eq!(metric(&server, "reengaged_http_events_taken_total").await, "6");
    server.stop().await;
}

#[tokio::test]
async fn what_is_merely_unknown_is_taken_and_garbage_is_not() {
    let (server, recorder) = server(standard(), Mind::Keeps, None).await;
    assert_eq!(post(&server, "/hooks/chat", "reaction").await.status, 200);
    assert_eq!(post(&server, "/hooks/chat", "").await.status, 200);
    let reply = post(&server, "/hooks/chat", "said m1 1 hello\ngarbage").await;
    assert_eq!((reply.status, reply.slug().as_str()), (400, "bad-webhook"));
    assert!(recorder.seen().is_empty(), "nothing of a webhook that cannot be read is kept");
    server.stop().await;
}

#[tokio::test]
async fn templates_are_told_of_behind_the_events() {
    let (server, recorder) = server(standard(), Mind::Keeps, None).await;
    assert_eq!(post(&server, "/hooks/echo", "template t/es 1 -\nsaid m1 2 hello\ntemplate u/es - -").await.status, 200);
    let expected = [
        vec!["echo user_message m1 +573001112233 hello"],
        vec![
            "chat template t/es false",
            // Without an address it concerns every line of the provider.
            "chat template u/es false",
            "echo template u/es false",
        ],
    ];
    assert_eq!(recorder.seen(), expected.map(|group| group.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    server.stop().await;
}

#[tokio::test]
async fn three_megabytes_are_taken_and_five_are_not() {
    let (server, _) = server(standard(), Mind::Keeps, None).await;
    let body = "#".repeat(3 << 20);
    let reply = server.ask("POST /hooks/chat", &[("x-proof", "bytes")], &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut chunked = server.connect().await;
    chunked.send("POST /hooks/chat HTTP/1.1\r\nhost: localhost\r\nx-proof: bytes\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for piece in body.as_bytes().chunks(1 << 16) {
        chunked.chunk(std::str::from_utf8(piece).unwrap()).await;
    }
    chunked.chunk("").await;
    assert_eq!(Reply::of(&chunked.rest().await).status, 200);
    let reply = server.ask("POST /hooks/chat", &[("x-proof", "right")], &"#".repeat(5 << 20)).await;
    assert_eq!((reply.status, reply.slug().as_str()), (413, "too-large"));
    assert_eq!(metric(&server, "reengaged_webhooks_received_total{line=\"chat\",verdict=\"incomplete\"}").await, "1");
    server.stop().await;
}

#[tokio::test]
async fn more_large_webhooks_than_there_is_room_for_wait_and_then_come_back() {
    let (server, _) = server(quick(), Mind::Keeps, None).await;
    let head = "POST /hooks/chat HTTP/1.1\r\nhost: localhost\r\nx-proof: right\r\ncontent-length: 100000\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..reengaged::limits::WEBHOOKS_LARGE {
        let mut wire = server.connect().await;
        wire.send(head).await;
        held.push(wire);
    }
    // Small ones need no such place, however many large ones never come to their end.
    assert_eq!(post(&server, "/hooks/chat", "said m1 1 hello").await.status, 200);
    let reply = post(&server, "/hooks/chat", &"#".repeat(100_000)).await;
    assert!(reply.status == 200 || reply.slug() == "overloaded", "{}", reply.body);
    // Whoever says nothing within its body loses the place.
    for mut wire in held {
        assert_eq!(Reply::of(&wire.rest().await).status, 408);
    }
    assert_eq!(post(&server, "/hooks/chat", &"#".repeat(100_000)).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_all_there_is_no_webhook() {
    let (server, recorder) = server(quick(), Mind::Keeps, None).await;
    let mut short = server.connect().await;
    short.send("POST /hooks/chat HTTP/1.1\r\nhost: localhost\r\nx-proof: right\r\ncontent-length: 500\r\n\r\nsaid m1 1 hello").await;
    short.0.shutdown().await.unwrap();
    assert!(!short.rest().await.contains("200 OK"));
    let mut slow = server.connect().await;
    slow.send("POST /hooks/chat HTTP/1.1\r\nhost: localhost\r\nx-proof: right\r\ncontent-length: 500\r\n\r\nsaid m1 1 hello").await;
    assert_eq!(Reply::of(&slow.rest().await).slug(), "body-timeout");
    assert!(recorder.seen().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn what_could_not_be_kept_is_asked_for_again() {
    let answer = Duration::from_millis(200);
    for (mind, slug) in [
        (Mind::Refuses(Rejected::Unavailable("/var/lib: full".into())), "unavailable"),
        (Mind::Refuses(Rejected::Overloaded), "overloaded"),
        (Mind::Silent, "no-answer"),
    ] {
        let (server, _) = server(Settings { answer, ..standard() }, mind, None).await;
        let reply = post(&server, "/hooks/chat", "said m1 1 hello").await;
        assert_eq!((reply.status, reply.slug().as_str()), (503, slug));
        assert!(reply.head.contains("retry-after: ") && !reply.body.contains("/var/lib"), "{}", reply.head);
        assert_eq!(metric(&server, "reengaged_webhooks_received_total{line=\"chat\",verdict=\"not_kept\"}").await, "1");
        server.stop().await;
    }
    let (server, recorder) = server(standard(), Mind::Refuses(Rejected::Unavailable(String::new())), None).await;
    assert_eq!(post(&server, "/hooks/chat", "template t/es 1 -").await.status, 503);
    assert_eq!(recorder.seen().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_the_engine_will_never_take_is_not_asked_for_again() {
    for rejected in [
        Rejected::UnknownConversation("573001112233".into()),
        Rejected::Damaged("block 7".into()),
        Rejected::FlowMissing("chat".into()),
        Rejected::AliasTaken(ConversationId(9)),
    ] {
        let (server, _) = server(standard(), Mind::Refuses(rejected), None).await;
        let reply = post(&server, "/hooks/chat", "said m1 1 hello").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        assert_eq!(metric(&server, "reengaged_http_events_rejected_total").await, "1");
        server.stop().await;
    }
}

#[tokio::test]
async fn before_the_engine_is_ready_webhooks_are_proved_and_refused() {
    let any: Address = "127.0.0.1:0".parse().unwrap();
    let site = Site::new(standard(), Tokens::default());
    let server = Server::at(Listener::webhooks(&any).await.unwrap(), site.clone());
    assert_eq!(post(&server, "/hooks/chat", "reaction").await.slug(), "no-webhooks");
    site.replace_hooks(hooks(None));
    let reply = post(&server, "/hooks/chat", "said m1 1 hello").await;
    assert_eq!((reply.status, reply.slug().as_str()), (503, "starting"));
    assert!(reply.head.contains("retry-after: 1"), "{}", reply.head);
    assert_eq!(server.ask("POST /hooks/chat", &[], "said m1 1 hello").await.status, 401);
    assert_eq!(server.get("/hooks/chat?right=word").await.body, "word");
    let recorder = Recorder::default();
    site.open(inside(recorder.desk(Mind::Keeps)));
    assert_eq!(post(&server, "/hooks/chat", "said m1 1 hello").await.status, 200);
    assert_eq!(recorder.seen().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_provider_that_hangs_up_leaves_nothing_half_done() {
    let stub = crate::stub::Stub::answering(200, "content-type: text/said", "¿Su nombre?");
    let bot: Arc<dyn Forward> = Arc::new(reengaged::daemon::forward::Bot::new(stub.url("/"), Duration::from_secs(5)).unwrap());
    // An engine that answers when it is let.
    let (desk, mut requests) = fake::desk();
    let server = Server::with(standard(), Tokens::default(), desk).await;
    server.site.replace_hooks(hooks(Some(&bot)));
    let mut wire = server.connect().await;
    wire.send("POST /hooks/mail HTTP/1.1\r\nhost: localhost\r\nx-proof: right\r\ncontent-length: 15\r\n\r\nsaid m1 3 hello").await;
    let Some(Request::Events(_, reply)) = wire::in_time(requests.recv()).await else { panic!("the message comes first") };
    drop(wire);
    while metric(&server, "reengaged_http_connections").await != "1" {}
    reply.send(vec![Ok(Answer::of(ConversationId(1), &State::new(ConversationId(1), false)))]).unwrap();
    let Some(Request::Events(events, _)) = wire::in_time(requests.recv()).await else { panic!("then what the bot said") };
    assert_eq!(told(&events[0]), "mail spoke m1/answer +573001112233 ¿Su nombre? at arrival");
    server.stop().await;
}

#[tokio::test]
async fn a_webhook_that_our_reader_stumbles_over_stays_one_webhook() {
    let stub = crate::stub::Stub::answering(200, "", "the bot read it");
    let bot: Arc<dyn Forward> = Arc::new(reengaged::daemon::forward::Bot::new(stub.url("/"), Duration::from_secs(5)).unwrap());
    let (server, recorder) = server(standard(), Mind::Keeps, Some(&bot)).await;
    for _ in 0..3 {
        // A provider that sends it again and again gets the same word each time, and the bot gets it each time.
        let reply = post(&server, "/hooks/chat", "poison").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "the bot read it"));
        let reply = post(&server, "/hooks/echo", "poison").await;
        assert_eq!((reply.status, reply.slug().as_str()), (400, "bad-webhook"));
        assert_eq!(post(&server, "/hooks/chat", "said m1 1 hello").await.status, 200);
    }
    assert_eq!(metric(&server, "reengaged_webhooks_received_total{line=\"echo\",verdict=\"unreadable\"}").await, "3");
    assert_eq!((recorder.seen().len(), stub.requests().len()), (3, 6), "the others go on, and nothing of the bad ones is kept");
    server.stop().await;
}

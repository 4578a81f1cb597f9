//! Standing in front of the bot: what is handed on, and what the provider is told, whoever of the two fails.
//! Not the endpoint alone: `webhooks` has that.

use std::sync::Arc;
use std::time::Duration;

use reengaged::daemon::forward::Bot;
use reengaged::engine::request::Rejected;
use reengaged::http::{Address, Forward, Listener, Site, Tokens};

use super::inbox::hooks;
use super::webhooks::{Mind, post, server};
use super::wire::{Reply, Server, standard};
use crate::stub::{Mood, Stub, answer};

const SAID: &str = "said m1 - hello";

fn bot(url: url::Url) -> Arc<dyn Forward> {
    Arc::new(Bot::new(url, Duration::from_secs(5)).unwrap())
}

fn fails() -> Mind {
    Mind::Refuses(Rejected::Unavailable("/var/lib: full".into()))
}

#[tokio::test]
async fn the_webhook_is_handed_on_byte_for_byte() {
    let stub = Stub::answering(200, "", "");
    let (server, _) = server(standard(), Mind::Keeps, Some(&bot(stub.url("/webhook?key=1")))).await;
    let body = "said m1 1 \\u00bfQu\\u00e9? \u{feff}ñ\t{\"a\":  1}\r\nreaction";
    let headers = [
        ("x-proof", "right"),
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "facebookexternalua"),
        ("x-hub-signature-256", "sha256=0329a06b"),
        ("x-hop", "1"),
        ("connection", "x-hop"),
        ("accept-encoding", "gzip"),
        ("authorization", "Bearer of-the-bot"),
        ("x-twice", "a"),
        ("x-twice", "b"),
    ];
    let reply = server.ask("POST /hooks/chat/status?a=%20b&a=%2B", &headers, body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let [request] = &stub.requests()[..] else { panic!("one call for one webhook") };
    assert_eq!(request.head.lines().next(), Some("POST /webhook/status?key=1&a=%20b&a=%2B HTTP/1.1"));
    assert_eq!(request.body, body.as_bytes());
    for (name, value) in &headers[..4] {
        assert_eq!(request.header(name), *value);
    }
    assert_eq!((request.header("host"), request.header("authorization")), (stub.address.to_string().as_str(), "Bearer of-the-bot"));
    assert_eq!((request.header("x-hop"), request.header("accept-encoding")), ("", ""));
    let twice: Vec<&str> = request.head.lines().filter(|line| line.starts_with("x-twice")).collect();
    assert_eq!(twice, ["x-twice: a", "x-twice: b"]);
    server.stop().await;
}

#[tokio::test]
async fn what_proves_nothing_and_the_handshake_are_never_handed_on() {
    let stub = Stub::answering(200, "", "");
    let (server, _) = server(standard(), Mind::Keeps, Some(&bot(stub.url("/")))).await;
    assert_eq!(server.ask("POST /hooks/chat", &[("x-proof", "wrong")], SAID).await.status, 401);
    assert_eq!(server.get("/hooks/chat?right=word").await.body, "word");
    assert_eq!(server.get("/hooks/chat?wrong=word").await.status, 403);
    assert_eq!(post(&server, "/hooks/echo", SAID).await.status, 200);
    assert_eq!(stub.connections(), 0);
    server.stop().await;
}

/// What the provider is told: status, body, and the bot's own status where that is another.
fn told(reply: &Reply) -> (u16, &str, &str) {
    let bots = reply.head.lines().find_map(|line| line.strip_prefix("reengaged-bot-status: ")).unwrap_or_default();
    let body = if reply.head.contains("application/problem+json") { "problem" } else { &reply.body };
    (reply.status, body, bots)
}

#[tokio::test]
async fn whoever_fails_the_provider_is_told_what_makes_both_whole() {
    let says = |status| Mood::Answer(answer(status, "content-type: text/plain", "bot"));
    let hangs = || Arc::new(Bot::new(Stub::new(Mood::Hang).url("/"), Duration::from_millis(100)).unwrap()) as Arc<dyn Forward>;
    let dead = || {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        bot(format!("http://{gone}/").parse().unwrap())
    };
    let answers = |status| bot(Stub::new(says(status)).url("/"));
    // The bot; then, of a line that redelivers: we keep it, we fail; then the same of one that does not.
    type Told = (u16, &'static str, &'static str);
    let problem = |status| (status, "problem", "");
    let rows: [(&str, Arc<dyn Forward>, [Told; 4]); 9] = [
        ("200", answers(200), [(200, "bot", ""), (503, "bot", "200"), (200, "bot", ""), (200, "bot", "")]),
        ("302", answers(302), [(302, "bot", ""), (503, "bot", "302"), (302, "bot", ""), (302, "bot", "")]),
        ("404", answers(404), [(404, "bot", ""), (503, "bot", "404"), (404, "bot", ""), (404, "bot", "")]),
        ("500", answers(500), [problem(502), (503, "bot", "500"), (200, "", ""), problem(503)]),
        ("503", answers(503), [problem(502), (503, "bot", "503"), (200, "", ""), problem(503)]),
        ("dead", dead(), [problem(502), problem(503), (200, "", ""), problem(503)]),
        ("hangs", hangs(), [problem(502), problem(503), (200, "", ""), problem(503)]),
        (
            "breaks off",
            bot(Stub::new(Mood::Half(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nha".to_vec())).url("/")),
            [problem(502), problem(503), (200, "", ""), problem(503)],
        ),
        ("no end", bot(Stub::new(Mood::Huge).url("/")), [(200, "", ""), (503, "", "200"), (200, "", ""), (200, "", "")]),
    ];
    for (name, bot, expected) in rows {
        let cases = [("/hooks/chat", Mind::Keeps), ("/hooks/chat", fails()), ("/hooks/mail", Mind::Keeps), ("/hooks/mail", fails())];
        for ((path, mind), expected) in cases.into_iter().zip(expected) {
            let keeps = matches!(mind, Mind::Keeps);
            let (server, recorder) = server(standard(), mind, Some(&bot)).await;
            let reply = post(&server, path, SAID).await;
            assert_eq!(told(&reply), expected, "the bot: {name}; {path}; we keep it: {keeps}");
            assert_eq!(reply.head.contains("retry-after: "), reply.status == 503, "{}", reply.head);
            assert_eq!(recorder.seen().len(), 1, "the bot's outage costs us nothing");
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn what_we_cannot_read_the_bot_may() {
    let stub = Stub::answering(200, "", "bot");
    let (server, recorder) = server(standard(), Mind::Keeps, Some(&bot(stub.url("/")))).await;
    assert_eq!(told(&post(&server, "/hooks/chat", "garbage").await), (200, "bot", ""));
    assert_eq!((stub.requests()[0].body.as_slice(), recorder.seen().len()), (b"garbage".as_slice(), 0));
    server.stop().await;
}

#[tokio::test]
async fn before_the_engine_is_ready_the_bot_is_served_all_the_same() {
    let stub = Stub::answering(200, "content-type: text/plain", "bot");
    let any: Address = "127.0.0.1:0".parse().unwrap();
    let site = Site::new(standard(), Tokens::default());
    site.replace_hooks(hooks(Some(&bot(stub.url("/")))));
    let server = Server::at(Listener::webhooks(&any).await.unwrap(), site);
    assert_eq!(told(&post(&server, "/hooks/chat", SAID).await), (503, "bot", "200"));
    assert_eq!(told(&post(&server, "/hooks/mail", SAID).await), (200, "bot", ""));
    assert_eq!(stub.requests().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_the_bot_answers_to_the_person_counts_as_its_word_behind_the_message() {
    for (status, kind, said) in [
        (200, "text/said", Some("¿Su nombre?")),
        (201, "text/said", Some("¿Su nombre?")),
        (200, "text/plain", None),
        (404, "text/said", None),
        (200, "text/said\r\ncontent-encoding: gzip", None),
    ] {
        let stub = Stub::answering(status, &format!("content-type: {kind}"), "¿Su nombre?");
        let (server, recorder) = server(standard(), Mind::Keeps, Some(&bot(stub.url("/")))).await;
        let reply = post(&server, "/hooks/mail", "status m0/read - -\nsaid m1 - hello\nsaid m2 - hello").await;
        assert_eq!((reply.status, reply.body.as_str()), (status, "¿Su nombre?"));
        let (kind, coded) = kind.split_once('\r').map_or((kind, false), |(kind, _)| (kind, true));
        assert!(reply.head.contains(&format!("content-type: {kind}")), "{}", reply.head);
        assert_eq!(reply.head.contains("content-encoding: gzip"), coded, "{}", reply.head);
        let behind: Vec<Vec<String>> = recorder.seen().split_off(1);
        let expected: Vec<Vec<String>> =
            said.map(|said| vec![format!("mail spoke m1/answer +573001112233 {said} at arrival")]).into_iter().collect();
        assert_eq!(behind, expected, "{status} {kind}");
        server.stop().await;
    }
    // Nobody wrote: nobody was answered.
    let stub = Stub::answering(200, "content-type: text/said", "¿Su nombre?");
    let (server, recorder) = server(standard(), Mind::Keeps, Some(&bot(stub.url("/")))).await;
    assert_eq!(post(&server, "/hooks/mail", "status m0/read - -").await.status, 200);
    assert_eq!(recorder.seen().len(), 1);
    server.stop().await;
}

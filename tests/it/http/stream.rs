//! Streams of events: answers while the stream is open, in order, each line for itself.
//! Not the reading of one event.

use reengaged::engine::desk::Request;
use reengaged::http::Tokens;
use serde_json::Value;

use super::fake;
use super::wire::{Reply, Server, Wire, in_time, quick, standard};

const HEAD: &str = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

fn event(name: &str) -> String {
    format!("{{\"type\":\"hold\",\"conversation\":\"{name}\"}}\n")
}

async fn open(server: &Server) -> Wire {
    let mut wire = server.connect().await;
    wire.send(HEAD).await;
    wire
}

/// The next answer line of a chunked answer.
async fn line(wire: &mut Wire) -> Value {
    let text = wire.until("}\n").await;
    serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn lines(text: &str) -> Vec<Value> {
    Reply::of(text).body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn answers_come_while_the_stream_is_open() {
    let server = Server::start(standard()).await;
    let mut wire = open(&server).await;
    let head = wire.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.to_lowercase().contains("content-type: application/x-ndjson"), "{head}");
    for name in ["one", "two", "three"] {
        wire.chunk(&event(name)).await;
        let answer = line(&mut wire).await;
        assert_eq!((&answer["conversation"], &answer["status"]), (&Value::from(name), &Value::from(200)));
    }
    wire.send("0\r\n\r\n").await;
    assert!(wire.rest().await.ends_with("0\r\n\r\n"));
    server.stop().await;
}

#[tokio::test]
async fn a_bad_line_does_not_spoil_its_neighbours() {
    let server = Server::start(standard()).await;
    let long = format!("{{\"type\":\"hold\",\"conversation\":\"{}\"}}\n", "x".repeat(20_000));
    let all = [
        event("one"),
        "{\n".into(),
        "\n".into(),
        event("nobody"),
        long,
        event("full"),
        "{\"type\":\"sing\"}\n".into(),
        "[]\n".into(),
        event("last").trim_end().into(),
    ];
    let expected = [
        (200, ""),
        (400, "not-json"),
        (404, "unknown-conversation"),
        (413, "too-large"),
        (503, "overloaded"),
        (422, "invalid"),
        (422, "invalid"),
        (200, ""),
    ];
    for split in [usize::MAX, 7, 1_000] {
        let mut wire = open(&server).await;
        for piece in all.concat().as_bytes().chunks(split.min(all.concat().len())) {
            wire.chunk(std::str::from_utf8(piece).unwrap()).await;
        }
        wire.send("0\r\n\r\n").await;
        let answers = lines(&wire.rest().await);
        let got: Vec<(u64, &str)> = answers
            .iter()
            .map(|answer| (answer["status"].as_u64().unwrap(), answer["type"].as_str().unwrap_or("").trim_start_matches("urn:reengaged:")))
            .collect();
        assert_eq!(got, expected, "in pieces of {split}");
    }
    server.stop().await;
}

#[tokio::test]
async fn several_groups_are_under_way_and_answers_keep_their_order() {
    let (desk, mut requests) = fake::desk();
    let server = Server::with(standard(), Tokens::default(), desk).await;
    let mut wire = open(&server).await;
    let mut groups = Vec::new();
    for name in ["one", "two", "three"] {
        wire.chunk(&event(name)).await;
        let Some(Request::Events(events, reply)) = in_time(requests.recv()).await else { panic!("no events") };
        groups.push((events, reply));
    }
    // The engine answers the last first; nobody sees that.
    for (events, reply) in groups.into_iter().rev() {
        reply.send(events.iter().map(fake::answer).collect()).unwrap();
    }
    for name in ["one", "two", "three"] {
        assert_eq!(line(&mut wire).await["conversation"], name);
    }
    drop(wire);
    server.stop().await;
}

#[tokio::test]
async fn what_is_at_hand_goes_together() {
    let (desk, mut requests) = fake::desk();
    let server = Server::with(standard(), Tokens::default(), desk).await;
    let body: String = (0..700).map(|n| event(&n.to_string())).collect();
    let mut wire = server.connect().await;
    let head = HEAD.replace("transfer-encoding: chunked", &format!("content-length: {}\r\nconnection: close", body.len()));
    wire.send(&format!("{head}{body}")).await;
    let (mut seen, mut groups) = (0, 0);
    while seen < 700 {
        let Some(Request::Events(events, reply)) = in_time(requests.recv()).await else { panic!("no events") };
        assert!(events.len() <= 512);
        seen += events.len();
        groups += 1;
        reply.send(events.iter().map(fake::answer).collect()).unwrap();
    }
    assert!(groups < 100, "{groups} groups for 700 events");
    let answers = lines(&wire.rest().await);
    let names: Vec<String> = answers.iter().map(|answer| answer["conversation"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, (0..700).map(|n| n.to_string()).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn whoever_does_not_read_is_not_read() {
    let (desk, mut requests) = fake::desk();
    let server = Server::with(standard(), Tokens::default(), desk).await;
    let mut wire = open(&server).await;
    let mut groups = Vec::new();
    for n in 0..16 {
        wire.chunk(&event(&n.to_string())).await;
        groups.push(in_time(requests.recv()).await.unwrap());
    }
    // Sixteen groups wait for the engine: the next line stays where it is until one of them is answered.
    wire.chunk(&event("later")).await;
    tokio::task::yield_now().await;
    assert!(requests.try_recv().is_err());
    let Request::Events(events, reply) = groups.remove(0) else { panic!("no events") };
    reply.send(events.iter().map(fake::answer).collect()).unwrap();
    let Some(Request::Events(events, _)) = in_time(requests.recv()).await else { panic!("no events") };
    assert_eq!(events.len(), 1);
    drop((wire, groups));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_lives_as_long_as_lines_come() {
    let server = Server::start(quick()).await;
    let mut wire = open(&server).await;
    let mut pause = tokio::time::interval(quick().body / 2);
    for n in 0..6 {
        pause.tick().await;
        wire.chunk(&event(&n.to_string())).await;
        assert_eq!(line(&mut wire).await["conversation"], n.to_string());
    }
    // Bytes that never become a line are silence.
    wire.chunk("{").await;
    let last = line(&mut wire).await;
    assert_eq!((&last["status"], &last["type"]), (&Value::from(408), &Value::from("urn:reengaged:body-timeout")));
    wire.rest().await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_daemon_does() {
    let mut server = Server::start(standard()).await;
    let mut wire = open(&server).await;
    wire.chunk(&event("one")).await;
    assert_eq!(line(&mut wire).await["status"], 200);
    server.begin_to_stop();
    assert_eq!(line(&mut wire).await["status"], 503);
    wire.rest().await;
    server.stop().await;
}

#[tokio::test]
async fn events_without_an_engine_are_told_so() {
    let (desk, requests) = fake::desk();
    drop(requests);
    let server = Server::with(standard(), Tokens::default(), desk).await;
    let mut wire = open(&server).await;
    wire.chunk(&event("one")).await;
    assert_eq!(line(&mut wire).await["status"], 503);
    assert_eq!(server.post("/v1/events", event("one").trim()).await.slug(), "unavailable");
    drop(wire);
    server.stop().await;
}

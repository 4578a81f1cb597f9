//! Connections that mean harm, or are broken: silent, slow, lying, too many. Others are served all the while.
//! Not well-formed requests with wrong content: those are `cases`.

use std::time::Duration;

use reengaged::http::{Settings, Tokens};
use tokio::io::AsyncWriteExt;

use super::fake;
use super::wire::{Reply, Server, in_time, quick, standard};

#[tokio::test]
async fn silent_and_slow_connections_are_closed_and_others_served() {
    let server = Server::start(quick()).await;
    let (mut idle, mut half_head, mut half_body, mut kept) =
        (server.connect().await, server.connect().await, server.connect().await, server.connect().await);
    half_head.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow").await;
    half_body
        .send("POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"type\"")
        .await;
    kept.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(Reply::of(&kept.until("}").await).status, 200);
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(idle.rest().await, "");
    assert!(!half_head.rest().await.contains("200 OK"));
    let refused = Reply::of(&half_body.rest().await);
    assert_eq!((refused.status, refused.slug().as_str()), (408, "body-timeout"));
    assert_eq!(kept.rest().await, "", "a kept connection is closed when nothing comes");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_drips_has_an_end_too() {
    let server = Server::start(quick()).await;
    let mut wire = server.connect().await;
    wire.send("POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n").await;
    // Each byte comes well within the pause that is allowed; the answer has to come all the same.
    let (mut reading, mut writing) = tokio::io::split(wire.0);
    let dripping = tokio::spawn(async move {
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        while writing.write_all(b" ").await.is_ok() {
            pause.tick().await;
        }
    });
    let mut all = Vec::new();
    let _ = in_time(tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut all)).await;
    dripping.abort();
    assert_eq!(Reply::of(&String::from_utf8(all).unwrap()).slug(), "body-timeout");
    server.stop().await;
}

#[tokio::test]
async fn two_thousand_idle_sockets_keep_nobody_out() {
    let server = Server::start(Settings { connections: 200, ..standard() }).await;
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        idle.push(server.connect().await);
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.post("/v1/events", r#"{"type":"hold","conversation":"c"}"#).await.status, 200);
    drop(idle);
    server.stop().await;
}

#[tokio::test]
async fn when_all_are_busy_the_next_is_told_to_come_back() {
    let (desk, mut requests) = fake::desk();
    let server = Server::with(Settings { connections: 2, ..standard() }, Tokens::default(), desk).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut wire = server.connect().await;
        wire.send("GET /v1/doubts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        busy.push((wire, in_time(requests.recv()).await.unwrap()));
    }
    let refused = server.get("/healthz").await;
    assert_eq!((refused.status, refused.slug().as_str()), (503, "overloaded"));
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    for (mut wire, request) in busy {
        let reengaged::engine::desk::Request::Doubts(reply) = request else { panic!("{request:?}") };
        reply.send(Ok(Vec::new())).unwrap();
        assert_eq!(Reply::of(&wire.rest().await).status, 200, "whoever was in is served");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_too_large_is_refused_however_its_length_is_told() {
    let server = Server::start(standard()).await;
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let mut asked = server.connect().await;
    asked.send(&format!("{head}content-length: 5000000\r\nexpect: 100-continue\r\n\r\n")).await;
    let told = asked.rest().await;
    assert!(told.starts_with("HTTP/1.1 413 "), "nothing of it is asked for: {told}");
    let mut sent = server.connect().await;
    sent.send(&format!("{head}content-length: 3000000\r\n\r\n{}", " ".repeat(3_000_000))).await;
    assert_eq!(Reply::of(&sent.rest().await).slug(), "too-large");
    let mut chunked = server.connect().await;
    chunked.send(&format!("{head}transfer-encoding: chunked\r\n\r\n")).await;
    for _ in 0..20 {
        chunked.chunk(&" ".repeat(1_000)).await;
    }
    chunked.send("0\r\n\r\n").await;
    assert_eq!(Reply::of(&chunked.rest().await).slug(), "too-large");
    server.stop().await;
}

#[tokio::test]
async fn a_length_that_lies_is_no_way_in() {
    let server = Server::start(quick()).await;
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let event = r#"{"type":"hold","conversation":"c"}"#;
    let smuggled = "GET /v1/doubts HTTP/1.1\r\nhost: localhost\r\n\r\n";

    let mut long = server.connect().await;
    long.send(&format!("{head}content-length: 500\r\n\r\n{event}")).await;
    long.0.shutdown().await.unwrap();
    assert!(!long.rest().await.contains("200 OK"), "half a body is no event");

    for both in ["content-length: 4\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 4\r\n"] {
        let mut wire = server.connect().await;
        wire.send(&format!("{head}{both}\r\n{:x}\r\n{event}\r\n0\r\n\r\n{smuggled}", event.len())).await;
        let told = wire.rest().await;
        assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "what follows is not read as a request: {told}");
    }
    for wrong in [
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: -4\r\n",
        "content-length: 4, 5\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding : chunked\r\n",
    ] {
        let mut wire = server.connect().await;
        wire.send(&format!("{head}{wrong}\r\n{event}")).await;
        let told = wire.rest().await;
        assert!(told.starts_with("HTTP/1.1 400 ") && told.matches("HTTP/1.1 ").count() == 1, "{wrong}: {told}");
    }
    server.stop().await;
}

#[tokio::test]
async fn heads_have_bounds() {
    let server = Server::start(standard()).await;
    let many = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    for head in [
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "x".repeat(70_000)),
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"),
        format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(70_000)),
    ] {
        let mut wire = server.connect().await;
        // The other side may have had enough before all is sent.
        let _ = wire.0.write_all(head.as_bytes()).await;
        let told = wire.rest().await;
        assert!(!told.contains(" 200 "), "{told}");
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn nonsense_is_answered_with_400_and_nothing_inside() {
    let server = Server::start(quick()).await;
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let mut wire = server.connect().await;
        wire.send(nonsense).await;
        let told = wire.rest().await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 400"), "{nonsense:?}: {told}");
        assert!(!told.to_lowercase().contains("hyper"), "{told}");
    }
    server.stop().await;
}

#[tokio::test]
async fn folded_lines_and_bare_line_feeds_smuggle_nothing() {
    let server = Server::start(quick()).await;
    let smuggled = "GET /v1/doubts HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let post = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for (name, request) in [
        ("a folded header", format!("{post}x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n{smuggled}")),
        ("a folded length", format!("{post}content-length: 0\r\n 5\r\n\r\n12345{smuggled}")),
        ("a folded encoding", format!("{post}transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ("a name that ends in a space", format!("{post}content-length : 5\r\n\r\n12345{smuggled}")),
        ("a header before any name", format!("POST /v1/events HTTP/1.1\r\n content-length: 5\r\n\r\n12345{smuggled}")),
        ("a nul in a value", format!("{post}x-a: b\0c\r\ncontent-length: 0\r\n\r\n{smuggled}")),
        ("a bare return in a value", format!("{post}x-a: b\rcontent-length: 5\r\n\r\n12345{smuggled}")),
        ("a length in hexadecimal", format!("{post}content-length: 0x5\r\n\r\n12345{smuggled}")),
        ("a length with a sign", format!("{post}content-length: +5\r\n\r\n12345{smuggled}")),
        ("a chunk that is longer than it says", format!("{post}transfer-encoding: chunked\r\n\r\n2\r\n123\r\n0\r\n\r\n{smuggled}")),
        ("a chunk without a length", format!("{post}transfer-encoding: chunked\r\n\r\n\r\n\r\n{smuggled}")),
        ("a chunk's length in a bare line", format!("{post}transfer-encoding: chunked\r\n\r\n2\n12\r\n0\r\n\r\n{smuggled}")),
    ] {
        let mut wire = server.connect().await;
        wire.send(&request).await;
        let told = wire.rest().await;
        assert!(told.matches("HTTP/1.1 ").count() <= 1 && !told.contains(" 200 "), "{name}: {told}");
    }
    // A line may end in a bare line feed (RFC 9112, 2.2), and then it means what it says: a body is as long as the line says it is.
    let mut wire = server.connect().await;
    wire.send(&format!("POST /v1/pause HTTP/1.1\nhost: localhost\ncontent-length: {}\n\n{smuggled}", smuggled.len())).await;
    wire.0.shutdown().await.unwrap();
    let told = wire.rest().await;
    assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "what stands in a body is no request: {told}");
    server.stop().await;
}

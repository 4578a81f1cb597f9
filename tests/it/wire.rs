//! The webhook line on real sockets: what every way of failing means, and that no request is ever made twice.
//! Not the table of statuses: that stands beside the provider.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use reengaged::conversation::Refusal;
use reengaged::engine::ports::{CallEnd, Called, Provider};
use reengaged::id::SendId;
use reengaged::moment::{MINUTE, Moment, SECOND};
use reengaged::provider::client::{self, Ended};
use reengaged::provider::webhook::Webhook;
use reengaged::shapes::signature::{self, Signed, SigningKey};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::provider_contract::message;
use crate::stub::{self, Mood, Stub};

const BUDGET: Duration = Duration::from_secs(10);
/// For what never ends by itself.
const SHORT: Duration = Duration::from_millis(300);

fn key() -> SigningKey {
    SigningKey::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn settings() -> client::Settings {
    client::Settings { connect: Duration::from_secs(2), ..client::Settings::default() }
}

fn line(settings: &client::Settings, url: url::Url, budget: Duration) -> Webhook {
    Webhook::new(client::build(settings).unwrap(), url, vec![key()], budget)
}

/// The end of one call to a server of this mood, and the server.
fn call(mood: Mood, budget: Duration) -> (Called, Stub) {
    let stub = Stub::new(mood);
    let line = line(&settings(), stub.url("/send?token=CANARY"), budget);
    (run(line.send(&message())), stub)
}

#[test]
fn a_taken_message_was_signed_and_carries_its_key() {
    let stub = Stub::answering(202, "", "<html>whatever</html>");
    let line = line(&settings(), stub.url("/send"), BUDGET);
    let called = run(line.send(&message()));
    assert_eq!(called, Called::new(CallEnd::Accepted, "HTTP 202"));
    let requests = stub.requests();
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    assert_eq!(request.header("idempotency-key"), SendId(7).to_string());
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("reengaged/"));
    let text = |name: &str| request.header(name).to_owned();
    let signed = Signed { id: text("webhook-id"), timestamp: text("webhook-timestamp"), signature: text("webhook-signature") };
    assert_eq!(signed.id, SendId(7).to_string());
    assert_eq!(signature::verify(&[key()], &signed, &request.body, message().now), Ok(()));
    assert_eq!(request.json()["data"]["conversation"], "lead-42");
}

#[test]
fn whatever_ends_before_an_answer_is_doubt_and_one_request() {
    let half = |text: &str| Mood::Half(text.as_bytes().to_vec());
    for (name, mood, budget, requests) in [
        ("close after the request", Mood::CloseAfterRequest, BUDGET, 1),
        ("reset", Mood::Reset, BUDGET, 0),
        ("close at once", Mood::CloseAtOnce, BUDGET, 0),
        ("hang", Mood::Hang, SHORT, 1),
        ("half a head", half("HTTP/1.1 200 OK\r\ncontent-le"), BUDGET, 1),
        ("half a body", half("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"a\""), BUDGET, 1),
        ("half a chunk", half("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"), BUDGET, 1),
        ("no HTTP", half("SSH-2.0-OpenSSH\r\n"), BUDGET, 1),
        ("only early hints", half("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), BUDGET, 1),
        ("drip", Mood::Drip, SHORT, 1),
        ("500", Mood::Answer(stub::answer(500, "", "")), BUDGET, 1),
        ("503 with a wait", Mood::Answer(stub::answer(503, "retry-after: 5", "")), BUDGET, 1),
    ] {
        let (called, stub) = call(mood, budget);
        assert_eq!(called.end, CallEnd::Unknown, "{name}: {}", called.detail);
        assert_eq!((stub.requests().len(), stub.connections()), (requests, 1), "{name}");
        assert!(!called.detail.contains("CANARY") && !called.detail.contains("127.0.0.1"), "{name}: {}", called.detail);
    }
}

#[test]
fn what_says_that_it_did_not_take_it_is_a_refusal() {
    use CallEnd::{Busy, Refused};
    let line_refuses = Refused(Refusal::Line);
    let date = "date: Wed, 21 Oct 2015 07:28:00 GMT\r\nretry-after: Wed, 21 Oct 2015 07:29:00 GMT";
    for (status, headers, body, end) in [
        (429, "retry-after: 30", "", Busy(30 * SECOND)),
        (429, date, "", Busy(MINUTE)),
        (429, "retry-after: 999999999", "", Busy(reengaged::limits::RETRY_AFTER_CEILING)),
        (429, "retry-after: soon", "", Busy(0)),
        (401, "", "", Busy(0)),
        (404, "", "not found", line_refuses),
        (422, "", r#"{"reason":"no_recipient"}"#, Refused(Refusal::Recipient)),
        (422, "", r#"{"reason":"window_closed"}"#, Refused(Refusal::WindowClosed)),
    ] {
        let (called, stub) = call(Mood::Answer(stub::answer(status, headers, body)), BUDGET);
        assert_eq!(called.end, end, "{status} {headers}");
        assert_eq!(stub.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    for status in [301, 302, 307, 308] {
        let (called, stub) = call(Mood::Answer(stub::answer(status, "location: /again", "")), BUDGET);
        assert_eq!(called.end, CallEnd::Refused(Refusal::Line), "{status}");
        assert_eq!(stub.requests().len(), 1, "{status}");
    }
}

#[test]
fn an_endless_answer_is_cut() {
    let (called, stub) = call(Mood::Huge, BUDGET);
    assert_eq!(called.end, CallEnd::Accepted);
    // What sockets hold on both sides, and what was read: not the gigabyte that was promised.
    assert!(stub.sent() < 32 << 20, "{} bytes", stub.sent());
}

#[test]
fn a_connection_that_died_while_idle_takes_nothing_twice() {
    // Closed after the first answer: the second call finds that out, or puts its request on a new connection.
    let closes = Stub::new(Mood::Half(stub::answer(200, "", "ok")));
    // Closed after the second request was read: nobody knows.
    let dies = Stub::new(Mood::DieIdle(stub::answer(200, "", "ok")));
    run(async {
        let line = line(&settings(), dies.url("/"), BUDGET);
        assert_eq!(line.send(&message()).await.end, CallEnd::Accepted);
        assert_eq!(line.send(&message()).await.end, CallEnd::Unknown);
    });
    assert_eq!((dies.requests().len(), dies.connections()), (2, 1));
    for _ in 0..20 {
        let before = closes.requests().len();
        let ends = run(async {
            let line = line(&settings(), closes.url("/"), BUDGET);
            [line.send(&message()).await.end, line.send(&message()).await.end]
        });
        let accepted = ends.iter().filter(|end| **end == CallEnd::Accepted).count();
        assert_eq!(ends[0], CallEnd::Accepted);
        assert!(matches!(ends[1], CallEnd::Accepted | CallEnd::Unknown), "{ends:?}");
        assert_eq!(closes.requests().len() - before, accepted, "{ends:?}");
    }
}

#[test]
fn kept_connections_are_used_again() {
    let stub = Stub::answering(200, "", "ok");
    run(async {
        let line = line(&settings(), stub.url("/"), BUDGET);
        for _ in 0..5 {
            assert_eq!(line.send(&message()).await.end, CallEnd::Accepted);
        }
    });
    assert_eq!((stub.requests().len(), stub.connections()), (5, 1));
}

#[test]
fn nothing_is_asked_of_a_port_that_nobody_listens_on() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = line(&settings(), format!("http://{port}/").parse().unwrap(), BUDGET);
    let called = run(line.send(&message()));
    assert_eq!(called.end, CallEnd::Busy(0), "{}", called.detail);
    assert!(called.detail.starts_with("not sent: ") && called.detail.contains("refused"), "{}", called.detail);
}

/// A resolver that gives this answer; one without addresses never answers.
struct Says(Result<Vec<SocketAddr>, &'static str>);

impl Resolve for Says {
    fn resolve(&self, _: Name) -> Resolving {
        match &self.0 {
            Ok(addresses) if addresses.is_empty() => Box::pin(std::future::pending()),
            Ok(addresses) => Box::pin(std::future::ready(Ok(Box::new(addresses.clone().into_iter()) as Addrs))),
            Err(why) => Box::pin(std::future::ready(Err((*why).into()))),
        }
    }
}

/// A listener that takes nobody any more: its queue is full, and the kernel drops whoever comes.
fn black_hole() -> (TcpListener, Vec<std::net::TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, mut queue) = (listener.local_addr().unwrap(), Vec::new());
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
        assert!(queue.len() < 20_000, "the queue never fills");
    }
    (listener, queue)
}

#[test]
fn a_connection_that_nobody_takes_is_a_refusal() {
    let (listener, _queue) = black_hole();
    let settings = client::Settings { connect: SHORT, ..settings() };
    let line = line(&settings, format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap(), BUDGET);
    let called = run(line.send(&message()));
    assert_eq!(called.end, CallEnd::Busy(0), "{}", called.detail);
    assert!(called.detail.starts_with("not sent: "), "{}", called.detail);
}

#[test]
fn what_comes_around_an_answer_is_not_the_answer() {
    let bytes = |text: &str| Mood::Half(text.as_bytes().to_vec());
    for (name, mood) in [
        ("early hints before it", bytes("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
        ("trailers behind it", bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-status: 500\r\n\r\n")),
    ] {
        let (called, stub) = call(mood, BUDGET);
        assert_eq!(called.end, CallEnd::Accepted, "{name}: {}", called.detail);
        assert_eq!((stub.requests().len(), stub.connections()), (1, 1), "{name}");
    }
}

#[test]
fn a_name_that_leads_nowhere_is_a_refusal() {
    for (answer, connect, told) in
        [(Err("no such name"), BUDGET, "no such name"), (Ok(Vec::new()), Duration::from_millis(100), "operation timed out")]
    {
        let settings = client::Settings { resolver: Some(Arc::new(Says(answer))), connect, ..settings() };
        let line = line(&settings, "https://hook.test/".parse().unwrap(), BUDGET);
        let called = run(line.send(&message()));
        assert_eq!(called.end, CallEnd::Busy(0), "{}", called.detail);
        assert!(called.detail.contains(told), "{}", called.detail);
    }
}

#[test]
fn no_other_scheme_is_called() {
    let line = line(&settings(), "ftp://127.0.0.1/".parse().unwrap(), BUDGET);
    assert_eq!(run(line.send(&message())).end, CallEnd::Busy(0));
}

mod tls {
    use super::*;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::Write;

    const CA: &[u8] = include_bytes!("tls/ca.pem");
    const KEY: &[u8] = include_bytes!("tls/server.key");

    /// A TLS server with this certificate; answers one request, and tells how many it read.
    fn server(certificate: &'static [u8]) -> (SocketAddr, std::thread::JoinHandle<usize>) {
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_slice(KEY).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            match stub::read_request(&mut tls, &mut Vec::new()) {
                Ok(Some(_)) => {
                    tls.write_all(&stub::answer(200, "", "ok")).unwrap();
                    1
                }
                _ => 0,
            }
        });
        (address, thread)
    }

    fn call(certificate: &'static [u8], roots: &[u8], host: &str) -> (Called, usize) {
        let (address, thread) = server(certificate);
        let settings = client::Settings { resolver: Some(Arc::new(Says(Ok(vec![address])))), roots: roots.to_vec(), ..settings() };
        let called = run(line(&settings, format!("https://{host}:{}/", address.port()).parse().unwrap(), BUDGET).send(&message()));
        (called, thread.join().unwrap())
    }

    #[test]
    fn a_certificate_that_does_not_hold_is_a_refusal_before_anything_is_sent() {
        let (good, expired, own) =
            (include_bytes!("tls/good.pem"), include_bytes!("tls/expired.pem"), include_bytes!("tls/selfsigned.pem"));
        let (called, requests) = call(good, CA, "hook.test");
        assert_eq!((called.end, requests), (CallEnd::Accepted, 1), "{}", called.detail);
        for (name, certificate, roots, host) in [
            ("unknown CA", &good[..], &[][..], "hook.test"),
            ("another name", good, CA, "other.test"),
            ("expired", expired, CA, "hook.test"),
            ("self-signed", own, CA, "hook.test"),
        ] {
            let (called, requests) = call(certificate, roots, host);
            assert_eq!((called.end, requests), (CallEnd::Busy(0), 0), "{name}: {}", called.detail);
            assert!(called.detail.contains("certificate"), "{name}: {}", called.detail);
        }
    }

    #[test]
    fn a_server_without_tls_is_a_refusal() {
        let stub = Stub::new(Mood::Half(stub::answer(400, "", "this is plain")));
        let settings = client::Settings { resolver: Some(Arc::new(Says(Ok(vec![stub.address])))), ..settings() };
        let url = format!("https://hook.test:{}/", stub.address.port()).parse().unwrap();
        // A TLS greeting has no end of a head, so the stub waits for more until the client's patience is over.
        let settings = client::Settings { connect: SHORT, ..settings };
        let called = run(line(&settings, url, BUDGET).send(&message()));
        assert_eq!((called.end, stub.requests().len()), (CallEnd::Busy(0), 0), "{}", called.detail);
    }

    #[test]
    fn bad_roots_are_told_when_the_client_is_built() {
        let roots = b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n".to_vec();
        assert!(client::build(&client::Settings { roots, ..settings() }).unwrap_err().contains("root certificates"));
    }
}

#[test]
fn the_parts_of_a_reply_are_told() {
    let stub = Stub::answering(422, "retry-after: 7", "why");
    let client = client::build(&settings()).unwrap();
    let ended = run(client::call(client.get(stub.url("/")), BUDGET, Moment(0)));
    let Ended::Reply(reply) = ended else { panic!("{ended:?}") };
    assert_eq!((reply.status, reply.retry_after, &*reply.body, reply.broken), (422, Some(7 * SECOND), &b"why"[..], None));
}

//! A server on a free port, and requests written byte by byte: what a browser's library would never send included.
//! Not a client of its own: answers are read as text, up to their length or to the end of the connection.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reengaged::engine::desk::Desk;
use reengaged::http::{Address, Figure, FigureKind, Inside, Listener, Settings, Site, Tokens, serve};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fake;

/// Longer than anything here takes; a test that gets here hangs, and says so.
const HANGS: Duration = Duration::from_secs(20);

/// A running server; it stops when dropped.
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) site: Arc<Site>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<()>,
}

/// Settings in which waiting is short.
pub(super) fn quick() -> Settings {
    let head = Duration::from_millis(200);
    let body = Duration::from_millis(300);
    Settings { head, body, ..Settings::standard(fake::elapsed) }
}

/// Settings as they are in earnest.
pub(super) fn standard() -> Settings {
    Settings::standard(fake::elapsed)
}

pub(super) fn inside(desk: Desk) -> Inside {
    let figures = || {
        let gauge = |name, labels, value| Figure { name, help: "A figure of the daemon", kind: FigureKind::Gauge, labels, value };
        let sends = |outcome: &str, value| Figure {
            name: "sends",
            help: "Sends ended, by outcome",
            kind: FigureKind::Counter,
            labels: vec![("outcome", outcome.to_owned())],
            value,
        };
        vec![gauge("oldest_due_lateness_seconds", Vec::new(), 1.5), sends("accepted", 3.0), sends("unknown", 1.0)]
    };
    Inside { desk, figures: Arc::new(figures), caretaker: Arc::new(fake::Idle) }
}

impl Server {
    /// A server before an engine that answers at once, without tokens.
    pub(super) async fn start(settings: Settings) -> Server {
        Server::with(settings, Tokens::default(), fake::engine()).await
    }

    pub(super) async fn with(settings: Settings, tokens: Tokens, desk: Desk) -> Server {
        let site = Site::new(settings, tokens);
        site.open(inside(desk));
        let any: Address = "127.0.0.1:0".parse().unwrap();
        Server::at(Listener::everything(&any).await.unwrap(), site)
    }

    /// A server at a listener, before whatever the site has.
    pub(super) fn at(listener: Listener, site: Arc<Site>) -> Server {
        let (stop, stopped) = oneshot::channel::<()>();
        let address = listener.address().clone();
        let serving = serve(vec![listener], Arc::clone(&site), async move { drop(stopped.await) });
        Server { address, site, stop: Some(stop), done: tokio::spawn(serving) }
    }

    /// A connection.
    pub(super) async fn connect(&self) -> Wire {
        match &self.address {
            Address::Tcp(at) => Wire(Box::new(TcpStream::connect(at).await.unwrap())),
            Address::Unix(path) => Wire(Box::new(UnixStream::connect(path).await.unwrap())),
        }
    }

    /// Sends a request on a connection of its own and reads the answer.
    pub(super) async fn ask(&self, head: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut wire = self.connect().await;
        let mut request = format!("{head} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("content-length: {}\r\n", body.len());
        }
        wire.send(&format!("{request}\r\n{body}")).await;
        Reply::of(&wire.rest().await)
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    /// Posts JSON.
    pub(super) async fn post(&self, path: &str, body: &str) -> Reply {
        self.ask(&format!("POST {path}"), &[("content-type", "application/json")], body).await
    }

    /// Stops, and waits until all is served.
    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        in_time(self.done).await.unwrap();
    }

    /// Tells the server to stop, and does not wait.
    pub(super) fn begin_to_stop(&mut self) {
        drop(self.stop.take());
    }
}

pub(super) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

/// A connection, as bytes.
pub(super) struct Wire(pub(super) Box<dyn Both>);

impl Wire {
    pub(super) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a piece of a chunked body.
    pub(super) async fn chunk(&mut self, text: &str) {
        self.send(&format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// Everything up to the end of the connection.
    pub(super) async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        // A reset is an end as well: what came before it was read.
        let _ = in_time(self.0.read_to_end(&mut all)).await;
        String::from_utf8(all).unwrap()
    }

    /// Everything up to and including `end`.
    pub(super) async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            let byte = in_time(self.0.read_u8()).await;
            all.push(byte.unwrap_or_else(|_| panic!("the connection ended after {:?}", String::from_utf8_lossy(&all))));
        }
        String::from_utf8(all).unwrap()
    }
}

/// Fails aloud where something hangs.
pub(super) async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANGS, future).await.expect("it hangs")
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn of(text: &str) -> Reply {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {head}"));
        let head = head.to_ascii_lowercase();
        let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        Reply { status, head, body }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The word of a problem, and that it is told as one.
    pub(super) fn slug(&self) -> String {
        let problem = self.json();
        if self.head.contains("content-type: application/problem+json") {
            assert_eq!(problem["status"], u64::from(self.status), "{problem}");
            assert!(problem["code"].is_u64() && problem["title"].is_string(), "{problem}");
        } else {
            // As the guide's API tells one, on the guide's paths.
            assert!(self.head.contains("content-type: application/json"), "{}", self.head);
            assert_eq!((&problem["http_code"], &problem["code"]), (&self.status.into(), &(10_000 + self.status).into()), "{problem}");
        }
        assert!(problem["message"].as_str().is_some_and(|message| !message.is_empty() && !message.contains('\n')), "{problem}");
        problem["type"].as_str().unwrap().strip_prefix("urn:reengaged:").unwrap().to_owned()
    }
}

fn unchunked(mut body: &str) -> String {
    let mut all = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        all += &rest[..size];
        body = &rest[(size + 2).min(rest.len())..];
    }
    all
}

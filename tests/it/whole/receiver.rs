//! A receiver of messages that writes down every request it fully read before it answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What was received: bodies by the value of the idempotency key, in order of arrival.
pub(super) type Received = BTreeMap<String, Vec<Value>>;

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) url: String,
    received: Arc<Mutex<Received>>,
    count: Arc<watch::Sender<usize>>,
    delay: Duration,
}

impl Receiver {
    /// Listens on a free port of the loopback; takes `delay` to answer each request.
    pub(super) async fn start(delay: Duration) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/message", listener.local_addr().expect("an address"));
        let receiver = Receiver { url, received: Arc::default(), count: Arc::new(watch::Sender::new(0)), delay };
        let app = Router::new().route("/message", post(take)).with_state(receiver.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(app.clone());
                tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
            }
        });
        receiver
    }

    pub(super) fn received(&self) -> Received {
        self.received.lock().expect("no test panics while it holds this").clone()
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Returns when at least `count` requests were received.
    pub(super) async fn reached(&self, count: usize) {
        let mut seen = self.count.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(60), seen.wait_for(|n| *n >= count)).await;
        assert!(waited.is_ok(), "{} of {count} messages arrived in a minute", self.count());
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let key = headers.get("idempotency-key").and_then(|v| v.to_str().ok()).unwrap_or("none").to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    receiver.received.lock().expect("no test panics while it holds this").entry(key).or_default().push(body);
    receiver.count.send_modify(|n| *n += 1);
    // The delay stands for a slow provider: it keeps calls under way, nothing waits for it.
    tokio::time::sleep(receiver.delay).await;
    StatusCode::OK
}

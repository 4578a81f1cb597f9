//! The accept loops and the life of a connection: bounded in number, in silence and in time, and ended in good order.
//!
//! Not the requests: each goes to the router. `axum::serve` is not used, because it has no time limits at all.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::crowd::{Busy, Crowd, Seat};
use super::listen::{Listener, Stream};
use super::peer::Peer;
use super::router::Front;
use super::site::{Site, stopped};
use super::stalling::Stalling;

/// Largest head of a request, in bytes (a cursor and a token fit many times over).
const HEAD_BYTES: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;
/// Most bytes of a connection that are read and not yet taken: bounds what all of them together can hold.
const READ_BYTES: usize = 64 * 1024;
/// How long a new connection waits for the place of an idle one.
const MAKE_ROOM: Duration = Duration::from_millis(250);
/// Connections that are being told to come back, at once.
const TURNED_AWAY: usize = 64;
/// Where accepting fails (no more file descriptors), it is tried again after this.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves; then stops accepting, lets requests under way finish within the settings' `drain`, and returns.
pub async fn serve(listeners: Vec<Listener>, site: Arc<Site>, shutdown: impl Future<Output = ()>) {
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(accept(listener, Arc::clone(&site)));
    }
    shutdown.await;
    site.stop();
    while loops.join_next().await.is_some() {}
}

async fn accept(listener: Listener, site: Arc<Site>) {
    let front = Front::new(Arc::clone(&site), listener.face());
    let crowd = Crowd::new(site.settings.connections, site.settings.connections_each);
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let mut connections = JoinSet::new();
    let mut stopping = site.stopping();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    let from = site.hooks().proxies.counted(stream.peer());
                    if let Some(seat) = crowd.sit(from) {
                        connections.spawn(connection(stream, seat, front.clone(), Arc::clone(&site)));
                    } else if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                        let (crowd, front, site) = (Arc::clone(&crowd), front.clone(), Arc::clone(&site));
                        connections.spawn(async move {
                            squeeze_in(stream, from, &crowd, front, site, place).await;
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(at = %listener.address(), %error, "accepting a connection failed; trying again");
                    sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    let drained = timeout(site.settings.drain, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(connections = connections.len(), "requests were still under way when the time for them was over");
        connections.shutdown().await;
    }
}

/// All places are taken: the longest idle connection has been asked to make room. Where none is, the answer is 503.
async fn squeeze_in(
    mut stream: Stream,
    from: Option<IpAddr>,
    crowd: &Arc<Crowd>,
    front: Front,
    site: Arc<Site>,
    place: tokio::sync::OwnedSemaphorePermit,
) {
    match timeout(MAKE_ROOM, crowd.wait(from)).await {
        Ok(seat) => {
            drop(place);
            connection(stream, seat, front, site).await;
        }
        Err(_) => {
            site.counts.turned_away.inc();
            // Whoever does not take the answer in a second goes without it.
            let _ = timeout(Duration::from_secs(1), turn_away(&mut stream)).await;
        }
    }
}

async fn turn_away(stream: &mut Stream) -> io::Result<()> {
    stream.write_all(BUSY.as_bytes()).await?;
    stream.shutdown().await?;
    // What the other side had sent is read, or closing would destroy the answer on its way.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The answer of a listener without a free place; the same body as a problem of kind `overloaded`.
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: 144\r\nretry-after: 1\r\n\
connection: close\r\n\r\n{\"status\":503,\"type\":\"urn:reengaged:overloaded\",\"title\":\"Too much at once\",\"code\":50302,\"message\":\"\
too many connections; come back in a second\"}";

/// One connection, from its first byte to its last.
async fn connection(stream: Stream, seat: Arc<Seat>, front: Front, site: Arc<Site>) {
    let settings = site.settings;
    let mut stopping = site.stopping();
    let _open = site.counts.connection();
    let peer = stream.peer();
    let requests = {
        let seat = Arc::clone(&seat);
        service_fn(move |request| answer(front.clone(), request, peer, seat.busy()))
    };
    let io = TokioIo::new(Stalling::new(stream, settings.stall));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.head)
        .max_headers(HEADERS)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(READ_BYTES)
        .half_close(false);
    let mut connection = pin!(http.serve_connection(io, requests));
    tokio::select! {
        // How a connection ends is the other side's affair: counted in metrics as requests, told to nobody.
        _ = connection.as_mut() => return,
        () = seat.asked_to_leave() => {
            if seat.is_idle() {
                return;
            }
        }
        () = stopped(&mut stopping) => {
            if seat.is_idle() {
                return;
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn answer(front: Front, request: Request<Incoming>, peer: Peer, busy: Busy) -> Result<Response<UntilTaken>, Infallible> {
    let response = front.answer(request.map(Body::new), peer).await;
    Ok(response.map(|body| UntilTaken { body, _busy: busy }))
}

/// The body of an answer; its connection is busy until it is taken.
struct UntilTaken {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for UntilTaken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

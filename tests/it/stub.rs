//! A server on a loopback socket that behaves as badly as it is told, and counts. Not a provider: it understands HTTP just
//! far enough to know where a request ends. The emulators of `emulator/` are built on it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What to answer to a request.
pub(crate) type Decision = dyn Fn(&Request) -> Vec<u8> + Send + Sync;

/// What to do with a request: how to behave, and what follows once that is done.
pub(crate) type Play = dyn Fn(&Request) -> (Mood, Box<dyn FnOnce() + Send>) + Send + Sync;

/// What it does with each request.
#[derive(Clone)]
pub(crate) enum Mood {
    /// Answers with these bytes and keeps the connection.
    Answer(Vec<u8>),
    /// Answers by what the request is.
    Decide(Arc<Decision>),
    /// Behaves by what the request is, each time anew.
    Play(Arc<Play>),
    /// Accepts, and closes without a look.
    CloseAtOnce,
    /// Reads the request, and closes.
    CloseAfterRequest,
    /// Reads one byte of it, and closes: the kernel sends a reset, for there was more.
    Reset,
    /// Sends these bytes, and closes.
    Half(Vec<u8>),
    /// Reads the request and says nothing until the client goes.
    Hang,
    /// Answers 200 and then a byte at a time, without end, until the client goes.
    Drip,
    /// Answers 200 and bytes without end, until the client goes.
    Huge,
    /// Answers the first request of a connection, and reads the second and closes.
    DieIdle(Vec<u8>),
}

/// One request that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// `GET` or `POST`.
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Path and query, as they came.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }

    /// Its first line, as `GET /path HTTP/1.1`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    connections: usize,
    sent: usize,
}

/// The server. It ends with the test's process.
#[derive(Clone)]
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Stub {
    pub(crate) fn new(mood: Mood) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let stub = Stub { address: listener.local_addr().expect("its address"), seen: Arc::default() };
        let server = stub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, mood) = (server.clone(), mood.clone());
                std::thread::spawn(move || {
                    server.note(|seen| seen.connections += 1);
                    // A client that goes away is part of the game.
                    let _ = server.serve(stream, &mood);
                });
            }
        });
        stub
    }

    /// A stub whose answer has this status, these further header lines, and this body.
    pub(crate) fn answering(status: u16, headers: &str, body: &str) -> Stub {
        Stub::new(Mood::Answer(answer(status, headers, body)))
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().expect("a URL")
    }

    /// The requests that arrived whole, so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.0.lock().unwrap().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.0.lock().unwrap().connections
    }

    /// Bytes sent that were not a proper answer.
    pub(crate) fn sent(&self) -> usize {
        self.seen.0.lock().unwrap().sent
    }

    /// Waits until so many requests arrived.
    pub(crate) fn wait_for(&self, requests: usize) {
        assert!(self.has_within(requests, Duration::from_secs(20)), "{} of {requests} requests arrived", self.requests().len());
    }

    /// Waits until so many requests arrived, so long at most, and says whether they did.
    pub(crate) fn has_within(&self, requests: usize, limit: Duration) -> bool {
        let seen = self.seen.0.lock().unwrap();
        let waited = self.seen.1.wait_timeout_while(seen, limit, |seen| seen.requests.len() < requests).unwrap();
        !waited.1.timed_out()
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.0.lock().unwrap());
        self.seen.1.notify_all();
    }

    fn serve(&self, mut stream: TcpStream, mood: &Mood) -> std::io::Result<()> {
        match mood {
            Mood::CloseAtOnce => return Ok(()),
            Mood::Reset => return stream.read_exact(&mut [0]),
            _ => {}
        }
        let mut rest = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut rest)? {
            let (mood, after): (_, Box<dyn FnOnce() + Send>) = match mood {
                Mood::Play(play) => play(&request),
                Mood::Decide(decide) => (Mood::Answer(decide(&request)), Box::new(|| {})),
                mood => (mood.clone(), Box::new(|| {})),
            };
            self.note(|seen| seen.requests.push(request));
            let goes_on = self.react(&mut stream, &mut rest, &mood);
            after();
            if !goes_on? {
                break;
            }
        }
        Ok(())
    }

    /// Does what the mood says to a request that arrived; whether the connection goes on.
    fn react(&self, stream: &mut TcpStream, rest: &mut Vec<u8>, mood: &Mood) -> std::io::Result<bool> {
        match mood {
            Mood::Answer(bytes) => return stream.write_all(bytes).map(|()| true),
            Mood::CloseAtOnce | Mood::Reset | Mood::CloseAfterRequest | Mood::Decide(_) | Mood::Play(_) => {}
            Mood::Half(bytes) => stream.write_all(bytes)?,
            Mood::Hang => stream.read(&mut [0; 64]).map(drop)?,
            Mood::Drip => self.pour(stream, b"x", Some(Duration::from_millis(20)))?,
            Mood::Huge => self.pour(stream, &[b'x'; 16 * 1024], None)?,
            Mood::DieIdle(bytes) => {
                stream.write_all(bytes)?;
                if let Some(second) = read_request(stream, rest)? {
                    self.note(|seen| seen.requests.push(second));
                }
            }
        }
        Ok(false)
    }

    /// A body without end. Between two pieces it waits `pause` for the client to go.
    fn pour(&self, stream: &mut TcpStream, piece: &[u8], pause: Option<Duration>) -> std::io::Result<()> {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")?;
        stream.set_read_timeout(pause)?;
        loop {
            stream.write_all(piece)?;
            self.note(|seen| seen.sent += piece.len());
            if pause.is_some() {
                match stream.read(&mut [0]) {
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    _ => return Ok(()),
                }
            }
        }
    }
}

/// An answer with a length, that keeps the connection.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// The next request; `None` where the client closed instead. `rest` keeps what was read beyond it.
pub(crate) fn read_request(stream: &mut impl Read, rest: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    let mut buffer = [0; 4_096];
    loop {
        if let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
            let request = Request { head: String::from_utf8_lossy(&rest[..end]).into_owned(), body: Vec::new() };
            let length: usize = request.header("content-length").parse().unwrap_or(0);
            if rest.len() >= end + 4 + length {
                let body = rest[end + 4..end + 4 + length].to_vec();
                rest.drain(..end + 4 + length);
                return Ok(Some(Request { body, ..request }));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            n => rest.extend_from_slice(&buffer[..n]),
        }
    }
}

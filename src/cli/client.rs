//! The way to the running daemon: its own HTTP, over TCP or its socket file.
//!
//! Not a client for the outside: it speaks no TLS, follows nothing and retries nothing. Where the daemon listens and which token
//! to show comes from the command line, else from the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::cli::args::Daemon;
use crate::cli::print::{Failure, code};
use crate::config::{self, Config, Listen, Machine, SecretSource, Withheld, env};

/// How long the daemon may take to be reached, and to answer (longer than it waits for its engine).
const REACH: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(40);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES: usize = 64 << 20;
/// What secrets that this person may not read are shown as.
const WITHHELD: &str = "withheld ";

/// The running daemon, as it can be reached.
#[derive(Debug)]
pub struct Client {
    place: Place,
    token: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// Host and port.
    Tcp(String),
    Unix(PathBuf),
}

impl Client {
    /// The daemon that the options name, or the configuration.
    ///
    /// # Errors
    /// What cannot be read, with exit code 78; a wrong `--url`, with 2.
    pub fn find(daemon: &Daemon, path: Option<PathBuf>, operate: bool) -> Result<Client, Failure> {
        let token = daemon.token_file.as_deref().map(read_token).transpose()?;
        if let Some(url) = &daemon.url {
            let place = place_of(url).map_err(|why| Failure::new(code::USAGE, format!("reading --url {url}: {why}")))?;
            // A configured token is the local daemon's; it is not shown to an address that was typed.
            return Ok(Client { place, token });
        }
        let config = configuration(path)?;
        let token = token.or_else(|| configured_token(&config, operate));
        Ok(Client { place: place_in(&config), token })
    }

    /// The daemon of this configuration, to look at.
    #[must_use]
    pub fn of(config: &Config) -> Client {
        Client { place: place_in(config), token: configured_token(config, false) }
    }

    /// Whether anybody listens there.
    #[must_use]
    pub fn answers(&self) -> bool {
        match &self.place {
            Place::Tcp(at) => std::net::TcpStream::connect(at.as_str()).is_ok(),
            Place::Unix(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
        }
    }

    /// Asks; `doing` begins the line that says what failed.
    ///
    /// # Errors
    /// One line with the exit code that fits.
    pub fn ask(&self, doing: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.asked(doing, method, path, body.map(|body| ("application/json", body.to_string())))
    }

    /// Asks with a form, as the guide's calls take it.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn fill_in(&self, doing: &str, method: Method, path: &str, fields: &[(String, String)]) -> Result<Value, Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.asked(doing, method, path, Some(("application/x-www-form-urlencoded", form)))
    }

    fn asked(&self, doing: &str, method: Method, path: &str, body: Option<(&'static str, String)>) -> Result<Value, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(code::AGAIN, format!("{doing}: starting: {error}")))?;
        let (status, bytes) = runtime
            .block_on(self.exchange(method, path, body))
            .map_err(|why| Failure::new(if why.later { code::AGAIN } else { code::FAILED }, format!("{doing}: {}", why.message)))?;
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        match answer {
            Some(answer) if status.is_success() => Ok(answer),
            answer => Err(refused(doing, status, answer.as_ref())),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<(&'static str, String)>) -> Result<(StatusCode, Bytes), Trouble> {
        let reaching = async {
            match &self.place {
                Place::Tcp(at) => TcpStream::connect(at.as_str()).await.map(|stream| Box::new(stream) as Box<dyn Wire>),
                Place::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as Box<dyn Wire>),
            }
        };
        let at = self.place.shown();
        let stream = timeout(REACH, reaching).await.map_err(|_| Trouble::later(format!("no daemon answers at {at}")))?;
        let stream =
            stream.map_err(|error| Trouble::now(format!("no daemon at {at}: {error}; is it running, and is this its address?")))?;
        timeout(ANSWER, self.talk(stream, method, path, body))
            .await
            .map_err(|_| Trouble::later(format!("no answer from {at} in {ANSWER:?}")))?
    }

    async fn talk(
        &self,
        stream: Box<dyn Wire>,
        method: Method,
        path: &str,
        body: Option<(&'static str, String)>,
    ) -> Result<(StatusCode, Bytes), Trouble> {
        let at = self.place.shown();
        let broke = |error: hyper::Error| Trouble::now(format!("talking to {at}: {error}"));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
        let running = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.place.host());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut bytes = Bytes::new();
        if let Some((kind, body)) = body {
            request = request.header(header::CONTENT_TYPE, kind);
            bytes = Bytes::from(body);
        }
        let request = request.body(Full::new(bytes)).map_err(|error| Trouble::now(format!("asking {at}: {error}")))?;
        let response = sender.send_request(request).await.map_err(broke)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        running.abort();
        let body = body.map_err(|error| Trouble::now(format!("reading the answer of {at}: {error}")))?;
        Ok((status, body.to_bytes()))
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

/// What came between us and the answer.
struct Trouble {
    later: bool,
    message: String,
}

impl Trouble {
    fn now(message: String) -> Trouble {
        Trouble { later: false, message }
    }

    fn later(message: String) -> Trouble {
        Trouble { later: true, message }
    }
}

impl Place {
    fn shown(&self) -> String {
        match self {
            Place::Tcp(at) => at.clone(),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    fn host(&self) -> &str {
        match self {
            Place::Tcp(at) => at,
            Place::Unix(_) => "reengaged",
        }
    }
}

fn place_of(url: &str) -> Result<Place, String> {
    if let Some(path) = url.strip_prefix("unix:") {
        return if path.is_empty() {
            Err("names no path; write unix:/run/reengaged/api.sock".to_owned())
        } else {
            Ok(Place::Unix(path.into()))
        };
    }
    let rest = match url.split_once("://") {
        Some(("http", rest)) => rest,
        Some(("https", _)) => return Err("this program speaks no TLS; name the address where the daemon itself listens".to_owned()),
        Some(_) => return Err("write http://HOST:PORT or unix:/PATH".to_owned()),
        None => url,
    };
    let authority: hyper::http::uri::Authority =
        rest.trim_end_matches('/').parse().map_err(|_| "write http://HOST:PORT or unix:/PATH".to_owned())?;
    if authority.as_str().contains('@') {
        return Err("a name and password mean nothing here; give the token by --token-file".to_owned());
    }
    Ok(Place::Tcp(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80))))
}

fn place_in(config: &Config) -> Place {
    match &config.server.listen {
        // Where it listens everywhere, it listens here.
        Listen::Tcp(at) if at.ip().is_unspecified() && at.is_ipv6() => Place::Tcp(format!("[::1]:{}", at.port())),
        Listen::Tcp(at) if at.ip().is_unspecified() => Place::Tcp(format!("127.0.0.1:{}", at.port())),
        Listen::Tcp(at) => Place::Tcp(at.to_string()),
        Listen::Unix(path) => Place::Unix(path.clone()),
    }
}

/// The configuration, without the secrets that this person may not read.
///
/// # Errors
/// It cannot be read, or has mistakes; exit code 78.
pub fn configuration(path: Option<PathBuf>) -> Result<Config, Failure> {
    let path = env::locate(path);
    config::load_with(&path, &Readable(Machine::beside(&path))).map_err(|mistakes| {
        let first = mistakes.mistakes.first().map(ToString::to_string).unwrap_or_default();
        let more = mistakes.mistakes.len().saturating_sub(1);
        let more = if more == 0 { String::new() } else { format!(" (and {more} more; `reengaged check` lists them)") };
        Failure::new(code::CONFIG, format!("finding the daemon: {first}{more}"))
    })
}

/// Secrets as far as this person may read them.
struct Readable(Machine);

impl SecretSource for Readable {
    fn file(&self, path: &Path) -> Result<String, String> {
        self.0.file(path).or_else(|_| Withheld.file(path))
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        self.0.variable(name).or_else(|_| Withheld.variable(name))
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        self.0.credential(name).or_else(|_| Withheld.credential(name))
    }
}

/// A configured token that allows what is asked, and no more than that where there is a choice.
fn configured_token(config: &Config, operate: bool) -> Option<String> {
    let readable = |token: &&config::Token| token.secrets.first().is_some_and(|secret| !secret.expose().starts_with(WITHHELD));
    let tokens = || config.server.tokens.iter().filter(readable);
    let reads = tokens().find(|token| !operate && token.scopes.read && !token.scopes.operate);
    let token = reads.or_else(|| tokens().find(|token| token.scopes.operate))?;
    token.secrets.first().map(|secret| secret.expose().to_owned())
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let why = |why: String| Failure::new(code::CONFIG, format!("reading --token-file {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| why(error.to_string()))?;
    let token = text.lines().map(str::trim).find(|line| !line.is_empty());
    token.map(str::to_owned).ok_or_else(|| why("is empty; it holds the token and nothing else".to_owned()))
}

/// What the daemon said, with the exit code that fits.
fn refused(doing: &str, status: StatusCode, answer: Option<&Value>) -> Failure {
    let code = match status.as_u16() {
        400 | 413 | 415 | 422 => code::USAGE,
        429 | 503 => code::AGAIN,
        401 | 403 => code::CONFIG,
        _ => code::FAILED,
    };
    let message = answer.and_then(|answer| answer["message"].as_str());
    let cure = match status.as_u16() {
        401 | 403 => "; give a token that may, by --token-file",
        _ => "",
    };
    match message {
        Some(message) => Failure::new(code, format!("{doing}: {message}{cure}")),
        None => Failure::new(code, format!("{doing}: the answer was {status}, and nothing that the daemon says; is this its address?")),
    }
}

/// A name as one segment of a path.
#[must_use]
pub fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place() {
        for (url, place) in [
            ("http://127.0.0.1:8787", Place::Tcp("127.0.0.1:8787".into())),
            ("http://[::1]:8787/", Place::Tcp("[::1]:8787".into())),
            ("localhost:1", Place::Tcp("localhost:1".into())),
            ("unix:/run/x.sock", Place::Unix("/run/x.sock".into())),
        ] {
            assert_eq!(place_of(url), Ok(place), "{url}");
        }
        for wrong in ["https://x", "unix:", "ftp://x", "http://a:b@c:1", "http://", "http://x/y"] {
            assert!(place_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(segment("a/b ñ.."), "a%2Fb%20%C3%B1%2E%2E");
    }
}

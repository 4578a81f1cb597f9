//! What this machine can do at best, beside which the daemon is measured: posts to one address, and writes made durable.
//!
//! Not a part of the daemon: `benches/peers/run` builds and calls it, and it prints one JSON object.
//!
//! ```text
//! ceilings fire HOST:PORT COUNT AT_ONCE   posts as large as a webhook line's, each with its key, as fast as the daemon's client does
//! ceilings serve PORT                     answers each request as soon as its body is there, by the HTTP library that the daemon uses, and
//!                                         forgets it
//! ceilings keep PORT DIRECTORY            the same, but each body is read as an event, appended and made durable before it is answered, as
//!                                         many together as have come: what taking events in costs before anything is decided; of a
//!                                         stream of events likewise
//! ceilings kept-fire HOST:PORT DIRECTORY COUNT AT_ONCE
//!                                         fire, with a claim made durable before each post and an outcome after it, each twice, as in
//!                                         ledger and log: what a bell costs before anything is decided
//! ceilings fsync DIRECTORY SECONDS        appends 200 bytes and makes them durable, one after the other
//! ceilings lone HOST:PORT DIRECTORY COUNT sleeps until an instant, makes two appends durable, one after the other, and posts: how late
//!                                         a timer alone is where nothing is decided, COUNT times, some hundred milliseconds apart
//! ```

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reengaged::clock::Clock;
use reengaged::provider::client::{self, Settings};
use reengaged::shapes::event;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;

/// Most bytes of a request that is forgotten, and what is answered: as long as the daemon's answer to an event.
const MOST: usize = 1 << 20;
const TAKEN: &str = "{\"status\":200,\"conversation\":\"c1\",\"conversation_id\":\"cnv_2685vyxavny580n7mqbpapfrfq\",\"state\":\"waiting\",\
                     \"action\":\"message\",\"due_at\":\"2026-11-27T21:37:47.000Z\",\"episode\":1}";

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let measured = match words[..] {
        ["fire", address, count, at_once] => fire(address, count, at_once, None),
        ["kept-fire", address, directory, count, at_once] => fire(address, count, at_once, Some(Path::new(directory))),
        ["serve", port] => serve(port, None),
        ["keep", port, directory] => serve(port, Some(Path::new(directory))),
        ["fsync", directory, seconds] => fsync(Path::new(directory), seconds),
        ["lone", address, directory, count] => lone(address, Path::new(directory), count),
        _ => Err("which ceiling? fire, kept-fire, serve, keep, fsync or lone; the head of ceilings.rs says what they take".into()),
    };
    match measured {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("ceilings: {why}");
            ExitCode::FAILURE
        }
    }
}

fn fire(address: &str, count: &str, at_once: &str, directory: Option<&Path>) -> Result<serde_json::Value, Failed> {
    let (count, at_once): (u32, usize) = (count.parse()?, at_once.parse()?);
    let kept = directory.map(|directory| Kept::new(&[directory.join("ledger-probe"), directory.join("log-probe")])).transpose()?;
    let client = client::build(&Settings::default())?;
    let clock = Clock::system();
    let next = Arc::new(AtomicU32::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let begun = clock.elapsed();
    runtime.block_on(async {
        let posts: Vec<_> = (0..at_once)
            .map(|_| {
                let (client, next, kept, url) = (client.clone(), Arc::clone(&next), kept.clone(), format!("http://{address}/send"));
                tokio::spawn(async move {
                    loop {
                        let key = next.fetch_add(1, Ordering::Relaxed);
                        if key >= count {
                            return Ok::<(), Failed>(());
                        }
                        keep(kept.as_ref(), &[b'c'; 200]).await?;
                        let answer = client.post(&url).header("content-type", "application/json").body(message(key)).send().await?;
                        answer.error_for_status()?.bytes().await?;
                        keep(kept.as_ref(), &[b'o'; 200]).await?;
                    }
                })
            })
            .collect();
        for post in posts {
            post.await??;
        }
        Ok::<(), Failed>(())
    })?;
    let seconds = (clock.elapsed() - begun).as_secs_f64();
    Ok(serde_json::json!({ "posts": count, "posts_s": f64::from(count) / seconds }))
}

fn lone(address: &str, directory: &Path, count: &str) -> Result<serde_json::Value, Failed> {
    let count: u32 = count.parse()?;
    let client = client::build(&Settings::default())?;
    let clock = Clock::system();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let paths = ["lone-probe-1", "lone-probe-2"].map(|name| directory.join(name));
    let mut late = Vec::new();
    for key in 0..count {
        let due = clock.elapsed() + Duration::from_millis(150 + u64::from(key * 37 % 200));
        std::thread::sleep(due - clock.elapsed());
        for path in &paths {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            file.write_all(&[b'x'; 200])?;
            file.sync_data()?;
        }
        runtime.block_on(async {
            let post = client.post(format!("http://{address}/send")).header("content-type", "application/json").body(message(key));
            post.send().await?.error_for_status()?.bytes().await
        })?;
        late.push(clock.elapsed() - due);
    }
    paths.iter().try_for_each(std::fs::remove_file)?;
    Ok(serde_json::json!({ "lone_p50_ms": share(&mut late, 0.5), "lone_p99_ms": share(&mut late, 0.99) }))
}

/// What so large a share does not exceed, in milliseconds.
fn share(taken: &mut [Duration], share: f64) -> Option<f64> {
    taken.sort_unstable();
    taken.get((taken.len() as f64 * share) as usize).or(taken.last()).map(|taken| taken.as_secs_f64() * 1_000.0)
}

/// A body as long as a webhook line's.
fn message(key: u32) -> String {
    format!("{{\"type\":\"message.send\",\"data\":{{\"conversation\":\"c{key:09}\",\"text\":\"{}\"}}}}", "Are you still there? ".repeat(40))
}

/// Until it is killed.
fn serve(port: &str, directory: Option<&Path>) -> Result<serde_json::Value, Failed> {
    let port: u16 = port.parse()?;
    let kept = directory.map(|directory| Kept::new(&[directory.join("log-probe")])).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let kept = kept.clone();
            let answer = service_fn(move |request| take(request, kept.clone()));
            // How a connection ends is the other side's affair.
            tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await });
        }
    })
}

async fn take(request: Request<Incoming>, kept: Option<Kept>) -> Result<Response<Body>, Failed> {
    let streamed = request.headers().get("content-type").is_some_and(|kind| kind == "application/x-ndjson");
    if let (true, Some(kept)) = (streamed, &kept) {
        return Ok(stream(Body::new(request.into_body()), kept.clone()));
    }
    let body = axum::body::to_bytes(Body::new(request.into_body()), MOST).await?;
    if kept.is_some() {
        std::hint::black_box(event::read(&body).map_err(|bad| format!("{bad:?}"))?);
    }
    keep(kept.as_ref(), &body).await?;
    Ok(Response::builder().header("content-type", "application/json").body(Body::from(TAKEN))?)
}

/// An answer to each event of a stream; those that come together are made durable and answered together.
fn stream(body: Body, kept: Kept) -> Response<Body> {
    let (told, waiting) = unbounded_channel();
    tokio::spawn(async move {
        let mut frames = body.into_data_stream();
        let mut begun = Vec::new();
        while let Some(Ok(frame)) = frames.next().await {
            begun.extend_from_slice(&frame);
            let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = begun.split_off(end + 1);
            let lines = std::mem::replace(&mut begun, rest);
            let events: Vec<bool> = lines[..end].split(|byte| *byte == b'\n').map(|line| event::read(line).is_ok()).collect();
            if events.contains(&false) {
                // A stream with a line that is no event ends, so that nobody takes its rate for one.
                break;
            }
            let (tell, durable) = oneshot::channel();
            if kept.0.send((lines, tell)).is_err() || told.send((events.len(), durable)).is_err() {
                break;
            }
        }
    });
    let answers = futures_util::stream::unfold(waiting, |mut waiting| async move {
        let (count, durable): (usize, oneshot::Receiver<()>) = waiting.recv().await?;
        durable.await.ok()?;
        Some((Ok::<_, Infallible>(format!("{TAKEN}\n").repeat(count)), waiting))
    });
    Response::new(Body::from_stream(answers))
}

/// A thread that appends what has come and makes it durable, all of it together.
#[derive(Clone)]
struct Kept(mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>);

impl Kept {
    fn new(paths: &[PathBuf]) -> Result<Kept, Failed> {
        let open = |path: &PathBuf| OpenOptions::new().create(true).append(true).open(path);
        let mut files = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let (give, come) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
        std::thread::spawn(move || -> std::io::Result<()> {
            while let Ok(first) = come.recv() {
                let together: Vec<_> = std::iter::once(first).chain(come.try_iter()).collect();
                let bytes: Vec<u8> = together.iter().flat_map(|(bytes, _)| bytes).copied().collect();
                for file in &mut files {
                    file.write_all(&bytes)?;
                    file.sync_data()?;
                }
                // Whoever has gone away need not be told.
                for (_, tell) in together {
                    let _ = tell.send(());
                }
            }
            Ok(())
        });
        Ok(Kept(give))
    }
}

async fn keep(kept: Option<&Kept>, bytes: &[u8]) -> Result<(), Failed> {
    let Some(Kept(give)) = kept else { return Ok(()) };
    let (tell, durable) = oneshot::channel();
    give.send((bytes.to_vec(), tell))?;
    Ok(durable.await?)
}

fn fsync(directory: &Path, seconds: &str) -> Result<serde_json::Value, Failed> {
    let span = Duration::from_secs_f64(seconds.parse()?);
    let path = directory.join("fsync-probe");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let clock = Clock::system();
    let begun = clock.elapsed();
    let mut taken = Vec::new();
    let mut last = begun;
    while last - begun < span {
        file.write_all(&[b'x'; 200])?;
        file.sync_data()?;
        let now = clock.elapsed();
        taken.push(now - last);
        last = now;
    }
    std::fs::remove_file(&path)?;
    let writes = taken.len() as f64 / (last - begun).as_secs_f64();
    Ok(serde_json::json!({ "writes_s": writes, "p50_ms": share(&mut taken, 0.5), "p99_ms": share(&mut taken, 0.99) }))
}

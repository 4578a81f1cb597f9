//! reengaged as a peer: every operation is an event of `POST /v1/events`, one a request or streamed as NDJSON.
//!
//! Takes the place of the harness' `product/adapter.rs` and is compiled into its driver; not part of the crate. An event is one that
//! any bot would send: a question of sixty bytes arms, the person's message cancels. There is no field for a due time. It is
//! steered as a bot steers it, by when the question was asked: the flow waits 23 hours, so a question asked 23 hours before the
//! wanted instant is due then. What the harness wants beyond 23 hours is folded into the flow's reach. A re-arm asks now.
use crate::{key_name, now_ms, Adapter, Error, Fire, Fut, HttpPool, Res};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// What the flow of the configuration waits after a question: the longest that any flow may.
const DELAY_MS: i64 = 23 * 3_600_000;
/// The shortest lead that is asked for, but in the opening bell.
const FLOOR_MS: i64 = 1_800_000;
/// Events of one chunk at most.
const GATHER: usize = 1_024;
/// A stream without an event for so long is ended; the next event opens another.
const IDLE: Duration = Duration::from_secs(10);

struct Peer {
    pool: HttpPool,
    host: String,
    /// Operations go through the stream, not one a request.
    streamed: bool,
    /// What stands at the other end is no daemon: it answers any request, and knows no stream and no figures.
    forgets: bool,
    /// For operations, and for bulk loading: the loader must not stand before a measured event.
    streams: [Stream; 2],
    /// Which question of the run: a repetition would be recognised as one.
    asked: AtomicU64,
}

pub async fn open(conf: &Value) -> Res<Arc<dyn Adapter>> {
    let host = conf["http"].as_str().unwrap_or("").to_owned();
    Ok(Arc::new(Peer {
        pool: HttpPool::new(&host),
        streams: [Stream::open(&host), Stream::open(&host)],
        streamed: conf["options"]["streamed"].as_bool().unwrap_or(false),
        asked: AtomicU64::new(now_ms() as u64),
        forgets: conf["options"]["forgets"].as_bool().unwrap_or(false),
        host,
    }))
}

/// When a question has to have been asked so that its follow-up is due at `due_ms`.
fn asked_at(due_ms: i64) -> i64 {
    let now = now_ms();
    let lead = due_ms - now;
    let reach = DELAY_MS - FLOOR_MS;
    let lead = if lead <= DELAY_MS { lead } else { FLOOR_MS + (lead - DELAY_MS) % reach };
    now + lead - DELAY_MS
}

fn rfc3339(ms: i64) -> String {
    let (s, milli) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    let (days, rem) = (s.div_euclid(86400), s.rem_euclid(86400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    let y = yoe + era * 400 + i64::from(m <= 2);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{milli:03}Z", rem / 3600, rem / 60 % 60, rem % 60)
}

impl Peer {
    /// A question of sixty bytes; the first of a conversation says the person's number.
    fn question(&self, key: u32, at: i64, first: bool) -> String {
        let number = if first { format!("\"to\":\"+57300{key:07}\",") } else { String::new() };
        let id = self.asked.fetch_add(1, Relaxed);
        format!(
            "{{\"type\":\"question\",\"conversation\":\"{}\",\"at\":\"{}\",{number}\"question\":{{\"id\":\"q{id}\",\
             \"text\":\"What is the last month that your payslip shows? And the year\"}}}}",
            key_name(key),
            rfc3339(at)
        )
    }

    fn reply(&self, key: u32) -> String {
        format!("{{\"type\":\"user_message\",\"conversation\":\"{}\",\"at\":\"{}\",\"text\":\"It is March\"}}", key_name(key), rfc3339(now_ms()))
    }

    async fn tell(&self, event: String) -> Res<()> {
        if self.streamed {
            return self.streams[0].tell(event).await;
        }
        match self.pool.request("POST", "/v1/events", "", &event).await? {
            200 => Ok(()),
            status => Err(format!("status {status} from {} for {event}", self.host).into()),
        }
    }

    /// The sum of a figure of `/metrics` over the labels that contain `label`.
    async fn figure(&self, name: &str, labels: &[&str]) -> Res<i64> {
        let mut stream = TcpStream::connect(&self.host).await?;
        stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host).as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let wanted = |line: &&str| line.starts_with(name) && labels.iter().any(|label| line.contains(label));
        Ok(text.lines().filter(wanted).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as i64)
    }
}

impl Adapter for Peer {
    fn init(&self) -> Fut<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn arm(&self, _: usize, key: u32, due_ms: i64) -> Fut<'_, ()> {
        Box::pin(self.tell(self.question(key, asked_at(due_ms), true)))
    }
    fn rearm(&self, _: usize, key: u32, _: i64) -> Fut<'_, ()> {
        Box::pin(self.tell(self.question(key, now_ms(), false)))
    }
    fn cancel(&self, _: usize, key: u32) -> Fut<'_, ()> {
        Box::pin(self.tell(self.reply(key)))
    }
    fn bulk(&self, _: usize, items: Vec<(u32, i64)>) -> Fut<'_, ()> {
        Box::pin(async move {
            if self.forgets {
                for part in items.chunks(32) {
                    let questions = part.iter().map(|(key, due)| self.tell(self.question(*key, asked_at(*due), true)));
                    futures::future::try_join_all(questions).await?;
                }
                return Ok(());
            }
            let events = items.into_iter().map(|(key, due)| self.streams[1].tell(self.question(key, asked_at(due), true)));
            futures::future::try_join_all(events).await.map(|_| ())
        })
    }
    fn count(&self) -> Fut<'_, i64> {
        Box::pin(async { if self.forgets { Ok(-1) } else { self.figure("reengaged_conversations{", &["waiting", "retrying", "sending"]).await } })
    }
    fn work(&self, _: usize, _: Arc<Fire>) -> Fut<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// One event with the place where its answer is waited for.
type Told = (String, oneshot::Sender<Res<()>>);
/// Answers waited for, in the order of their events.
type Waiting = Arc<Mutex<VecDeque<oneshot::Sender<Res<()>>>>>;

/// A stream of events that is opened when there is one. What is at hand is written together.
struct Stream {
    events: mpsc::UnboundedSender<Told>,
}

impl Stream {
    fn open(host: &str) -> Stream {
        let (events, mut taken) = mpsc::unbounded_channel();
        let host = host.to_owned();
        tokio::spawn(async move {
            while let Some(first) = taken.recv().await {
                let waiting = Waiting::default();
                let why = run(&host, first, &mut taken, &waiting).await.err();
                let why = why.map_or_else(|| "the stream ended".to_owned(), |error| error.to_string());
                let left: Vec<_> = waiting.lock().unwrap().drain(..).collect();
                left.into_iter().for_each(|answer| drop(answer.send(Err(why.clone().into()))));
            }
        });
        Stream { events }
    }

    async fn tell(&self, event: String) -> Res<()> {
        let (answer, answered) = oneshot::channel();
        self.events.send((event, answer)).map_err(|_| "the stream is gone")?;
        answered.await.map_err(|_| Error::from("the stream is gone"))?
    }
}

/// One request, from its first event until there was none for a while.
async fn run(host: &str, first: Told, events: &mut mpsc::UnboundedReceiver<Told>, waiting: &Waiting) -> Res<()> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let head = format!("POST /v1/events HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n");
    write.write_all(head.as_bytes()).await?;
    let mut reading = tokio::spawn(answers(BufReader::with_capacity(64 * 1024, read), Arc::clone(waiting)));
    let mut batch = vec![first];
    loop {
        let mut lines = String::with_capacity(batch.len() * 256);
        {
            let mut waiting = waiting.lock().unwrap();
            for (event, answer) in batch.drain(..) {
                lines.push_str(&event);
                lines.push('\n');
                waiting.push_back(answer);
            }
        }
        write.write_all(format!("{:x}\r\n{lines}\r\n", lines.len()).as_bytes()).await?;
        tokio::select! {
            ended = &mut reading => return ended?,
            taken = tokio::time::timeout(IDLE, events.recv_many(&mut batch, GATHER)) => {
                if taken.unwrap_or(0) == 0 {
                    write.write_all(b"0\r\n\r\n").await?;
                    return reading.await?;
                }
            }
        }
    }
}

/// Reads the answer lines of one response and hands them out in order.
async fn answers(mut from: BufReader<OwnedReadHalf>, waiting: Waiting) -> Res<()> {
    let mut line = String::new();
    while from.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let (mut begun, mut chunk) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if from.read_line(&mut line).await? == 0 {
            return Err("the response broke off".into());
        }
        let size = usize::from_str_radix(line.trim(), 16)?;
        chunk.resize(size + 2, 0);
        from.read_exact(&mut chunk).await?;
        if size == 0 {
            return Ok(());
        }
        begun.extend_from_slice(&chunk[..size]);
        let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') else { continue };
        let mut waiting = waiting.lock().unwrap();
        for answer in begun[..end].split(|byte| *byte == b'\n') {
            let told = match answer.starts_with(b"{\"status\":200,") {
                true => Ok(()),
                false => Err(String::from_utf8_lossy(answer).into()),
            };
            match waiting.pop_front() {
                Some(place) => drop(place.send(told)),
                None => return told,
            }
        }
        begun.drain(..=end);
    }
}

//! Bodies of requests, read with bounds on their size and on their silence.
//!
//! Not their meaning. What is larger than allowed is refused, never cut.

use std::future::Future;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::site::Settings;
use crate::shapes::discreet;
use crate::shapes::problem::{Kind, Problem};

/// So much of a refused body is still read, so that the refusal reaches whoever is still writing.
const LINGER_BYTES: usize = 4 << 20;

/// The type of a body that is a stream of lines.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// The type that a request says its body has, without parameters; empty where it says none.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Refuses what does not say that it is JSON: a form of a web page could not be told from it otherwise.
pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = media_type(headers);
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(Kind::UnsupportedType, "send the body as content-type: application/json"))
}

/// The whole body, at most `limit` bytes.
pub(super) async fn whole(headers: &HeaderMap, mut body: Body, limit: usize, settings: &Settings) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Kind::TooLarge, format!("the body is larger than {limit} bytes; leave out what is not needed"));
    if body.size_hint().lower() > limit as u64 {
        linger(headers, body, settings).await;
        return Err(too_large());
    }
    let late = |_| Problem::new(Kind::BodyTimeout, "the body did not come in time; send it again");
    match collect(&mut body, limit, settings).await.map_err(late)? {
        Collected::All(bytes) => Ok(bytes),
        Collected::TooLarge => {
            linger(headers, body, settings).await;
            Err(too_large())
        }
        Collected::Broken => Err(Problem::new(Kind::BadRequest, "the body ended before its length was reached")),
    }
}

enum Collected {
    All(Bytes),
    TooLarge,
    Broken,
}

/// Reads to the end, or to the limit; no frame may take longer than the settings' `body`, nor all of them longer than twice that.
async fn collect(body: &mut Body, limit: usize, settings: &Settings) -> Result<Collected, Elapsed> {
    let until = (settings.elapsed)() + settings.body * 2;
    let mut left = settings.body;
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    // A body whose length was told is known to end here: it is not asked for what it has not.
    while !body.is_end_stream() {
        let Some(frame) = timeout(left, body.frame()).await? else { break };
        left = settings.body.min(until.saturating_sub((settings.elapsed)()));
        let Ok(frame) = frame else { return Ok(Collected::Broken) };
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Ok(Collected::TooLarge);
        }
        // Nearly every body comes in one piece, and then it is not copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(Collected::All(if all.is_empty() { first } else { all.into() }))
}

/// Reads some of what is refused, and forgets it: a connection closed on unread bytes would take the refusal with it.
/// Whoever asked first (`Expect: 100-continue`) has sent nothing.
async fn linger(headers: &HeaderMap, mut body: Body, settings: &Settings) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > LINGER_BYTES {
                break;
            }
        }
    };
    // It is the refusal that matters; how much was read is of no interest.
    let _ = timeout(settings.body / 10, reading).await;
}

/// The whole body as JSON of a known shape; an empty one is the shape's default.
pub(super) async fn json<T: DeserializeOwned + Default>(headers: &HeaderMap, body: Body, settings: &Settings) -> Result<T, Problem> {
    let bytes = whole(headers, body, crate::limits::EVENT_BYTES, settings).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    must_be_json(headers)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let kind = if error.is_data() { Kind::Invalid } else { Kind::NotJson };
        Problem::new(kind, format!("reading the body: {}", discreet::sentence(&error.to_string())))
    })
}

/// What a stream of lines has at hand.
pub(super) enum Piece {
    /// A line, without its end.
    Line(Bytes),
    /// A line longer than allowed: passed over up to its end.
    TooLong,
    /// The end of the body.
    End,
    /// The body broke off.
    Broken,
}

/// A body as lines of bounded length. Lines are pieces of the frames that came in, not copies, but where one spans two frames.
pub(super) struct Lines {
    body: Body,
    /// What came in and is not handed out.
    frame: Bytes,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// The line under way is too long already.
    passing: bool,
    ended: Option<bool>,
    limit: usize,
}

impl Lines {
    /// The lines of `body`, each at most `limit` bytes.
    pub(super) fn new(body: Body, limit: usize) -> Lines {
        Lines { body, frame: Bytes::new(), begun: Vec::new(), passing: false, ended: None, limit }
    }

    /// The next piece, when it has come.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        loop {
            if let Some(piece) = self.take() {
                return Poll::Ready(piece);
            }
            match self.ended {
                Some(true) => return Poll::Ready(self.last()),
                Some(false) => return Poll::Ready(Piece::Broken),
                None => {}
            }
            let frame = self.body.frame();
            match std::task::ready!(std::pin::pin!(frame).poll(cx)) {
                None => self.ended = Some(true),
                Some(Err(_)) => self.ended = Some(false),
                Some(Ok(frame)) => self.frame = frame.into_data().unwrap_or_default(),
            }
        }
    }

    /// A line that is wholly there.
    fn take(&mut self) -> Option<Piece> {
        let Some(end) = self.frame.iter().position(|byte| *byte == b'\n') else {
            let rest = std::mem::take(&mut self.frame);
            self.keep(&rest);
            return None;
        };
        let mut line = self.frame.split_to(end + 1);
        line.truncate(end);
        if !self.begun.is_empty() || self.passing {
            self.keep(&line);
            return Some(self.finish());
        }
        Some(if line.len() > self.limit { Piece::TooLong } else { Piece::Line(line) })
    }

    fn keep(&mut self, part: &[u8]) {
        if self.passing || self.begun.len() + part.len() > self.limit {
            self.passing = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn finish(&mut self) -> Piece {
        let line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.passing) { Piece::TooLong } else { Piece::Line(line.into()) }
    }

    /// The last line needs no end.
    fn last(&mut self) -> Piece {
        if self.begun.is_empty() && !self.passing { Piece::End } else { self.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, stream};
    use proptest::prelude::*;

    fn lines_of(parts: &[&[u8]], limit: usize) -> Vec<Option<Vec<u8>>> {
        let frames: Vec<Result<Bytes, std::io::Error>> = parts.iter().map(|p| Ok(Bytes::copy_from_slice(p))).collect();
        let mut lines = Lines::new(Body::from_stream(stream::iter(frames)), limit);
        let mut all = Vec::new();
        loop {
            match std::future::poll_fn(|cx| lines.poll_next(cx)).now_or_never().expect("all frames are there") {
                Piece::Line(line) => all.push(Some(line.to_vec())),
                Piece::TooLong => all.push(None),
                Piece::End => return all,
                Piece::Broken => panic!("nothing breaks here"),
            }
        }
    }

    #[test]
    fn a_line_too_long_is_passed_over_and_its_neighbours_are_not() {
        let lines = lines_of(&[b"one\ntoolon", b"gtoolong", b"\ntwo\nth", b"ree"], 5);
        let text: Vec<Option<&str>> = lines.iter().map(|l| l.as_deref().map(|l| std::str::from_utf8(l).unwrap())).collect();
        assert_eq!(text, [Some("one"), None, Some("two"), Some("three")]);
    }

    proptest! {
        #[test]
        fn where_the_frames_are_cut_does_not_matter(
            text in "[a\n]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6), limit in 1usize..8
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(lines_of(&parts, limit), lines_of(&[bytes], limit));
            let plain: Vec<Option<Vec<u8>>> = text.split_terminator('\n').map(|l| (l.len() <= limit).then(|| l.into())).collect();
            prop_assert_eq!(lines_of(&parts, limit), plain);
        }
    }
}

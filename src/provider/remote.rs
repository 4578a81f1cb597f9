//! A provider with an API of its own: the request is written, sent once, and its answer judged; writing and judging are pure.
//!
//! Not a retry, and not a table: what an answer means is each provider's own.

use std::fmt;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use crate::conversation::{Capabilities, Refusal};
use crate::engine::approval::{Approval, Submission, TemplateDraft, Unsubmitted};
use crate::engine::heard::Item;
use crate::engine::ports::{CallEnd, Called, Message, Provider, Waiting};
use crate::limits;
use crate::moment::Moment;
use crate::provider::client::{self, Ended, Reply};

/// A credential. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A credential of this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Key {
        Key(text.into())
    }

    /// Whether it is this text, compared in constant time whatever the lengths.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(text.as_bytes())).into()
    }

    /// Its text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A request, written and not yet sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Where.
    pub url: Url,
    /// Headers beside the content type. Values with credentials are marked by [`Key`].
    pub headers: Vec<(&'static str, Key)>,
    /// The body with its content type; `None` makes it a `GET`.
    pub body: Option<(&'static str, String)>,
}

/// What tells one provider's API from another's. Pure.
pub trait Api: Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The request that hands a message over.
    ///
    /// # Errors
    /// Why the message cannot be written for this provider.
    fn write(&self, message: &Message) -> Result<Outgoing, Refusal>;

    /// What the end of the call means. [`client::common`] knows what is HTTP's own; the provider's table goes first.
    fn judge(&self, message: &Message, ended: &Ended) -> Called;

    /// The request that asks whether a stopped line works again, without sending anything to anybody.
    fn probe(&self) -> Option<Outgoing> {
        None
    }

    /// What the answer to it says.
    ///
    /// # Errors
    /// Why the line does not work yet: one line for people.
    fn probed(&self, reply: &Reply) -> Result<(), String> {
        if (200..300).contains(&reply.status) { Ok(()) } else { Err(format!("HTTP {}", reply.status)) }
    }

    /// The next request of a submission for approval, or how it ended; `replies` are the answers to those before.
    fn submit(&self, _draft: &TemplateDraft, _replies: &[Reply]) -> Submitting {
        Submitting::Ended(Err(Unsubmitted::Later("the provider of this line takes no templates by its API".to_owned())))
    }

    /// The request that asks where the approval of a submission stands.
    fn approval(&self, _submission: &str) -> Option<Outgoing> {
        None
    }

    /// What the answer to it says.
    ///
    /// # Errors
    /// Why it says nothing: one line for people.
    fn read_approval(&self, _submission: &str, reply: &Reply) -> Result<Approval, String> {
        Err(format!("HTTP {}", reply.status))
    }

    /// The request for a page of what arrived since `since`; `None` where the provider redelivers by itself. `page` is what the
    /// page before answered.
    fn missed(&self, _since: Moment, _page: Option<&Url>) -> Option<Outgoing> {
        None
    }

    /// What a page says, and where the next one is.
    ///
    /// # Errors
    /// Why it cannot be read: one line for people.
    fn read_missed(&self, _since: Moment, _reply: &Reply) -> Result<(Vec<Item>, Option<Url>), String> {
        Ok((Vec::new(), None))
    }
}

/// How a submission goes on.
#[derive(Debug)]
pub enum Submitting {
    /// By this request.
    Ask(Outgoing),
    /// Not at all.
    Ended(Result<Submission, Unsubmitted>),
}

/// Most requests of one submission.
const SUBMITTING: usize = 3;
/// Most pages of what was missed; beyond, the rest is told to be lost.
const PAGES: usize = 100;

/// The provider that speaks such an API.
pub struct Remote<A> {
    api: A,
    client: reqwest::Client,
    budget: Duration,
}

impl<A: Api> Remote<A> {
    /// Calls take `budget`, at most [`limits::CALL_BUDGET`].
    #[must_use]
    pub fn new(api: A, client: reqwest::Client, budget: Duration) -> Remote<A> {
        let most = Duration::from_millis(limits::CALL_BUDGET.unsigned_abs());
        Remote { api, client, budget: budget.min(most) }
    }

    fn request(&self, outgoing: Outgoing) -> reqwest::RequestBuilder {
        let mut request = match outgoing.body {
            Some((kind, body)) => self.client.post(outgoing.url).header(CONTENT_TYPE, kind).body(body),
            None => self.client.get(outgoing.url),
        };
        for (name, value) in &outgoing.headers {
            request = request.header(*name, value.expose());
        }
        request
    }

    async fn ask(&self, outgoing: Outgoing, now: Moment) -> Result<Reply, String> {
        match client::call_for(self.request(outgoing), self.budget, now, limits::LISTING_BYTES).await {
            Ended::Reply(reply) if reply.broken.is_none() => Ok(reply),
            Ended::Reply(reply) => Err(format!("HTTP {}, cut short", reply.status)),
            Ended::NotSent(why) | Ended::Lost(why) => Err(why),
        }
    }

    async fn submitting(&self, draft: &TemplateDraft) -> Result<Submission, Unsubmitted> {
        let mut replies = Vec::new();
        for _ in 0..=SUBMITTING {
            match self.api.submit(draft, &replies) {
                Submitting::Ended(ended) => return ended,
                Submitting::Ask(outgoing) => replies.push(self.ask(outgoing, Moment::MIN).await.map_err(Unsubmitted::Later)?),
            }
        }
        Err(Unsubmitted::Later(format!("not done after {SUBMITTING} requests")))
    }

    async fn pages(&self, since: Moment) -> Result<Vec<Item>, String> {
        let (mut items, mut page) = (Vec::new(), None);
        for _ in 0..PAGES {
            let Some(outgoing) = self.api.missed(since, page.as_ref()) else { return Ok(items) };
            let reply = self.ask(outgoing, since).await?;
            let (more, next) = self.api.read_missed(since, &reply)?;
            items.extend(more);
            match next {
                Some(next) => page = Some(next),
                None => return Ok(items),
            }
        }
        Err(format!("there are more than {PAGES} pages of messages"))
    }
}

impl<A: Api> Provider for Remote<A> {
    fn capabilities(&self) -> Capabilities {
        self.api.capabilities()
    }

    fn send<'a>(&'a self, message: &'a Message) -> Waiting<'a, Called> {
        Box::pin(async move {
            match self.api.write(message) {
                Ok(outgoing) => {
                    let ended = client::call(self.request(outgoing), self.budget, message.now).await;
                    self.api.judge(message, &ended)
                }
                Err(refusal) => Called::new(CallEnd::Unwritten(refusal), "cannot be written for this provider"),
            }
        })
    }

    fn probe(&self) -> Option<Waiting<'_, Result<(), String>>> {
        let outgoing = self.api.probe()?;
        Some(Box::pin(async move {
            let reply = self.ask(outgoing, Moment::MIN).await?;
            self.api.probed(&reply)
        }))
    }

    fn submit<'a>(&'a self, draft: &'a TemplateDraft) -> Option<Waiting<'a, Result<Submission, Unsubmitted>>> {
        Some(Box::pin(self.submitting(draft)))
    }

    fn approval<'a>(&'a self, submission: &'a str) -> Option<Waiting<'a, Result<Approval, String>>> {
        let outgoing = self.api.approval(submission)?;
        Some(Box::pin(async move {
            let reply = self.ask(outgoing, Moment::MIN).await?;
            self.api.read_approval(submission, &reply)
        }))
    }

    fn missed(&self, since: Moment) -> Option<Waiting<'_, Result<Vec<Item>, String>>> {
        self.api.missed(since, None)?;
        Some(Box::pin(self.pages(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::{block_on, message};

    struct Mute;

    impl Api for Mute {
        fn capabilities(&self) -> Capabilities {
            crate::provider::CAPABILITIES
        }

        fn write(&self, _message: &Message) -> Result<Outgoing, Refusal> {
            Err(Refusal::Template)
        }

        fn judge(&self, _message: &Message, ended: &Ended) -> Called {
            unreachable!("nothing was asked: {ended:?}")
        }
    }

    #[test]
    fn a_message_that_cannot_be_written_is_no_word_of_the_provider() {
        let client = client::build(&client::Settings::default()).unwrap();
        let called = block_on(Remote::new(Mute, client, Duration::from_secs(1)).send(&message()));
        assert_eq!((called.end, called.trouble), (CallEnd::Unwritten(Refusal::Template), None));
    }
}

//! The approval of outbounds: submitted to their line's provider, asked about at their time, and changed when a provider tells.
//!
//! Not the record's fields, and no decision whether something is sent: what is learnt is filed, as an edge would. A submission that
//! a crash interrupts is made again: the name is the outbound's own, so the provider takes it once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::clock::Clock;
use crate::daemon::deliver::Providers;
use crate::engine::approval::{Approval, Submission, Unsubmitted};
use crate::engine::desk::{Desk, Request};
use crate::engine::group::Notice;
use crate::engine::heard::TemplateNews;
use crate::engine::ports::Provider;
use crate::engine::registry::{Filing, OutboundNews, Register, Shelf};
use crate::engine::request::Rejected;
use crate::limits;
use crate::shapes::guide;
use crate::shapes::guide::outbound::{Outbound, Status};

/// Approved outbounds that are asked about at a time, in turn: whether they still may be sent. Those under review are all asked about.
const APPROVED: usize = 50;
/// So often a change is decided anew that others overtook.
const TRIES: usize = 32;
/// The longest reason that is kept, in characters.
const REASON_CHARS: usize = 300;

/// What there is to look after.
#[derive(Debug)]
pub(super) enum Errand {
    /// The engine tells of something durable.
    Notice(Notice),
    /// It is time to ask about approvals.
    Poll,
}

/// What looks after them.
pub(super) struct Approvals {
    pub(super) desk: Desk,
    pub(super) providers: Arc<ArcSwap<Providers>>,
    pub(super) clock: Clock,
    /// The last approved outbound that was asked about.
    pub(super) asked: Arc<str>,
}

/// Looks after outbounds for as long as the daemon runs: first after those that a stop left unsubmitted.
pub(super) async fn run(mut approvals: Approvals, mut errands: UnboundedReceiver<Errand>) {
    approvals.submit_all().await;
    while let Some(errand) = errands.recv().await {
        match errand {
            Errand::Notice(Notice::Filed(Register::Outbound, id)) => approvals.submit(&id).await,
            Errand::Notice(Notice::Filed(Register::Inbound, _)) => {}
            Errand::Notice(Notice::Template(line, news)) => approvals.hear(&line, &news).await,
            Errand::Poll => approvals.poll().await,
        }
    }
}

impl Approvals {
    async fn shelf(&self) -> Option<Shelf> {
        // The loop may have stopped; then nothing more is to be done.
        self.desk.ask(|answer| Request::Shelf(Register::Outbound, answer)).await.ok()
    }

    async fn submit_all(&self) {
        let Some(shelf) = self.shelf().await else { return };
        for (id, bytes) in &shelf.records {
            if Outbound::from_bytes(bytes).is_some_and(|outbound| unsubmitted(&outbound)) {
                self.submit(id).await;
            }
        }
    }

    /// Submits an outbound, unless that was done, and files what came of it.
    async fn submit(&self, id: &Arc<str>) {
        let Some(shelf) = self.shelf().await else { return };
        let Some(outbound) = shelf.find(id).and_then(|bytes| Outbound::from_bytes(bytes)).filter(unsubmitted) else { return };
        let submitted = match self.provider(&shelf, &outbound) {
            Err(why) => Err(Unsubmitted::Later(why)),
            Ok((_, provider)) => {
                let draft = outbound.draft(id);
                match provider.submit(&draft) {
                    None => Err(Unsubmitted::Later("the provider of this line takes no templates by its API".to_owned())),
                    Some(submitting) => bounded(submitting).await.unwrap_or_else(|| Err(Unsubmitted::Later(SLOW.to_owned()))),
                }
            }
        };
        match &submitted {
            Ok(submission) => tracing::info!(outbound = %id, template = %submission.template, "submitted for approval"),
            Err(Unsubmitted::Refused(why)) => tracing::warn!(outbound = %id, %why, "the provider refuses the template"),
            Err(Unsubmitted::Later(why)) => tracing::warn!(outbound = %id, %why, "not submitted yet; it is tried again at the next poll"),
        }
        self.amend(id, |outbound| match &submitted {
            Ok(Submission { id, template, approval }) => {
                (outbound.submission, outbound.template) = (id.clone(), template.clone());
                outbound.reason.clear();
                learn(outbound, approval);
            }
            Err(Unsubmitted::Refused(why)) => learn(outbound, &Approval::Rejected(why.clone())),
            Err(Unsubmitted::Later(why)) => outbound.reason = shortened(why),
        })
        .await;
    }

    /// Submits what could not be submitted before, and asks about everything under review and some of what is approved.
    async fn poll(&mut self) {
        self.submit_all().await;
        let Some(shelf) = self.shelf().await else { return };
        let all: Vec<(Arc<str>, Outbound)> =
            shelf.records.iter().filter_map(|(id, bytes)| Some((Arc::clone(id), Outbound::from_bytes(bytes)?))).collect();
        let submitted = |status: Status| all.iter().filter(move |(_, o)| o.status == status && !o.submission.is_empty());
        let after: Vec<_> = submitted(Status::Approved).filter(|(id, _)| **id > *self.asked).take(APPROVED).collect();
        let approved = if after.is_empty() { submitted(Status::Approved).take(APPROVED).collect() } else { after };
        self.asked = approved.last().map_or_else(|| Arc::from(""), |(id, _)| Arc::clone(id));
        for (id, outbound) in submitted(Status::Pending).chain(approved) {
            self.ask(&shelf, id, outbound).await;
        }
    }

    async fn ask(&self, shelf: &Shelf, id: &Arc<str>, outbound: &Outbound) {
        let Ok((line, provider)) = self.provider(shelf, outbound) else { return };
        let Some(asked) = provider.approval(&outbound.submission) else { return };
        match bounded(asked).await.unwrap_or_else(|| Err(SLOW.to_owned())) {
            Ok(approval) => {
                self.amend(id, |outbound| learn(outbound, &approval)).await;
                self.tell_engine(&line, outbound, &approval).await;
            }
            Err(why) => tracing::warn!(outbound = %id, %why, "asking about an approval failed; it is asked again"),
        }
    }

    /// Follow-ups may stand on the same template as a fallback.
    async fn tell_engine(&self, line: &Arc<str>, outbound: &Outbound, approval: &Approval) {
        let usable = match approval {
            Approval::Pending => return,
            Approval::Approved => true,
            Approval::Paused | Approval::Rejected(_) => false,
        };
        if usable == (outbound.status == Status::Approved && !outbound.paused) {
            return;
        }
        let word = if usable { "APPROVED" } else { "PAUSED" }.to_owned();
        let news = TemplateNews { address: String::new(), template: outbound.template.clone(), usable, word };
        let told = self.desk.ask(|answer| Request::Template(vec![(line.to_string(), news)], answer)).await;
        if let Err(why) = told {
            tracing::warn!(%why, "a template's state could not be kept; the next poll tells it again");
        }
    }

    /// A provider told of a template.
    async fn hear(&self, line: &str, news: &TemplateNews) {
        let Some(shelf) = self.shelf().await else { return };
        let Some(approval) = said(news) else { return };
        for (id, bytes) in &shelf.records {
            let Some(outbound) = Outbound::from_bytes(bytes) else { continue };
            let here = shelf.book.numbers.get(outbound.waba_phone_number.as_str()).is_some_and(|name| **name == *line);
            if here && outbound.template == news.template {
                self.amend(id, |outbound| learn(outbound, &approval)).await;
            }
        }
    }

    fn provider(&self, shelf: &Shelf, outbound: &Outbound) -> Result<(Arc<str>, Arc<dyn Provider>), String> {
        let line = guide::line_of(&shelf.book, &outbound.waba_phone_number).map_err(|bad| bad.why)?;
        let provider = self.providers.load().get(&line).cloned().ok_or("the line is no longer configured")?;
        Ok((line, provider))
    }

    /// Files an outbound as `change` leaves it, and has hooks told where it was approved or rejected by that.
    async fn amend(&self, id: &Arc<str>, change: impl Fn(&mut Outbound)) {
        for _ in 0..TRIES {
            let Some(shelf) = self.shelf().await else { return };
            let Some(before) = shelf.find(id).and_then(|bytes| Outbound::from_bytes(bytes)) else { return };
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return;
            }
            after.updated_at = self.clock.now().0;
            let tell = (before.status != after.status && after.status != Status::Pending).then(|| news(&shelf, id, &after));
            let (register, version) = (Register::Outbound, shelf.version);
            let filing = Filing { register, id: Some(Arc::clone(id)), value: Some(after.to_bytes()), version, inbounds: None, tell };
            match self.desk.ask(|answer| Request::File(Box::new(filing), answer)).await {
                Err(Rejected::Outdated) => {}
                Err(why) => return tracing::error!(outbound = %id, %why, "the state of an approval could not be kept"),
                Ok(_) => return,
            }
        }
        tracing::error!(outbound = %id, "the state of an approval could not be kept: others always came first");
    }
}

const SLOW: &str = "the provider did not answer in time";

/// Waits for a provider that may not keep its own budget; a submission may take several calls.
async fn bounded<T>(asked: impl Future<Output = T>) -> Option<T> {
    let budget = Duration::from_millis(4 * limits::CALL_BUDGET.unsigned_abs());
    tokio::time::timeout(budget, asked).await.ok()
}

fn unsubmitted(outbound: &Outbound) -> bool {
    outbound.status == Status::Pending && outbound.submission.is_empty()
}

/// What a provider's word for a template's state says of its approval; `None` where it says nothing.
fn said(news: &TemplateNews) -> Option<Approval> {
    match (news.usable, news.word.as_str()) {
        (true, _) => Some(Approval::Approved),
        (false, "REJECTED") => Some(Approval::Rejected(String::new())),
        (false, "PENDING" | "IN_APPEAL") => None,
        (false, _) => Some(Approval::Paused),
    }
}

/// An outbound learns where its approval stands. What never was approved is not paused by a word that comes too early.
fn learn(outbound: &mut Outbound, approval: &Approval) {
    match approval {
        Approval::Pending => {}
        Approval::Approved => {
            (outbound.status, outbound.paused) = (Status::Approved, false);
            outbound.reason.clear();
        }
        Approval::Paused => outbound.paused = outbound.status == Status::Approved,
        Approval::Rejected(why) => {
            (outbound.status, outbound.paused) = (Status::Rejected, false);
            if !why.is_empty() || outbound.reason.is_empty() {
                outbound.reason = shortened(why);
            }
        }
    }
}

fn shortened(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect()
}

fn news(shelf: &Shelf, id: &Arc<str>, outbound: &Outbound) -> (bool, OutboundNews) {
    let line = guide::line_of(&shelf.book, &outbound.waba_phone_number).map(|line| line.to_string()).unwrap_or_default();
    let (name, why) = (outbound.outbound_name.clone(), outbound.reason.clone());
    (outbound.status == Status::Approved, OutboundNews { id: Arc::clone(id), name, line, why })
}

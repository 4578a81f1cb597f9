//! What people wrote while the daemon was down, on lines whose provider does not redeliver its webhooks: asked for once at start.
//!
//! Not a poll, and not for bots: what was missed is put before the engine, and not handed on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::daemon::Shared;
use crate::engine::desk::{Desk, Request};
use crate::engine::heard::Item;
use crate::engine::inboxes::{Sorted, Source};
use crate::engine::ports::Provider;
use crate::engine::request::{Inbound, Rejected};
use crate::limits;
use crate::moment::Moment;
use crate::shapes::problem::Problem;

/// The wait before the second try; doubles with each further one.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest wait between two tries.
const AGAIN_CEILING: Duration = Duration::from_secs(15);
/// Events put before the engine at a time.
const AT_ONCE: usize = 1_000;

/// Begins to ask, for each line that has such a question, what arrived since shortly before `alive`, the last sign of life.
pub(super) fn recover(shared: &Arc<Shared>, desk: &Desk, alive: Moment) {
    let since = alive.plus(-limits::MISSED_OVERLAP);
    for (line, provider) in shared.providers.load().iter() {
        let (shared, desk, line, provider) = (Arc::clone(shared), desk.clone(), Arc::clone(line), Arc::clone(provider));
        tokio::spawn(async move { Missed { shared, desk, line, provider, since }.run().await });
    }
}

/// One line's question.
struct Missed {
    shared: Arc<Shared>,
    desk: Desk,
    line: Arc<str>,
    provider: Arc<dyn Provider>,
    since: Moment,
}

impl Missed {
    /// Asks until there is an answer, for as long as overdue sends of the line wait for it.
    async fn run(self) {
        let line = &self.line;
        let patience = self.shared.config.load().lines.get(&**line).map_or(0, |line| line.catch_up_wait);
        let until = self.shared.clock.elapsed() + Duration::from_millis(patience.unsigned_abs());
        let mut wait = AGAIN;
        loop {
            let Some(asking) = self.provider.missed(self.since) else { return };
            let failed = match asking.await {
                Ok(items) => match self.keep(items).await {
                    Ok(kept) => return tracing::info!(%line, since = %self.since, events = kept, "asked what was missed while down"),
                    Err(rejected) => rejected.to_string(),
                },
                Err(why) => why,
            };
            if self.shared.clock.elapsed() + wait > until {
                return tracing::error!(
                    %line, since = %self.since, why = %failed,
                    "what people wrote while the daemon was down is not known; follow-ups may reach people who have answered"
                );
            }
            tracing::warn!(%line, why = %failed, "asking what was missed while down failed; trying again");
            sleep(wait).await;
            wait = (wait * 2).min(AGAIN_CEILING);
        }
    }

    /// Puts what was missed before the engine, in the order of time; how much of it was new.
    async fn keep(&self, mut items: Vec<Item>) -> Result<usize, Rejected> {
        items.sort_by_key(|item| match item {
            Item::Event(heard) => heard.at.unwrap_or(Moment::MAX),
            Item::Template(_) | Item::Passed(_) => Moment::MAX,
        });
        let Sorted { mut events, templates, .. } = self.shared.site.inboxes().sort(&self.line, items, Source::List);
        let mut new = 0;
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(AT_ONCE));
            new += self.put(std::mem::replace(&mut events, rest)).await?;
        }
        if !templates.is_empty() {
            self.desk.ask(|reply| Request::Template(templates, reply)).await?;
        }
        Ok(new)
    }

    async fn put(&self, events: Vec<Inbound>) -> Result<usize, Rejected> {
        let mut new = 0;
        for answer in self.desk.events(events).await {
            match answer {
                Ok(answer) => new += usize::from(answer.ignored.is_none()),
                Err(rejected @ (Rejected::Unavailable(_) | Rejected::Overloaded | Rejected::NotYet)) => return Err(rejected),
                // What has no place here would have none the next time either.
                Err(rejected) => {
                    let why = Problem::from(rejected).kind.slug();
                    tracing::debug!(line = %self.line, why, "something that was missed has no place here");
                }
            }
        }
        Ok(new)
    }
}

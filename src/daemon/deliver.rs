//! Making calls: message put together, the last look, the provider under its budget, the verdict back to the engine.
//!
//! Not a retry: a call is made once; whether there is another is the machine's decision.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::conversation::{Refusal, Verdict};
use crate::daemon::wakeups::{How, Wakeup};
use crate::engine::book::Book;
use crate::engine::compose::compose;
use crate::engine::group::Call;
use crate::engine::heard::Trouble;
use crate::engine::ports::{CallEnd, Called, Message, Provider, Store};
use crate::engine::record::NameId;
use crate::engine::tables::Names;
use crate::id::SendId;
use crate::limits;
use crate::moment::Moment;
use crate::points;

/// The providers in force, by line.
pub(super) type Providers = HashMap<Arc<str>, Arc<dyn Provider>>;

/// What a call needs.
pub(super) struct Delivery {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) book: Arc<ArcSwap<Book>>,
    pub(super) providers: Arc<ArcSwap<Providers>>,
    pub(super) names: Arc<Names>,
    pub(super) wakeups: UnboundedSender<Wakeup>,
}

/// Calls that are put together and looked at once more together: the engine is asked once for all of them.
const TOGETHER: usize = 16;

/// Makes calls as they come, side by side; permits bound how many.
pub(super) async fn run(delivery: Arc<Delivery>, mut calls: UnboundedReceiver<Call>) {
    let mut some = Vec::with_capacity(TOGETHER);
    while calls.recv_many(&mut some, TOGETHER).await > 0 {
        let (delivery, some) = (Arc::clone(&delivery), std::mem::replace(&mut some, Vec::with_capacity(TOGETHER)));
        tokio::spawn(async move { Delivery::let_out(&delivery, some).await });
    }
}

impl Delivery {
    /// Puts messages together, has the engine take its last look, and makes the calls that it lets out.
    async fn let_out(this: &Arc<Delivery>, calls: Vec<Call>) {
        let mut ready = Vec::with_capacity(calls.len());
        for call in calls {
            match std::panic::catch_unwind(AssertUnwindSafe(|| this.prepare(&call))) {
                Ok(Ok((message, provider))) => ready.push((call, message, provider)),
                Ok(Err(refusal)) => this.ended(&call, How::Unasked(refusal)),
                Err(_) => this.panicked(&call),
            }
        }
        let open = this.door(ready.iter().map(|(call, ..)| call.id).collect()).await;
        for ((call, message, provider), open) in ready.into_iter().zip(open) {
            if !open && !points::wrong("wrong.skip_the_door") {
                this.ended(&call, How::Asked(Verdict::NotBegun, None));
                continue;
            }
            let this = Arc::clone(this);
            tokio::spawn(async move {
                match AssertUnwindSafe(this.make(&call, &message, &*provider)).catch_unwind().await {
                    Ok(how) => this.ended(&call, how),
                    Err(_) => this.panicked(&call),
                }
            });
        }
    }

    fn ended(&self, call: &Call, how: How) {
        // The loop may have stopped; then the claim stands, and is in doubt at the next start.
        let _ = self.wakeups.send(Wakeup::Ended(call.id, how));
    }

    fn panicked(&self, call: &Call) {
        tracing::error!(send = %call.id, "a call ended in a panic; its outcome is unknown, and it is not made again");
        self.ended(call, How::Asked(Verdict::Unknown, None));
    }

    async fn make(&self, call: &Call, message: &Message, provider: &dyn Provider) -> How {
        // The provider keeps its own budget; this one is for a provider that does not.
        let budget = Duration::from_millis(limits::CALL_BUDGET as u64) + Duration::from_secs(1);
        points::at("call.allowed");
        let called = tokio::time::timeout(budget, provider.send(message))
            .await
            .unwrap_or_else(|_| Called::new(CallEnd::Unknown, "the call did not end within its budget"));
        points::at("call.answered");
        let (line, send, detail) = (&message.line, call.id, &called.detail);
        match called.end {
            CallEnd::Accepted => tracing::info!(%line, %send, %detail, "handed over"),
            CallEnd::Busy(_) => tracing::warn!(%line, %send, %detail, "not taken for now"),
            CallEnd::Refused(_) | CallEnd::Unwritten(_) => tracing::warn!(%line, %send, %detail, "refused"),
            CallEnd::Unknown => tracing::warn!(%line, %send, %detail, "outcome unknown; it is not sent again"),
        }
        self.tell_of_the_line(call.line, &called);
        how(called, self.clock.now())
    }

    /// What is wrong with the whole line is told before how the call ended: nothing is claimed in between.
    fn tell_of_the_line(&self, line: NameId, called: &Called) {
        let wait = match called.end {
            CallEnd::Busy(wait) => wait,
            CallEnd::Accepted | CallEnd::Refused(_) | CallEnd::Unwritten(_) | CallEnd::Unknown => 0,
        };
        if let Some(trouble) = called.trouble.filter(|trouble| trouble.stops() || *trouble == Trouble::ThrottleLine) {
            // The loop may have stopped; then the line is found out about at the next start.
            let _ = self.wakeups.send(Wakeup::Trouble(line, trouble, wait, called.detail.clone()));
        }
    }

    fn prepare(&self, call: &Call) -> Result<(Message, Arc<dyn Provider>), Refusal> {
        let (line, flow) = (self.names.name(call.line), self.names.name(call.flow));
        let book = self.book.load();
        let policy = book.policy(&line, &flow).ok_or(Refusal::Line)?;
        let provider = self.providers.load().get(&line).cloned().ok_or(Refusal::Line)?;
        let loaded = self.store.load(call.conversation).inspect_err(|fault| {
            tracing::error!(conversation = %call.conversation, %fault, "the record of a conversation cannot be read; its follow-up is not sent");
        });
        let (stored, details) = loaded.ok().flatten().ok_or(Refusal::Line)?;
        let now = self.clock.now();
        points::at("call.claimed");
        Ok((compose(call, &details, policy, (line, flow), stored.state.episode, now)?, provider))
    }

    /// Which of these may go out; none where the loop has stopped.
    async fn door(&self, sends: Vec<SendId>) -> Vec<bool> {
        let none = vec![false; sends.len()];
        let (reply, answer) = oneshot::channel();
        match self.wakeups.send(Wakeup::Doors(sends, reply)) {
            Ok(()) => answer.await.unwrap_or(none),
            Err(_) => none,
        }
    }
}

/// What the end of a call is to the machine.
fn how(called: Called, now: Moment) -> How {
    let verdict = match called.end {
        _ if called.trouble.is_some_and(Trouble::stops) => Verdict::Stopped,
        CallEnd::Accepted => Verdict::Accepted(now),
        CallEnd::Busy(after) => Verdict::Busy(after),
        CallEnd::Refused(refusal) => Verdict::Refused(refusal),
        CallEnd::Unwritten(refusal) => return How::Unasked(refusal),
        CallEnd::Unknown if points::wrong("wrong.resend_unknown") => Verdict::Busy(0),
        CallEnd::Unknown => Verdict::Unknown,
    };
    How::Asked(verdict, called.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_a_line_costs_the_send_nothing_and_everything_else_is_what_it_is() {
        let now = Moment(7);
        for (trouble, expected) in [
            (Trouble::Authentication, Verdict::Stopped),
            (Trouble::Account, Verdict::Stopped),
            (Trouble::ThrottleLine, Verdict::Busy(9)),
            (Trouble::ThrottlePair, Verdict::Busy(9)),
            (Trouble::Retry, Verdict::Busy(9)),
            (Trouble::Configuration, Verdict::Refused(Refusal::Line)),
            (Trouble::Doubt, Verdict::Unknown),
        ] {
            assert_eq!(how(Called::failed(trouble, 9, "401"), now), How::Asked(expected, None), "{trouble}");
        }
        assert_eq!(how(Called::accepted("id", "200"), now), How::Asked(Verdict::Accepted(now), Some("id".to_owned())));
        assert_eq!(how(Called::new(CallEnd::Busy(3), "no connection"), now), How::Asked(Verdict::Busy(3), None));
        assert_eq!(how(Called::new(CallEnd::Unwritten(Refusal::Template), "no template"), now), How::Unasked(Refusal::Template));
    }
}

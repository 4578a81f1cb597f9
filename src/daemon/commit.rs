//! The commit thread: puts what the engine decided on disk, and only then lets answers and calls out.
//!
//! Not a decision: groups arrive whole, in order, and leave in order. The only thread that flushes or folds the store.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::daemon::wakeups::Wakeup;
use crate::engine::group::{Call, Group, Told};
use crate::engine::ports::{Durable, Fault, Store};

/// After so long without a group there is time to fold.
const IDLE: Duration = Duration::from_millis(200);
/// Changes that are not folded beyond which some are folded between groups, idle or not.
const LONG_LOG: usize = 16_384;

/// Where what a durable group lets out goes.
pub(super) struct Outlets {
    /// The engine's loop.
    pub(super) wakeups: UnboundedSender<Wakeup>,
    /// Those who make calls.
    pub(super) calls: UnboundedSender<Call>,
    /// Those who tell hooks.
    pub(super) told: UnboundedSender<Told>,
}

/// Runs until the engine lets go of its end, or the store fails.
pub(super) fn run(store: &Arc<dyn Store>, groups: &Receiver<Group>, outlets: &Outlets) {
    let mut unfolded = false;
    loop {
        let first = match groups.recv_timeout(IDLE) {
            Ok(group) => group,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if unfolded {
                    match store.fold() {
                        Ok(more) => unfolded = more,
                        Err(fault) => return fail(Vec::new(), &fault, groups, outlets),
                    }
                }
                continue;
            }
        };
        let mut waiting = vec![first];
        waiting.extend(groups.try_iter());
        match store.flush() {
            Ok(durable) => waiting.into_iter().for_each(|group| release(group, durable, outlets)),
            Err(fault) => return fail(waiting, &fault, groups, outlets),
        }
        unfolded = true;
        if store.unfolded() > LONG_LOG
            && let Err(fault) = store.fold()
        {
            return fail(Vec::new(), &fault, groups, outlets);
        }
    }
}

fn release(group: Group, durable: Durable, outlets: &Outlets) {
    let released = match group.release(durable) {
        Ok(released) => released,
        Err(group) => return group.refuse("the store did not cover what it was given"),
    };
    // Whoever waits at the other end of these may be gone: a caller that hung up, or a loop that has stopped.
    for (reply, answers) in released.answers {
        let _ = reply.send(answers);
    }
    for done in released.done {
        done.tell();
    }
    for call in released.calls {
        let _ = outlets.calls.send(call);
    }
    for told in released.told {
        let _ = outlets.told.send(told);
    }
    let _ = outlets.wakeups.send(Wakeup::Durable(released.permits));
}

/// The store failed: nothing is acknowledged any more, nothing is called, and the process ends.
fn fail(waiting: Vec<Group>, fault: &Fault, groups: &Receiver<Group>, outlets: &Outlets) {
    let why = fault.to_string();
    let _ = outlets.wakeups.send(Wakeup::Failed(fault.clone()));
    waiting.into_iter().for_each(|group| group.refuse(&why));
    // Until the loop has stopped, whoever still asks is refused.
    while let Ok(group) = groups.recv() {
        group.refuse(&why);
    }
}

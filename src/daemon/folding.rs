//! The fold thread: when the store's log is folded, behind the commits.
//!
//! Not how (that is the store's). Folding takes half as much of the processors again as taking the changes in, or more, so while many
//! come, as at the opening bell, it waits: for a quiet moment, or until memory and the next start have enough to bear.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use crate::engine::ports::Store;

/// How often the fold thread looks.
const LOOK: Duration = Duration::from_millis(500);
/// Changes that came between two looks, from which on there are many: then nobody has a processor to spare.
const RUSH: usize = 4_096;
/// Looks after which changes are folded where few are coming, though there was no quiet moment: ten seconds. (What was erased is to
/// leave the log's files soon, and one fold of a conversation that moved five times costs as much as of one that moved once.)
const OLD: u32 = 20;
/// Changes that are folded in any case: some 200 MB of memory and 70 MB of log.
const MANY: usize = 262_144;

/// Folds the store's log, until the commit thread has ended or the store fails: the next flush then says so.
pub(super) fn run(store: &Arc<dyn Store>, committing: &Receiver<()>) {
    let mut turn = Turn::default();
    while committing.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if !turn.has_come(store.unfolded()) {
            continue;
        }
        loop {
            match store.fold() {
                Ok(true) if committing.try_recv() == Err(TryRecvError::Empty) => {}
                Ok(_) => break,
                Err(fault) => {
                    tracing::error!("folding the store: {fault}");
                    return;
                }
            }
        }
    }
}

/// Whether it is time to fold.
#[derive(Debug, Default)]
struct Turn {
    /// Changes that waited at the last look.
    before: usize,
    /// Looks at which some waited, one after the other.
    looks: u32,
}

impl Turn {
    /// Asked at every look, with the changes that wait.
    fn has_come(&mut self, waiting: usize) -> bool {
        let came = waiting.saturating_sub(self.before);
        self.before = waiting;
        self.looks = if waiting == 0 { 0 } else { self.looks + 1 };
        let quiet = came == 0 && waiting > 0;
        let old = came < RUSH && self.looks >= OLD;
        let has_come = quiet || old || waiting >= MANY;
        if has_come {
            *self = Turn::default();
        }
        has_come
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many looks it is time, where so many changes come between two.
    fn looks(mut came: impl FnMut(usize) -> usize) -> usize {
        let (mut turn, mut waiting) = (Turn::default(), 0);
        (1..10_000)
            .find(|look| {
                waiting += came(*look);
                turn.has_come(waiting)
            })
            .unwrap()
    }

    #[test]
    fn what_came_is_folded_at_the_first_quiet_look() {
        assert_eq!(looks(|look| if look == 1 { 1 } else { 0 }), 2);
        assert_eq!(looks(|look| if look < 8 { 20_000 } else { 0 }), 8);
        assert!(!(0..100).any(|_| Turn::default().has_come(0)));
    }

    #[test]
    fn a_trickle_is_folded_every_ten_seconds_and_a_rush_when_there_is_much_of_it() {
        assert_eq!(looks(|_| 1), OLD as usize);
        assert_eq!(looks(|_| RUSH - 1), OLD as usize);
        assert_eq!(looks(|_| RUSH), MANY / RUSH);
        assert_eq!(looks(|look| if look < 30 { RUSH } else { 1 }), 30);
    }

    #[test]
    fn after_a_fold_it_is_counted_anew() {
        let mut turn = Turn::default();
        assert!((1..OLD).all(|n| !turn.has_come(n as usize)) && turn.has_come(OLD as usize));
        // It was folded but for what came meanwhile.
        assert!((1..OLD).all(|n| !turn.has_come(7 + n as usize)) && turn.has_come(100));
    }
}

//! What is done at its time, by `cron` expressions: retention, backups, checks, asking about approvals.
//!
//! Not a follow-up: those are the wheel's. Upkeep that was missed while the daemon was down is done at the next time.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::daemon::Shared;
use crate::daemon::approvals::Errand;
use crate::daemon::caretaker::Nightly;
use crate::daemon::wakeups::Wakeup;
use crate::limits;
use crate::moment::Moment;

/// Sleeps from one time to the next, for as long as the daemon runs.
pub(super) async fn run(shared: Arc<Shared>, errands: UnboundedSender<Errand>) {
    let clock = &shared.clock;
    let mut looked = clock.now();
    loop {
        let nap = std::time::Duration::from_millis(limits::NAP as u64);
        tokio::time::sleep(nap).await;
        let now = clock.now();
        let maintenance = shared.config.load().maintenance.clone();
        if came_due(&maintenance.retention, looked, now) {
            tracing::info!(days = maintenance.retention_days, "retention begins");
            if shared.wakeups.send(Wakeup::Forget(maintenance.retention_days)).is_err() {
                return;
            }
        }
        if maintenance.backup.as_ref().is_some_and(|times| came_due(times, looked, now)) {
            let beside = || shared.config.load().store.path.join("backups");
            let dir = maintenance.backup_path.clone().unwrap_or_else(beside);
            shared.keeper.nightly(&Nightly { dir, keep: maintenance.backup_keep }, now);
        }
        if maintenance.fsck.as_ref().is_some_and(|times| came_due(times, looked, now)) {
            shared.keeper.check();
        }
        if came_due(&maintenance.approvals, looked, now) && errands.send(Errand::Poll).is_err() {
            return;
        }
        looked = now;
    }
}

/// Whether a time of the expression lies after `from` and not after `to`.
fn came_due(schedule: &cron::Schedule, from: Moment, to: Moment) -> bool {
    let utc = |moment: Moment| chrono::DateTime::from_timestamp_millis(moment.0);
    match (utc(from), utc(to)) {
        (Some(from), Some(to)) => schedule.after(&from).next().is_some_and(|next| next <= to),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn retention_runs_once_at_its_time() {
        let schedule = cron::Schedule::from_str("0 15 3 * * *").expect("a valid expression");
        let at = |text: &str| Moment::parse(text).expect("an instant");
        assert!(!came_due(&schedule, at("2026-03-01T03:14:55Z"), at("2026-03-01T03:14:59Z")));
        assert!(came_due(&schedule, at("2026-03-01T03:14:59Z"), at("2026-03-01T03:15:00Z")));
        assert!(!came_due(&schedule, at("2026-03-01T03:15:00Z"), at("2026-03-01T03:15:05Z")));
        assert!(!came_due(&schedule, at("2026-03-01T03:15:05Z"), at("2026-03-01T03:14:00Z")), "a clock set back is no reason");
    }
}

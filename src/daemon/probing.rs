//! Asking the providers of lines that have stopped whether they work again.
//!
//! Not when: the engine says that. Not a send: a provider that has no such question says so, and then one send tells.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::daemon::deliver::Providers;
use crate::daemon::wakeups::{Probed, Wakeup};
use crate::engine::record::NameId;
use crate::engine::tables::Names;
use crate::limits;

/// What a question needs.
pub(super) struct Probing {
    pub(super) providers: Arc<ArcSwap<Providers>>,
    pub(super) names: Arc<Names>,
    pub(super) wakeups: UnboundedSender<Wakeup>,
}

/// Asks about lines as they come, side by side: one that does not answer keeps nobody waiting.
pub(super) async fn run(probing: Arc<Probing>, mut lines: UnboundedReceiver<NameId>) {
    while let Some(line) = lines.recv().await {
        let probing = Arc::clone(&probing);
        tokio::spawn(async move {
            let probed = probing.ask(line).await;
            // The loop may have stopped; then nobody wants to know.
            let _ = probing.wakeups.send(Wakeup::Probed(line, probed));
        });
    }
}

impl Probing {
    async fn ask(&self, line: NameId) -> Probed {
        let Some(provider) = self.providers.load().get(&self.names.name(line)).cloned() else {
            return Probed::Failed("the line is no longer configured".to_owned());
        };
        let Some(asked) = provider.probe() else { return Probed::Unasked };
        // The provider keeps its own budget; this one is for a provider that does not.
        let budget = Duration::from_millis(limits::CALL_BUDGET as u64) + Duration::from_secs(1);
        match tokio::time::timeout(budget, asked).await {
            Ok(Ok(())) => Probed::Works,
            Ok(Err(why)) => Probed::Failed(why),
            Err(_) => Probed::Failed("the provider did not answer in time".to_owned()),
        }
    }
}

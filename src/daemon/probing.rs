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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Capabilities;
    use crate::engine::ports::{CallEnd, Called, Message, Provider, Waiting};
    use std::collections::HashMap;
    use tokio::sync::mpsc::unbounded_channel;

    /// A provider that answers a probe so; `None` where it has no such question.
    struct Answers(Option<Result<(), String>>);

    impl Provider for Answers {
        fn capabilities(&self) -> Capabilities {
            Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false }
        }

        fn send<'a>(&'a self, _: &'a Message) -> Waiting<'a, Called> {
            Box::pin(std::future::ready(Called::new(CallEnd::Unknown, "nobody sends here")))
        }

        fn probe(&self) -> Option<Waiting<'_, Result<(), String>>> {
            self.0.clone().map(|answer| Box::pin(std::future::ready(answer)) as _)
        }
    }

    #[tokio::test]
    async fn each_line_is_asked_and_what_it_says_is_told() {
        let names = Arc::new(Names::default());
        let answers = [("up", Some(Ok(()))), ("down", Some(Err("401".to_owned()))), ("mute", None)];
        let mut providers: Providers = HashMap::new();
        let (lines, asked) = unbounded_channel();
        let (wakeups, mut woken) = unbounded_channel();
        for (line, answer) in answers {
            providers.insert(Arc::from(line), Arc::new(Answers(answer)));
            lines.send(names.number(line).0).unwrap();
        }
        lines.send(names.number("gone").0).unwrap();
        drop(lines);
        let probing = Probing { providers: Arc::new(ArcSwap::from_pointee(providers)), names: Arc::clone(&names), wakeups };
        run(Arc::new(probing), asked).await;
        let mut told = HashMap::new();
        while let Some(wakeup) = woken.recv().await {
            let Wakeup::Probed(line, probed) = wakeup else { panic!("something else was told") };
            told.insert(names.name(line).to_string(), format!("{probed:?}"));
        }
        let of = |line: &str| told[line].as_str();
        assert_eq!((of("up"), of("down"), of("mute")), ("Works", "Failed(\"401\")", "Unasked"));
        assert_eq!(of("gone"), "Failed(\"the line is no longer configured\")");
    }
}

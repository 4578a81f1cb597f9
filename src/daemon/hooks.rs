//! The courier's office: hooks from the configuration, records and letters from the store, ends back to the engine.
//!
//! Not a delivery: that is `hooks/courier.rs`.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::config::settings::Config;
use crate::daemon::wakeups::Wakeup;
use crate::daemon::{Failure, Shared, start};
use crate::engine::group::Told;
use crate::engine::ports::Fault;
use crate::engine::record::{Change, HookRecord};
use crate::hooks::courier::{Courier, Office};
use crate::hooks::deliver::{Hook, Letter};
use crate::hooks::guard::PublicOnly;
use crate::moment::Moment;
use crate::provider::client;

/// Hands durable records to the courier, and the configuration's hooks whenever they change, for as long as the daemon runs.
pub(super) async fn run(shared: Arc<Shared>, mut told: UnboundedReceiver<Told>) {
    let hooks = configured(&shared);
    let courier = Courier::new(Arc::new(Desk { shared: Arc::clone(&shared) }), hooks);
    let running = tokio::spawn(courier.clone().run());
    let mut changed = shared.hooks_changed.subscribe();
    loop {
        tokio::select! {
            record = told.recv() => match record {
                Some(Told { hook, seq, conversation, at }) => courier.offer(hook, conversation, seq, at),
                // The engine has ended: what was begun is finished, the rest goes on at the next start.
                None => break,
            },
            Ok(()) = changed.changed() => courier.configure(configured(&shared)),
        }
    }
    courier.stop();
    if running.await.is_err() {
        tracing::error!("the courier of hooks ended badly");
    }
}

/// The hooks in force. One that cannot be called is told in the log and left out: its records wait.
fn configured(shared: &Shared) -> Vec<Hook> {
    let config = shared.config.load();
    let mut hooks = Vec::new();
    for name in config.hooks.keys() {
        match hook(shared, &config, name) {
            Ok(Some(hook)) => hooks.push(hook),
            Ok(None) => {}
            Err(failure) => tracing::error!(hook = %name, "{failure}"),
        }
    }
    hooks
}

fn hook(shared: &Shared, config: &Config, name: &str) -> Result<Option<Hook>, Failure> {
    let (Some(settings), Some(id)) = (config.hooks.get(name), shared.names.find(name)) else { return Ok(None) };
    let resolver = (!settings.allow_private).then(|| Arc::new(PublicOnly::system()) as _);
    let client = client::build(&client::Settings { resolver, ..client::Settings::default() })
        .map_err(|why| Failure::setup(format!("hooks.{name}: {why}")))?;
    let keys = start::keys(&format!("hooks.{name}.secret"), &settings.secrets)?;
    Ok(Some(Hook { id, name: Arc::from(name), url: settings.url.clone(), keys, client, allow_private: settings.allow_private }))
}

struct Desk {
    shared: Arc<Shared>,
}

impl Office for Desk {
    fn record(&self, seq: u64) -> Result<Option<HookRecord>, Fault> {
        self.shared.store.hook(seq)
    }

    fn letter(&self, hook: &str, record: HookRecord) -> Result<Letter, Fault> {
        let Shared { store, names, .. } = &*self.shared;
        let loaded = store.load(record.conversation)?;
        let id = store.keys().hook(hook, record.seq);
        let (line, flow) = match &loaded {
            Some((stored, _)) => (names.name(stored.line), names.name(stored.flow)),
            None => (Arc::from(""), Arc::from("")),
        };
        let details = loaded.map(|(_, details)| details).unwrap_or_default();
        Ok(Letter { id, record, caller: details.caller, line, flow, attributes: details.attributes })
    }

    fn keep(&self, change: Change) {
        // The loop may have ended; then the record is delivered again at the next start.
        let _ = self.shared.wakeups.send(Wakeup::Keep(change));
    }

    fn wall(&self) -> Moment {
        self.shared.clock.wall()
    }

    fn tick(&self) -> Moment {
        Moment(self.shared.clock.elapsed_ms())
    }
}

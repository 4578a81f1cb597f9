//! Reading the configuration again: a bad file changes nothing and says why, a good one says what changed.
//!
//! Not the checks: those are `config/`'s.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::config;
use crate::daemon::wakeups::Wakeup;
use crate::daemon::{Shared, start, systemd};

/// Reads `file` and puts it in force, or leaves everything as it is.
pub(super) async fn reload(shared: &Arc<Shared>, file: &Path) {
    systemd::reloading();
    match try_reload(shared, file).await {
        Ok(()) => systemd::ready("configuration read again"),
        Err(mistakes) => {
            for mistake in mistakes {
                tracing::error!("configuration not changed: {mistake}");
            }
            systemd::ready("the new configuration has mistakes; the old one stays in force");
        }
    }
}

async fn try_reload(shared: &Arc<Shared>, file: &Path) -> Result<(), Vec<String>> {
    let new = config::load(file).map_err(|mistakes| mistakes.to_string().lines().map(str::to_owned).collect::<Vec<_>>())?;
    let start::Lines { providers, hooks } = start::lines(&new, &shared.printer).map_err(|failure| vec![failure.why])?;
    let book = Arc::new(new.book.clone());
    let (reply, answer) = oneshot::channel();
    let asked = shared.wakeups.send(Wakeup::Reload(Arc::clone(&book), reply));
    let answer = if asked.is_ok() { answer.await.ok() } else { None };
    answer.unwrap_or_else(|| Err("the daemon is stopping".to_owned())).map_err(|why| vec![why])?;
    for warning in &new.warnings {
        tracing::warn!("{warning}");
    }
    let changes = config::diff::diff(&shared.config.load(), &new);
    if changes.is_empty() {
        tracing::info!("configuration read again; nothing changed");
    }
    for change in &changes {
        tracing::info!("configuration changed: {change}");
    }
    shared.book.store(book);
    shared.providers.store(Arc::new(providers));
    shared.site.replace_tokens(start::tokens(&new));
    shared.site.replace_hooks(hooks);
    shared.config.store(Arc::new(new));
    shared.hooks_changed.send_replace(());
    Ok(())
}

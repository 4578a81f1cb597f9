//! `[hooks.NAME]`: who wants to hear of results.
//!
//! Not their delivery.

use super::lines::{address, check_address, signing, there_are};
use super::read::{Table, texts, truth};
use super::secret::SecretSource;
use super::settings::HookConfig;

/// Every type that a hook can ask for.
pub const EVENTS: [&str; 12] = [
    "conversation.started",
    "conversation.follow_up_sent",
    "conversation.follow_up_delivered",
    "conversation.resumed",
    "conversation.declined",
    "conversation.succeeded",
    "conversation.failed",
    "conversation.expired",
    "conversation.skipped",
    "conversation.opted_out",
    "outbound.approved",
    "outbound.rejected",
];

/// Reads a hook. `None` where its address is wrong; that is noted.
pub(super) fn hook(table: &Table<'_>, secrets: &dyn SecretSource) -> Option<HookConfig> {
    let url = table.need("url", "write the address that is called, as \"https://example.com/hook\"", address);
    let secrets = signing(table, secrets);
    let events = table.or("events", Vec::new(), texts);
    let flows = table.or("flows", Vec::new(), texts);
    let allow_private = table.or("allow_private", false, truth);
    for event in &events {
        if !EVENTS.contains(&event.as_str()) {
            let full = EVENTS.iter().find(|known| known.strip_prefix("conversation.") == Some(event));
            let cure = full.map_or_else(|| there_are(event, EVENTS.into_iter()), |full| format!("did you mean {full:?}?"));
            table.notes().mistake(&table.path("events"), format!("{event:?}"), format!("no such type; {cure}"));
        }
    }
    let url = url?;
    check_address(table, &url, allow_private);
    Some(HookConfig { url, secrets, events, flows, allow_private })
}

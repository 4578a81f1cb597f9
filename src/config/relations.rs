//! How sections stand to each other: names that must exist, ids that must differ.
//!
//! Not what a section can tell of itself.

use std::collections::BTreeMap;

use super::lines::there_are;
use super::notes::Notes;
use super::settings::{FlowConfig, HookConfig, LineConfig, ProviderConfig};

/// Checks what no section sees alone.
pub(super) fn check(
    notes: &Notes,
    lines: &BTreeMap<String, LineConfig>,
    flows: &BTreeMap<String, FlowConfig>,
    hooks: &BTreeMap<String, HookConfig>,
) {
    if !notes.is_given("lines") {
        notes.mistake("lines", "", "write [lines.NAME] and below it provider = \"console\" or \"webhook\"");
    }
    if !notes.is_given("flows") {
        notes.mistake("flows", "", "write [flows.NAME] and below it enable_follow_up = true");
    }
    // A flow that stands in the file and has mistakes of its own is not missed a second time.
    let missing = |flow: &str| !flows.contains_key(flow) && !notes.is_given(&format!("flows.{flow}"));
    let names = flows.keys().map(String::as_str);
    for (name, line) in lines {
        if let Some(flow) = line.flow.as_deref().filter(|flow| missing(flow)) {
            let cure = format!("no such flow; {}", there_are(flow, names.clone()));
            notes.mistake(&format!("lines.{name}.flow"), format!("{flow:?}"), cure);
        }
    }
    for (name, hook) in hooks {
        for flow in hook.flows.iter().filter(|flow| missing(flow)) {
            let cure = format!("no such flow; {}", there_are(flow, names.clone()));
            notes.mistake(&format!("hooks.{name}.flows"), format!("{flow:?}"), cure);
        }
    }
    check_ids(notes, flows);
    check_phones(notes, lines);
}

fn check_ids(notes: &Notes, flows: &BTreeMap<String, FlowConfig>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, flow) in flows {
        let Some(id) = &flow.id else { continue };
        if let Some(other) = seen.insert(id.to_ascii_lowercase(), name) {
            let cure = format!("flows.{other} has this id already; write another");
            notes.mistake(&format!("flows.{name}.id"), format!("{id:?}"), cure);
        }
    }
}

fn check_phones(notes: &Notes, lines: &BTreeMap<String, LineConfig>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, line) in lines {
        let (Some(phone), ProviderConfig::Webhook { .. }) = (&line.phone, &line.provider) else { continue };
        if let Some(other) = seen.insert(phone, name) {
            let meaning = format!("lines.{other} has this number too: a person on both gets the follow-ups of both");
            notes.warn(&format!("lines.{name}.phone"), format!("{phone:?}"), meaning);
        }
    }
}

//! How sections stand to each other: names that must exist, ids that must differ.
//!
//! Not what a section can tell of itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::lines::{is_id, there_are};
use super::notes::Notes;
use super::read::Show;
use super::settings::{FlowConfig, HookConfig, LineConfig, Listen, ProviderKind, Server};
use crate::conversation::OnYes;
use crate::limits;

/// Checks what no section sees alone.
pub(super) fn check(
    notes: &Notes,
    server: &Server,
    lines: &BTreeMap<String, LineConfig>,
    flows: &BTreeMap<String, FlowConfig>,
    hooks: &BTreeMap<String, HookConfig>,
) {
    if !notes.is_given("lines") {
        notes.mistake("lines", "", "write [lines.NAME] and below it provider = \"whatsapp_cloud\", or \"console\" to try");
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
    if flows.contains_key(limits::NOTIFICATION) {
        let name = limits::NOTIFICATION;
        notes.mistake(&format!("flows.{name}"), format!("{name:?}"), "notifications are reported under this name; write another");
    }
    check_ids(notes, flows);
    check_phones(notes, lines);
    check_addresses(notes, lines);
    for (name, line) in lines {
        check_forward(notes, server, name, line);
        for (flow, config) in flows {
            check_able(notes, (name, line), (flow, config), default_flow(line, flows) == Some(flow));
        }
    }
}

/// The flow of a line's conversations, unless an event names another: its own, or the only one.
pub(super) fn default_flow<'f>(line: &'f LineConfig, flows: &'f BTreeMap<String, FlowConfig>) -> Option<&'f str> {
    line.flow.as_deref().or_else(|| flows.keys().next().filter(|_| flows.len() == 1).map(String::as_str))
}

/// What a line's provider cannot do is a mistake in its own flow, and worth a word in others: an event may choose them.
fn check_able(notes: &Notes, (name, line): (&str, &LineConfig), (flow, config): (&str, &FlowConfig), own: bool) {
    let kind = line.provider.kind();
    let key = |key: &str| format!("flows.{flow}.{key}");
    let tell = |key: String, value: String, cure: String| match own {
        true => notes.mistake(&key, value, cure),
        false => notes.warn(&key, value, format!("{cure}. It is not the flow of that line, but an event may choose it there")),
    };
    let template = config.rules.session.as_ref().and_then(|session| session.template.as_deref());
    if !config.questions.is_empty() {
        let count = format!("a list of {}", config.questions.len());
        if line.forward.is_some() {
            let cure = format!(
                "on line {name:?} a bot talks (forward_to), and two would talk at once; leave out one of them, or give the line another flow"
            );
            tell(key("questions"), count, cure);
        } else if !kind.capabilities().free_text {
            let cure = format!("line {name:?} ({kind}) cannot ask, because it sends approved templates alone; give the line another flow");
            tell(key("questions"), count, cure);
        }
    }
    if !kind.capabilities().free_text {
        if template.is_none() {
            let cure =
                format!("line {name:?} ({kind}) sends approved templates alone; write the template's id, or give the line another flow");
            tell(key("session.template"), String::new(), cure);
        }
        if config.on_yes == Some(OnYes::Ask) {
            let cure =
                format!("line {name:?} ({kind}) cannot ask, because it sends approved templates alone; write \"hook\", or leave it out");
            tell(key("on_yes"), "\"ask\"".to_owned(), cure);
        }
    }
    let shape = match kind {
        ProviderKind::Twilio => "HX",
        ProviderKind::Truora => "OTB",
        _ => return,
    };
    if let Some(template) = template.filter(|template| own && !is_id(shape, template)) {
        let meaning = format!("is no template of line {name:?} ({kind}): those are {shape} and 32 hexadecimal digits");
        notes.warn(&key("session.template"), format!("{template:?}"), meaning);
    }
}

/// A webhook that is handed on to where it came in would go round for ever.
fn check_forward(notes: &Notes, server: &Server, name: &str, line: &LineConfig) {
    let Some(forward) = &line.forward else { return };
    let here = |listen: &Listen| {
        let Listen::Tcp(address) = listen else { return false };
        let host = forward.to.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let same = |ip: IpAddr| address.ip() == ip || (address.ip().is_unspecified() && ip.is_loopback());
        let local = host == "localhost" || host.parse().is_ok_and(same);
        local && forward.to.port_or_known_default() == Some(address.port())
    };
    if here(&server.listen) || server.webhooks.as_ref().is_some_and(here) {
        notes.mistake(&format!("lines.{name}.forward_to"), forward.to.show(), "this daemon itself listens there; write your bot's address");
    }
}

/// Webhooks of one provider are told apart by what they name.
fn check_addresses(notes: &Notes, lines: &BTreeMap<String, LineConfig>) {
    let mut seen: BTreeMap<(ProviderKind, &str), &str> = BTreeMap::new();
    for (name, line) in lines {
        let Some((key, address)) = line.provider.address() else { continue };
        if let Some(other) = seen.insert((line.provider.kind(), address), name) {
            let cure = format!("lines.{other} has it already, and webhooks of the two could not be told apart; keep one of the lines");
            notes.mistake(&format!("lines.{name}.{key}"), format!("{address:?}"), cure);
        }
    }
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
        // Of a line that prints nobody gets anything; lines of Twilio are told apart by their numbers.
        let told_apart = line.provider.address().is_some_and(|(key, _)| key == "phone");
        let Some(phone) = line.phone.as_ref().filter(|_| !told_apart && line.provider.kind() != ProviderKind::Console) else { continue };
        if let Some(other) = seen.insert(phone, name) {
            let meaning = format!("lines.{other} has this number too: a person on both gets the follow-ups of both");
            notes.warn(&format!("lines.{name}.phone"), format!("{phone:?}"), meaning);
        }
    }
}

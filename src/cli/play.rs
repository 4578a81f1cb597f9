//! `inbounds test`: the start of a conversation, played here by the real engine on a store that is forgotten, the line printing.
//!
//! Not a simulation of days (`simulate`), and nobody is sent anything.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::cli::print::{Failure, cell, code, visible};
use crate::config::Config;
use crate::engine::Engine;
use crate::engine::compose::compose;
use crate::engine::group::Call;
use crate::engine::heard::Person;
use crate::engine::ports::{Message, Store};
use crate::engine::request::{Inbound as Event, What, Who};
use crate::id::Keys;
use crate::moment::Moment;
use crate::provider::console::Console;
use crate::shapes::guide::inbound::{Inbound, in_force};
use crate::store::MemoryStore;

/// The person of the play: no country has this code.
const SOMEBODY: &str = "9990000000";

/// Plays what happens when somebody sends this inbound.
pub(super) fn start(config: &Config, answer: &Value, now: Moment, as_json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let inbound = Inbound {
        waba_provider: text("waba_provider"),
        waba_phone_number: text("waba_phone_number"),
        flow_id: text("flow_id"),
        inbound_message: text("inbound_message"),
    };
    let failed = |why: String| Failure::new(code::FAILED, format!("playing {}: {why}", cell(&answer["inbound_id"])));
    let Some(line) = answer["line"].as_str() else {
        return Err(failed("no line of the daemon's configuration has its number, so it starts nothing".to_owned()));
    };
    let bytes = inbound.to_bytes();
    let inbounds = in_force([("", &*bytes)], None, &config.book).map_err(failed)?;
    let Some(flow) = inbounds.started_by(line, &inbound.inbound_message).cloned() else {
        return Err(failed("its flow is not in the configuration that was read, so it starts nothing".to_owned()));
    };
    let (messages, state) = played(config, line, &inbound, inbounds, now).map_err(failed)?;
    if as_json {
        let said: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
        writeln!(out, "{:#}", json!({ "line": line, "flow": &*flow, "person": inbound.inbound_message, "said": said, "state": state }))?;
        return Ok(());
    }
    writeln!(out, "person → {line}: \"{}\"  (starts flow {flow})", visible(&inbound.inbound_message))?;
    let page = Arc::new(Mutex::new(Vec::new()));
    let console = Console::new(page.clone(), false, false);
    messages.iter().for_each(|message| drop(console.print(message)));
    let printed = page.lock().map(|page| page.clone()).unwrap_or_default();
    out.write_all(&printed)?;
    if messages.is_empty() {
        let after = config.flows.get(&*flow).map_or(0, |flow| flow.rules.wait / crate::moment::MINUTE);
        writeln!(
            out,
            "your own bot has the word: flow {flow} asks no questions; {after} minutes after its unanswered question the follow-up is due"
        )?;
    }
    Ok(())
}

/// The messages that the engine hands over, and where the conversation then stands.
fn played(
    config: &Config,
    line: &str,
    inbound: &Inbound,
    inbounds: crate::engine::inbounds::Inbounds,
    now: Moment,
) -> Result<(Vec<Message>, &'static str), String> {
    let store = Arc::new(MemoryStore::new(Keys::new(&[0; 32])));
    let ports: Arc<dyn Store> = store.clone();
    let mut engine = Engine::recover(ports, Arc::new(config.book.clone()), now).map_err(|fault| fault.to_string())?;
    engine.set_inbounds(inbounds);
    let who = Who::Person(Person { phone: SOMEBODY.to_owned(), user: String::new() });
    let sent = Event { line: Some(line.to_owned()), ..Event::of(who, Some(now), What::UserMessage(inbound.inbound_message.clone())) };
    let answer = engine.take_one(now, &sent).map_err(|rejected| rejected.to_string())?;
    engine.fire(now);
    let group = engine.cut();
    let durable = store.flush().map_err(|fault| fault.to_string())?;
    let calls = match group.map(|group| group.release(durable)) {
        Some(Ok(released)) => released.calls,
        _ => Vec::new(),
    };
    let message = |call: &Call| {
        let names = engine.names();
        let (line, flow) = (names.name(call.line), names.name(call.flow));
        let policy = config.book.policy(&line, &flow)?;
        let (stored, details) = store.load(call.conversation).ok().flatten()?;
        compose(call, &details, policy, (line, flow), stored.state.episode, now).ok()
    };
    Ok((calls.iter().filter_map(message).collect(), answer.state.as_str()))
}

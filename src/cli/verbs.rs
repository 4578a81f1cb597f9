//! The verbs that talk to the running daemon: each asks one thing and prints the answer.
//!
//! Not how the daemon is reached (`client.rs`), nor the long answer of `explain` (`explain.rs`).

use std::io::{self, Write};
use std::path::PathBuf;

use hyper::Method;
use serde_json::{Value, json};

use crate::cli::args::{ClientVerb, Conversations, Daemon, Doubts, Filter, Hooks, One, Scope, Until};
use crate::cli::client::{self, Client, segment};
use crate::cli::explain;
use crate::cli::guide;
use crate::cli::print::{Failure, Paint, cell, code, masked, table, visible};
use crate::config::HookConfig;
use crate::moment::Moment;

/// Where a verb prints, and what it starts from.
pub struct Desk<'a> {
    /// The configuration that was named.
    pub config: Option<PathBuf>,
    /// Now, for times counted from it.
    pub now: Moment,
    /// Where the answer goes.
    pub out: &'a mut dyn Write,
    /// How it is emphasised.
    pub paint: Paint,
}

/// Runs a verb.
///
/// # Errors
/// One line, with the exit code.
pub fn run(verb: ClientVerb, desk: &mut Desk<'_>) -> Result<(), Failure> {
    match verb {
        ClientVerb::Explain { id, as_scenario, daemon } => {
            let answer =
                desk.read(&daemon, &format!("explaining {}", masked(&id)), &format!("/v1/conversations/{}/explain", segment(&id)))?;
            if as_scenario {
                return Ok(write!(desk.out, "{}", answer["scenario"].as_str().unwrap_or_default())?);
            }
            desk.print(&daemon, &answer, |out, paint| explain::print(out, paint, &answer))
        }
        ClientVerb::Conversations { what } => conversations(what, desk),
        ClientVerb::Hooks { what } => hooks(what, desk),
        ClientVerb::Inbounds { what } => guide::inbounds(what, desk),
        ClientVerb::Outbounds { what } => guide::outbounds(what, desk),
        ClientVerb::Pause { scope, daemon } => pause(desk, &scope, &daemon, true),
        ClientVerb::Resume { scope, daemon } => pause(desk, &scope, &daemon, false),
        ClientVerb::Doubts { what: None, daemon } => doubts(desk, &daemon),
        ClientVerb::Doubts { what: Some(Doubts::Resend { id, daemon }), .. } => {
            let path = format!("/v1/doubts/{}/resend", segment(&id));
            let answer = desk.act(&daemon, &format!("sending {} again", masked(&id)), Method::POST, &path, None)?;
            desk.print(&daemon, &answer, |out, _| stands(out, &answer))
        }
        ClientVerb::Upcoming { late: true, daemon } => late(desk, &daemon),
        ClientVerb::Upcoming { late: false, daemon } => upcoming(desk, &daemon),
    }
}

impl Desk<'_> {
    pub(super) fn read(&self, daemon: &Daemon, doing: &str, path: &str) -> Result<Value, Failure> {
        Client::find(daemon, self.config.clone(), false)?.ask(doing, Method::GET, path, None)
    }

    pub(super) fn act(&self, daemon: &Daemon, doing: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        Client::find(daemon, self.config.clone(), true)?.ask(doing, method, path, body)
    }

    /// Prints the answer: as it stands with `--json`, else in words.
    pub(super) fn print(
        &mut self,
        daemon: &Daemon,
        answer: &Value,
        words: impl FnOnce(&mut dyn Write, Paint) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if daemon.json {
            writeln!(self.out, "{answer:#}")?;
        } else {
            words(self.out, self.paint)?;
        }
        Ok(())
    }
}

fn conversations(what: Conversations, desk: &mut Desk<'_>) -> Result<(), Failure> {
    let act = |desk: &mut Desk<'_>, one: One, doing: &str, verb: &str| {
        let doing = format!("{doing} {}", masked(&one.id));
        let path = format!("/v1/conversations/{}/{verb}", segment(&one.id));
        let answer = desk.act(&one.daemon, &doing, Method::POST, &path, None)?;
        desk.print(&one.daemon, &answer, |out, _| stands(out, &answer))
    };
    match what {
        Conversations::List { filter, daemon } => list(desk, &filter, &daemon),
        Conversations::Show(One { id, daemon }) => {
            let answer = desk.read(&daemon, &format!("looking at {}", masked(&id)), &format!("/v1/conversations/{}", segment(&id)))?;
            desk.print(&daemon, &answer, |out, paint| explain::print(out, paint, &answer))
        }
        Conversations::Cancel(one) => act(desk, one, "cancelling", "cancel"),
        Conversations::SendNow(one) => act(desk, one, "sending now to", "send-now"),
        Conversations::Hold(one) => act(desk, one, "holding", "hold"),
        Conversations::Release(one) => act(desk, one, "releasing", "release"),
        Conversations::Postpone { id, until, daemon } => {
            let until = match until {
                Until::At(at) => at,
                Until::In(millis) => desk.now.plus(millis),
            };
            let body = json!({ "until": until.to_string() });
            let path = format!("/v1/conversations/{}/postpone", segment(&id));
            let answer = desk.act(&daemon, &format!("postponing {}", masked(&id)), Method::POST, &path, Some(&body))?;
            desk.print(&daemon, &answer, |out, _| stands(out, &answer))
        }
        Conversations::Erase(One { id, daemon }) => {
            let path = format!("/v1/conversations/{}", segment(&id));
            let answer = desk.act(&daemon, &format!("erasing {}", masked(&id)), Method::DELETE, &path, None)?;
            desk.print(&daemon, &answer, |out, _| writeln!(out, "{} is erased", cell(&answer["conversation_id"])))
        }
    }
}

/// One line: where a conversation stands after something was done with it.
fn stands(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let name = masked(answer["conversation"].as_str().unwrap_or_default());
    let next = explain::next_of(answer);
    match answer["ignored"].as_str() {
        Some(why) => writeln!(out, "{name}: nothing changed ({}); {next}", why.replace('_', " ")),
        None => writeln!(out, "{name}: {next}"),
    }
}

fn list(desk: &mut Desk<'_>, filter: &Filter, daemon: &Daemon) -> Result<(), Failure> {
    let mut path = format!("/v1/conversations?limit={}", filter.limit);
    for (name, value) in [("state", &filter.state), ("flow", &filter.flow), ("line", &filter.line), ("after", &filter.after)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", segment(value)));
        }
    }
    let answer = desk.read(daemon, "listing conversations", &path)?;
    desk.print(daemon, &answer, |out, paint| {
        let row = |one: &Value| {
            let state = if one["held"] == json!(true) { format!("{}, held", cell(&one["state"])) } else { cell(&one["state"]) };
            let state = one["outcome"].as_str().map_or(state, str::to_owned);
            let name = masked(one["conversation"].as_str().unwrap_or_default());
            let next = one["due_at"].as_str().or(one["reason"].as_str()).unwrap_or("-").to_owned();
            vec![cell(&one["conversation_id"]), name, cell(&one["line"]), cell(&one["flow"]), state, next]
        };
        let rows: Vec<Vec<String>> = items(&answer["conversations"]).map(row).collect();
        table(out, paint, &["ID", "CONVERSATION", "LINE", "FLOW", "STATE", "NEXT"], &rows)?;
        match answer["next"].as_str() {
            Some(next) => writeln!(out, "{}", paint.dim(&format!("more: --after {next}"))),
            None => Ok(()),
        }
    })
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn pause(desk: &mut Desk<'_>, scope: &Scope, daemon: &Daemon, paused: bool) -> Result<(), Failure> {
    let verb = if paused { "pause" } else { "resume" };
    let (body, what) = match (&scope.line, &scope.flow) {
        (Some(line), _) => (json!({ "line": line }), format!("line {line}")),
        (None, Some(flow)) => (json!({ "flow": flow }), format!("flow {flow}")),
        (None, None) => (json!({}), "everything".to_owned()),
    };
    let doing = format!("{} {what}", if paused { "pausing" } else { "resuming" });
    let answer = desk.act(daemon, &doing, Method::POST, &format!("/v1/{verb}"), Some(&body))?;
    desk.print(daemon, &answer, |out, _| {
        let paused: Vec<String> = items(&answer["paused"]).map(cell).collect();
        match paused.is_empty() {
            true => writeln!(out, "nothing is paused")?,
            false => writeln!(out, "paused: {}", paused.join(", "))?,
        }
        for stopped in items(&answer["stopped"]) {
            writeln!(out, "line {} has stopped since {}: {}", cell(&stopped["line"]), cell(&stopped["since"]), cell(&stopped["why"]))?;
        }
        for (key, says) in [("held", "sending is held"), ("failed", "the store has failed")] {
            if let Some(why) = answer[key].as_str() {
                writeln!(out, "{says}: {}", visible(why))?;
            }
        }
        Ok(())
    })
}

fn doubts(desk: &mut Desk<'_>, daemon: &Daemon) -> Result<(), Failure> {
    let answer = desk.read(daemon, "listing sends in doubt", "/v1/doubts")?;
    desk.print(daemon, &answer, |out, paint| {
        let row = |doubt: &Value| {
            let state = if doubt["open"] == json!(true) { "waiting for a status" } else { "unknown" };
            let name = masked(doubt["conversation"].as_str().unwrap_or_default());
            vec![cell(&doubt["send"]), name, cell(&doubt["line"]), cell(&doubt["since"]), state.to_owned()]
        };
        let rows: Vec<Vec<String>> = items(&answer["doubts"]).map(row).collect();
        table(out, paint, &["SEND", "CONVERSATION", "LINE", "SINCE", "STATE"], &rows)
    })
}

fn upcoming(desk: &mut Desk<'_>, daemon: &Daemon) -> Result<(), Failure> {
    let answer = desk.read(daemon, "counting what comes up", "/v1/schedule/upcoming")?;
    desk.print(daemon, &answer, |out, paint| {
        let row = |hour: &Value| vec![cell(&hour["hour"]), cell(&hour["line"]), cell(&hour["count"]), cell(&hour["late"])];
        let rows: Vec<Vec<String>> = items(&answer["upcoming"]).map(row).collect();
        table(out, paint, &["HOUR", "LINE", "FOLLOW-UPS", "LATE"], &rows)
    })
}

fn late(desk: &mut Desk<'_>, daemon: &Daemon) -> Result<(), Failure> {
    let answer = desk.read(daemon, "listing what will be too late", "/v1/schedule/upcoming?late=true&limit=1000")?;
    desk.print(daemon, &answer, |out, paint| {
        let row = |late: &Value| {
            let name = masked(late["conversation"].as_str().unwrap_or_default());
            vec![name, cell(&late["conversation_id"]), cell(&late["line"]), cell(&late["due_at"]), cell(&late["not_after"])]
        };
        let rows: Vec<Vec<String>> = items(&answer["late"]).map(row).collect();
        table(out, paint, &["CONVERSATION", "ID", "LINE", "DUE", "NOT AFTER"], &rows)?;
        let (shown, total) = (rows.len() as u64, answer["total"].as_u64().unwrap_or(0));
        match shown < total {
            true => writeln!(out, "{}", paint.dim(&format!("and {} more", total - shown))),
            false => Ok(()),
        }
    })
}

fn hooks(what: Hooks, desk: &mut Desk<'_>) -> Result<(), Failure> {
    match what {
        Hooks::List { json } => list_hooks(desk, json),
        Hooks::Dead { daemon } => {
            let answer = desk.read(&daemon, "listing dead letters", "/v1/hooks/dead?limit=1000")?;
            desk.print(&daemon, &answer, |out, paint| {
                let row = |dead: &Value| {
                    let keys = ["seq", "hook", "type", "conversation_id", "at", "dead_since"];
                    keys.iter().map(|key| cell(&dead[*key])).collect()
                };
                let rows: Vec<Vec<String>> = items(&answer["dead"]).map(row).collect();
                table(out, paint, &["SEQ", "HOOK", "TYPE", "CONVERSATION", "AT", "DEAD SINCE"], &rows)?;
                match answer["next"].is_null() {
                    true => Ok(()),
                    false => writeln!(out, "{}", paint.dim("there are more; replay these first")),
                }
            })
        }
        Hooks::Replay { name, seq, daemon } => {
            let body = seq.map_or_else(|| json!({}), |seq| json!({ "seq": seq }));
            let doing = format!("replaying dead letters of hook {name}");
            let answer = desk.act(&daemon, &doing, Method::POST, &format!("/v1/hooks/{}/replay", segment(&name)), Some(&body))?;
            let count = answer["replayed"].as_u64().unwrap_or(0);
            if count == 0 && seq.is_some() {
                return Err(Failure::new(
                    code::FAILED,
                    format!("{doing}: there is none of that number; `reengaged hooks dead` lists them"),
                ));
            }
            desk.print(&daemon, &answer, |out, _| writeln!(out, "{count} to be delivered again"))
        }
    }
}

/// The hooks of the configuration: who is told what. Addresses without paths, which may hold secrets.
fn list_hooks(desk: &mut Desk<'_>, as_json: bool) -> Result<(), Failure> {
    let config = client::configuration(desk.config.clone())?;
    let all = |list: &[String]| if list.is_empty() { "all".to_owned() } else { list.join(", ") };
    if as_json {
        let hook = |(name, hook): (&String, &HookConfig)| {
            let origin = hook.url.origin().ascii_serialization();
            json!({ "name": name, "origin": origin, "events": hook.events, "flows": hook.flows })
        };
        let hooks: Vec<Value> = config.hooks.iter().map(hook).collect();
        writeln!(desk.out, "{:#}", json!({ "hooks": hooks }))?;
        return Ok(());
    }
    let row = |(name, hook): (&String, &HookConfig)| {
        vec![name.clone(), hook.url.origin().ascii_serialization(), all(&hook.events), all(&hook.flows)]
    };
    let rows: Vec<Vec<String>> = config.hooks.iter().map(row).collect();
    table(desk.out, desk.paint, &["HOOK", "WHERE", "EVENTS", "FLOWS"], &rows)?;
    Ok(())
}

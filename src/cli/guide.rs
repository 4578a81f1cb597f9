//! `inbounds` and `outbounds`: the guide's calls from the command line.
//!
//! Not the fields: the daemon says which of them is wrong and why.

use hyper::Method;
use serde_json::Value;

use crate::cli::args::Daemon;
use crate::cli::client::{self, Client, segment};
use crate::cli::guide_args::{Create, Inbounds, Line, Outbounds, Page, Record, Send};
use crate::cli::play;
use crate::cli::print::{Failure, cell, code, table, visible};
use crate::cli::verbs::{Desk, items};

const INBOUNDS: &str = "/v1/whatsapp/inbounds";
const OUTBOUNDS: &str = "/v1/whatsapp/outbounds";

/// Runs `inbounds`.
pub(super) fn inbounds(what: Inbounds, desk: &mut Desk<'_>) -> Result<(), Failure> {
    match what {
        Inbounds::Create { line, flow, message, daemon } => {
            let (phone, provider) = line_of(desk, &line)?;
            let mut form = Form::default();
            form.put("waba_provider", provider).put("waba_phone_number", phone);
            form.put("flow_id", flow).put("inbound_message", message);
            let answer = form.send(desk, &daemon, "filing an inbound", Method::POST, INBOUNDS)?;
            desk.print(&daemon, &answer, |out, _| {
                writeln!(out, "{}: {}", cell(&answer["inbound_id"]), visible(&cell(&answer["inbound_message"])))?;
                writeln!(out, "{}", cell(&answer["link"]))
            })
        }
        Inbounds::List(page) => {
            let answer = list(desk, &page, "listing inbounds", INBOUNDS)?;
            desk.print(&page.daemon, &answer, |out, paint| {
                let row = |one: &Value| {
                    let line = one["line"].as_str().unwrap_or("(no line has this number)").to_owned();
                    let flow = one["flow"].as_str().unwrap_or("(not configured)").to_owned();
                    vec![cell(&one["inbound_id"]), line, flow, cell(&one["inbound_message"])]
                };
                let rows: Vec<Vec<String>> = items(&answer["inbounds"]).map(row).collect();
                table(out, paint, &["INBOUND", "LINE", "FLOW", "MESSAGE"], &rows)?;
                more(out, paint.dim("more: --after"), &answer)
            })
        }
        Inbounds::Edit { id, phone, provider, flow, message, daemon } => {
            let mut form = Form::default();
            form.maybe("waba_phone_number", phone).maybe("waba_provider", provider);
            form.maybe("flow_id", flow).maybe("inbound_message", message);
            let path = format!("{INBOUNDS}/{}", segment(&id));
            let answer = form.send(desk, &daemon, &format!("changing {id}"), Method::PATCH, &path)?;
            desk.print(&daemon, &answer, |out, _| writeln!(out, "{}", cell(&answer["link"])))
        }
        Inbounds::Delete(Record { id, daemon }) => delete(desk, &daemon, INBOUNDS, &id),
        Inbounds::Link(Record { id, daemon }) => {
            let answer = show(desk, &daemon, INBOUNDS, &id)?;
            desk.print(&daemon, &answer, |out, _| writeln!(out, "{}", cell(&answer["link"])))
        }
        Inbounds::Test(Record { id, daemon }) => {
            let answer = show(desk, &daemon, INBOUNDS, &id)?;
            let config = client::configuration(desk.config.clone())?;
            play::start(&config, &answer, desk.now, daemon.json, desk.out)
        }
    }
}

/// Runs `outbounds`.
pub(super) fn outbounds(what: Outbounds, desk: &mut Desk<'_>) -> Result<(), Failure> {
    match what {
        Outbounds::Create(create) => self::create(desk, *create),
        Outbounds::List(page) => {
            let answer = list(desk, &page, "listing outbounds", OUTBOUNDS)?;
            desk.print(&page.daemon, &answer, |out, paint| {
                let row = |one: &Value| {
                    let line = one["line"].as_str().unwrap_or("(no line has this number)").to_owned();
                    vec![cell(&one["outbound_id"]), standing(one), line, cell(&one["category"]), cell(&one["outbound_name"])]
                };
                let rows: Vec<Vec<String>> = items(&answer["outbounds"]).map(row).collect();
                table(out, paint, &["OUTBOUND", "STATUS", "LINE", "CATEGORY", "NAME"], &rows)?;
                more(out, paint.dim("more: --after"), &answer)
            })
        }
        Outbounds::Status(Record { id, daemon }) => {
            let answer = show(desk, &daemon, OUTBOUNDS, &id)?;
            desk.print(&daemon, &answer, |out, _| match answer["reason"].as_str() {
                Some(why) => writeln!(out, "{}: {}", standing(&answer), visible(why)),
                None => writeln!(out, "{}", standing(&answer)),
            })
        }
        Outbounds::Send(send) => self::send(desk, send),
        Outbounds::Delete(Record { id, daemon }) => delete(desk, &daemon, OUTBOUNDS, &id),
    }
}

fn create(desk: &mut Desk<'_>, create: Create) -> Result<(), Failure> {
    let Create { line, phone, name, notification, category, kind, media_url, language, go_on, cancel, vars, content, daemon, .. } = create;
    let (phone, _) = line_of(desk, &Line { line, phone, provider: None })?;
    let mut form = Form::default();
    form.put("waba_phone_number", phone).put("is_notification", notification.to_string()).put("content", content);
    form.put("category", category).put("template_type", kind).put("language_code", language).put("outbound_name", name);
    form.maybe("media_url", media_url).maybe("continue_process_message", go_on).maybe("cancel_process_message", cancel);
    form.maybe("call_to_action.phone.message", create.call).maybe("call_to_action.phone.number", create.call_number);
    form.maybe("call_to_action.url.message", create.link).maybe("call_to_action.url.url", create.link_url);
    form.vars(vars)?;
    let answer = form.send(desk, &daemon, "creating an outbound", Method::POST, OUTBOUNDS)?;
    desk.print(&daemon, &answer, |out, _| writeln!(out, "{}: {}", cell(&answer["outbound_id"]), standing(&answer)))
}

fn send(desk: &mut Desk<'_>, send: Send) -> Result<(), Failure> {
    let Send { id, country, number, authorized, flow, vars, daemon } = send;
    let mut form = Form::default();
    form.put("outbound_id", id.clone()).put("country_code", country).put("phone_number", number);
    form.put("user_authorized", authorized.to_string()).maybe("flow_id", flow);
    form.vars(vars)?;
    let answer = form.send(desk, &daemon, &format!("sending {id}"), Method::POST, &format!("{OUTBOUNDS}/send"))?;
    desk.print(&daemon, &answer, |out, _| {
        let why = answer["ignored"].as_str().map(|why| format!(" ({})", why.replace('_', " "))).unwrap_or_default();
        writeln!(out, "{}: {}{why}", cell(&answer["conversation_id"]), cell(&answer["state"]))
    })
}

/// Where an approval stands, in words.
fn standing(outbound: &Value) -> String {
    match outbound["paused"].as_bool() {
        Some(true) => format!("{}, paused", cell(&outbound["status"])),
        _ => cell(&outbound["status"]),
    }
}

fn list(desk: &Desk<'_>, page: &Page, doing: &str, path: &str) -> Result<Value, Failure> {
    let after = page.after.as_ref().map(|after| format!("&after={}", segment(after))).unwrap_or_default();
    desk.read(&page.daemon, doing, &format!("{path}?limit={}{after}", page.limit))
}

fn more(out: &mut dyn std::io::Write, word: String, answer: &Value) -> std::io::Result<()> {
    match answer["next"].as_str() {
        Some(next) => writeln!(out, "{word} {next}"),
        None => Ok(()),
    }
}

fn show(desk: &Desk<'_>, daemon: &Daemon, path: &str, id: &str) -> Result<Value, Failure> {
    desk.read(daemon, &format!("looking at {id}"), &format!("{path}/{}", segment(id)))
}

fn delete(desk: &mut Desk<'_>, daemon: &Daemon, path: &str, id: &str) -> Result<(), Failure> {
    let answer = desk.act(daemon, &format!("deleting {id}"), Method::DELETE, &format!("{path}/{}", segment(id)), None)?;
    desk.print(daemon, &answer, |out, _| writeln!(out, "{id} is deleted"))
}

/// Number and provider of a line; a name is looked up in the configuration.
fn line_of(desk: &Desk<'_>, line: &Line) -> Result<(String, String), Failure> {
    let Some(name) = &line.line else {
        return Ok((line.phone.clone().unwrap_or_default(), line.provider.clone().unwrap_or_default()));
    };
    let config = client::configuration(desk.config.clone())?;
    let known = config.lines.get(name).ok_or_else(|| {
        let there: Vec<&str> = config.lines.keys().map(String::as_str).collect();
        Failure::new(code::USAGE, format!("finding line {name}: there is none of that name; there are {}", there.join(", ")))
    })?;
    let phone = known.phone.clone().ok_or_else(|| {
        Failure::new(code::CONFIG, format!("finding line {name}: it has no number; write phone = \"...\" below [lines.{name}]"))
    })?;
    Ok((phone, known.provider.as_str().to_owned()))
}

/// The fields of a call.
#[derive(Default)]
struct Form(Vec<(String, String)>);

impl Form {
    fn put(&mut self, name: &str, value: String) -> &mut Form {
        self.0.push((name.to_owned(), value));
        self
    }

    fn maybe(&mut self, name: &str, value: Option<String>) -> &mut Form {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    fn vars(&mut self, vars: Vec<String>) -> Result<(), Failure> {
        for pair in vars {
            let wrong = || Failure::new(code::USAGE, format!("reading --var {}: write it as name=value", visible(&pair)));
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            self.put(&format!("var.{name}"), value.to_owned());
        }
        Ok(())
    }

    fn send(&self, desk: &Desk<'_>, daemon: &Daemon, doing: &str, method: Method, path: &str) -> Result<Value, Failure> {
        Client::find(daemon, desk.config.clone(), true)?.fill_in(doing, method, path, &self.0)
    }
}

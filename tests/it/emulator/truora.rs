//! Truora: `POST /v1/whatsapp/outbounds/send` and `GET /v1/whatsapp/outbounds/{id}`, and hooks as JWTs.
//!
//! Unconfirmed, so a choice of this emulator: the answer to `send`, the shape of errors beside `message`, and the claims of a hook. It
//! reports no fates and no taps: Truora's own bot hears the person.

use std::collections::BTreeMap;

use reengaged::moment::Moment;

use super::json::{array, object, text};
use super::{Answer, Fate, Heard, Hook, Manners, Sent, form, sign};
use crate::stub::Request;

/// The longest of the country codes that this emulator knows; the others are no country's.
const COUNTRIES: [&str; 4] = ["57", "52", "1", "55"];

/// An account and its outbounds.
pub(crate) struct Truora {
    pub(crate) api_key: String,
    pub(crate) hook_secret: String,
    pub(crate) algorithm: &'static str,
    /// Outbounds by id: `APPROVED`, `PENDING` or `REJECTED`; and whether they are notifications, which start no flow.
    pub(crate) outbounds: BTreeMap<String, (&'static str, bool)>,
}

impl Truora {
    /// The account of the fixtures, with its outbound approved.
    pub(crate) fn new() -> Truora {
        let outbound = "OTB00000000000000000000000000000001".to_owned();
        Truora {
            api_key: "test-only-truora-key".to_owned(),
            hook_secret: "test-only-truora-hook-secret".to_owned(),
            algorithm: "HS256",
            outbounds: BTreeMap::from([(outbound, ("APPROVED", false))]),
        }
    }

    /// A hook of these events: the action, and the members of its object.
    pub(crate) fn tells(&self, events: &[(&str, &[(&str, &str)])]) -> Hook {
        let events = events.iter().map(|(action, members)| {
            let inner = object(members.iter().map(|(name, value)| (*name, text(value))));
            object([("event_action", text(action)), ("object", inner)])
        });
        let token = sign::jwt(self.algorithm, &self.hook_secret, &object([("events", array(events))]));
        Hook { query: String::new(), headers: vec![("content-type", "application/jwt".to_owned())], body: token.into_bytes() }
    }

    fn take(&self, request: &Request, number: u64) -> Result<(Sent, Answer), Answer> {
        let wrong = |why: &str| refusal(400, why);
        let fields = form::read(request).ok_or_else(|| wrong("Invalid request"))?;
        let field = |name: &str| form::one(&fields, name);
        let country = field("country_code").filter(|code| COUNTRIES.contains(code)).ok_or_else(|| wrong("invalid country_code"))?;
        let phone = field("phone_number").filter(|phone| !phone.starts_with(['+', '0'])).unwrap_or_default();
        let to = format!("{country}{phone}");
        if !form::digits(&to) || !(6..=12).contains(&phone.len()) {
            return Err(wrong("invalid phone_number"));
        }
        if field("user_authorized") != Some("true") {
            return Err(wrong("user_authorized must be true"));
        }
        let id = field("outbound_id").ok_or_else(|| wrong("outbound_id is required"))?;
        let (status, notification) = self.outbounds.get(id).ok_or_else(|| refusal(404, "outbound not found"))?;
        if *status != "APPROVED" {
            return Err(wrong("outbound is not approved"));
        }
        let flow = field("flow_id").is_some_and(|flow| prefixed(flow, "IPF"));
        if !notification && !flow {
            return Err(wrong("flow_id is required"));
        }
        let vars = fields.iter().filter(|(name, _)| name.starts_with("var.")).map(|(_, value)| value.clone()).collect();
        let sent = Sent { id: format!("{number}"), to, template: Some(id.to_owned()), vars, ..Sent::default() };
        Ok((sent, Answer::new(200, object([("outbound_id", text(id))]))))
    }
}

fn prefixed(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn refusal(status: u16, message: &str) -> Answer {
    let code = 10_000 + u32::from(status);
    Answer::new(status, object([("code", code.to_string()), ("http_code", status.to_string()), ("message", text(message))]))
}

impl Manners for Truora {
    fn hear(&self, request: &Request, number: u64) -> Heard {
        if request.header("truora-api-key") != self.api_key {
            return Heard::Wrong(self.expired());
        }
        match (request.method(), request.target()) {
            ("POST", "/v1/whatsapp/outbounds/send") => match self.take(request, number) {
                Ok((sent, answer)) => Heard::Send(Box::new(sent), answer),
                Err(answer) => Heard::Wrong(answer),
            },
            ("GET", target) => {
                let id = target.strip_prefix("/v1/whatsapp/outbounds/").filter(|id| prefixed(id, "OTB"));
                match id.and_then(|id| self.outbounds.get(id).map(|(status, _)| (id, status))) {
                    Some((id, status)) => Heard::Read(Answer::new(200, object([("outbound_id", text(id)), ("status", text(status))]))),
                    None => Heard::Wrong(refusal(404, "outbound not found")),
                }
            }
            _ => Heard::Wrong(refusal(404, "not found")),
        }
    }

    fn error(&self, code: u32) -> Answer {
        refusal(u16::try_from(code.saturating_sub(10_000)).unwrap_or(400), "Invalid request")
    }

    fn throttled(&self) -> Answer {
        refusal(429, "too many requests")
    }

    fn expired(&self) -> Answer {
        refusal(401, "unauthorized")
    }

    fn status(&self, _sent: &Sent, _fate: Fate, _at: Moment) -> Option<Hook> {
        None
    }
}

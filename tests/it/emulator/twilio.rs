//! Twilio's Programmable Messaging: `POST` and `GET /2010-04-01/Accounts/{sid}/Messages.json`, `GET /2010-04-01/Accounts/{sid}.json`, and
//! its webhooks.
//!
//! Unconfirmed, so a choice of this emulator: too many requests are error 20429.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reengaged::moment::{DAY, Moment, SECOND};
use serde_json::Value;
use url::form_urlencoded;

use super::json::{array, object, text};
use super::{Answer, Fate, Heard, Hook, Manners, Person, Sent, form, sign};
use crate::stub::Request;

/// The first message that the fixtures' line sent.
const FIRST: u64 = 0xabc;

/// A message in an account's list.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    sid: String,
    from: String,
    to: String,
    body: String,
    inbound: bool,
    at: Moment,
}

/// A content template: its id, how many variables it has, and its quick replies by id and label. An id may be a variable, as `{{2}}`.
pub(crate) type Content = (&'static str, usize, &'static [(&'static str, &'static str)]);

/// An account, a number and its content templates.
pub(crate) struct Twilio {
    pub(crate) account_sid: String,
    pub(crate) auth_token: String,
    pub(crate) phone: String,
    pub(crate) messaging_service_sid: Option<String>,
    /// The address of the webhooks as Twilio knows it: signed, whatever is called in truth.
    pub(crate) public_url: String,
    pub(crate) templates: Vec<Content>,
    /// The line sends buttons by a content template of its own.
    pub(crate) quick_reply: bool,
    /// Messages on a page of the list, where the request asks for none.
    pub(crate) page: usize,
    /// The number of the next message of a person.
    pub(crate) next: AtomicU64,
    /// What the account sent and received.
    pub(crate) list: Mutex<Vec<Listed>>,
}

impl Twilio {
    /// The account of the fixtures.
    pub(crate) fn new() -> Twilio {
        Twilio {
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            auth_token: "test-only-twilio-auth-token".to_owned(),
            phone: "5716000001".to_owned(),
            messaging_service_sid: None,
            public_url: "https://reengaged.example.test/hooks/twilio".to_owned(),
            templates: vec![
                ("HX00000000000000000000000000000001", 1, &[("continue", "Sí, continuar"), ("leave", "No, gracias")]),
                ("HX00000000000000000000000000000002", 3, &[("{{2}}", "Sí, continuar"), ("{{3}}", "No, gracias")]),
            ],
            quick_reply: true,
            page: 50,
            next: AtomicU64::new(1),
            list: Mutex::default(),
        }
    }

    /// A person writes, and Twilio calls the webhook.
    pub(crate) fn says(&self, person: &Person, said: &str) -> Hook {
        self.inbound(person, "text", said, &[])
    }

    /// A person writes, and nobody hears Twilio call: the message is in the list alone.
    pub(crate) fn says_unheard(&self, person: &Person, said: &str, at: Moment) {
        let sid = format!("SM{:032x}", self.next.fetch_add(1, Ordering::Relaxed));
        self.remember(Listed { sid, from: address(&person.phone), to: address(&self.phone), body: said.to_owned(), inbound: true, at });
    }

    /// A person taps the button at this place under a message.
    pub(crate) fn taps(&self, person: &Person, sent: &Sent, place: usize) -> Hook {
        let (id, label) = &sent.buttons[place];
        let line = address(&self.phone);
        let user = format!("whatsapp:{}", person.user);
        let tap = [
            ("ButtonText", label.as_str()),
            ("ButtonPayload", id),
            ("OriginalRepliedMessageSid", &sent.id),
            ("OriginalRepliedMessageSender", &line),
            ("ExternalUserId", &user),
            ("Forwarded", "false"),
            ("FrequentlyForwarded", "false"),
        ];
        self.inbound(person, "interactive", label, &tap)
    }

    fn inbound(&self, person: &Person, kind: &str, said: &str, more: &[(&str, &str)]) -> Hook {
        let sid = format!("SM{:032x}", self.next.fetch_add(1, Ordering::Relaxed));
        let (from, to) = (address(&person.phone), address(&self.phone));
        let at = reengaged::clock::Clock::system().wall();
        self.remember(Listed { sid: sid.clone(), from: from.clone(), to: to.clone(), body: said.to_owned(), inbound: true, at });
        let mut fields = vec![
            ("SmsMessageSid", sid.as_str()),
            ("NumMedia", "0"),
            ("ProfileName", &person.name),
            ("MessageType", kind),
            ("SmsSid", &sid),
            ("WaId", &person.phone),
            ("SmsStatus", "received"),
            ("Body", said),
            ("To", &to),
            ("NumSegments", "1"),
            ("ReferralNumMedia", "0"),
            ("MessageSid", &sid),
            ("AccountSid", &self.account_sid),
            ("From", &from),
            ("ApiVersion", "2010-04-01"),
        ];
        fields.extend(more);
        self.signed(&fields)
    }

    /// A webhook of these fields, signed over the public address.
    fn signed(&self, fields: &[(&str, &str)]) -> Hook {
        let fields: Vec<(String, String)> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let signature = sign::twilio(&self.auth_token, &self.public_url, &fields);
        let kind = "application/x-www-form-urlencoded; charset=UTF-8".to_owned();
        let query = self.public_url.split_once('?').map_or_else(String::new, |(_, query)| format!("?{query}"));
        Hook { query, headers: vec![("content-type", kind), ("x-twilio-signature", signature)], body: form::write(fields).into_bytes() }
    }

    fn remember(&self, message: Listed) {
        self.list.lock().expect("no test panics while it holds this").push(message);
    }

    fn take(&self, request: &Request, number: u64) -> Result<(Sent, Answer), u32> {
        let fields = form::read(request).ok_or(20_001_u32)?;
        let field = |name: &str| form::one(&fields, name);
        let to = field("To").ok_or(21_604_u32)?.strip_prefix("whatsapp:+").filter(|to| form::digits(to)).ok_or(21_211_u32)?.to_owned();
        match (field("From"), field("MessagingServiceSid")) {
            (None, None) => return Err(21_603),
            (Some(from), _) if from != address(&self.phone) => return Err(63_007),
            (_, Some(service)) if self.messaging_service_sid.as_deref() != Some(service) => return Err(21_705),
            _ => {}
        }
        if let Some(callback) = field("StatusCallback") {
            let host = url::Url::parse(callback).ok().and_then(|url| url.host_str().map(str::to_owned)).ok_or(21_609_u32)?;
            if host.contains('_') {
                return Err(21_609);
            }
        }
        let period = field("ValidityPeriod").map(str::parse::<u32>);
        if period.is_some_and(|period| !period.is_ok_and(|seconds| (1..=36_000).contains(&seconds))) {
            return Err(21_626);
        }
        let sent = match (field("ContentSid"), field("Body")) {
            (Some(content), None) => self.content(content, field("ContentVariables"))?,
            (None, Some(body)) if body.chars().count() <= 1_600 => Sent { text: body.to_owned(), ..Sent::default() },
            (None, Some(_)) => return Err(21_617),
            _ => return Err(21_619),
        };
        let sent = Sent { id: format!("MM{:032x}", FIRST + number), to, ..sent };
        let at = reengaged::clock::Clock::system().wall();
        let listed =
            Listed { sid: sent.id.clone(), from: address(&self.phone), to: address(&sent.to), body: sent.text.clone(), inbound: false, at };
        let answer = Answer::new(201, self.resource(&listed, "queued"));
        self.remember(listed);
        Ok((sent, answer))
    }

    /// A content template filled with these variables.
    fn content(&self, content: &str, variables: Option<&str>) -> Result<Sent, u32> {
        let (id, count, buttons) = self.templates.iter().find(|(id, ..)| *id == content).ok_or(21_655_u32)?;
        let variables: Value = serde_json::from_str(variables.unwrap_or("{}")).map_err(|_| 21_656_u32)?;
        let variables = variables.as_object().ok_or(21_656_u32)?;
        let mut vars = Vec::new();
        for place in 1..=variables.len() {
            let value = variables.get(&place.to_string()).and_then(Value::as_str).filter(|value| !value.is_empty());
            vars.push(value.ok_or(21_656_u32)?.to_owned());
        }
        if vars.len() != *count {
            return Err(63_028);
        }
        let filled = |id: &str| {
            let place = id.strip_prefix("{{").and_then(|id| id.strip_suffix("}}")).and_then(|place| place.parse::<usize>().ok());
            place.map_or_else(|| id.to_owned(), |place| vars[place - 1].clone())
        };
        let buttons = buttons.iter().map(|(id, label)| (filled(id), (*label).to_owned())).collect();
        Ok(Sent { template: Some((*id).to_owned()), text: vars.first().cloned().unwrap_or_default(), buttons, vars, ..Sent::default() })
    }

    /// A page of the account's messages, newest first. `DateSent>` takes a day, or a day and a time, in UTC.
    fn pages(&self, target: &str) -> Answer {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let fields: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let field = |name: &str| form::one(&fields, name);
        let since = match field("DateSent>") {
            None => Moment::MIN,
            Some(text) => match Moment::parse(text).or_else(|| Moment::parse(&format!("{text}T00:00:00Z"))) {
                Some(moment) => moment,
                None => return self.error(20_001),
            },
        };
        let size = field("PageSize").and_then(|size| size.parse().ok()).unwrap_or(self.page).clamp(1, self.page.max(1));
        let page: usize = field("Page").and_then(|page| page.parse().ok()).unwrap_or(0);
        let mut found = self.list.lock().expect("no test panics while it holds this").clone();
        found.retain(|m| m.at >= since && field("To").is_none_or(|to| m.to == to) && field("From").is_none_or(|from| m.from == from));
        found.sort_by_key(|message| std::cmp::Reverse(message.at));
        let shown: Vec<String> =
            found.iter().skip(page * size).take(size).map(|m| self.resource(m, if m.inbound { "received" } else { "sent" })).collect();
        let next = if found.len() > (page + 1) * size {
            let kept = fields.iter().filter(|(name, _)| !["Page", "PageToken"].contains(&name.as_str())).cloned();
            let token = format!("PA{}", found[(page + 1) * size - 1].sid);
            let more = [("Page".to_owned(), (page + 1).to_string()), ("PageToken".to_owned(), token)];
            text(format!("{}?{}", self.path("/Messages.json"), form::write(kept.chain(more))))
        } else {
            "null".to_owned()
        };
        let members = [
            ("messages", array(shown)),
            ("next_page_uri", next),
            ("page", page.to_string()),
            ("page_size", size.to_string()),
            ("uri", text(target)),
        ];
        Answer::new(200, object(members))
    }

    fn resource(&self, message: &Listed, status: &str) -> String {
        let (date, null) = (text(rfc2822(message.at)), || "null".to_owned());
        let path = self.path(&format!("/Messages/{}", message.sid));
        object([
            ("account_sid", text(&self.account_sid)),
            ("api_version", text("2010-04-01")),
            ("body", text(&message.body)),
            ("date_created", date.clone()),
            ("date_sent", if message.inbound { date.clone() } else { null() }),
            ("date_updated", date),
            ("direction", text(if message.inbound { "inbound" } else { "outbound-api" })),
            ("error_code", null()),
            ("error_message", null()),
            ("from", text(&message.from)),
            ("messaging_service_sid", self.messaging_service_sid.as_ref().map_or_else(null, text)),
            ("num_media", text("0")),
            ("num_segments", text("1")),
            ("price", null()),
            ("price_unit", null()),
            ("sid", text(&message.sid)),
            ("status", text(status)),
            ("subresource_uris", object([("media", text(format!("{path}/Media.json")))])),
            ("to", text(&message.to)),
            ("uri", text(format!("{path}.json"))),
        ])
    }

    fn path(&self, rest: &str) -> String {
        format!("/2010-04-01/Accounts/{}{rest}", self.account_sid)
    }
}

fn address(phone: &str) -> String {
    format!("whatsapp:+{phone}")
}

/// `Mon, 14 Sep 2026 17:00:00 +0000`.
fn rfc2822(at: Moment) -> String {
    let iso = at.to_string();
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = days[usize::try_from(at.0.div_euclid(DAY).rem_euclid(7)).unwrap_or(0)];
    let month = months[iso[5..7].parse::<usize>().unwrap_or(1) - 1];
    format!("{day}, {} {month} {} {} +0000", &iso[8..10], &iso[..4], &iso[11..19])
}

impl Manners for Twilio {
    fn hear(&self, request: &Request, number: u64) -> Heard {
        let basic = STANDARD.encode(format!("{}:{}", self.account_sid, self.auth_token));
        if request.header("authorization") != format!("Basic {basic}") {
            return Heard::Wrong(self.expired());
        }
        let path = request.target().split('?').next().unwrap_or_default();
        match (request.method(), path) {
            ("POST", path) if path == self.path("/Messages.json") => match self.take(request, number) {
                Ok((sent, answer)) => Heard::Send(Box::new(sent), answer),
                Err(code) => Heard::Wrong(self.error(code)),
            },
            ("GET", path) if path == self.path("/Messages.json") => Heard::Read(self.pages(request.target())),
            ("GET", path) if path == self.path(".json") => {
                let members =
                    [("sid", &self.account_sid), ("friendly_name", &"Reengaged Test".to_owned()), ("status", &"active".to_owned())];
                Heard::Read(Answer::new(200, object(members.map(|(name, value)| (name, text(value))))))
            }
            _ => Heard::Wrong(self.error(20_404)),
        }
    }

    fn error(&self, code: u32) -> Answer {
        let (status, message) = match code {
            20_003 => (401, "Authenticate"),
            20_404 => (404, "The requested resource was not found"),
            20_429 => (429, "Too Many Requests"),
            63_016 => (400, "Failed to send freeform message"),
            _ => (400, "See the page of error codes"),
        };
        let members = [
            ("code", code.to_string()),
            ("message", text(message)),
            ("more_info", text(format!("https://www.twilio.com/docs/errors/{code}"))),
            ("status", status.to_string()),
        ];
        Answer::new(status, object(members))
    }

    fn throttled(&self) -> Answer {
        self.error(20_429)
    }

    fn expired(&self) -> Answer {
        self.error(20_003)
    }

    fn status(&self, sent: &Sent, fate: Fate, _at: Moment) -> Option<Hook> {
        let (word, event) = match fate {
            Fate::Sent => ("sent", ""),
            Fate::Delivered => ("delivered", "DELIVERED"),
            Fate::Read => ("read", "READ"),
            Fate::Failed(_) => ("undelivered", "UNDELIVERED"),
        };
        let (to, from) = (address(&sent.to), address(&self.phone));
        let mut fields = vec![
            ("ChannelPrefix", "whatsapp"),
            ("ApiVersion", "2010-04-01"),
            ("MessageStatus", word),
            ("SmsSid", &sent.id),
            ("SmsStatus", word),
            ("ChannelInstallSid", "XE00000000000000000000000000000001"),
            ("To", &to),
            ("From", &from),
            ("MessageSid", &sent.id),
            ("AccountSid", &self.account_sid),
        ];
        if !event.is_empty() {
            fields.push(("EventType", event));
        }
        let code = if let Fate::Failed(code) = fate { code.to_string() } else { String::new() };
        if !code.is_empty() {
            let why = "Failed to send freeform message because you are outside the allowed window.";
            fields.extend([("ErrorCode", code.as_str()), ("ChannelStatusMessage", why)]);
        }
        Some(self.signed(&fields))
    }
}

#[test]
fn dates_are_written_as_mail_writes_them() {
    assert_eq!(rfc2822(Moment(1_789_405_200 * SECOND)), "Mon, 14 Sep 2026 17:00:00 +0000");
}

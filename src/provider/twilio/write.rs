//! What we ask of Twilio's API, and what its answers mean.
//!
//! Not its webhooks. A template's own quick replies carry no ids of ours: its number of variables is fixed when it is approved
//! (63028 refuses more), so a tap on one is known by the message that it stood under and by its label.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::Url;

use super::submit::{self, Submitter};
use super::{CAPABILITIES, Settings, missed, table};
use crate::conversation::{Capabilities, Choice, Form, Refusal};
use crate::engine::approval::{Approval, TemplateDraft};
use crate::engine::heard::{Item, Trouble};
use crate::engine::ports::{Called, Message};
use crate::moment::Moment;
use crate::provider::client::{self, Ended, Reply};
use crate::provider::form::{self, FORM};
use crate::provider::remote::{Api, Key, Outgoing, Submitting};
use crate::shapes::button;

/// Longest text of a message, in characters.
const TEXT_CHARS: usize = 1_600;
/// Longest text above buttons, in characters.
const BUTTONS_CHARS: usize = 1_024;
/// Most spaces in a row inside a variable.
const SPACES: &str = "     ";

/// The half of a line that speaks.
pub(super) struct Writer {
    settings: Settings,
    authorization: Key,
}

impl Writer {
    pub(super) fn new(settings: Settings) -> Writer {
        let token = settings.auth_tokens.first().map_or("", Key::expose);
        let pair = STANDARD.encode(format!("{}:{token}", settings.account_sid));
        Writer { settings, authorization: Key::new(format!("Basic {pair}")) }
    }

    fn get(&self, url: Url) -> Outgoing {
        Outgoing { url, headers: vec![("authorization", self.authorization.clone())], body: None }
    }

    fn submitter(&self) -> Submitter {
        Submitter::new(self.settings.content_api.clone(), self.authorization.clone())
    }

    /// The address of something of this account.
    fn account(&self, rest: &str) -> Url {
        form::under(&self.settings.api, &format!("/2010-04-01/Accounts/{}{rest}", self.settings.account_sid))
    }
}

impl Api for Writer {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn write(&self, message: &Message) -> Result<Outgoing, Refusal> {
        // Whether a user id may stand in `To` is not known.
        if !form::is_number(&message.to) {
            return Err(Refusal::Recipient);
        }
        let Settings { phone, messaging_service_sid, status_callback, public_url, .. } = &self.settings;
        let (to, from) = (format!("whatsapp:+{}", message.to), format!("whatsapp:+{phone}"));
        let content = content(message, self.settings.quick_reply.as_deref())?;
        let mut fields = vec![("To", to.as_str())];
        fields.push(messaging_service_sid.as_ref().map_or(("From", from.as_str()), |sid| ("MessagingServiceSid", sid)));
        fields.extend(content.iter().map(|(name, value)| (*name, value.as_str())));
        fields.push(("StatusCallback", status_callback.as_ref().unwrap_or(public_url).as_str()));
        Ok(Outgoing { body: Some((FORM, form::body(fields))), ..self.get(self.account("/Messages.json")) })
    }

    fn judge(&self, _message: &Message, ended: &Ended) -> Called {
        judge(ended)
    }

    fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        self.submitter().submit(draft, replies)
    }

    fn approval(&self, submission: &str) -> Option<Outgoing> {
        Some(self.submitter().approval(submission))
    }

    fn read_approval(&self, _submission: &str, reply: &Reply) -> Result<Approval, String> {
        submit::read_approval(reply)
    }

    fn probe(&self) -> Option<Outgoing> {
        Some(self.get(self.account(".json")))
    }

    fn probed(&self, reply: &Reply) -> Result<(), String> {
        let body = body(reply);
        match body["status"].as_str() {
            Some("active") if is_success(reply) => Ok(()),
            Some("suspended" | "closed") if is_success(reply) => Err("the account is suspended or closed".into()),
            _ => Err(detail(reply, code(&body))),
        }
    }

    fn missed(&self, since: Moment, page: Option<&Url>) -> Option<Outgoing> {
        let first = || missed::first(self.account("/Messages.json"), &self.settings.phone, since);
        Some(self.get(page.cloned().unwrap_or_else(first)))
    }

    fn read_missed(&self, since: Moment, reply: &Reply) -> Result<(Vec<Item>, Option<Url>), String> {
        if !is_success(reply) {
            return Err(detail(reply, code(&body(reply))));
        }
        missed::read(&self.settings.api, since, &reply.body)
    }
}

/// The fields that say what is sent.
fn content(message: &Message, quick_reply: Option<&str>) -> Result<Vec<(&'static str, String)>, Refusal> {
    if message.form == Form::Template {
        let template = message.template.as_deref().ok_or(Refusal::Template)?;
        let mut fields = vec![("ContentSid", template.to_owned())];
        if !message.template_vars.is_empty() {
            fields.push(("ContentVariables", variables(message.template_vars.iter().map(|(_, value)| value.as_str()))));
        }
        return Ok(fields);
    }
    if !message.choices.is_empty() {
        return text(numbered(message));
    }
    let Some((yes, no)) = &message.buttons else { return text(message.text.clone()) };
    match quick_reply {
        Some(content) if fits_a_variable(&message.text) => {
            let id = |choice| button::write(choice, message.conversation, message.send);
            let values = [message.text.as_str(), &id(Choice::Yes), &id(Choice::No)];
            Ok(vec![("ContentSid", content.to_owned()), ("ContentVariables", variables(values))])
        }
        // Without buttons the labels are there to be typed.
        _ => text(format!("{}\n\n{yes} / {no}", message.text)),
    }
}

/// Choices are there to be typed, by their number or their title: a content with buttons is approved with their number fixed.
fn numbered(message: &Message) -> String {
    let lines = (1..).zip(&message.choices).map(|(place, (_, title))| format!("\n{place}. {title}"));
    format!("{}\n{}", message.text, lines.collect::<String>())
}

fn text(text: String) -> Result<Vec<(&'static str, String)>, Refusal> {
    if text.chars().count() > TEXT_CHARS { Err(Refusal::Line) } else { Ok(vec![("Body", text)]) }
}

/// Whether Twilio takes this text as the variable in the body of a content (21656 and 63021 refuse others).
fn fits_a_variable(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= BUTTONS_CHARS && !text.contains(['\n', '\r', '\t']) && !text.contains(SPACES)
}

/// Values by their place, from 1, as JSON.
fn variables<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let pairs = values.into_iter().zip(1..).map(|(value, place)| format!("\"{place}\": {}", Value::from(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// What the end of a call means: Twilio's code first, then HTTP's own, then the status.
fn judge(ended: &Ended) -> Called {
    if let Ended::Reply(reply) = ended
        && !is_success(reply)
        && let code = code(&body(reply))
        && let Some(trouble) = code.and_then(table::trouble).or_else(|| (reply.status == 429).then_some(Trouble::ThrottleLine))
    {
        return failed(trouble, reply, code);
    }
    let reply = match client::common(ended) {
        Ok(reply) => reply,
        Err(called) => return called,
    };
    let body = body(reply);
    let trouble = match reply.status {
        200..=299 => match body["sid"].as_str().filter(|sid| !sid.is_empty()) {
            Some(sid) => return Called::accepted(sid, detail(reply, None)),
            None => Trouble::Doubt,
        },
        // Something was done, or is being done.
        303 | 409 => Trouble::Doubt,
        401 | 403 => Trouble::Authentication,
        _ => Trouble::Configuration,
    };
    failed(trouble, reply, code(&body))
}

fn failed(trouble: Trouble, reply: &Reply, code: Option<u64>) -> Called {
    Called::failed(trouble, reply.retry_after.unwrap_or(0), format!("{}, {trouble}", detail(reply, code)))
}

/// `HTTP 400, code 63016`: never Twilio's words, which may quote what was sent.
fn detail(reply: &Reply, code: Option<u64>) -> String {
    let code = code.map(|code| format!(", code {code}")).unwrap_or_default();
    format!("HTTP {}{code}", reply.status)
}

fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

/// The body, null where it is no JSON.
fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

fn code(body: &Value) -> Option<u64> {
    let code = &body["code"];
    code.as_u64().or_else(|| code.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Purpose;
    use crate::engine::ports::CallEnd;
    use crate::moment::MINUTE;
    use crate::provider::testing::{fixture, message};
    use crate::provider::twilio::settings;

    fn form_of(settings: Settings, message: &Message) -> Result<Vec<(String, String)>, Refusal> {
        let (kind, body) = Writer::new(settings).write(message)?.body.expect("a body");
        assert_eq!(kind, "application/x-www-form-urlencoded");
        Ok(url::form_urlencoded::parse(body.as_bytes()).into_owned().collect())
    }

    fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
        form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_golden_template() {
        let (template, vars) = (Some("HX00000000000000000000000000000001".into()), vec![("name".into(), "Camila".into())]);
        let golden = Message { form: Form::Template, template, template_vars: vars, to: "573181230000".into(), ..message() };
        let outgoing = Writer::new(settings()).write(&golden).unwrap();
        assert_eq!(outgoing.body.unwrap().1, String::from_utf8(fixture("twilio/req_content_template.form")).unwrap());
    }

    #[test]
    fn the_golden_answers() {
        let answer = |status, name: &str| Reply { status, retry_after: None, body: fixture(name), broken: None };
        let taken = judge(&Ended::Reply(answer(201, "twilio/resp_create_201.json")));
        assert_eq!(taken, Called::accepted("MM00000000000000000000000000000abc", "HTTP 201"));
        for (status, name, trouble) in [
            (400, "twilio/resp_error_400_63016.json", Trouble::WindowClosed),
            (401, "twilio/resp_error_401_20003.json", Trouble::Authentication),
        ] {
            let called = judge(&Ended::Reply(answer(status, name)));
            assert_eq!((called.trouble, called.end), (Some(trouble), trouble.end(0)), "{name}");
        }
    }

    #[test]
    fn a_call_is_authorised_and_names_the_account() {
        let outgoing = Writer::new(settings()).write(&message()).unwrap();
        assert_eq!(outgoing.url.as_str(), "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json");
        let [(name, value)] = outgoing.headers.as_slice() else { panic!("one header") };
        let pair = STANDARD.decode(value.expose().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(
            (*name, pair.as_slice()),
            ("authorization", b"AC00000000000000000000000000000001:test-only-twilio-auth-token".as_slice())
        );
    }

    #[test]
    fn a_follow_up_in_the_window_has_buttons_or_labels_to_type() {
        let plain = form_of(settings(), &message()).unwrap();
        assert_eq!(value(&plain, "Body"), Some("¿Seguimos, Ana?\n\nSí / No"));
        assert_eq!(value(&plain, "ContentSid"), None);

        let with_buttons = || Settings { quick_reply: Some("HX2".into()), ..settings() };
        let form = form_of(with_buttons(), &message()).unwrap();
        assert_eq!((value(&form, "ContentSid"), value(&form, "Body")), (Some("HX2"), None));
        let values: Value = serde_json::from_str(value(&form, "ContentVariables").unwrap()).unwrap();
        assert_eq!(values["1"], "¿Seguimos, Ana?");
        for (place, choice) in [("2", Choice::Yes), ("3", Choice::No)] {
            assert_eq!(button::read(values[place].as_str().unwrap()), Some((choice, message().conversation, message().send)));
        }

        for text in ["two\nlines", "tab\there", "five     spaces", &"x".repeat(1_025)] {
            let form = form_of(with_buttons(), &Message { text: text.into(), ..message() }).unwrap();
            assert_eq!(value(&form, "Body"), Some(format!("{text}\n\nSí / No").as_str()), "it fits no variable");
        }
    }

    #[test]
    fn a_question_is_asked_as_it_was_and_no_longer_than_fits() {
        let ask = |text: String| form_of(settings(), &Message { purpose: Purpose::Ask, buttons: None, text, ..message() });
        assert_eq!(value(&ask("¿Tu correo?".into()).unwrap(), "Body"), Some("¿Tu correo?"));
        assert!(ask("ñ".repeat(1_600)).is_ok());
        assert_eq!(ask("ñ".repeat(1_601)), Err(Refusal::Line));
    }

    #[test]
    fn choices_are_numbered_to_be_typed() {
        let choices = vec![("pick0".to_owned(), "Rojo".to_owned()), ("pick1".to_owned(), "Verde".to_owned())];
        let ask = Message { purpose: Purpose::Ask, buttons: None, text: "¿Color?".into(), choices, ..message() };
        assert_eq!(value(&form_of(settings(), &ask).unwrap(), "Body"), Some("¿Color?\n\n1. Rojo\n2. Verde"));
    }

    #[test]
    fn a_template_has_its_variables_by_place() {
        let template = Message { form: Form::Template, template: Some("HX1".into()), ..message() };
        let two = vec![("name".into(), "Ana \"la\" ñ".into()), ("city".into(), "Bogotá".into())];
        let form = form_of(settings(), &Message { template_vars: two, ..template.clone() }).unwrap();
        assert_eq!(value(&form, "ContentVariables"), Some(r#"{"1": "Ana \"la\" ñ", "2": "Bogotá"}"#));
        assert_eq!(value(&form_of(settings(), &template).unwrap(), "ContentVariables"), None);
        assert_eq!(form_of(settings(), &Message { template: None, ..template }), Err(Refusal::Template));
    }

    #[test]
    fn sender_and_callback_are_as_configured() {
        let form = form_of(settings(), &message()).unwrap();
        assert_eq!((value(&form, "From"), value(&form, "To")), (Some("whatsapp:+5716000001"), Some("whatsapp:+573001234567")));
        let other = Settings { messaging_service_sid: Some("MG1".into()), status_callback: None, ..settings() };
        let form = form_of(other, &message()).unwrap();
        assert_eq!((value(&form, "From"), value(&form, "MessagingServiceSid")), (None, Some("MG1")));
        assert_eq!(value(&form, "StatusCallback"), Some("https://reengaged.example.test/hooks/twilio"));
        for to in ["", "CO.13", "+573001234567"] {
            assert_eq!(form_of(settings(), &Message { to: to.into(), ..message() }), Err(Refusal::Recipient), "{to}");
        }
    }

    fn reply(status: u16, body: &str) -> Ended {
        Ended::Reply(Reply { status, retry_after: None, body: body.into(), broken: None })
    }

    #[test]
    fn the_table_of_answers() {
        use CallEnd::{Busy, Refused, Unknown};
        for (status, body, end, trouble) in [
            (400, r#"{"code":63016,"status":400}"#, Refused(Refusal::WindowClosed), Some(Trouble::WindowClosed)),
            (400, r#"{"code":"21211"}"#, Refused(Refusal::Recipient), Some(Trouble::Permanent)),
            (400, r#"{"code":21610}"#, Refused(Refusal::OptedOut), Some(Trouble::OptOut)),
            (400, r#"{"code":21655}"#, Refused(Refusal::Template), Some(Trouble::Template)),
            (400, r#"{"code":99999}"#, Refused(Refusal::Line), Some(Trouble::Configuration)),
            (400, "<html>", Refused(Refusal::Line), Some(Trouble::Configuration)),
            (401, r#"{"code":20003}"#, Busy(0), Some(Trouble::Authentication)),
            (401, "", Busy(0), Some(Trouble::Authentication)),
            (403, "", Busy(0), Some(Trouble::Authentication)),
            (403, r#"{"code":10001}"#, Busy(0), Some(Trouble::Account)),
            (404, "", Refused(Refusal::Line), Some(Trouble::Configuration)),
            (302, "", Refused(Refusal::Line), Some(Trouble::Configuration)),
            (409, "", Unknown, Some(Trouble::Doubt)),
            (429, "", Busy(0), Some(Trouble::ThrottleLine)),
            (429, r#"{"code":20429}"#, Busy(0), Some(Trouble::ThrottleLine)),
            (500, "", Unknown, None),
            (503, r#"{"code":20503}"#, Unknown, None),
            (201, "{}", Unknown, Some(Trouble::Doubt)),
            (201, r#"{"sid":"MM1""#, Unknown, Some(Trouble::Doubt)),
            (200, "ok", Unknown, Some(Trouble::Doubt)),
        ] {
            let called = judge(&reply(status, body));
            assert_eq!((called.end, called.trouble, called.message), (end, trouble, None), "{status} {body}");
        }
        let taken = judge(&reply(201, r#"{"sid":"MM1","status":"queued","error_code":null}"#));
        assert_eq!(taken, Called::accepted("MM1", "HTTP 201"));
        assert_eq!(judge(&Ended::NotSent("no route".into())).end, Busy(0));
        assert_eq!(judge(&Ended::Lost("reset".into())).end, Unknown);
    }

    #[test]
    fn a_wait_is_honoured_and_nothing_said_is_quoted() {
        let body = r#"{"code":63018,"message":"whatsapp:+573001234567 said hello","status":400}"#;
        let called = judge(&Ended::Reply(Reply { status: 400, retry_after: Some(2 * MINUTE), body: body.into(), broken: None }));
        assert_eq!(called.end, CallEnd::Busy(2 * MINUTE));
        assert_eq!(called.detail, "HTTP 400, code 63018, throttle_line");
    }

    #[test]
    fn a_stopped_line_asks_for_its_account() {
        let writer = Writer::new(settings());
        let probe = writer.probe().unwrap();
        assert_eq!(probe.url.path(), "/2010-04-01/Accounts/AC00000000000000000000000000000001.json");
        assert_eq!(probe.body, None);
        let probed = |status, body: &str| {
            let Ended::Reply(reply) = reply(status, body) else { unreachable!() };
            writer.probed(&reply)
        };
        assert_eq!(probed(200, r#"{"status":"active"}"#), Ok(()));
        assert_eq!(probed(200, r#"{"status":"suspended"}"#), Err("the account is suspended or closed".into()));
        assert_eq!(probed(200, "{}"), Err("HTTP 200".into()));
        assert_eq!(probed(401, r#"{"code":20003,"status":401}"#), Err("HTTP 401, code 20003".into()));
    }
}

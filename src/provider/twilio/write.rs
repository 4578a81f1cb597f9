//! Requests to Twilio: text, a content template with our buttons, the approved template; and the questions beside them.
//!
//! Not what its answers mean: that is `judge.rs`. A template's own quick replies carry no ids of ours: its number of variables is
//! fixed when it is approved (63028 refuses more), so a tap on one is known by the message that it stood under and by its label.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::Url;

use super::submit::{self, Submitter};
use super::{CAPABILITIES, Settings, judge, missed};
use crate::conversation::{Capabilities, Form, Purpose, Refusal};
use crate::engine::approval::{Approval, TemplateDraft};
use crate::engine::heard::Item;
use crate::engine::ports::{Called, Message};
use crate::moment::Moment;
use crate::provider::client::{Ended, Reply};
use crate::provider::fit::{fit, units};
use crate::provider::form::{self, FORM};
use crate::provider::meta::digits;
use crate::provider::meta::write::{BODY, LABEL, parameters, payloads};
use crate::provider::remote::{Api, Key, Outgoing, Submitting};

/// Longest text of a message, in characters.
const TEXT: usize = 1_600;
/// One space more in a row than a variable takes.
const SPACES: &str = "     ";

/// Writes the requests of a line of Twilio.
pub struct Writer {
    api: Url,
    account: Url,
    messages: Url,
    authorization: Key,
    phone: String,
    messaging_service_sid: Option<String>,
    status_callback: String,
    quick_reply: Option<String>,
    submitter: Submitter,
}

impl Writer {
    /// The writer of a line.
    ///
    /// # Errors
    /// Which setting is missing or cannot be used.
    pub fn new(settings: &Settings) -> Result<Writer, String> {
        let (sid, phone) = (&settings.account_sid, digits(&settings.phone));
        if sid.is_empty() || !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err("the account sid is none; it begins with AC and stands on Twilio's console".into());
        }
        if phone.is_empty() {
            return Err("the business number is no number: digits with country code".into());
        }
        let token = settings.auth_tokens.first().ok_or("the auth token is missing; it stands on Twilio's console")?;
        let account = format!("/2010-04-01/Accounts/{sid}");
        let authorization = Key::new(format!("Basic {}", STANDARD.encode(format!("{sid}:{}", token.expose()))));
        Ok(Writer {
            api: settings.api.clone(),
            account: form::under(&settings.api, &format!("{account}.json"))?,
            messages: form::under(&settings.api, &format!("{account}/Messages.json"))?,
            submitter: Submitter::new(&settings.content_api, authorization.clone())?,
            authorization,
            phone,
            messaging_service_sid: settings.messaging_service_sid.clone(),
            status_callback: settings.status_callback.as_ref().unwrap_or(&settings.public_url).to_string(),
            quick_reply: settings.quick_reply.clone(),
        })
    }

    fn request(&self, url: &Url, body: Option<String>) -> Outgoing {
        let headers = vec![("authorization", self.authorization.clone())];
        Outgoing { url: url.clone(), headers, body: body.map(|body| (FORM, body)) }
    }

    /// The fields that say what is sent.
    fn content(&self, message: &Message) -> Result<Vec<(&'static str, String)>, Refusal> {
        if message.form == Form::Template {
            let template = message.template.as_deref().filter(|sid| !sid.is_empty()).ok_or(Refusal::Template)?;
            let values = parameters(message)?;
            let mut fields = vec![("ContentSid", template.to_owned())];
            fields.extend((!values.is_empty()).then(|| ("ContentVariables", variables(&values))));
            return Ok(fields);
        }
        let text = &message.text;
        if text.trim().is_empty() {
            return Err(Refusal::Template);
        }
        match (&message.buttons, &self.quick_reply) {
            (Some(_), Some(content)) if message.purpose == Purpose::FollowUp && fits_a_variable(text) => {
                let [yes, no] = payloads(message);
                Ok(vec![("ContentSid", content.clone()), ("ContentVariables", variables(&[text.clone(), yes, no]))])
            }
            // Without buttons the labels are there to be typed.
            (Some((yes, no)), _) if message.purpose == Purpose::FollowUp => {
                let labels = format!("\n\n{} / {}", fit(yes.trim(), LABEL), fit(no.trim(), LABEL));
                Ok(vec![("Body", format!("{}{labels}", fit(text, TEXT - units(&labels))))])
            }
            _ if !message.choices.is_empty() => {
                let text = numbered(message);
                if units(&text) > TEXT { Err(Refusal::Line) } else { Ok(vec![("Body", text)]) }
            }
            // A question that is cut is another question.
            _ if units(text) > TEXT => Err(Refusal::Line),
            _ => Ok(vec![("Body", text.clone())]),
        }
    }
}

impl Api for Writer {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn write(&self, message: &Message) -> Result<Outgoing, Refusal> {
        // Whether a user id may stand in `To` is not known.
        let to = Some(digits(&message.to)).filter(|to| !to.is_empty()).ok_or(Refusal::Recipient)?;
        let (to, from) = (format!("whatsapp:+{to}"), format!("whatsapp:+{}", self.phone));
        let content = self.content(message)?;
        let mut fields = vec![("To", to.as_str())];
        fields.push(self.messaging_service_sid.as_ref().map_or(("From", from.as_str()), |sid| ("MessagingServiceSid", sid)));
        fields.extend(content.iter().map(|(name, value)| (*name, value.as_str())));
        fields.push(("StatusCallback", &self.status_callback));
        Ok(self.request(&self.messages, Some(form::body(fields))))
    }

    fn judge(&self, _message: &Message, ended: &Ended) -> Called {
        judge::called(ended)
    }

    fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        self.submitter.submit(draft, replies)
    }

    fn approval(&self, submission: &str) -> Option<Outgoing> {
        Some(self.submitter.approval(submission))
    }

    fn read_approval(&self, _submission: &str, reply: &Reply) -> Result<Approval, String> {
        submit::read_approval(reply)
    }

    fn probe(&self) -> Option<Outgoing> {
        Some(self.request(&self.account, None))
    }

    fn probed(&self, reply: &Reply) -> Result<(), String> {
        judge::probed(reply)
    }

    fn missed(&self, since: Moment, page: Option<&Url>) -> Option<Outgoing> {
        let first = || missed::first(self.messages.clone(), &self.phone, since);
        Some(self.request(&page.cloned().unwrap_or_else(first), None))
    }

    fn read_missed(&self, since: Moment, reply: &Reply) -> Result<(Vec<Item>, Option<Url>), String> {
        if judge::is_success(reply) { missed::read(&self.api, since, &reply.body) } else { Err(judge::refused(reply)) }
    }
}

/// Choices are there to be typed, by their number or their title: a content with buttons is approved with their number fixed.
fn numbered(message: &Message) -> String {
    let lines = (1..).zip(&message.choices).map(|(place, (_, title))| format!("\n{place}. {title}"));
    format!("{}\n{}", message.text, lines.collect::<String>())
}

/// Whether Twilio takes this text as the variable in the body of a content (21656 and 63021 refuse others).
fn fits_a_variable(text: &str) -> bool {
    units(text) <= BODY && !text.contains(['\n', '\r', '\t']) && !text.contains(SPACES)
}

/// Values by their place, from 1, as JSON.
fn variables(values: &[String]) -> String {
    let pairs = values.iter().zip(1..).map(|(value, place)| format!("\"{place}\": {}", Value::from(value.as_str())));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Choice;
    use crate::provider::testing::{fixture, message};
    use crate::provider::twilio::settings;
    use crate::shapes::button;

    fn writer(settings: Settings) -> Writer {
        Writer::new(&settings).unwrap()
    }

    fn form_of(settings: Settings, message: &Message) -> Result<Vec<(String, String)>, Refusal> {
        let (kind, body) = writer(settings).write(message)?.body.expect("a body");
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
        let outgoing = writer(settings()).write(&golden).unwrap();
        assert_eq!(outgoing.body.unwrap().1, String::from_utf8(fixture("twilio/req_content_template.form")).unwrap());
    }

    #[test]
    fn a_call_is_authorised_and_names_the_account() {
        let outgoing = writer(settings()).write(&message()).unwrap();
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

        let long = form_of(settings(), &Message { text: "x".repeat(2_000), ..message() }).unwrap();
        let body = value(&long, "Body").unwrap();
        assert!(body.ends_with("x…\n\nSí / No") && units(body) == TEXT, "the labels stay");

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
        assert_eq!(ask(" ".into()), Err(Refusal::Template));
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
        for to in ["", "CO.13"] {
            assert_eq!(form_of(settings(), &Message { to: to.into(), ..message() }), Err(Refusal::Recipient), "{to}");
        }
    }

    #[test]
    fn a_stopped_line_asks_for_its_account() {
        let probe = writer(settings()).probe().unwrap();
        assert_eq!(probe.url.path(), "/2010-04-01/Accounts/AC00000000000000000000000000000001.json");
        assert_eq!((probe.body, probe.headers.len()), (None, 1));
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_told() {
        for (settings, told) in [
            (Settings { account_sid: "AC1/../x".into(), ..settings() }, "account sid"),
            (Settings { account_sid: String::new(), ..settings() }, "account sid"),
            (Settings { phone: "support".into(), ..settings() }, "business number"),
            (Settings { auth_tokens: Vec::new(), ..settings() }, "auth token"),
            (Settings { api: "mailto:a@example.test".parse().unwrap(), ..settings() }, "address"),
        ] {
            assert!(Writer::new(&settings).is_err_and(|why| why.contains(told)), "{told}");
        }
    }
}

//! What we ask of Truora's API, and what its answers mean.
//!
//! Not its templates: an outbound is created and approved beforehand, and its buttons are part of it. Truora has no question whether
//! a stopped line works again that sends nothing; one send tells.

use serde_json::Value;

use super::{CAPABILITIES, Settings, calling, submit, table};
use crate::conversation::{Capabilities, Form, Purpose, Refusal};
use crate::engine::approval::{Approval, TemplateDraft};
use crate::engine::heard::Trouble;
use crate::engine::ports::{CallEnd, Called, Message};
use crate::provider::client::{self, Ended, Reply};
use crate::provider::form::{self, FORM};
use crate::provider::remote::{Api, Outgoing, Submitting};

/// Where the id of what was sent may stand; which of them it is, if any, is not confirmed.
const IDS: [&str; 4] = ["message_id", "id", "process_id", "identity_process_id"];

/// The half of a line that speaks.
pub(super) struct Writer {
    settings: Settings,
}

impl Writer {
    pub(super) fn new(settings: Settings) -> Writer {
        Writer { settings }
    }
}

impl Api for Writer {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn write(&self, message: &Message) -> Result<Outgoing, Refusal> {
        if message.form != Form::Template {
            return Err(Refusal::Line);
        }
        let outbound = message.template.as_deref().ok_or(Refusal::Template)?;
        let (country, national) =
            Some(message.to.as_str()).filter(|to| form::is_number(to)).and_then(calling::split).ok_or(Refusal::Recipient)?;
        let vars: Vec<(String, &str)> = message.template_vars.iter().map(|(name, value)| (format!("var.{name}"), value.as_str())).collect();
        let mut fields =
            vec![("phone_number", national), ("country_code", country), ("outbound_id", outbound), ("user_authorized", "true")];
        // A notification starts nothing.
        let flow = self.settings.flow_id.as_deref().filter(|_| message.purpose != Purpose::Notify);
        fields.extend(flow.map(|flow| ("flow_id", flow)));
        fields.extend(vars.iter().map(|(name, value)| (name.as_str(), *value)));
        Ok(Outgoing {
            url: form::under(&self.settings.api, "/v1/whatsapp/outbounds/send"),
            headers: vec![("truora-api-key", self.settings.api_key.clone())],
            body: Some((FORM, form::body(fields))),
        })
    }

    fn judge(&self, _message: &Message, ended: &Ended) -> Called {
        judge(ended)
    }

    fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        submit::submit(&self.settings, draft, replies)
    }

    fn approval(&self, submission: &str) -> Option<Outgoing> {
        Some(submit::approval(&self.settings, submission))
    }

    fn read_approval(&self, _submission: &str, reply: &Reply) -> Result<Approval, String> {
        submit::read_approval(reply)
    }
}

/// What the end of a call means. What a success looks like is not confirmed: any 2xx with JSON in it is one, and of any other nobody
/// knows who answered.
fn judge(ended: &Ended) -> Called {
    let reply = match ended {
        Ended::Reply(reply) if reply.status == 429 => reply,
        _ => match client::common(ended) {
            Ok(reply) => reply,
            Err(called) => return called,
        },
    };
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let trouble = match (reply.status, &body) {
        (200..=299, Some(body)) => {
            let message = IDS.iter().find_map(|key| body[key].as_str()).filter(|id| !id.is_empty()).map(str::to_owned);
            return Called { message, ..Called::new(CallEnd::Accepted, detail(reply, None)) };
        }
        (200..=299, None) => Trouble::Doubt,
        (status, _) => table::trouble(status),
    };
    let detail = format!("{}, {trouble}", detail(reply, body.as_ref()));
    Called::failed(trouble, reply.retry_after.unwrap_or(0), detail)
}

/// `HTTP 400, code 10400`: never Truora's words, which may quote what was sent.
fn detail(reply: &Reply, body: Option<&Value>) -> String {
    let code = body.and_then(|body| body["code"].as_u64()).map(|code| format!(", code {code}")).unwrap_or_default();
    format!("HTTP {}{code}", reply.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::MINUTE;
    use crate::provider::testing::{fixture, message};
    use crate::provider::truora::settings;

    fn template_message() -> Message {
        let vars = vec![("name".into(), "Ana Ríos".into()), ("city".into(), "Bogotá".into())];
        Message { form: Form::Template, template: Some("OTB1".into()), template_vars: vars, ..message() }
    }

    #[test]
    fn the_golden_outbound() {
        let (template, vars) = (Some("OTB00000000000000000000000000000001".into()), vec![("name".into(), "Camila Ríos".into())]);
        let golden = Message { template, template_vars: vars, to: "573181230000".into(), ..template_message() };
        let outgoing = Writer::new(settings()).write(&golden).unwrap();
        assert_eq!(outgoing.body.unwrap().1, String::from_utf8(fixture("truora/req_outbound_send.form")).unwrap());
    }

    #[test]
    fn the_golden_answer() {
        let reply = Reply { status: 400, retry_after: None, body: fixture("truora/resp_error_400.json"), broken: None };
        let called = judge(&Ended::Reply(reply));
        assert_eq!((called.trouble, called.detail.as_str()), (Some(Trouble::Configuration), "HTTP 400, code 10400, configuration"));
    }

    #[test]
    fn an_outbound_is_sent_to_a_split_number() {
        let outgoing = Writer::new(settings()).write(&template_message()).unwrap();
        assert_eq!(outgoing.url.as_str(), "https://api.connect.truora.com/v1/whatsapp/outbounds/send");
        let [(name, key)] = outgoing.headers.as_slice() else { panic!("one header") };
        assert_eq!((*name, key.expose()), ("truora-api-key", "test-only-truora-key"));
        let expected = "phone_number=3001234567&country_code=57&outbound_id=OTB1&user_authorized=true\
            &flow_id=IPF00000000000000000000000000000001&var.name=Ana+R%C3%ADos&var.city=Bogot%C3%A1";
        assert_eq!(outgoing.body, Some(("application/x-www-form-urlencoded", expected.into())));
        let notification = Settings { flow_id: None, ..settings() };
        assert!(!Writer::new(notification).write(&template_message()).unwrap().body.unwrap().1.contains("flow_id"));
    }

    #[test]
    fn nothing_but_an_outbound_to_a_number_is_sent() {
        let refused = |message: Message| Writer::new(settings()).write(&message).unwrap_err();
        assert_eq!(refused(message()), Refusal::Line, "free text");
        assert_eq!(refused(Message { purpose: Purpose::Ask, buttons: None, ..message() }), Refusal::Line, "a question");
        assert_eq!(refused(Message { template: None, ..template_message() }), Refusal::Template);
        for to in ["", "CO.13", "+573001234567", "0573001234567"] {
            assert_eq!(refused(Message { to: to.into(), ..template_message() }), Refusal::Recipient, "{to}");
        }
    }

    fn reply(status: u16, body: &str) -> Ended {
        Ended::Reply(Reply { status, retry_after: None, body: body.into(), broken: None })
    }

    #[test]
    fn the_table_of_answers() {
        use CallEnd::{Accepted, Busy, Refused, Unknown};
        for (status, body, end, trouble, id) in [
            (200, r#"{"message_id":"M1"}"#, Accepted, None, Some("M1")),
            (201, r#"{"process_id":"IDP1","outbound_id":"OTB1"}"#, Accepted, None, Some("IDP1")),
            (202, "{}", Accepted, None, None),
            (200, "null", Accepted, None, None),
            (200, "", Unknown, Some(Trouble::Doubt), None),
            (200, "<html>", Unknown, Some(Trouble::Doubt), None),
            (200, r#"{"message_id":"M1""#, Unknown, Some(Trouble::Doubt), None),
            (
                400,
                r#"{"code":10400,"http_code":400,"message":"Invalid request"}"#,
                Refused(Refusal::Line),
                Some(Trouble::Configuration),
                None,
            ),
            (400, "", Refused(Refusal::Line), Some(Trouble::Configuration), None),
            (401, r#"{"message":"no"}"#, Busy(0), Some(Trouble::Authentication), None),
            (402, "", Busy(0), Some(Trouble::Account), None),
            (403, "", Busy(0), Some(Trouble::Authentication), None),
            (404, "", Refused(Refusal::Template), Some(Trouble::Template), None),
            (409, "", Unknown, Some(Trouble::Doubt), None),
            (429, "", Busy(0), Some(Trouble::ThrottleLine), None),
            (500, r#"{"code":10500}"#, Unknown, None, None),
            (302, "", Refused(Refusal::Line), Some(Trouble::Configuration), None),
        ] {
            let called = judge(&reply(status, body));
            assert_eq!((called.end, called.trouble, called.message.as_deref()), (end, trouble, id), "{status} {body}");
        }
        assert_eq!(judge(&Ended::NotSent("no route".into())).end, Busy(0));
        assert_eq!(judge(&Ended::Lost("reset".into())).end, Unknown);
    }

    #[test]
    fn a_wait_is_honoured_and_nothing_said_is_quoted() {
        let body = r#"{"code":10429,"message":"+573001234567"}"#;
        let called = judge(&Ended::Reply(Reply { status: 429, retry_after: Some(MINUTE), body: body.into(), broken: None }));
        assert_eq!((called.end, called.detail.as_str()), (CallEnd::Busy(MINUTE), "HTTP 429, code 10429, throttle_line"));
    }
}

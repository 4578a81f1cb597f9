//! Requests to Truora: an approved outbound to a number, and nothing else.
//!
//! Not what its answers mean: that is `judge.rs`. Not its templates: an outbound is created and approved beforehand, and its buttons
//! are part of it. Truora has no question whether a stopped line works again that sends nothing; one send tells.

use url::Url;

use super::submit::{self, Submitter};
use super::{CAPABILITIES, Settings, calling, judge};
use crate::conversation::{Capabilities, Form, Purpose, Refusal};
use crate::engine::approval::{Approval, TemplateDraft};
use crate::engine::ports::{Called, Message};
use crate::provider::client::{Ended, Reply};
use crate::provider::form::{self, FORM};
use crate::provider::meta::digits;
use crate::provider::meta::write::parameters;
use crate::provider::remote::{Api, Key, Outgoing, Submitting};

/// Writes the requests of a line of Truora.
pub struct Writer {
    send: Url,
    api_key: Key,
    flow_id: Option<String>,
    submitter: Submitter,
}

impl Writer {
    /// The writer of a line.
    ///
    /// # Errors
    /// Which setting cannot be used.
    pub fn new(settings: &Settings) -> Result<Writer, String> {
        if settings.api_key.expose().is_empty() {
            return Err("the API key is empty; it stands on Truora's dashboard".into());
        }
        let send = form::under(&settings.api, "/v1/whatsapp/outbounds/send")?;
        let submitter = Submitter::new(&settings.api, settings.api_key.clone())?;
        Ok(Writer { send, api_key: settings.api_key.clone(), flow_id: settings.flow_id.clone(), submitter })
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
        let outbound = message.template.as_deref().filter(|id| !id.is_empty()).ok_or(Refusal::Template)?;
        let to = digits(&message.to);
        let (country, national) = calling::split(&to).ok_or(Refusal::Recipient)?;
        let names = message.template_vars.iter().map(|(name, _)| format!("var.{name}"));
        let vars: Vec<(String, String)> = names.zip(parameters(message)?).collect();
        let mut fields =
            vec![("phone_number", national), ("country_code", country), ("outbound_id", outbound), ("user_authorized", "true")];
        // A notification starts nothing.
        let flow = self.flow_id.as_deref().filter(|_| message.purpose != Purpose::Notify);
        fields.extend(flow.map(|flow| ("flow_id", flow)));
        fields.extend(vars.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let headers = vec![("truora-api-key", self.api_key.clone())];
        Ok(Outgoing { url: self.send.clone(), headers, body: Some((FORM, form::body(fields))) })
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::{fixture, message};
    use crate::provider::truora::settings;

    fn writer(settings: Settings) -> Writer {
        Writer::new(&settings).unwrap()
    }

    fn template_message() -> Message {
        let vars = vec![("name".into(), "Ana Ríos".into()), ("city".into(), "Bogotá".into())];
        Message { form: Form::Template, template: Some("OTB1".into()), template_vars: vars, ..message() }
    }

    #[test]
    fn the_golden_outbound() {
        let (template, vars) = (Some("OTB00000000000000000000000000000001".into()), vec![("name".into(), "Camila Ríos".into())]);
        let golden = Message { template, template_vars: vars, to: "573181230000".into(), ..template_message() };
        let outgoing = writer(settings()).write(&golden).unwrap();
        assert_eq!(outgoing.body.unwrap().1, String::from_utf8(fixture("truora/req_outbound_send.form")).unwrap());
    }

    #[test]
    fn an_outbound_is_sent_to_a_split_number() {
        let outgoing = writer(settings()).write(&template_message()).unwrap();
        assert_eq!(outgoing.url.as_str(), "https://api.connect.truora.com/v1/whatsapp/outbounds/send");
        let [(name, key)] = outgoing.headers.as_slice() else { panic!("one header") };
        assert_eq!((*name, key.expose()), ("truora-api-key", "test-only-truora-key"));
        let expected = "phone_number=3001234567&country_code=57&outbound_id=OTB1&user_authorized=true\
            &flow_id=IPF00000000000000000000000000000001&var.name=Ana+R%C3%ADos&var.city=Bogot%C3%A1";
        assert_eq!(outgoing.body, Some(("application/x-www-form-urlencoded", expected.into())));
        let notification = Settings { flow_id: None, ..settings() };
        assert!(!writer(notification).write(&template_message()).unwrap().body.unwrap().1.contains("flow_id"));
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_told() {
        assert!(Writer::new(&Settings { api_key: Key::new(""), ..settings() }).is_err_and(|why| why.contains("API key")));
        let api = "mailto:a@example.test".parse().unwrap();
        assert!(Writer::new(&Settings { api, ..settings() }).is_err_and(|why| why.contains("address")));
    }

    #[test]
    fn nothing_but_an_outbound_to_a_number_is_sent() {
        let refused = |message: Message| writer(settings()).write(&message).unwrap_err();
        assert_eq!(refused(message()), Refusal::Line, "free text");
        assert_eq!(refused(Message { purpose: Purpose::Ask, buttons: None, ..message() }), Refusal::Line, "a question");
        assert_eq!(refused(Message { template: None, ..template_message() }), Refusal::Template);
        for to in ["", "CO.13", "0573001234567", "57"] {
            assert_eq!(refused(Message { to: to.into(), ..template_message() }), Refusal::Recipient, "{to}");
        }
    }
}

//! Outbounds of Truora on their way to approval: the guide's own call, passed on.
//!
//! Not sent: that is `write.rs`.

use url::Url;

use crate::engine::approval::{Approval, Submission, TemplateDraft};
use crate::provider::approving::{body, is_success, standing, told, unsubmitted};
use crate::provider::client::Reply;
use crate::provider::form::{self, FORM};
use crate::provider::remote::{Key, Outgoing, Submitting};

/// Submits outbounds of one account.
pub(super) struct Submitter {
    outbounds: Url,
    api_key: Key,
}

impl Submitter {
    /// # Errors
    /// The address of the API takes no path.
    pub(super) fn new(api: &Url, api_key: Key) -> Result<Submitter, String> {
        Ok(Submitter { outbounds: form::under(api, "/v1/whatsapp/outbounds")?, api_key })
    }

    pub(super) fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        if let Some(reply) = replies.first() {
            let body = body(reply);
            return Submitting::Ended(match body["outbound_id"].as_str().filter(|id| is_success(reply) && may_stand_in_a_path(id)) {
                Some(id) => {
                    let approval = body["status"].as_str().and_then(|word| standing(word, "")).unwrap_or(Approval::Pending);
                    Ok(Submission { id: id.to_owned(), template: id.to_owned(), approval })
                }
                None => Err(unsubmitted(reply, body["message"].as_str())),
            });
        }
        let fields = fields(draft);
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Submitting::Ask(self.request("", Some(form::body(fields))))
    }

    pub(super) fn approval(&self, submission: &str) -> Outgoing {
        self.request(&format!("/{submission}"), None)
    }

    fn request(&self, path: &str, body: Option<String>) -> Outgoing {
        let headers = vec![("truora-api-key", self.api_key.clone())];
        Outgoing { url: form::below(&self.outbounds, path), headers, body: body.map(|body| (FORM, body)) }
    }
}

fn may_stand_in_a_path(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Where the approval stands.
pub(super) fn read_approval(reply: &Reply) -> Result<Approval, String> {
    let body = body(reply);
    if !is_success(reply) {
        return Err(told(reply, body["message"].as_str()));
    }
    let word = body["status"].as_str().unwrap_or_default();
    standing(word, "").ok_or_else(|| "the outbound is in a state of an unknown name".to_owned())
}

/// The fields of the guide, in its order.
fn fields(draft: &TemplateDraft) -> Vec<(String, String)> {
    let kind = draft.media.as_ref().map_or("TEXT", |(kind, _)| kind.as_str());
    let notification = draft.notification.to_string();
    let mut fields: Vec<(String, String)> = [
        ("waba_phone_number", draft.phone.as_str()),
        ("is_notification", &notification),
        ("content", &draft.text),
        ("category", draft.category.as_str()),
        ("template_type", kind),
        ("language_code", &draft.language),
        ("outbound_name", &draft.title),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let mut add = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
    if let Some((_, url)) = &draft.media {
        add("media_url", url);
    }
    if let Some((go_on, cancel)) = &draft.buttons {
        add("continue_process_message", go_on);
        add("cancel_process_message", cancel);
    }
    for (name, example) in &draft.variables {
        add(&format!("var.{name}"), example);
    }
    if let Some(call) = &draft.call {
        add("call_to_action.phone.message", &call.label);
        add("call_to_action.phone.number", &call.target);
    }
    if let Some(link) = &draft.link {
        add("call_to_action.url.message", &link.label);
        add("call_to_action.url.url", &link.target);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::approval::Unsubmitted;
    use crate::provider::testing::{draft, fixture};
    use crate::provider::truora::settings;

    fn submitter() -> Submitter {
        let settings = settings();
        Submitter::new(&settings.api, settings.api_key).unwrap()
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.into(), broken: None }
    }

    #[test]
    fn the_guides_form_is_passed_on() {
        let Submitting::Ask(outgoing) = submitter().submit(&draft(), &[]) else { panic!("nothing is asked") };
        assert_eq!(outgoing.url.as_str(), "https://api.connect.truora.com/v1/whatsapp/outbounds");
        let body = outgoing.body.unwrap().1;
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let value = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((value("content"), value("var.lastname")), (Some("Hello {{.name}} {{.lastname}}, ready?"), Some("Doe")));
        assert_eq!((value("is_notification"), value("continue_process_message")), (Some("false"), Some("Continue")));
        assert_eq!((value("call_to_action.phone.number"), value("media_url")), (Some("+573181230000"), None));
    }

    #[test]
    fn the_table_of_answers() {
        let ended = |reply: Reply| match submitter().submit(&draft(), &[reply]) {
            Submitting::Ended(ended) => ended,
            Submitting::Ask(_) => panic!("it goes on"),
        };
        let submission = ended(reply(201, r#"{"outbound_id":"OTB1","status":"PENDING"}"#)).unwrap();
        assert_eq!((&*submission.id, &*submission.template, submission.approval), ("OTB1", "OTB1", Approval::Pending));
        assert_eq!(
            ended(reply(400, r#"{"message":"content is missing"}"#)),
            Err(Unsubmitted::Refused("HTTP 400: content is missing".into()))
        );
        assert!(matches!(ended(reply(200, "{}")), Err(Unsubmitted::Later(_))), "it tells no id");
        assert!(matches!(ended(reply(403, "")), Err(Unsubmitted::Later(_))));
        let golden = Reply { status: 200, retry_after: None, body: fixture("truora/resp_outbound_get_pending.json"), broken: None };
        assert_eq!(read_approval(&golden), Ok(Approval::Pending));
        assert_eq!(read_approval(&reply(200, r#"{"status":"REJECTED"}"#)), Ok(Approval::Rejected(String::new())));
        assert!(read_approval(&reply(404, r#"{"message":"gone"}"#)).is_err() && read_approval(&reply(200, "{}")).is_err());
        assert_eq!(submitter().approval("OTB1").url.path(), "/v1/whatsapp/outbounds/OTB1");
    }
}

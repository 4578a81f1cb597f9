//! Templates of Gupshup on their way to approval, by the API that Gupshup has for partners and apps.
//!
//! Not sent: that is `write.rs`.

use serde_json::Value;
use url::Url;

use crate::engine::approval::{Approval, Submission, TemplateDraft, Unsubmitted};
use crate::provider::approving::{body, buttons, is_success, standing, told, unsubmitted};
use crate::provider::client::Reply;
use crate::provider::form::{self, FORM};
use crate::provider::remote::{Key, Outgoing, Submitting};

/// What Gupshup wants to know a template is about.
const VERTICAL: &str = "Re-engagement";

/// Submits the templates of one app.
pub(super) struct Submitter {
    templates: Url,
    token: Key,
}

impl Submitter {
    /// # Errors
    /// The address of the partner API takes no path.
    pub(super) fn new(api: &Url, app_id: &str, token: &Key) -> Result<Submitter, String> {
        Ok(Submitter { templates: form::under(api, &format!("/partner/app/{app_id}/templates"))?, token: token.clone() })
    }

    pub(super) fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        if let Some(reply) = replies.first() {
            return Submitting::Ended(submitted(reply));
        }
        if draft.media.is_some() {
            let why = "Gupshup reviews media that were uploaded to it, and takes no address; use template_type TEXT on this line";
            return Submitting::Ended(Err(Unsubmitted::Refused(why.to_owned())));
        }
        Submitting::Ask(self.request(self.templates.clone(), Some(written(draft))))
    }

    pub(super) fn approval(&self) -> Outgoing {
        self.request(self.templates.clone(), None)
    }

    fn request(&self, url: Url, body: Option<String>) -> Outgoing {
        Outgoing { url, headers: vec![("authorization", self.token.clone())], body: body.map(|body| (FORM, body)) }
    }
}

/// Where the approval stands, by the list of the app's templates.
pub(super) fn read_approval(submission: &str, reply: &Reply) -> Result<Approval, String> {
    let body = body(reply);
    if !is_success(reply) {
        return Err(told(reply, body["message"].as_str()));
    }
    let found = body["templates"].as_array().into_iter().flatten().find(|one| one["id"] == submission);
    let found = found.ok_or("the app has no template of this id")?;
    let (word, why) = (found["status"].as_str().unwrap_or_default(), found["reason"].as_str().unwrap_or_default());
    standing(word, why).ok_or_else(|| "the template is in a state of an unknown name".to_owned())
}

fn submitted(reply: &Reply) -> Result<Submission, Unsubmitted> {
    let body = body(reply);
    let template = &body["template"];
    match template["id"].as_str().filter(|id| is_success(reply) && !id.is_empty()) {
        Some(id) => {
            let approval = template["status"].as_str().and_then(|word| standing(word, "")).unwrap_or(Approval::Pending);
            Ok(Submission { id: id.to_owned(), template: id.to_owned(), approval })
        }
        None => Err(unsubmitted(reply, body["message"].as_str())),
    }
}

fn written(draft: &TemplateDraft) -> String {
    let (content, example, language, buttons) = (draft.numbered(), draft.example(), draft.locale(), buttons(draft));
    let buttons = Value::from(buttons).to_string();
    let mut fields = vec![
        ("elementName", draft.name.as_str()),
        ("languageCode", &language),
        ("category", draft.category.as_str()),
        ("templateType", "TEXT"),
        ("vertical", VERTICAL),
        ("content", &content),
        ("example", &example),
        ("enableSample", "true"),
        // Another category than asked for would cost otherwise than the operator thinks.
        ("allowTemplateCategoryChange", "false"),
    ];
    if buttons != "[]" {
        fields.push(("buttons", &buttons));
    }
    form::body(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::draft;

    fn submitter() -> Submitter {
        Submitter::new(&"https://partner.gupshup.io".parse().unwrap(), "app-1", &Key::new("sk")).unwrap()
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.into(), broken: None }
    }

    fn ended(reply: Reply) -> Result<Submission, Unsubmitted> {
        let Submitting::Ended(ended) = submitter().submit(&draft(), &[reply]) else { panic!("it goes on") };
        ended
    }

    #[test]
    fn a_template_is_a_form_with_its_buttons() {
        let Submitting::Ask(outgoing) = submitter().submit(&draft(), &[]) else { panic!("nothing is asked") };
        assert_eq!(outgoing.url.as_str(), "https://partner.gupshup.io/partner/app/app-1/templates");
        let body = outgoing.body.unwrap().1;
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let value = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap();
        assert_eq!((value("content"), value("example")), ("Hello {{1}} {{2}}, ready?", "Hello Jhon Doe, ready?"));
        assert_eq!(serde_json::from_str::<Value>(value("buttons")).unwrap()[2]["phone_number"], "+573181230000");
        let bare = TemplateDraft { buttons: None, call: None, link: None, ..draft() };
        assert!(!written(&bare).contains("buttons"));
    }

    #[test]
    fn the_table_of_answers() {
        let submission = ended(reply(200, r#"{"status":"success","template":{"id":"t-1","status":"PENDING"}}"#)).unwrap();
        assert_eq!((&*submission.template, submission.approval), ("t-1", Approval::Pending));
        let refused = ended(reply(400, r#"{"status":"error","message":"Invalid category"}"#));
        assert_eq!(refused, Err(Unsubmitted::Refused("HTTP 400: Invalid category".into())));
        assert!(
            matches!(ended(reply(200, "{}")), Err(Unsubmitted::Later(_))) && matches!(ended(reply(429, "")), Err(Unsubmitted::Later(_)))
        );
        let list = r#"{"templates":[{"id":"t-0","status":"APPROVED"},{"id":"t-1","status":"REJECTED","reason":"vague"}]}"#;
        assert_eq!(read_approval("t-1", &reply(200, list)), Ok(Approval::Rejected("vague".into())));
        assert!(read_approval("t-2", &reply(200, list)).is_err() && read_approval("t-1", &reply(401, "")).is_err());
    }
}

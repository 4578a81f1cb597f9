//! Contents of Twilio on their way to approval: made, then submitted to WhatsApp, by Twilio's Content API.
//!
//! Not sent: that is `write.rs`. The id of a content is what it is sent by.

use serde_json::{Value, json};
use url::Url;

use crate::engine::approval::{Approval, Submission, TemplateCategory, TemplateDraft, Unsubmitted};
use crate::provider::approving::{body, is_success, standing, told, unsubmitted};
use crate::provider::client::Reply;
use crate::provider::form;
use crate::provider::remote::{Key, Outgoing, Submitting};

/// Submits contents of one account.
pub(super) struct Submitter {
    contents: Url,
    authorization: Key,
}

impl Submitter {
    /// # Errors
    /// The address of the Content API takes no path.
    pub(super) fn new(api: &Url, authorization: Key) -> Result<Submitter, String> {
        Ok(Submitter { contents: form::under(api, "/v1/Content")?, authorization })
    }

    /// First the content is made, then its approval is asked for. Made again after a crash, a content without approval is left over.
    pub(super) fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        let Some(made) = replies.first() else {
            return match written(draft) {
                Ok(content) => Submitting::Ask(self.request("", Some(content))),
                Err(why) => Submitting::Ended(Err(Unsubmitted::Refused(why.to_owned()))),
            };
        };
        let content = body(made);
        let Some(sid) = content["sid"].as_str().filter(|sid| is_success(made) && is_sid(sid)) else {
            return Submitting::Ended(Err(unsubmitted(made, content["message"].as_str())));
        };
        match replies.get(1) {
            None => {
                let request = json!({ "name": draft.name, "category": draft.category.as_str() });
                Submitting::Ask(self.request(&format!("/{sid}/ApprovalRequests/whatsapp"), Some(request)))
            }
            Some(reply) if is_success(reply) => {
                let (answer, sid) = (body(reply), sid.to_owned());
                let approval = answer["status"].as_str().and_then(|word| standing(word, "")).unwrap_or(Approval::Pending);
                Submitting::Ended(Ok(Submission { id: sid.clone(), template: sid, approval }))
            }
            Some(reply) => Submitting::Ended(Err(unsubmitted(reply, body(reply)["message"].as_str()))),
        }
    }

    pub(super) fn approval(&self, submission: &str) -> Outgoing {
        self.request(&format!("/{submission}/ApprovalRequests"), None)
    }

    fn request(&self, path: &str, body: Option<Value>) -> Outgoing {
        let headers = vec![("authorization", self.authorization.clone())];
        Outgoing { url: form::below(&self.contents, path), headers, body: body.map(|body| ("application/json", body.to_string())) }
    }
}

/// Where the approval stands.
pub(super) fn read_approval(reply: &Reply) -> Result<Approval, String> {
    let body = body(reply);
    if !is_success(reply) {
        return Err(told(reply, body["message"].as_str()));
    }
    let whatsapp = &body["whatsapp"];
    let (word, why) = (whatsapp["status"].as_str().unwrap_or_default(), whatsapp["rejection_reason"].as_str().unwrap_or_default());
    standing(word, why).ok_or_else(|| "the content is in a state of an unknown name".to_owned())
}

fn is_sid(sid: &str) -> bool {
    sid.len() == 34 && sid.starts_with("HX") && sid.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The content: quick replies, buttons that lead away, media or plain text. WhatsApp takes one of these kinds by Twilio, and a card
/// where several meet.
fn written(draft: &TemplateDraft) -> Result<Value, &'static str> {
    let body = draft.numbered();
    let mut actions = Vec::new();
    if let Some((go_on, cancel)) = &draft.buttons {
        actions.extend(
            [("continue", go_on), ("cancel", cancel)].map(|(id, title)| json!({ "type": "QUICK_REPLY", "title": title, "id": id })),
        );
    }
    if let Some(call) = &draft.call {
        actions.push(json!({ "type": "PHONE_NUMBER", "title": call.label, "phone": call.target }));
    }
    if let Some(link) = &draft.link {
        actions.push(json!({ "type": "URL", "title": link.label, "url": link.target }));
    }
    let leads_away = draft.call.is_some() || draft.link.is_some();
    let types = match (&draft.media, draft.buttons.is_some(), leads_away) {
        (None, false, false) => json!({ "twilio/text": { "body": body } }),
        (None, true, false) => json!({ "twilio/quick-reply": { "body": body, "actions": actions } }),
        (None, false, true) => json!({ "twilio/call-to-action": { "body": body, "actions": actions } }),
        (Some((_, url)), false, false) => json!({ "twilio/media": { "body": body, "media": [url] } }),
        (media, _, _) => {
            let media: Vec<&String> = media.iter().map(|(_, url)| url).collect();
            json!({ "twilio/card": { "title": body, "media": media, "actions": actions } })
        }
    };
    let examples: serde_json::Map<String, Value> =
        (1..).zip(&draft.variables).map(|(n, (_, example))| (n.to_string(), Value::from(example.as_str()))).collect();
    if draft.category == TemplateCategory::Authentication {
        return Err("Twilio has a product of its own for one-time passwords; use category UTILITY on this line");
    }
    Ok(json!({ "friendly_name": draft.name, "language": draft.locale(), "variables": examples, "types": types }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::draft;

    fn submitter() -> Submitter {
        Submitter::new(&"https://content.twilio.com".parse().unwrap(), Key::new("Basic x")).unwrap()
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.into(), broken: None }
    }

    fn made() -> Reply {
        reply(201, &json!({ "sid": format!("HX{}", "0".repeat(32)) }).to_string())
    }

    fn kind(draft: &TemplateDraft) -> String {
        let types = written(draft).unwrap()["types"].clone();
        types.as_object().unwrap().keys().next().unwrap().clone()
    }

    #[test]
    fn a_content_is_made_and_then_submitted() {
        let Submitting::Ask(first) = submitter().submit(&draft(), &[]) else { panic!("nothing is asked") };
        let content: Value = serde_json::from_str(&first.body.unwrap().1).unwrap();
        assert_eq!((first.url.path(), &content["variables"]), ("/v1/Content", &json!({ "1": "Jhon", "2": "Doe" })));
        let Submitting::Ask(second) = submitter().submit(&draft(), &[made()]) else { panic!("nothing more is asked") };
        assert_eq!(second.url.path(), format!("/v1/Content/HX{}/ApprovalRequests/whatsapp", "0".repeat(32)));
        assert_eq!(
            serde_json::from_str::<Value>(&second.body.unwrap().1).unwrap(),
            json!({ "name": "reengaged_otb1", "category": "UTILITY" })
        );
        let ended = submitter().submit(&draft(), &[made(), reply(201, r#"{"status":"received"}"#)]);
        assert!(matches!(ended, Submitting::Ended(Ok(Submission { approval: Approval::Pending, .. }))), "{ended:?}");
        for wrong in [reply(201, r#"{"sid":"../x"}"#), reply(500, "")] {
            let ended = submitter().submit(&draft(), &[wrong]);
            assert!(matches!(ended, Submitting::Ended(Err(Unsubmitted::Later(_)))), "{ended:?}");
        }
        let ended = submitter().submit(&draft(), &[made(), reply(400, r#"{"message":"no"}"#)]);
        assert!(matches!(ended, Submitting::Ended(Err(Unsubmitted::Refused(_)))), "{ended:?}");
    }

    #[test]
    fn the_kind_is_the_plainest_that_holds_all() {
        use crate::engine::record::Header;
        let bare = TemplateDraft { buttons: None, call: None, link: None, ..draft() };
        let media = Some((Header::Image, "https://my-page.com/a.png".to_owned()));
        assert_eq!(kind(&bare), "twilio/text");
        assert_eq!(kind(&TemplateDraft { buttons: draft().buttons, ..bare.clone() }), "twilio/quick-reply");
        assert_eq!(kind(&TemplateDraft { link: draft().link, ..bare.clone() }), "twilio/call-to-action");
        assert_eq!(kind(&TemplateDraft { media, ..bare }), "twilio/media");
        assert_eq!(kind(&draft()), "twilio/card");
    }

    #[test]
    fn an_approval_is_whatsapps() {
        let whatsapp = |word: &str| reply(200, &json!({ "whatsapp": { "status": word, "rejection_reason": "why" } }).to_string());
        assert_eq!(read_approval(&whatsapp("approved")), Ok(Approval::Approved));
        assert_eq!(read_approval(&whatsapp("rejected")), Ok(Approval::Rejected("why".into())));
        assert_eq!(read_approval(&whatsapp("unsubmitted")), Ok(Approval::Pending));
        assert!(read_approval(&reply(404, "")).is_err() && read_approval(&reply(200, "{}")).is_err());
    }
}

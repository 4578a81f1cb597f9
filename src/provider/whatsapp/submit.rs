//! Templates of the Cloud API on their way to approval: submitted under the business account, and asked about by name.
//!
//! Not sent: that is `write.rs`. Not told about: the webhooks of `meta/read.rs` tell of approvals as well.

use serde_json::{Value, json};
use url::Url;

use crate::engine::approval::{Approval, Submission, TemplateCategory, TemplateDraft, Unsubmitted};
use crate::provider::approving::{body, buttons, is_success, standing, told, unsubmitted};
use crate::provider::client::Reply;
use crate::provider::remote::{Key, Outgoing, Submitting};

/// What Meta calls a name and language that it has already: submitted before, and the answer lost.
const ALREADY_THERE: [i64; 2] = [2_388_023, 2_388_024];

/// Submits templates under one business account.
pub(super) struct Submitter {
    templates: Url,
    authorization: Key,
}

impl Submitter {
    /// `None` where the account is not configured.
    pub(super) fn new(api: &Url, waba_id: Option<&str>, authorization: &Key) -> Result<Option<Submitter>, String> {
        let Some(waba_id) = waba_id else { return Ok(None) };
        let mut templates = api.clone();
        let mut path = templates.path_segments_mut().map_err(|()| "the API's address takes no path")?;
        path.pop_if_empty().extend([waba_id, "message_templates"]);
        drop(path);
        Ok(Some(Submitter { templates, authorization: authorization.clone() }))
    }

    pub(super) fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        if let Some(reply) = replies.first() {
            return Submitting::Ended(submitted(draft, reply));
        }
        match written(draft) {
            Ok(template) => Submitting::Ask(self.request(self.templates.clone(), Some(template.to_string()))),
            Err(why) => Submitting::Ended(Err(Unsubmitted::Refused(why.to_owned()))),
        }
    }

    pub(super) fn approval(&self, submission: &str) -> Outgoing {
        let (name, _) = submission.split_once('/').unwrap_or((submission, ""));
        let mut url = self.templates.clone();
        url.query_pairs_mut()
            .append_pair("name", name)
            .append_pair("fields", "name,language,status,rejected_reason")
            .append_pair("limit", "50");
        self.request(url, None)
    }

    fn request(&self, url: Url, body: Option<String>) -> Outgoing {
        let headers = vec![("authorization", self.authorization.clone())];
        Outgoing { url, headers, body: body.map(|body| ("application/json", body)) }
    }
}

/// Where the approval stands, by the list of templates of that name.
pub(super) fn read_approval(submission: &str, reply: &Reply) -> Result<Approval, String> {
    let body = body(reply);
    if !is_success(reply) {
        return Err(told(reply, error(&body)));
    }
    let (name, language) = submission.split_once('/').unwrap_or((submission, ""));
    let of_it = |one: &&Value| one["name"] == name && one["language"] == language;
    let found = body["data"].as_array().into_iter().flatten().find(of_it);
    let found = found.ok_or("the account has no template of this name and language")?;
    let (word, why) = (found["status"].as_str().unwrap_or_default(), found["rejected_reason"].as_str().unwrap_or_default());
    standing(word, why).ok_or_else(|| "the template is in a state of an unknown name".to_owned())
}

fn submitted(draft: &TemplateDraft, reply: &Reply) -> Result<Submission, Unsubmitted> {
    let body = body(reply);
    let name = format!("{}/{}", draft.name, draft.locale());
    let code = |key: &str| body["error"][key].as_i64();
    if !is_success(reply) && !code("error_subcode").is_some_and(|code| ALREADY_THERE.contains(&code)) {
        return Err(unsubmitted(reply, error(&body)));
    }
    let approval = body["status"].as_str().and_then(|word| standing(word, "")).unwrap_or(Approval::Pending);
    Ok(Submission { id: name.clone(), template: name, approval })
}

fn error(body: &Value) -> Option<&str> {
    let error = &body["error"];
    ["error_user_msg", "message"].iter().find_map(|key| error[key].as_str())
}

/// The template as Meta takes it.
fn written(draft: &TemplateDraft) -> Result<Value, &'static str> {
    if draft.category == TemplateCategory::Authentication {
        return one_time_password(draft);
    }
    if draft.media.is_some() {
        return Err("the Cloud API reviews media that were uploaded to it, and takes no address; use template_type TEXT on this line");
    }
    let mut body = json!({ "type": "BODY", "text": draft.numbered() });
    if !draft.variables.is_empty() {
        let examples: Vec<&str> = draft.variables.iter().map(|(_, example)| &**example).collect();
        body["example"] = json!({ "body_text": [examples] });
    }
    let mut components = vec![body];
    let buttons = buttons(draft);
    if !buttons.is_empty() {
        components.push(json!({ "type": "BUTTONS", "buttons": buttons }));
    }
    Ok(json!({ "name": draft.name, "language": draft.locale(), "category": draft.category.as_str(), "components": components }))
}

/// Meta writes the text of these itself: one variable, the code, and a button that copies it.
fn one_time_password(draft: &TemplateDraft) -> Result<Value, &'static str> {
    let plain =
        draft.variables.len() == 1 && draft.buttons.is_none() && draft.media.is_none() && draft.call.is_none() && draft.link.is_none();
    if !plain {
        return Err("of category AUTHENTICATION the Cloud API takes notifications with one variable, the code, and no media or buttons");
    }
    let components = json!([
        { "type": "BODY", "add_security_recommendation": true },
        { "type": "BUTTONS", "buttons": [{ "type": "OTP", "otp_type": "COPY_CODE" }] },
    ]);
    Ok(json!({ "name": draft.name, "language": draft.locale(), "category": "AUTHENTICATION", "components": components }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::draft;

    fn submitter() -> Submitter {
        let api = "https://graph.facebook.com/v25.0".parse().unwrap();
        Submitter::new(&api, Some("1029"), &Key::new("Bearer x")).unwrap().unwrap()
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.into(), broken: None }
    }

    fn asked(draft: &TemplateDraft) -> Value {
        let Submitting::Ask(outgoing) = submitter().submit(draft, &[]) else { panic!("nothing is asked") };
        assert_eq!(outgoing.url.as_str(), "https://graph.facebook.com/v25.0/1029/message_templates");
        serde_json::from_str(&outgoing.body.unwrap().1).unwrap()
    }

    fn ended(draft: &TemplateDraft, reply: Reply) -> Result<Submission, Unsubmitted> {
        let Submitting::Ended(ended) = submitter().submit(draft, &[reply]) else { panic!("it goes on") };
        ended
    }

    #[test]
    fn a_template_is_submitted_with_examples_and_all_its_buttons() {
        let template = asked(&draft());
        assert_eq!(
            (&template["name"], &template["language"], &template["category"]),
            (&"reengaged_otb1".into(), &"pt_BR".into(), &"UTILITY".into())
        );
        assert_eq!(template["components"][0]["text"], "Hello {{1}} {{2}}, ready?");
        assert_eq!(template["components"][0]["example"]["body_text"], json!([["Jhon", "Doe"]]));
        let kinds: Vec<&str> =
            template["components"][1]["buttons"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["QUICK_REPLY", "QUICK_REPLY", "PHONE_NUMBER", "URL"]);
    }

    #[test]
    fn a_one_time_password_has_metas_own_text() {
        let code = TemplateDraft {
            category: TemplateCategory::Authentication,
            variables: vec![("code".into(), "1234".into())],
            buttons: None,
            call: None,
            link: None,
            ..draft()
        };
        assert_eq!(asked(&code)["components"][1]["buttons"][0]["otp_type"], "COPY_CODE");
        for other in [TemplateDraft { variables: Vec::new(), ..code.clone() }, TemplateDraft { buttons: draft().buttons, ..code }] {
            let ended = submitter().submit(&other, &[]);
            assert!(matches!(ended, Submitting::Ended(Err(Unsubmitted::Refused(_)))), "{ended:?}");
        }
    }

    #[test]
    fn the_table_of_answers() {
        let name = "reengaged_otb1/pt_BR".to_owned();
        let pending = Ok(Submission { id: name.clone(), template: name, approval: Approval::Pending });
        assert_eq!(ended(&draft(), reply(200, r#"{"id":"1","status":"PENDING","category":"UTILITY"}"#)), pending);
        assert_eq!(ended(&draft(), reply(400, r#"{"error":{"code":100,"error_subcode":2388024}}"#)), pending, "the answer was lost");
        let refused = ended(&draft(), reply(400, r#"{"error":{"code":100,"message":"x","error_user_msg":"too few words"}}"#));
        assert_eq!(refused, Err(Unsubmitted::Refused("HTTP 400: too few words".into())));
        assert!(matches!(ended(&draft(), reply(401, "{}")), Err(Unsubmitted::Later(_))));
        assert!(matches!(ended(&draft(), reply(500, "")), Err(Unsubmitted::Later(_))));
    }

    #[test]
    fn an_approval_is_that_of_the_name_and_language() {
        let outgoing = submitter().approval("reengaged_otb1/pt_BR");
        assert!(outgoing.body.is_none() && outgoing.url.query().unwrap().contains("name=reengaged_otb1&"));
        let list = r#"{"data":[{"name":"reengaged_otb1","language":"es","status":"APPROVED"},
            {"name":"reengaged_otb1","language":"pt_BR","status":"REJECTED","rejected_reason":"PROMOTIONAL"}]}"#;
        assert_eq!(read_approval("reengaged_otb1/pt_BR", &reply(200, list)), Ok(Approval::Rejected("PROMOTIONAL".into())));
        assert_eq!(read_approval("reengaged_otb1/es", &reply(200, list)), Ok(Approval::Approved));
        assert!(read_approval("reengaged_otb2/es", &reply(200, list)).is_err());
        assert!(read_approval("reengaged_otb1/es", &reply(401, r#"{"error":{"message":"token"}}"#)).unwrap_err().contains("token"));
    }
}

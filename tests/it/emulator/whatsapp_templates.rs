//! Templates of the WhatsApp Cloud API: `POST /v25.0/{account}/message_templates` and the list of those of a name.
//!
//! Whether one is approved, the test says. Unconfirmed, so a choice of this emulator: a template without buttons of its own kind is
//! refused, and a variable needs its example.

use std::sync::Mutex;

use serde_json::Value;

use super::json::{array, object, text};
use super::{Answer, Heard};

/// A template that was submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Submitted {
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) variables: usize,
    /// What stands on its quick replies.
    pub(crate) labels: Vec<String>,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
}

/// All that were.
#[derive(Default)]
pub(crate) struct Templates(Mutex<Vec<Submitted>>);

impl Templates {
    /// Those of now.
    pub(crate) fn all(&self) -> Vec<Submitted> {
        self.0.lock().expect("no test panics while it holds this").clone()
    }

    /// The last submitted is from now on in this state.
    pub(crate) fn becomes(&self, status: &'static str, reason: &'static str) -> Submitted {
        let mut all = self.0.lock().expect("no test panics while it holds this");
        let last = all.last_mut().expect("one was submitted");
        (last.status, last.reason) = (status, reason);
        last.clone()
    }

    /// The approved one of this name and language.
    pub(super) fn find(&self, name: &str, language: &str) -> Option<Submitted> {
        self.all().into_iter().find(|one| one.name == name && one.language == language && one.status == "APPROVED")
    }

    /// Takes one.
    pub(super) fn submit(&self, body: &[u8]) -> Heard {
        let Some(template) = serde_json::from_slice(body).ok().as_ref().and_then(read) else {
            return wrong(100, 2_388_042, "Param components is not right");
        };
        let mut all = self.0.lock().expect("no test panics while it holds this");
        if all.iter().any(|known| known.name == template.name && known.language == template.language) {
            return wrong(100, 2_388_024, "There is already content for this template name and language");
        }
        all.push(template);
        let id = (1_689_556_908_129_832 + all.len()).to_string();
        Heard::Read(Answer::new(200, object([("id", text(id)), ("status", text("PENDING")), ("category", text("UTILITY"))])))
    }

    /// The list of those of the name that the query asks for.
    pub(super) fn list(&self, query: &str) -> Heard {
        let name = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "name").map(|(_, name)| name.into_owned());
        let of_it = self.all().into_iter().filter(|one| name.as_ref().is_some_and(|name| one.name.contains(name.as_str())));
        let shape = |one: Submitted| {
            let reason = if one.reason.is_empty() { "NONE" } else { one.reason };
            object([
                ("name", text(&one.name)),
                ("language", text(&one.language)),
                ("status", text(one.status)),
                ("rejected_reason", text(reason)),
                ("id", text("1")),
            ])
        };
        Heard::Read(Answer::new(200, object([("data", array(of_it.map(shape)))])))
    }
}

fn wrong(code: u32, subcode: u32, why: &str) -> Heard {
    let error = [
        ("message", text("Invalid parameter")),
        ("code", code.to_string()),
        ("error_subcode", subcode.to_string()),
        ("error_user_msg", text(why)),
    ];
    Heard::Wrong(Answer::new(400, object([("error", object(error))])))
}

fn read(template: &Value) -> Option<Submitted> {
    let word = |key: &str| template[key].as_str().map(str::to_owned);
    let (name, language, category) = (word("name")?, word("language")?, word("category")?);
    let plain = !name.is_empty() && name.len() <= 512 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !plain || !["MARKETING", "UTILITY", "AUTHENTICATION"].contains(&category.as_str()) {
        return None;
    }
    let component = |kind: &str| template["components"].as_array()?.iter().find(|one| one["type"] == kind);
    let body = component("BODY")?;
    let text = body["text"].as_str().unwrap_or_default().to_owned();
    let variables = if category == "AUTHENTICATION" { 1 } else { (1..).take_while(|n| text.contains(&format!("{{{{{n}}}}}"))).count() };
    let examples = body["example"]["body_text"][0].as_array().map_or(0, Vec::len);
    let buttons = component("BUTTONS").and_then(|one| one["buttons"].as_array());
    let replies = buttons.into_iter().flatten().filter(|button| button["type"] == "QUICK_REPLY");
    let labels: Vec<String> = replies.map(|button| button["text"].as_str().unwrap_or_default().to_owned()).collect();
    let right = category == "AUTHENTICATION" || (!text.is_empty() && examples == variables);
    let fits = labels.iter().all(|label| (1..=25).contains(&label.chars().count()));
    (right && fits).then_some(Submitted { name, language, text, variables, labels, status: "PENDING", reason: "" })
}

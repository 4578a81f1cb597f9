//! What submissions share: what an answer without success means, what a word for a state means, and the buttons of a template.
//!
//! Not a request: each provider writes its own.

use serde_json::{Value, json};

use crate::engine::approval::{Approval, TemplateDraft, Unsubmitted};
use crate::provider::client::Reply;

/// As much of a provider's own words is told, in characters.
const WORDS: usize = 200;

/// The answer as JSON; null where it is none.
pub(super) fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

/// Whether it is a success.
pub(super) fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

/// What an answer without success means for a submission: credentials, throttles and servers get better, a template that is refused
/// does not. `said` is the provider's own word of it: it speaks of the template, not of a person.
pub(super) fn unsubmitted(reply: &Reply, said: Option<&str>) -> Unsubmitted {
    let why = told(reply, said);
    match reply.status {
        400 | 404..=407 | 409..=422 | 424 => Unsubmitted::Refused(why),
        _ => Unsubmitted::Later(why),
    }
}

/// One line for people: the status, and what the provider said.
pub(super) fn told(reply: &Reply, said: Option<&str>) -> String {
    let words: String = said.unwrap_or_default().chars().filter(|c| !c.is_control()).take(WORDS).collect();
    if words.is_empty() { format!("HTTP {}", reply.status) } else { format!("HTTP {}: {words}", reply.status) }
}

/// Where an approval stands, by the word that Meta has for it, which its partners pass on; `None` for a word that nobody knows.
pub(super) fn standing(word: &str, why: &str) -> Option<Approval> {
    let word = word.to_ascii_uppercase();
    Some(match word.as_str() {
        "APPROVED" | "REINSTATED" | "FLAGGED" | "UNPAUSED" | "UNARCHIVED" | "ENABLED" => Approval::Approved,
        "REJECTED" | "FAILED" => Approval::Rejected(if why.eq_ignore_ascii_case("NONE") { String::new() } else { why.to_owned() }),
        "PAUSED" | "DISABLED" | "DEACTIVATED" | "PENDING_DELETION" | "DELETED" | "ARCHIVED" | "LIMIT_EXCEEDED" => Approval::Paused,
        "PENDING" | "IN_APPEAL" | "RECEIVED" | "UNSUBMITTED" | "SUBMITTED" | "IN_REVIEW" => Approval::Pending,
        _ => return None,
    })
}

/// The buttons of a template, as Meta writes them and Gupshup passes them on. *Continue* and *cancel* come first: what a tap brings
/// back is told by their place.
pub(super) fn buttons(draft: &TemplateDraft) -> Vec<Value> {
    let mut buttons = Vec::new();
    if let Some((go_on, cancel)) = &draft.buttons {
        buttons.extend([go_on, cancel].map(|text| json!({ "type": "QUICK_REPLY", "text": text })));
    }
    if let Some(call) = &draft.call {
        buttons.push(json!({ "type": "PHONE_NUMBER", "text": call.label, "phone_number": call.target }));
    }
    if let Some(link) = &draft.link {
        buttons.push(json!({ "type": "URL", "text": link.label, "url": link.target }));
    }
    buttons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_get_better_is_submitted_again_and_nothing_else() {
        for status in 300..600 {
            let reply = Reply { status, retry_after: None, body: Vec::new(), broken: None };
            let refused = matches!(unsubmitted(&reply, None), Unsubmitted::Refused(_));
            let expected = (400..500).contains(&status) && ![401, 402, 403, 408, 423, 425].contains(&status) && status < 425;
            assert_eq!(refused, expected, "HTTP {status}");
        }
        let reply = Reply { status: 400, retry_after: None, body: Vec::new(), broken: None };
        assert_eq!(told(&reply, Some("too\nshort")), "HTTP 400: tooshort");
        assert_eq!(told(&reply, Some(&"x".repeat(900))).len(), 10 + WORDS);
    }

    #[test]
    fn words_of_states_are_known() {
        assert_eq!(standing("approved", ""), Some(Approval::Approved));
        assert_eq!(standing("REJECTED", "NONE"), Some(Approval::Rejected(String::new())));
        assert_eq!(standing("rejected", "PROMOTIONAL"), Some(Approval::Rejected("PROMOTIONAL".into())));
        assert_eq!(
            (standing("received", ""), standing("paused", ""), standing("?", "")),
            (Some(Approval::Pending), Some(Approval::Paused), None)
        );
    }
}

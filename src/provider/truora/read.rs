//! What Truora's hooks say: how processes ended. One token, several events.
//!
//! Not their proof (`token.rs`). Of a hook's claims only `events[]`, each with `event_action` and an `object` that names the account or
//! the process, have been seen; whatever else an event says is of no concern here, and an unknown action least of all.

use serde_json::Value;

use super::Settings;
use super::token::Token;
use crate::engine::heard::{Heard, Item, Party};
use crate::engine::ports::{Forged, Handshake, Inbox, Unreadable, Webhook};
use crate::engine::request::What;
use crate::limits;

/// Most events of one hook; what is beyond is passed over.
const EVENTS: usize = 1_000;

/// The half of a line that hears.
pub(super) struct Reader {
    settings: Settings,
}

impl Reader {
    pub(super) fn new(settings: Settings) -> Reader {
        Reader { settings }
    }

    fn item(&self, id: String, event: &Value) -> Item {
        let what = match event["event_action"].as_str() {
            Some("succeeded" | "success") => What::Succeeded,
            Some("failed" | "failure") => What::Failed,
            _ => return Item::Passed("action"),
        };
        let object = &event["object"];
        let flows = &self.settings.flows;
        if let Some(flow) = object["flow_id"].as_str()
            && !flows.is_empty()
            && !flows.iter().any(|known| known == flow)
        {
            return Item::Passed("other_flow");
        }
        let names = names(object);
        if names.is_empty() {
            return Item::Passed("nobody");
        }
        Item::Event(Box::new(Heard { id, at: None, address: String::new(), party: Party::Named(names), what }))
    }
}

impl Inbox for Reader {
    fn handshake(&self, _hook: &Webhook<'_>) -> Handshake {
        Handshake::Unasked
    }

    fn verify(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        let token = Token::of(hook.body).ok_or(Forged("the body is no token"))?;
        token.verify(self.settings.hook_algorithm, &self.settings.hook_secrets)
    }

    /// The identity of an event is that of its token and its place: no id of Truora's is confirmed.
    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
        let token = Token::of(hook.body).ok_or_else(|| Unreadable("the body is no token".into()))?;
        let claims = token.claims().ok_or_else(|| Unreadable("the token's claims are no JSON".into()))?;
        let Some(events) = claims["events"].as_array() else { return Ok(vec![Item::Passed("no_events")]) };
        let digest = token.digest();
        let mut items: Vec<Item> =
            events.iter().take(EVENTS).enumerate().map(|(place, event)| self.item(format!("{digest}/{place}"), event)).collect();
        items.extend(events.iter().skip(EVENTS).map(|_| Item::Passed("too_many")));
        Ok(items)
    }

    /// Its hooks name no address.
    fn is_at(&self, address: &str) -> bool {
        address.is_empty()
    }

    /// Not confirmed; there is no list to read instead.
    fn redelivers(&self) -> bool {
        true
    }
}

/// The names by which a caller may know the conversation: the account first, it is the caller's own choice.
fn names(object: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for key in ["account_id", "identity_process_id", "process_id"] {
        let name = object[key].as_str().unwrap_or_default();
        if !name.is_empty() && name.len() <= limits::CONVERSATION_BYTES && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::token::tests::token;
    use super::*;
    use crate::provider::truora::settings;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(claims: &str) -> Result<Vec<Item>, Unreadable> {
        let settings = Settings { flows: vec!["IPF1".into(), "IPF2".into()], ..settings() };
        let body = token(r#"{"alg":"HS256"}"#, claims);
        Reader::new(settings).read(&Webhook { target: "/hooks/truora", headers: &[], peer: None, body: body.as_bytes() })
    }

    fn one(event: Value) -> Item {
        let mut items = read(&json!({"events": [event]}).to_string()).unwrap();
        assert_eq!(items.len(), 1);
        items.remove(0)
    }

    #[test]
    fn how_a_process_ended_is_told_in_several_spellings() {
        for (action, expected) in [
            ("succeeded", Some(What::Succeeded)),
            ("success", Some(What::Succeeded)),
            ("failed", Some(What::Failed)),
            ("failure", Some(What::Failed)),
            ("created", None),
            ("started", None),
            ("expired", None),
            ("canceled", None),
            ("approved", None),
            ("restarted", None),
            ("", None),
            ("Succeeded", None),
        ] {
            match (one(json!({"event_action": action, "object": {"account_id": "A"}})), expected) {
                (Item::Event(heard), Some(what)) => assert_eq!((heard.what, heard.party), (what, Party::Named(vec!["A".into()]))),
                (item, None) => assert_eq!(item, Item::Passed("action"), "{action}"),
                (item, expected) => panic!("{action}: {item:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn the_account_is_tried_first_then_the_process() {
        let named = |object: Value| match one(json!({"event_action": "success", "object": object})) {
            Item::Event(heard) => match heard.party {
                Party::Named(names) => names.join(" "),
                other => panic!("{other:?}"),
            },
            other => format!("{other:?}"),
        };
        assert_eq!(named(json!({"process_id": "P", "identity_process_id": "I", "account_id": "A"})), "A I P");
        assert_eq!(named(json!({"process_id": "I", "identity_process_id": "I"})), "I");
        assert_eq!(named(json!({"process_id": 7, "account_id": "x".repeat(129)})), r#"Passed("nobody")"#);
        assert_eq!(named(json!({})), r#"Passed("nobody")"#);
        assert_eq!(named(json!(null)), r#"Passed("nobody")"#);
        assert_eq!(named(json!({"account_id": "A", "flow_id": "IPF2"})), "A");
        assert_eq!(named(json!({"account_id": "A", "flow_id": "IPF3"})), r#"Passed("other_flow")"#);
    }

    #[test]
    fn what_is_not_understood_is_passed_over_and_what_is_no_token_is_told() {
        assert_eq!(read("{}"), Ok(vec![Item::Passed("no_events")]));
        assert_eq!(read("7"), Ok(vec![Item::Passed("no_events")]));
        assert_eq!(read(r#"{"events":[7,null,"x",[]]}"#), Ok(vec![Item::Passed("action"); 4]));
        assert_eq!(read(r#"{"events":[]}"#), Ok(Vec::new()));
        assert!(read("{").is_err() && read("").is_err());
        let many = json!({"events": vec![json!({"event_action": "success", "object": {"account_id": "A"}}); EVENTS + 2]});
        let items = read(&many.to_string()).unwrap();
        assert_eq!(items.iter().filter(|item| matches!(item, Item::Event(_))).count(), EVENTS);
        assert_eq!(items[EVENTS..], [Item::Passed("too_many"), Item::Passed("too_many")]);
    }

    #[test]
    fn an_event_is_known_by_its_token_and_its_place() {
        let ids = |claims: Value| -> Vec<String> {
            let items = read(&claims.to_string()).unwrap().into_iter();
            items.filter_map(|item| if let Item::Event(heard) = item { Some(heard.id) } else { None }).collect()
        };
        let event = json!({"event_action": "success", "object": {"account_id": "A"}});
        let twice = ids(json!({"events": [event, event]}));
        assert_eq!(twice, ids(json!({"events": [event, event]})), "delivered again");
        assert!(twice[0] != twice[1] && twice.iter().all(|id| id.len() <= limits::EVENT_ID_BYTES));
        assert_ne!(twice[0], ids(json!({"events": [event]}))[0]);
    }

    proptest! {
        #[test]
        fn it_is_total(body in proptest::collection::vec(any::<u8>(), 0..200), claims in ".{0,100}") {
            let _ = Reader::new(settings()).read(&Webhook { target: "", headers: &[], peer: None, body: &body });
            let _ = read(&claims);
        }
    }
}

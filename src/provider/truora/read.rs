//! What Truora's hooks say: how processes ended. One token, several events.
//!
//! Not their proof (`token.rs`). Of a hook's claims only `events[]`, each with `event_action` and an `object` that names the account or
//! the process, have been seen; whatever else an event says is of no concern here, and an unknown action least of all.

use serde::Deserialize;

use super::token::Token;
use super::{HookAlgorithm, Settings};
use crate::engine::heard::{Heard, Item, Party};
use crate::engine::ports::{Forged, Handshake, Inbox, Unreadable, Webhook};
use crate::engine::request::What;
use crate::limits;
use crate::provider::meta::Items;
use crate::provider::remote::Key;
use crate::provider::soft::{List, Soft, Word, object};

/// Reads the hooks of a line of Truora.
pub struct Reader {
    secrets: Vec<Key>,
    algorithm: HookAlgorithm,
    flows: Vec<String>,
}

impl Reader {
    /// The reader of a line.
    ///
    /// # Errors
    /// A secret is missing or empty: nothing would prove where a hook comes from.
    pub fn new(settings: &Settings) -> Result<Reader, String> {
        let secrets = &settings.hook_secrets;
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err("the hook's secret is missing or empty: without it nothing proves where a hook comes from".into());
        }
        Ok(Reader { secrets: secrets.clone(), algorithm: settings.hook_algorithm, flows: settings.flows.clone() })
    }

    fn item(&self, id: String, event: &str) -> Item {
        let event: Event<'_> = object(event).unwrap_or_default();
        let what = match event.event_action.as_str() {
            "succeeded" | "success" => What::Succeeded,
            "failed" | "failure" => What::Failed,
            _ => return Item::Passed("action"),
        };
        let object = event.object.0.unwrap_or_default();
        let flow = object.flow_id.as_str();
        if !flow.is_empty() && !self.flows.is_empty() && !self.flows.iter().any(|known| known == flow) {
            return Item::Passed("other_flow");
        }
        let names = object.names();
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
        Token::of(hook.body).ok_or(Forged("the body is no token"))?.verify(self.algorithm, &self.secrets)
    }

    /// The identity of an event is that of its token and its place: no id of Truora's is confirmed.
    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
        let token = Token::of(hook.body).ok_or_else(|| Unreadable("body: no token".into()))?;
        let claims = token.claims().unwrap_or_default();
        let claims: Claims<'_> = object(claims.trim_ascii()).ok_or_else(|| Unreadable("token: its claims are no JSON object".into()))?;
        if !claims.events.is_there() {
            return Ok(vec![Item::Passed("no_events")]);
        }
        let (digest, mut items) = (token.digest(), Items::default());
        for (place, event) in claims.events.raw().enumerate() {
            items.push(self.item(format!("{digest}/{place}"), event))?;
        }
        Ok(items.into_vec())
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

#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow, default)]
    events: List<'a>,
}

#[derive(Default, Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    event_action: Word<'a>,
    #[serde(borrow, default)]
    object: Soft<Object<'a>>,
}

#[derive(Default, Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    account_id: Word<'a>,
    #[serde(borrow, default)]
    identity_process_id: Word<'a>,
    #[serde(borrow, default)]
    process_id: Word<'a>,
    #[serde(borrow, default)]
    flow_id: Word<'a>,
}

impl Object<'_> {
    /// The names by which a caller may know the conversation: the account first, it is the caller's own choice.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in [&self.account_id, &self.identity_process_id, &self.process_id].map(Word::as_str) {
            if !name.is_empty() && name.len() <= limits::CONVERSATION_BYTES && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::tests::token;
    use super::*;
    use crate::provider::truora::settings;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(claims: &str) -> Result<Vec<Item>, Unreadable> {
        let settings = Settings { flows: vec!["IPF1".into(), "IPF2".into()], ..settings() };
        let body = token(r#"{"alg":"HS256"}"#, claims);
        Reader::new(&settings).unwrap().read(&Webhook { target: "/hooks/truora", headers: &[], peer: None, body: body.as_bytes() })
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
        assert_eq!(named(json!({"process_id": true, "account_id": "x".repeat(129)})), r#"Passed("nobody")"#);
        assert_eq!(named(json!({})), r#"Passed("nobody")"#);
        assert_eq!(named(json!(null)), r#"Passed("nobody")"#);
        assert_eq!(named(json!({"account_id": "A", "flow_id": "IPF2"})), "A");
        assert_eq!(named(json!({"account_id": "A", "flow_id": "IPF3"})), r#"Passed("other_flow")"#);
    }

    #[test]
    fn what_is_not_understood_is_passed_over_and_what_is_no_token_is_told() {
        assert_eq!(read("{}"), Ok(vec![Item::Passed("no_events")]));
        assert_eq!(read(r#"{"events":{}}"#), Ok(vec![Item::Passed("no_events")]));
        assert_eq!(read(r#"{"events":[7,null,"x",[]]}"#), Ok(vec![Item::Passed("action"); 4]));
        assert_eq!(read(r#"{"events":[]}"#), Ok(Vec::new()));
        assert!(read("{").is_err() && read("").is_err() && read("7").is_err() && read("[]").is_err());
        let many = |n| json!({"events": vec![json!({}); n]}).to_string();
        assert_eq!(read(&many(limits::WEBHOOK_UPDATES)).unwrap().len(), limits::WEBHOOK_UPDATES);
        assert!(read(&many(limits::WEBHOOK_UPDATES + 1)).is_err());
    }

    #[test]
    fn a_line_that_nothing_proves_is_not_made() {
        for secrets in [vec![], vec![Key::new("")], vec![Key::new("x"), Key::new("")]] {
            assert!(Reader::new(&Settings { hook_secrets: secrets, ..settings() }).is_err_and(|why| why.contains("secret")));
        }
        let reader = Reader::new(&settings()).unwrap();
        assert!(reader.is_at("") && !reader.is_at("5716000001") && reader.redelivers());
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
            let _ = Reader::new(&settings()).unwrap().read(&Webhook { target: "", headers: &[], peer: None, body: &body });
            let _ = read(&claims);
        }
    }
}

//! Gupshup under the contract of providers.

use std::collections::BTreeMap;

use reengaged::provider::gupshup::{Proof, Reader, Settings, Writer};
use reengaged::provider::remote::{Key, Outgoing};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::Subject;
use crate::fixtures::{Delivery, delivery, secret};

/// A line of Gupshup.
pub(crate) fn gupshup() -> Subject {
    let settings = Settings {
        api: Url::parse("https://gupshup.example.test").unwrap(),
        api_key: Key::new("key"),
        app: "DemoApp".into(),
        phone: "5716000001".into(),
        approvals: None,
        proof: Proof { tokens: vec![Key::new("another token"), Key::new(secret("GS_TOKEN"))], ..Proof::default() },
        reactions: true,
    };
    let proven = delivery("gupshup/in_text.json");
    let at = |target: String| Delivery { target, ..proven.clone() };
    Subject {
        name: "gupshup",
        api: Box::new(Writer::new(&settings).unwrap()),
        inbox: Box::new(Reader::new(&settings).unwrap()),
        forgeries: vec![
            ("no token", at("/hooks/gupshup".into())),
            ("another token", at("/hooks/gupshup?token=nope".into())),
            ("half a token", at(proven.target[..proven.target.len() - 1].into())),
            ("doubled", at(format!("{}&token={}", proven.target, secret("GS_TOKEN")))),
        ],
        proven: proven.clone(),
        signs_body: false,
        handshake: None,
        taken: (202, r#"{"status":"submitted","messageId":"ee4a68a0"}"#, "ee4a68a0"),
        idless: false,
        takes: |_| true,
        template: "c6aecef6-bcb0-4fb1-8100-28c094e3bc6b",
        fits,
    }
}

/// The platform's limits underneath: a text of 4 096 characters, 1 024 above at most three buttons with labels of 20.
fn fits(outgoing: &Outgoing) -> Result<(), String> {
    let (_, body) = outgoing.body.as_ref().ok_or("no body")?;
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let within = |value: &Value, most: usize| {
        let units = value.as_str().map_or(0, |text| text.encode_utf16().count());
        if (1..=most).contains(&units) { Ok(()) } else { Err(format!("{units} of at most {most}: {value}")) }
    };
    let json = |name: &str| form.get(name).map(|text| serde_json::from_str::<Value>(text).map_err(|e| format!("{name}: {e}"))).transpose();
    if !form["destination"].bytes().all(|b| b.is_ascii_digit()) || form["destination"].is_empty() {
        return Err(format!("destination: {}", form["destination"]));
    }
    match (json("message")?, json("template")?) {
        (Some(message), None) if message["type"] == "text" => within(&message["text"], 4_096),
        (Some(message), None) => {
            within(&message["content"]["text"], 1_024)?;
            within(&message["msgid"], 256)?;
            let options = message["options"].as_array().ok_or("no options")?;
            if options.len() != 2 || options[0] == options[1] {
                return Err(format!("options: {options:?}"));
            }
            options.iter().try_for_each(|option| within(&option["title"], 20))
        }
        (None, Some(template)) => {
            template["params"].as_array().ok_or("no params")?.iter().try_for_each(|parameter| within(parameter, 2_048))?;
            let postbacks = json("postbackTexts")?.and_then(|list| list.as_array().cloned()).unwrap_or_default();
            postbacks.iter().try_for_each(|postback| within(&postback["text"], 256))
        }
        both => Err(format!("{both:?}")),
    }
}

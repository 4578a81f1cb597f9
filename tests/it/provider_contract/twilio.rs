//! Twilio under the contract of providers.

use std::collections::BTreeMap;

use reengaged::conversation::Purpose;
use reengaged::provider::remote::{Key, Outgoing};
use reengaged::provider::twilio::{Reader, Settings, Writer};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::Subject;
use crate::fixtures::{Delivery, delivery, secret};

/// A line of Twilio, with a content for its buttons.
pub(super) fn twilio() -> Subject {
    let settings = Settings {
        api: Url::parse("https://twilio.example.test").unwrap(),
        content_api: "https://content.twilio.com".parse().unwrap(),
        account_sid: "AC00000000000000000000000000000001".into(),
        auth_tokens: vec![Key::new("another token"), Key::new(secret("TWILIO_TOKEN"))],
        phone: "5716000001".into(),
        messaging_service_sid: None,
        public_url: Url::parse("https://reengaged.example.test/hooks/twilio").unwrap(),
        status_callback: None,
        quick_reply: Some("HX00000000000000000000000000000002".into()),
    };
    let proven = delivery("twilio/in_text.form");
    let name = "x-twilio-signature".to_owned();
    let signature = proven.headers.iter().find(|(known, _)| *known == name).expect("a signature").1.clone();
    let with = |signatures: &[&[u8]]| {
        let headers = signatures.iter().map(|signature| (name.clone(), signature.to_vec())).collect();
        Delivery { headers, ..proven.clone() }
    };
    Subject {
        name: "twilio",
        api: Box::new(Writer::new(&settings).unwrap()),
        inbox: Box::new(Reader::new(&settings).unwrap()),
        forgeries: vec![
            ("no signature", with(&[])),
            ("another signature", delivery("twilio/in_text.form#wrong-signature")),
            ("half a signature", with(&[&signature[..signature.len() / 2]])),
            ("an empty signature", with(&[b""])),
            ("doubled", with(&[&signature, &signature])),
            ("another path", Delivery { target: "/hooks/other".into(), ..proven.clone() }),
            ("a longer query", Delivery { target: format!("{}?a=1", proven.target), ..proven.clone() }),
        ],
        proven,
        // What is signed is what the form says, not how it is written: `readers_forms.rs` changes each bit.
        signs_body: false,
        handshake: None,
        taken: (201, r#"{"sid":"MM1","status":"queued","error_code":null}"#, "MM1"),
        idless: false,
        // A question is not cut.
        takes: |message| message.purpose == Purpose::FollowUp || message.template.is_some() || message.text.encode_utf16().count() <= 1_600,
        template: "HX00000000000000000000000000000001",
        fits,
    }
}

/// A text of 1 600 characters, or a content with variables that Twilio takes: none empty, none with line breaks or long runs of spaces.
fn fits(outgoing: &Outgoing) -> Result<(), String> {
    let (_, body) = outgoing.body.as_ref().ok_or("no body")?;
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let digits = form["To"].strip_prefix("whatsapp:+").unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("To: {}", form["To"]));
    }
    match (form.get("Body"), form.get("ContentSid")) {
        (Some(body), None) if (1..=1_600).contains(&body.encode_utf16().count()) && !form.contains_key("ContentVariables") => Ok(()),
        (None, Some(_)) => {
            let variables = form.get("ContentVariables").map(|json| serde_json::from_str::<BTreeMap<u8, Value>>(json));
            let variables = variables.transpose().map_err(|e| e.to_string())?.unwrap_or_default();
            let taken = |text: &str| !text.trim().is_empty() && !text.contains(['\n', '\t']) && !text.contains("     ");
            let wrong = variables.iter().zip(1..).find(|((place, value), n)| *place != n || !value.as_str().is_some_and(taken));
            wrong.map_or(Ok(()), |wrong| Err(format!("{wrong:?}")))
        }
        both => Err(format!("{both:?}")),
    }
}

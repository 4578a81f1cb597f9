//! Truora under the contract of providers.

use std::collections::BTreeMap;

use reengaged::conversation::Form;
use reengaged::provider::remote::{Key, Outgoing};
use reengaged::provider::truora::{HookAlgorithm, Reader, Settings, Writer};
use url::{Url, form_urlencoded};

use super::Subject;
use crate::fixtures::{Delivery, delivery, secret};

/// A line of Truora.
pub(super) fn truora() -> Subject {
    let settings = Settings {
        api: Url::parse("https://truora.example.test").unwrap(),
        api_key: Key::new("key"),
        hook_secrets: vec![Key::new("another secret"), Key::new(secret("TRUORA_SECRET"))],
        hook_algorithm: HookAlgorithm::Hs256,
        flow_id: Some("IPF00000000000000000000000000000001".into()),
        flows: Vec::new(),
    };
    let proven = delivery("truora/hook_process_succeeded.jwt");
    let token = String::from_utf8(proven.body.clone()).expect("a token");
    let (signed, _) = token.rsplit_once('.').expect("a signature");
    let with = |body: String| Delivery { body: body.into_bytes(), ..proven.clone() };
    Subject {
        name: "truora",
        api: Box::new(Writer::new(&settings).unwrap()),
        inbox: Box::new(Reader::new(&settings).unwrap()),
        forgeries: vec![
            ("no signature", with(format!("{signed}."))),
            ("another signature", delivery("truora/hook_tampered.jwt")),
            ("half a signature", with(token[..token.len() - 20].to_owned())),
            ("doubled", with(format!("{token}.{token}"))),
            ("unsigned", with("eyJhbGciOiJub25lIn0.e30.".to_owned())),
        ],
        proven: proven.clone(),
        signs_body: true,
        handshake: None,
        taken: (200, r#"{"message_id":"M1"}"#, "M1"),
        idless: true,
        takes: |message| message.form == Form::Template,
        template: "OTB00000000000000000000000000000001",
        fits,
    }
}

/// A number in two parts, an outbound, and variables without line breaks.
fn fits(outgoing: &Outgoing) -> Result<(), String> {
    let (_, body) = outgoing.body.as_ref().ok_or("no body")?;
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let (country, national) = (&form["country_code"], &form["phone_number"]);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(country) || !digits(national) || country.len() > 3 || country.len() + national.len() > 15 {
        return Err(format!("{country} {national}"));
    }
    let mut vars = form.iter().filter(|(name, _)| name.starts_with("var."));
    match vars.find(|(_, value)| value.trim().is_empty() || value.contains(['\n', '\t'])) {
        None if form["user_authorized"] == "true" && form["outbound_id"].starts_with("OTB") => Ok(()),
        wrong => Err(format!("{wrong:?}")),
    }
}

//! The Cloud API under the contract of providers.

use reengaged::provider::remote::{Key, Outgoing};
use reengaged::provider::whatsapp::{Reader, Settings, Writer};
use serde_json::Value;
use url::Url;

use super::Subject;
use crate::fixtures::{Delivery, delivery, secret};

/// A line of the Cloud API.
pub(crate) fn whatsapp() -> Subject {
    let settings = Settings {
        api: Url::parse("https://graph.example.test/v25.0").unwrap(),
        phone_number_id: "106540352242922".into(),
        waba_id: None,
        token: Key::new("token"),
        app_secrets: vec![Key::new("another app's secret"), Key::new(secret("META_SECRET"))],
        verify_tokens: vec![Key::new(secret("VERIFY_TOKEN"))],
        template_language: "es".into(),
        reactions: true,
        user_id_field: Some("recipient".into()),
    };
    let proven = delivery("whatsapp_cloud/in_text_unicode_escaped.json");
    let with = |change: fn(&mut Delivery)| {
        let mut delivery = proven.clone();
        change(&mut delivery);
        delivery
    };
    let ask = |query: &str| Delivery::new(&format!("/hooks/whatsapp?{query}"), &[], "");
    Subject {
        name: "whatsapp",
        api: Box::new(Writer::new(&settings).unwrap()),
        inbox: Box::new(Reader::new(&settings).unwrap()),
        forgeries: vec![
            ("no header", with(|delivery| delivery.headers.clear())),
            ("doubled", with(|delivery| delivery.headers.extend(delivery.headers.clone()))),
            ("of another body", Delivery { headers: delivery("whatsapp_cloud/in_text.json").headers, ..proven.clone() }),
            ("zeros", Delivery { headers: delivery("whatsapp_cloud/in_button_reply_yes.json#wrong-signature").headers, ..proven.clone() }),
        ],
        proven,
        signs_body: true,
        handshake: Some((
            delivery("whatsapp_cloud/#verify-get-ok"),
            "1158201444",
            vec![delivery("whatsapp_cloud/#verify-get-bad-token"), ask(""), ask("hub.mode=subscribe&hub.challenge=1&hub.verify_token=")],
        )),
        taken: (200, r#"{"messaging_product":"whatsapp","messages":[{"id":"wamid.1"}]}"#, "wamid.1"),
        idless: false,
        takes: |_| true,
        template: "reengage_es/es",
        fits,
    }
}

/// The documented limits: a text of 4 096 characters, 1 024 above at most three buttons with ids of 256 and labels of 20.
fn fits(outgoing: &Outgoing) -> Result<(), String> {
    let (_, body) = outgoing.body.as_ref().ok_or("no body")?;
    let json: Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
    let within = |value: &Value, most: usize| {
        let units = value.as_str().map_or(0, |text| text.encode_utf16().count());
        if (1..=most).contains(&units) { Ok(()) } else { Err(format!("{units} of at most {most}: {value}")) }
    };
    match (json["to"].as_str(), json["recipient"].as_str()) {
        (Some(to), None) if to.starts_with('+') => {}
        (None, Some(_)) => {}
        _ => return Err(format!("to: {} {}", json["to"], json["recipient"])),
    }
    within(&json["biz_opaque_callback_data"], 512)?;
    match json["type"].as_str() {
        Some("text") => within(&json["text"]["body"], 4_096),
        Some("interactive") => {
            within(&json["interactive"]["body"]["text"], 1_024)?;
            let buttons = json["interactive"]["action"]["buttons"].as_array().ok_or("no buttons")?;
            let titles: std::collections::BTreeSet<&str> = buttons.iter().filter_map(|b| b["reply"]["title"].as_str()).collect();
            if titles.len() != buttons.len() || buttons.len() > 3 {
                return Err(format!("labels: {titles:?}"));
            }
            buttons.iter().try_for_each(|button| within(&button["reply"]["title"], 20).and_then(|()| within(&button["reply"]["id"], 256)))
        }
        Some("template") => {
            let components = json["template"]["components"].as_array().map_or(&[][..], Vec::as_slice);
            let parameters = components.iter().flat_map(|c| c["parameters"].as_array().expect("parameters"));
            parameters.into_iter().try_for_each(|parameter| match parameter["type"].as_str() {
                Some("payload") => within(&parameter["payload"], 256),
                Some("text") if !parameter["text"].as_str().unwrap_or_default().contains(['\n', '\t']) => within(&parameter["text"], 2_048),
                _ => Err(format!("parameter: {parameter}")),
            })
        }
        other => Err(format!("type: {other:?}")),
    }
}

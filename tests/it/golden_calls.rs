//! Requests to the Cloud API and to Gupshup as the fixtures have them, and what the fixtures' answers mean.
//!
//! Not the limits of what is written: `provider_contract.rs` has those.

use reengaged::conversation::{Choice, Form, Refusal};
use reengaged::engine::heard::Trouble;
use reengaged::engine::ports::{CallEnd, Called, Message};
use reengaged::moment::SECOND;
use reengaged::provider::client::{Ended, Reply};
use reengaged::provider::remote::{Api, Outgoing};
use reengaged::shapes::button;

use crate::fixtures::body;
use crate::provider_contract::{gupshup, message, whatsapp};

/// The message of the manifest's golden requests.
fn golden(template: Option<&str>) -> Message {
    Message {
        to: "573181230000".into(),
        text: "Tienes un proceso activo en curso".into(),
        buttons: Some(("Sí, continuar".into(), "No, gracias".into())),
        form: if template.is_some() { Form::Template } else { Form::Message },
        template: template.map(Into::into),
        template_vars: template.map(|_| ("name".to_owned(), "Camila".to_owned())).into_iter().collect(),
        ..message()
    }
}

/// A golden request with its placeholders filled by the ids of this message, `:` written as there.
fn filled(file: &str, message: &Message, colon: &str) -> String {
    let mut text = String::from_utf8(body(file)).unwrap();
    for (choice, word) in [(Choice::Yes, "yes"), (Choice::No, "no")] {
        let id = button::write(choice, message.conversation, message.send);
        text = text.replace(&["reengage", word, "conv-0001"].join(colon), &id);
    }
    text.replace(&["reengage", "conv-0001"].join(colon), &message.send.to_string())
        .replace("conv-0001/attempt-1", &message.send.to_string())
}

/// JSON without the whitespace between its tokens.
fn compact(json: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let keep = |c: &char| {
        let kept = inside || !c.is_whitespace();
        match c {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && *c == '\\' && !escaped;
        kept
    };
    json.chars().filter(keep).collect()
}

fn written(api: &dyn Api, message: &Message) -> (Outgoing, String) {
    let mut outgoing = api.write(message).unwrap();
    let (_, body) = outgoing.body.take().unwrap();
    (outgoing, body)
}

#[test]
fn requests_to_the_cloud_api_are_the_golden_ones_in_every_byte_but_white_space() {
    let subject = whatsapp();
    for (file, template) in [
        ("req_interactive_buttons.json", None),
        ("req_template_quick_reply.json", Some("reengage_es/es")),
        ("req_template_quick_reply.json", Some("reengage_es")),
    ] {
        let message = golden(template);
        let (outgoing, body) = written(&*subject.api, &message);
        assert_eq!(body, compact(&filled(&format!("whatsapp_cloud/{file}"), &message, ":")), "{file}");
        assert_eq!(outgoing.url.as_str(), "https://graph.example.test/v25.0/106540352242922/messages");
    }
}

#[test]
fn requests_to_gupshup_are_the_golden_ones_in_every_byte() {
    let subject = gupshup();
    for (file, template, path) in [
        ("req_quick_reply.form", None, "/wa/api/v1/msg"),
        ("req_template.form", Some("c6aecef6-bcb0-4fb1-8100-28c094e3bc6b"), "/wa/api/v1/template/msg"),
    ] {
        let message = golden(template);
        let (outgoing, body) = written(&*subject.api, &message);
        assert_eq!(body, filled(&format!("gupshup/{file}"), &message, "%3A"), "{file}");
        assert_eq!(outgoing.url.path(), path);
    }
}

#[test]
fn the_answers_of_the_fixtures_mean_what_the_manifest_says() {
    let wamid = "wamid.HBgMNTczMTgxMjMwMDAwFQIAEhgU00000000000000ABC001AA==";
    let gs = "ee4a68a0-1203-4c85-8dc3-49d0b3226a35";
    let judged = |subject: &crate::provider_contract::Subject, folder: &str, file: &str, status: u16| -> Called {
        let reply = Reply { status, retry_after: None, body: body(&format!("{folder}/{file}")), broken: None };
        subject.api.judge(&message(), &Ended::Reply(reply))
    };
    let meta = whatsapp();
    let accepted = [("resp_send_ok.json", "HTTP 200"), ("resp_send_template_held.json", "HTTP 200, held_for_quality_assessment")];
    for (file, detail) in accepted {
        assert_eq!(judged(&meta, "whatsapp_cloud", file, 200), Called::accepted(wamid, detail));
    }
    for (file, status, end, trouble) in [
        ("resp_error_130429.json", 429, CallEnd::Busy(0), Trouble::ThrottleLine),
        ("resp_error_131056.json", 429, CallEnd::Busy(4 * SECOND), Trouble::ThrottlePair),
        ("resp_error_131047.json", 400, CallEnd::Refused(Refusal::WindowClosed), Trouble::WindowClosed),
        ("resp_error_132001.json", 404, CallEnd::Refused(Refusal::Template), Trouble::Template),
        ("resp_error_190.json", 401, CallEnd::Busy(0), Trouble::Authentication),
    ] {
        let called = judged(&meta, "whatsapp_cloud", file, status);
        assert_eq!((called.end, called.trouble), (end, Some(trouble)), "{file}");
    }
    let other = gupshup();
    assert_eq!(judged(&other, "gupshup", "resp_send_ok_202.json", 202), Called::accepted(gs, "HTTP 202"));
    for (file, status, trouble) in
        [("resp_error_401.json", 401, Trouble::Authentication), ("resp_error_429.json", 429, Trouble::ThrottleLine)]
    {
        let called = judged(&other, "gupshup", file, status);
        assert_eq!((called.end, called.trouble), (CallEnd::Busy(0), Some(trouble)), "{file}");
    }
}

//! Inputs to begin with: the fixtures, in the shape that each target takes, and examples where there are no fixtures.
//!
//! Not the seeds below `fuzz/seeds`: those are what fuzzing made of these.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Events of every type.
const EVENTS: &[&str] = &[
    r#"{"type":"user_message","id":"m1","conversation":"lead-42","at":"2026-09-14T15:00:00Z","text":"Sí, mañana 😀"}"#,
    r#"{"type":"question","conversation":"lead-42","question":{"id":"q1","text":"¿Tu correo?","payload":{"field":["email",1.5,null]}}}"#,
    r#"{"type":"answer","conversation":"cnv_00000000000000000000000000","choice":"later"}"#,
    r#"{"type":"postpone","conversation":"a","until":"2026-09-14T10:00:00-05:00"}"#,
    r#"{"type":"opt_out","conversation":"a","line":"support","flow":"onboarding","to":"+573181230000"}"#,
    r#"{"type":"succeeded","conversation":"a","vars":{"name":"Ana"},"attributes":{"plan":"x","n":"\u00e9\n"}}"#,
    r#"{"type":"hold","conversation":"a","conversation":"b","what":1}"#,
];

/// Answers of a bot.
const ANSWERS: &[&str] = &[
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Message><Body>Hola &amp; &#233;</Body><Media>https://x/y</Media></Message></Response>",
    "<Response><Message to='x'>a<!-- c --></Message><Sms><![CDATA[b < c]]></Sms><Redirect method=\"GET\">/x</Redirect></Response>",
    "<!DOCTYPE r [<!ENTITY a \"x\">]><Response xmlns:n=\"u\"><n:Message>&a;</n:Message></Response>",
    "¿Cuál es tu correo?",
];

/// Writes them below `folder`, one folder for each target; without fixtures in `shared`, the examples alone.
pub fn write(folder: &Path, shared: &Path) {
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), bytes)).unwrap_or_else(|e| panic!("writing {target}: {e}"));
    };
    for (target, examples) in [("events", EVENTS), ("twilio-answer", ANSWERS)] {
        examples.iter().enumerate().for_each(|(n, example)| put(target, &format!("example-{n}"), example.as_bytes()));
    }
    let Ok(table) = fs::read(shared.join("fixtures/SIGNATURES.json")) else { return };
    let table: Value = serde_json::from_slice(&table).expect("SIGNATURES.json is JSON");
    for (name, request) in table["requests"].as_object().expect("requests") {
        let Ok(body) = fs::read(shared.join("fixtures").join(name.split('#').next().unwrap_or(name))) else { continue };
        let url = request["url"].as_str().expect("a URL");
        let Some(at) = url.find("/hooks/") else { continue };
        let line = url[at + 7..].split(['/', '?']).next().unwrap_or_default();
        let file = name.replace(['/', '#'], "-");
        let mut message = format!("{}\n", &url[at..]);
        for (header, value) in request["headers"].as_object().into_iter().flatten() {
            message.push_str(&format!("{header}: {}\n", value.as_str().unwrap_or_default()));
        }
        let message = [message.as_bytes(), b"\n", &body].concat();
        put(&format!("{line}-read"), &file, &body);
        put(&format!("{line}-verify"), &file, &message);
        if let Ok(claims) = fs::read(shared.join("fixtures").join(name.replace(".jwt", ".decoded.json"))) {
            if name.ends_with(".jwt") {
                put("truora-claims", &file, &claims);
            }
        }
    }
}

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

/// Hours and durations, as people write them.
const HOURS: &[&str] =
    &["Mo-Fr 08:00-19:00, Sa 09:00-13:00", "24/7", "Mo-Su 22:00-06:00; PH off", "Dec 24-26 off; Mo[1] 10:00-12:00", "1h30m", "2d 3h 4ms"];

/// What `Retry-After` says, and `Date` below it.
const WAITS: &[&str] = &["120", "Wed, 21 Oct 2015 07:28:00 GMT\nWed, 21 Oct 2015 07:27:00 GMT", "99999999999999999999"];

/// Forms of the guide.
const FORMS: &[&str] = &[
    "waba_phone_number=57317770000&is_notification=false&content=Hola+%7B%7B.name%7D%7D&category=UTILITY&template_type=VIDEO&language_code=es\
     &outbound_name=a&var.name=Ana&media_url=https%3A%2F%2Fmy-page.com%2Fa&continue_process_message=Go&cancel_process_message=No\
     &call_to_action.url.message=See&call_to_action.url.url=https%3A%2F%2Fmy-page.com",
    "waba_provider=console&waba_phone_number=57317770000&flow_id=onboarding&inbound_message=Quiero+empezar",
    "phone_number=3181230000&country_code=57&user_authorized=true&flow_id=onboarding&var.name=Roger\
     &outbound_id=OTB0123456789abcdef0123456789abcdef",
];

/// Numbers, and texts with numbers in them.
const NUMBERS: &[&str] =
    &["+573001112233", "+57 (300) 111-2233", "+1.555.000.1234", "call 573001112233 on 2026-03-02", "+52 1 55 1234 5678"];

/// Requests.
const REQUESTS: &[&str] = &[
    "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "POST /hooks/a/b?c=%20 HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\nauthorization: Bearer x\r\n\r\nabc",
];

/// Writes them below `folder`, one folder for each target; without fixtures in `shared`, the examples alone.
pub fn write(folder: &Path, shared: &Path) {
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), bytes)).unwrap_or_else(|e| panic!("writing {target}: {e}"));
    };
    let urls: Vec<&str> = include_str!("../../tests/it/security/urls.txt").lines().filter_map(|line| line.get(2..)).collect();
    let files = [crate::own::EXAMPLE, include_str!("../../tests/it/config/full.toml"), include_str!("../../tests/it/config/real.toml")];
    let own =
        [("opening-hours", HOURS), ("waits", WAITS), ("forms", FORMS), ("numbers", NUMBERS), ("masks", NUMBERS), ("listener", REQUESTS)];
    let theirs = [("events", EVENTS), ("twilio-answer", ANSWERS), ("addresses", &urls), ("configuration", &files)];
    for (target, examples) in own.into_iter().chain(theirs) {
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

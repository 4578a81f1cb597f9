//! Canaries: a number, words and secrets that exist nowhere else, the lines and answers that carry them, and the search for them.
//! Not what they must not be found in: that is `canary` and `erase`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::stub::{Mood, Request, Stub, answer};

/// A person's number.
pub(super) const NUMBER: &str = "15550001234";
/// Words of the bot: questions, variables, attributes, names of conversations. The store keeps them.
pub(super) const TEXT: &str = "CANARYTEXT";
/// Words of the person. The store keeps them not either.
pub(super) const SAID: &str = "CANARYSAID";
/// What every secret begins with.
pub(super) const SECRET: &str = "CANARYSECRET";

/// The ways in which the number may be written.
const WRITTEN: [&str; 5] = ["5550001234", "555 000 1234", "555-000-1234", "(555) 000-1234", "555.000.1234"];

/// The first canary in these bytes, with some of what stands around it.
pub(super) fn found(bytes: &[u8], canaries: &[&str]) -> Option<String> {
    let find = |word: &str| bytes.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word.as_bytes()));
    let at = canaries.iter().find_map(|word| find(word))?;
    Some(String::from_utf8_lossy(&bytes[at.saturating_sub(300)..bytes.len().min(at + 60)]).into_owned())
}

/// Everything that must stay out of what the program writes for people and machines.
pub(super) fn all() -> Vec<&'static str> {
    WRITTEN.into_iter().chain([TEXT, SAID, SECRET]).collect()
}

/// The number alone.
pub(super) fn number() -> Vec<&'static str> {
    WRITTEN.into()
}

/// Every file beneath a directory, with its bytes.
pub(super) fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.is_file() {
            found.push((entry.display().to_string(), std::fs::read(&entry).expect("a file")));
        }
    }
    found
}

/// How an API answers that tells back all it was told: by the number in the path of its line.
pub(super) const MOODS: usize = 8;

/// The APIs of all providers, the receiver of hooks and the bot: each answer repeats the request, secrets and all.
pub(super) fn parrot() -> Stub {
    Stub::new(Mood::Play(Arc::new(|request| (mood(request), Box::new(|| {})))))
}

fn mood(request: &Request) -> Mood {
    let told = format!("{}\n{}\n{NUMBER} {TEXT}", request.head, String::from_utf8_lossy(&request.body));
    let quoted = serde_json::Value::String(told.clone()).to_string();
    let error = |code: u32| {
        format!(
            r#"{{"error":{{"code":{code},"message":{quoted},"error_data":{{"details":{quoted}}}}},"status":"error","code":{code},"message":{quoted}}}"#
        )
    };
    let json = "content-type: application/json";
    let line = request.target().trim_start_matches("/api/").trim_start_matches(char::is_alphabetic);
    match line.chars().next().and_then(|digit| digit.to_digit(10)).unwrap_or(0) {
        0 => Mood::Answer(answer(400, json, &error(131_026))),
        1 => Mood::Answer(answer(500, "content-type: text/html", &format!("<html>{told}"))),
        2 => Mood::Answer(answer(429, &format!("retry-after: {NUMBER}\r\n{json}"), &error(130_429))),
        3 => Mood::Answer(answer(302, &format!("location: /{NUMBER}/{TEXT}"), "")),
        4 => Mood::Half(format!("HTTP/1.1 200 OK\r\nx-told: {NUMBER}\r\ncontent-length: 100000\r\n\r\n{told}").into_bytes()),
        5 => Mood::Half(format!("HTTP/1.1 200 {TEXT}\r\n{NUMBER}").into_bytes()),
        6 => Mood::Answer(answer(200, json, &error(4))),
        _ => Mood::Answer(answer(401, json, &error(190))),
    }
}

/// A secret of this name, in a file that nobody else can read.
fn secret(home: &Path, name: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let (path, value) = (home.join(name), format!("{SECRET}-{name}-0123456789abcdef"));
    std::fs::write(&path, &value).expect("a secret is written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    value
}

/// The secret that [`configuration`] gave this name.
pub(super) fn secret_of(name: &str) -> String {
    format!("{SECRET}-{name}-0123456789abcdef")
}

/// A configuration with a line for every provider and every way to answer, logged at the finest level.
pub(super) fn configuration(home: &Path, api: &Stub) -> String {
    for name in ["bot", "eye", "hand", "meta", "app", "verify", "gup", "guphook", "twi", "tru", "truhook", "line", "crm"] {
        secret(home, name);
    }
    let mut text = "[server]\nlisten = \"127.0.0.1:0\"\n".to_owned();
    for (name, scope) in [("bot", "ingest"), ("eye", "read"), ("hand", "operate")] {
        let _ = writeln!(text, "tokens.{name} = {{ scopes = [\"{scope}\"], file = \"{name}\" }}");
    }
    text += "[store]\npath = \"data\"\nany_filesystem = true\n[log]\nlevel = \"trace\"\nformat = \"json\"\n";
    for n in 0..MOODS {
        let at = |line: &str| api.url(&format!("/api/{line}{n}"));
        let (meta, gup, twi, tru, own) = (at("meta"), at("gup"), at("twi"), at("tru"), at("own"));
        let forward = if n == 0 { format!("forward_to = \"{}\"\n", api.url("/api/bot1")) } else { String::new() };
        let _ = write!(
            text,
            r#"[lines.meta{n}]
provider = "whatsapp_cloud"
api = "{meta}"
phone_number_id = "10654035224292{n}"
waba_id = "102290129340398"
token_file = "meta"
app_secret_file = "app"
verify_token_file = "verify"
daily = 250
{forward}[lines.gup{n}]
provider = "gupshup"
api = "{gup}"
phone = "571600000{n}"
api_key_file = "gup"
app = "DemoApp{n}"
webhook_token_file = "guphook"
daily = 250
[lines.twi{n}]
provider = "twilio"
api = "{twi}"
content_api = "{twi}"
phone = "571600001{n}"
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token_file = "twi"
public_url = "https://reengaged.example.test/hooks/twi{n}"
daily = 250
{forward}[lines.tru{n}]
provider = "truora"
api = "{tru}"
api_key_file = "tru"
hook_secret_file = "truhook"
[lines.own{n}]
provider = "webhook"
url = "{own}"
secret_file = "line"
flow = "onboarding"
"#
        );
    }
    text += r#"[flows.onboarding]
enable_follow_up = true
follow_up_delay = 30
follow_up_message = "Hola {{.name}}"
start_business_hours = "00:00"
end_business_hours = "00:00"
session.template = "OTB0123456789abcdef0123456789abcdef"
"#;
    let _ = write!(text, "[hooks.crm]\nurl = \"{}\"\nsecret_file = \"crm\"\nallow_private = true\n", api.url("/api/crm1"));
    text
}

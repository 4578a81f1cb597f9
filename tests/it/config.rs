//! How mistakes of a configuration are told: each with its line, key, value and cure, all at once, whatever is written.
//! Not the example (`config_example`) and not the verb that prints them (`check`).

use std::path::Path;

use proptest::prelude::*;
use reengaged::config::{self, Config, Mistakes, SecretSource, Withheld, diff};
use toml::{Table, Value};

/// A configuration with every key that can stand beside the others.
const FULL: &str = r#"
[server]
listen = "127.0.0.1:8787"
webhooks = "127.0.0.1:8788"
header_timeout = "10s"
body_timeout = "30s"
max_connections = 100
tokens.bot = { scopes = ["ingest"], file = "bot" }
[store]
path = "/var/lib/reengaged"
any_filesystem = false
[maintenance]
retention = "0 15 3 * * *"
retention_days = 30
[log]
format = "auto"
level = "info"
[lines.a]
provider = "console"
format = "line"
phone = "57317770000"
flow = "f"
arm_on = "question"
in_doubt = "unknown"
max_in_flight = 64
rate = 20
catch_up_wait = "1m"
[lines.b]
provider = "webhook"
url = "http://127.0.0.1:9000/"
secret_file = "line"
allow_private = true
timeout = "10s"
[flows.f]
enable_follow_up = true
follow_up_delay = 45
follow_up_message = "Hola {{.name}}"
start_business_hours = "13:00"
end_business_hours = "24:00"
id = "IPF0123456789abcdef0123456789abcdef"
yes = "Sí"
no = "No"
on_yes = "ask"
expires_after = "48h"
max_lateness = "6h"
spread_minutes = 5
calendar = { timezone = "America/Bogota", hours = "Mo-Fr 08:00-19:00", holidays = ["2026-12-25"] }
session = { window_minutes = 1440, margin_minutes = 10, when_closed = ["advance"], template = "T", advance_lead_minutes = 15 }
steps = [{ delay = "4h", message = "Seguimos?" }]
[hooks.crm]
url = "https://crm.example.com/"
secret_file = "crm"
events = ["conversation.resumed"]
flows = ["f"]
allow_private = false
"#;

/// What a configuration cannot be without; the lines of the cases below begin after it.
const LEAST: &str = "lines.a.provider = \"console\"\nflows.f.enable_follow_up = true\n";

/// Secrets by the names used below.
struct Vault;

impl SecretSource for Vault {
    fn file(&self, path: &Path) -> Result<String, String> {
        self.variable(&path.display().to_string())
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        match name {
            "absent" => Err("cannot be read: it is not there".into()),
            "empty" => Ok("\n".into()),
            "short" => Ok("abc\n".into()),
            "broken" => Ok("whsec_%%%".into()),
            "same" => Ok("one secret for all of them".into()),
            other => Ok(format!("a long enough secret called {other}\n")),
        }
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        self.variable(name)
    }
}

fn parse(text: &str) -> Result<Config, Mistakes> {
    config::parse(text, "c.toml", &Vault)
}

/// The messages of mistakes in `text` below [`LEAST`], with their lines counted from there.
fn told(text: &str) -> Vec<String> {
    let mistakes = parse(&format!("{LEAST}{text}")).expect_err(text);
    let numbered = |line: usize| line.saturating_sub(LEAST.lines().count());
    mistakes.mistakes.into_iter().map(|m| reengaged::config::Mistake { line: numbered(m.line), ..m }.to_string()).collect()
}

/// The warnings of `text` below [`LEAST`], with the mistakes' form.
fn warned(text: &str) -> Vec<String> {
    let config = parse(&format!("{LEAST}{text}")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    config.warnings.iter().map(|w| w.to_string().replacen("c.toml:", "", 1)).collect()
}

#[test]
fn the_full_configuration_is_right() {
    let config = parse(FULL).unwrap();
    assert_eq!((config.lines.len(), config.hooks.len(), config.server.tokens.len()), (2, 1, 1));
    let policy = config.book.policy("b", "f").unwrap();
    assert_eq!(policy.text(1), "Seguimos?");
    assert_eq!(policy.expires_after, 48 * 3_600_000);
    assert_eq!(config.book.lines["a"].rate, Some(20));
    assert_eq!(config.book.lines["b"].flow, None);
    assert!(config.book.hooks[0].wants("conversation.resumed", "f") && !config.book.hooks[0].wants("conversation.expired", "f"));
    assert_eq!(config.flow("IPF0123456789abcdef0123456789abcdef").unwrap().0, "f");
    assert_eq!(config.server.tokens[0].secrets[0].expose(), "a long enough secret called bot");
}

#[test]
fn mistakes_are_told_with_line_key_value_and_cure() {
    let address = "write an address and a port, as \"127.0.0.1:8787\" or \"[::1]:8787\", or \"unix:\" and an absolute path";
    let provider = "not built in this release; write \"webhook\", and send through a program of your own, or \"console\"";
    let steps = "write a duration from \"30m\" to \"30d\", as \"90s\", \"45m\", \"48h\" or \"2d\"";
    let whole = "write a whole number of minutes, 0 or more, without quotes";
    for (text, expected) in [
        ("[server]\nlisten = \"8787\"", format!("c.toml:2: server.listen = \"8787\": {address}")),
        ("[server]\nlisten = \"unix:run/x\"", format!("c.toml:2: server.listen = \"unix:run/x\": {address} of at most 107 bytes")),
        ("[server]\nlistn = 1", "c.toml:2: server.listn = 1: unknown key; did you mean listen?".into()),
        ("[sever]\nlisten = 1", "c.toml:1: sever = a table of 1: unknown key; did you mean server?".into()),
        ("[server]\nmax_connections = 1", "c.toml:2: server.max_connections = 1: write a whole number, 8 to 65536, without quotes".into()),
        ("[store]\nurl = \"postgres://x\"", "c.toml:2: store.url = \"postgres://x\": not built in this release; this release keeps conversations in store.path".into()),
        ("[maintenance]\nretention = \"daily\"", "c.toml:2: maintenance.retention = \"daily\": write six fields (second minute hour day-of-month month day-of-week, UTC), as \"0 15 3 * * *\"".into()),
        ("[lines.b]\nprovider = \"twilio\"", format!("c.toml:2: lines.b.provider = \"twilio\": {provider}")),
        ("[lines.b]\nphone = \"1234567\"", "c.toml:1: lines.b.provider is missing: write \"webhook\" or \"console\"".into()),
        ("[lines.b]\nprovider = \"console\"\nflow = \"g\"", "c.toml:3: lines.b.flow = \"g\": no such flow; there are \"f\"".into()),
        ("[lines.b]\nprovider = \"console\"\nurl = \"http://x/\"", "c.toml:3: lines.b.url = \"http://x/\": only a line with provider = \"webhook\" has this key; leave it out".into()),
        ("[lines.b]\nprovider = \"console\"\nforward_to = 1", "c.toml:3: lines.b.forward_to = 1: not built in this release; let your bot tell of its messages by POST /v1/events".into()),
        ("[lines.\"a b\"]\nprovider = \"console\"", "c.toml:1: lines.a b = \"a b\": write a name of letters, digits, - and _, at most 64 bytes".into()),
        ("[flows.g]\nfollow_up_delay = \"soon\"", format!("c.toml:2: flows.g.follow_up_delay = \"soon\": {whole}")),
        ("[flows.g]\nfolow_up_delay = 45", "c.toml:2: flows.g.folow_up_delay = 45: unknown key; did you mean follow_up_delay?".into()),
        ("[flows.g]\nyes = \"no\"", "c.toml:1: flows.g.no = \"No\": says the same as yes; write two labels that differ".into()),
        ("[flows.g]\nyes = \"123456789012345678901\"", "c.toml:2: flows.g.yes = \"123456789012345678901\": write 1 to 20 characters; these are 21".into()),
        ("[flows.g]\nfollow_up_message = \"Hi {{name}}\"", "c.toml:2: flows.g.follow_up_message = \"Hi {{name}}\": \"{{name}}\" is no placeholder; write it as {{.name}}, of letters, digits, - and _".into()),
        ("[flows.g]\n[[flows.g.steps]]\ndelay = \"5m\"\nmessage = \"x\"", format!("c.toml:3: flows.g.steps[0].delay = \"5m\": {steps}")),
        ("[flows.g]\n[[flows.g.steps]]\ndelay = \"5h\"", "c.toml:2: flows.g.steps[0].message is missing: write the text of this follow-up".into()),
        ("[flows.g.calendar]\ntimezone = \"recipient\"\nhours = \"Mo 10:00-12:00\"", "c.toml:2: flows.g.calendar.timezone = \"recipient\": the recipient's zone is not built yet: write an IANA name, as America/Bogota".into()),
        ("[flows.g]\nid = \"IPF1\"", "c.toml:2: flows.g.id = \"IPF1\": write IPF and 32 hexadecimal digits".into()),
        ("[hooks.h]\nsecret_file = \"x\"", "c.toml:1: hooks.h.url is missing: write the address that is called, as \"https://example.com/hook\"".into()),
        ("[hooks.h]\nurl = \"https://x.org\"", "c.toml:1: hooks.h.secret_file is missing: write where the secret is, by secret_file, secret_credential or secret_env".into()),
        ("[hooks.h]\nurl = \"https://u:p@x.org\"\nsecret_env = \"x\"", "c.toml:2: hooks.h.url = \"https://u:p@x.org\": leave out the name and the password: calls are signed by the secret".into()),
        ("[hooks.h]\nurl = \"https://127.0.0.1/\"\nsecret_env = \"x\"", "c.toml:2: hooks.h.url = \"https://127.0.0.1/\": a loopback or private address; write allow_private = true beside it if this is your own program".into()),
        ("[hooks.h]\nurl = \"https://x.org\"\nsecret_env = \"x\"\nevents = [\"resumed\"]", "c.toml:4: hooks.h.events = \"resumed\": no such type; did you mean \"conversation.resumed\"?".into()),
        ("[hooks.h]\nurl = \"https://x.org\"\nsecret_env = \"x\"\nflows = [\"ff\"]", "c.toml:4: hooks.h.flows = \"ff\": no such flow; did you mean \"f\"?".into()),
        ("[log]\nlevel = \"loud\"", "c.toml:2: log.level = \"loud\": write \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\"".into()),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"", "c.toml:3: this is no TOML: duplicate key".into()),
    ] {
        assert_eq!(told(text), [expected], "{text}");
    }
}

#[test]
fn secrets_are_read_and_never_repeated() {
    let hook = "[hooks.h]\nurl = \"https://x.org\"\n";
    for (keys, expected) in [
        ("secret_file = \"absent\"", "hooks.h.secret_file = \"absent\": it cannot be read: it is not there"),
        ("secret_env = \"empty\"", "hooks.h.secret_env = \"empty\": it is empty; put the secret in"),
        (
            "secret_credential = \"broken\"",
            "hooks.h.secret_credential = (withheld): begins with whsec_ and is no base64 after that; copy it whole",
        ),
        ("secret_file = \"x\"\nsecret_env = \"y\"", "hooks.h.secret_env = \"y\": secret_file says where it is already; keep one of them"),
        (
            "secret_file = \"x\"\nsecret = \"hunter2\"",
            "hooks.h.secret = (withheld): secrets never stand in this file; write secret_file, and renew the secret",
        ),
        (
            "secret_file = \"x\"\napi_key = \"hunter2\"",
            "hooks.h.api_key = (withheld): unknown key; there are allow_private, events, flows, secret_credential, secret_env, secret_file, url",
        ),
    ] {
        let told = told(&format!("{hook}{keys}"));
        assert!(told.len() == 1 && told[0].ends_with(expected) && !told[0].contains("hunter2"), "{keys}: {told:?}");
    }
    let twice = "[server.tokens.a]\nscopes = [\"read\"]\nenv = \"same\"\n[server.tokens.b]\nscopes = [\"read\"]\nenv = \"same\"";
    assert!(told(twice)[0].contains("has the same secret as server.tokens.a"));
    assert!(!format!("{:?}", parse(FULL).unwrap()).contains("a long enough secret"));
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    for (text, expected) in [
        (
            "flows.g.enable_follow_up = true\nflows.g.follow_up_delay = 5",
            "4: flows.g.follow_up_delay = 5: outside 30 minutes to 23 hours, so it became 30 minutes",
        ),
        (
            "flows.g.follow_up_delay = 45",
            "3: flows.g.enable_follow_up = false: no follow-up of this flow goes out; write enable_follow_up = true",
        ),
        (
            "flows.f.expires_after = \"1h\"\nflows.f.steps = [{ delay = \"1h\", message = \"x\" }]",
            "4: flows.f.steps[0].delay = \"1h\": never sent: the conversation expires after 1h of silence (expires_after)",
        ),
        (
            "flows.f.max_lateness = \"2d\"",
            "3: flows.f.max_lateness = \"2d\": has no effect: the conversation expires after 2d anyhow (expires_after)",
        ),
        (
            "flows.f.session.when_closed = [\"template\"]",
            "3: flows.f.session.when_closed = [\"template\"]: \"template\" is passed over: session.template names none",
        ),
        (
            "server.listen = \"0.0.0.0:1\"",
            "3: server.listen = \"0.0.0.0:1\": can be reached from other machines, and no token is configured: every request but health will be refused",
        ),
        (
            "hooks.h = { url = \"http://x.org/\", secret_env = \"x\" }",
            "3: hooks.h.url = \"http://x.org/\": is called in plain text over the network; https would keep people's messages from others",
        ),
        (
            "hooks.h = { url = \"https://x.org/\", secret_env = \"short\" }",
            "3: hooks.h.secret_env = (withheld): is shorter than 16 bytes and could be guessed",
        ),
    ] {
        assert_eq!(warned(text), [expected], "{text}");
    }
}

#[test]
fn no_line_and_no_flow_is_a_mistake() {
    let mistakes = parse("").unwrap_err().to_string();
    assert_eq!(
        mistakes,
        "c.toml: flows is missing: write [flows.NAME] and below it enable_follow_up = true\n\
         c.toml: lines is missing: write [lines.NAME] and below it provider = \"console\" or \"webhook\""
    );
}

#[test]
fn ids_of_flows_differ() {
    let id = "IPF0123456789abcdef0123456789abcdef";
    let text = format!("flows.g = {{ id = \"{id}\" }}\nflows.h = {{ id = \"{}\" }}", id.to_uppercase());
    assert_eq!(told(&text), [format!("c.toml:2: flows.h.id = {:?}: flows.g has this id already; write another", id.to_uppercase())]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mut table: Table = FULL.parse().unwrap();
    let paths = paths(&table);
    for path in &paths {
        *at(&mut table, path) = Value::Datetime("07:32:00".parse().unwrap());
    }
    let mistakes = parse(&toml::to_string(&table).unwrap()).unwrap_err();
    let told: Vec<&str> = mistakes.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    // What a provider needs is asked once the provider is known, names of flows once there are flows, and a time is a text.
    let after: Vec<String> = paths.iter().map(|path| path.join(".")).filter(|path| !told.iter().any(|key| covers(key, path))).collect();
    assert!(mistakes.mistakes.len() > 40, "{mistakes}");
    let texts = [
        "start_business_hours",
        "end_business_hours",
        "template",
        "message",
        "yes",
        "no",
        "path",
        "file",
        "flow",
        "url",
        "format",
        "timeout",
        "allow_private",
    ];
    let unexpected: Vec<&String> = after.iter().filter(|path| !texts.iter().any(|text| path.ends_with(text))).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}\n{mistakes}");
}

#[test]
fn every_key_refuses_every_wrong_type() {
    let full: Table = FULL.parse().unwrap();
    let (mut tried, mut paths_seen) = (0, 0);
    for path in paths(&full) {
        paths_seen += 1;
        let right = at(&mut full.clone(), &path).clone();
        let wrong = ["true", "-7", "0.5", "\"\"", "[[]]", "{ x = 1 }", "[1]"]
            .map(|text| format!("v = {text}").parse::<Table>().unwrap()["v"].clone());
        for value in wrong {
            if value.same_type(&right) && (value.is_bool() || value.is_table()) {
                continue;
            }
            let name = path.join(".");
            // A window may be none, and a template may be left empty.
            if (name.ends_with("session") && value.is_bool()) || (name.ends_with("template") && value.as_str() == Some("")) {
                continue;
            }
            let mut broken = full.clone();
            *at(&mut broken, &path) = value.clone();
            let text = toml::to_string(&broken).unwrap();
            let mistakes = parse(&text).expect_err(&format!("{name} = {value}"));
            let told = mistakes.mistakes.iter().find(|mistake| covers(&mistake.key, &name));
            let told = told.unwrap_or_else(|| panic!("{name} = {value} is told as {mistakes}"));
            let line = text.lines().nth(told.line - 1).unwrap_or_default();
            assert!(path.iter().any(|part| line.contains(part.as_str())), "{told} is not at line {line:?}");
            tried += 1;
        }
    }
    assert!(paths_seen > 55 && tried > 300, "{tried} values for {paths_seen} keys");
}

/// Whether a mistake of `key` speaks of the value at `path`.
fn covers(key: &str, path: &str) -> bool {
    let key = key.replace("[0]", ".0");
    key == path || key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

/// Every key of the document, tables and lists of tables included where a key names them.
fn paths(table: &Table) -> Vec<Vec<String>> {
    fn walk(path: &[String], value: &Value, found: &mut Vec<Vec<String>>) {
        let inside: Vec<(String, &Value)> = match value {
            Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(list) if list.iter().all(Value::is_table) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
            _ => Vec::new(),
        };
        if inside.is_empty() || ["calendar", "session", "steps"].iter().any(|key| path.last().is_some_and(|last| last == key)) {
            found.push(path.to_vec());
        }
        for (key, value) in inside {
            walk(&[path, &[key]].concat(), value, found);
        }
    }
    let mut found = Vec::new();
    walk(&[], &Value::Table(table.clone()), &mut found);
    // The deepest first, so that a whole document can be changed key by key.
    found.sort_by_key(|path| std::cmp::Reverse(path.len()));
    found
}

fn at<'t>(table: &'t mut Table, path: &[String]) -> &'t mut Value {
    let (first, rest) = path.split_first().unwrap();
    rest.iter().fold(table.get_mut(first).unwrap(), |value, part| match value {
        Value::Array(list) => &mut list[part.parse::<usize>().unwrap()],
        other => other.get_mut(part).unwrap(),
    })
}

#[test]
fn a_reload_says_what_changed() {
    let old = parse(FULL).unwrap();
    assert_eq!(diff::diff(&old, &old), []);
    let text = FULL
        .replace("follow_up_delay = 45", "follow_up_delay = 60")
        .replace("8787", "8789")
        .replace("secret_file = \"crm\"", "secret_file = \"renewed\"")
        .replace("max_lateness = \"6h\"\n", "")
        + "[flows.g]\n";
    let changed: Vec<(String, bool)> = diff::diff(&old, &parse(&text).unwrap()).into_iter().map(|c| (c.what, c.restart)).collect();
    for (what, restart) in [
        ("flows.f.follow_up_delay: 45 is now 60", false),
        ("flows.f.max_lateness: \"6h\" is gone", false),
        ("flows.g.enable_follow_up: false is new", false),
        ("hooks.crm.secret_file: \"crm\" is now \"renewed\"", false),
        ("server.listen: \"127.0.0.1:8787\" is now \"127.0.0.1:8789\"", true),
    ] {
        assert!(changed.contains(&(what.to_owned(), restart)), "{what} is not in {changed:#?}");
    }
    assert!(changed.iter().all(|(what, _)| !what.contains("long enough")), "{changed:?}");
    // The same place, another secret: known by its mark alone.
    let renewed = config::parse(FULL, "c.toml", &Withheld).unwrap();
    assert!(diff::diff(&old, &renewed).iter().any(|c| c.what == "hooks.crm.secret_file: the secret there is another one now"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_damage_panics(cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[\\[\\]{}=\"'.,#a-z0-9\n-]{0,6}"), 1..6)) {
        let mut text: Vec<char> = FULL.chars().collect();
        for (at, length, put) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(mistakes) = parse(&text) {
            prop_assert!(!mistakes.mistakes.is_empty());
            prop_assert!(mistakes.mistakes.iter().all(|m| m.line <= text.lines().count() + 1 && !m.to_string().contains("long enough")));
        }
    }
}

//! How mistakes of a configuration are told: each with its line, key, value and cure, all at once, whatever is written.
//! Not the example (`config_example`) and not the verb that prints them (`check`).

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use reengaged::config::{self, Config, Mistake, Mistakes, SecretSource, Withheld, diff};
use reengaged::conversation::{Finish, OnYes};
use reengaged::schedule::{Otherwise, Session, WhenClosed};
use toml::{Table, Value};

/// A configuration with every key that can stand beside the others.
const FULL: &str = include_str!("config/full.toml");

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

/// What is told of `text` below [`LEAST`]: mistakes after `> `, warnings after `~ `, their lines counted from there.
fn told(text: &str) -> Vec<String> {
    let (mistakes, warnings) = match parse(&format!("{LEAST}{text}")) {
        Ok(config) => (Vec::new(), config.warnings),
        Err(Mistakes { mistakes, warnings }) => (mistakes, warnings),
    };
    let above = LEAST.lines().count();
    let numbered = |mistake: Mistake| Mistake { line: mistake.line.saturating_sub(above), ..mistake }.to_string();
    let mistakes = mistakes.into_iter().map(|mistake| format!("> {}", numbered(mistake)));
    mistakes.chain(warnings.into_iter().map(|warning| format!("~ {}", numbered(warning)))).collect()
}

#[test]
fn the_full_configuration_is_right() {
    let config = parse(FULL).unwrap();
    assert_eq!((config.lines.len(), config.hooks.len(), config.server.tokens.len()), (6, 1, 1));
    let policy = config.book.policy("b", "f").unwrap();
    assert_eq!(policy.text(1), "Seguimos?");
    assert_eq!(policy.expires_after, 48 * 3_600_000);
    assert_eq!(config.book.lines["a"].rate, Some(20));
    assert_eq!(config.book.lines["b"].flow, None);
    assert!(config.book.hooks[0].wants("conversation.resumed", "f") && !config.book.hooks[0].wants("conversation.expired", "f"));
    assert_eq!(config.flow("IPF0123456789abcdef0123456789abcdef").unwrap().0, "f");
    assert_eq!(config.server.tokens[0].secrets[0].expose(), "a long enough secret called bot");
    assert_eq!(config.server.trusted_proxies.addresses.len(), 2);
    assert!(config.server.trusted_proxies.unix);
    let asked = &config.book.questions["q"];
    assert_eq!((asked.len(), asked[1].choices(), config.book.questions.len()), (7, vec!["Rojo".to_owned(), "Verde".to_owned()], 1));
    let policy = config.book.policy("a", "q").unwrap();
    assert_eq!((policy.asks, policy.closing.as_deref(), &*policy.choices_label), (true, Some("Listo, {{.who}}"), "Opciones"));
    assert_eq!(config.book.completion("f", "Tu proceso HA TERMINADO."), Some(Finish::Succeeded));
}

/// A configuration with a line of each provider and nothing but what it cannot be without.
const REAL: &str = include_str!("config/real.toml");

#[test]
fn each_line_has_the_defaults_of_its_provider() {
    let config = parse(REAL).unwrap();
    for (name, rate, gap, daily, wait) in [
        ("cloud", Some(80), 6_000, Some(250), 60_000),
        ("gup", Some(20), 6_000, Some(250), 60_000),
        ("twi", Some(80), 6_000, Some(250), 60_000),
        ("tru", Some(20), 0, None, 60_000),
        ("own", None, 0, None, 0),
        ("out", None, 0, None, 0),
    ] {
        let line = &config.book.lines[name];
        assert_eq!((line.rate, line.pair_gap, line.daily, line.catch_up_wait), (rate, gap, daily, wait), "{name}");
    }
    let able = |name: &str| {
        let can = config.book.lines[name].capabilities;
        [can.free_text, can.buttons, can.template, can.correlation, can.recipient]
    };
    assert_eq!(able("cloud"), [true; 5]);
    assert_eq!((able("gup"), able("twi")), ([true, true, true, false, true], [true, true, true, false, true]));
    assert_eq!((able("tru"), able("own")), ([false, true, true, false, true], [true, true, true, false, false]));
}

#[test]
fn a_flow_has_the_rules_of_the_line_that_it_is_on() {
    let config = parse(REAL).unwrap();
    let policy = |line: &str, flow: &str| config.book.policy(line, flow).unwrap();
    for (line, window) in [("cloud", true), ("gup", true), ("twi", true), ("own", false), ("out", false)] {
        assert_eq!(policy(line, "chat").rules.session, window.then(Session::default), "{line}");
        assert_eq!(policy(line, "chat").on_yes, OnYes::Ask);
        // What the flow says itself holds on every line.
        assert_eq!(policy(line, "sent").rules.session.as_ref().unwrap().window, 1_440 * 60_000, "{line}");
    }
    let sent = policy("tru", "sent");
    let session = sent.rules.session.as_ref().unwrap();
    assert_eq!((session.window, session.margin, session.template.is_some()), (0, 0, true));
    assert_eq!(session.when_closed, WhenClosed::new(&[Otherwise::Template, Otherwise::Skip]));
    assert_eq!(sent.on_yes, OnYes::Hook);
    assert_eq!(policy("cloud", "chat").template_vars, [Arc::from("name"), Arc::from("city")]);
    assert_eq!(policy("cloud", "sent").template_vars, [Arc::from("city")]);
    let off = parse(&REAL.replace("[flows.sent]", "session = false\n[flows.sent]")).unwrap();
    assert_eq!(off.book.policy("cloud", "chat").unwrap().rules.session, None);
    let forwarded = parse(&REAL.replace("token_env = \"t\"\napp", "token_env = \"t\"\nforward_to = \"http://[::1]:1/\"\napp")).unwrap();
    assert_eq!(forwarded.book.policy("cloud", "chat").unwrap().on_yes, OnYes::Hook);
    assert_eq!(forwarded.lines["cloud"].forward.as_ref().unwrap().timeout, 8_000);
    assert_eq!(forwarded.book.policy("gup", "chat").unwrap().on_yes, OnYes::Ask);
}

#[test]
fn what_a_line_cannot_do_is_told_by_line_and_flow() {
    let told = |config: Result<Config, Mistakes>| match config {
        Ok(config) => config.warnings,
        Err(Mistakes { mistakes, .. }) => mistakes,
    };
    let all = told(parse(REAL));
    let able: Vec<&Mistake> = all.iter().filter(|warning| warning.cure.contains("\"tru\"")).collect();
    assert_eq!(able.len(), 1, "{all:?}");
    assert!(able[0].key == "flows.chat.session.template" && able[0].cure.contains("an event may choose it"), "{able:?}");
    let own = told(parse(&REAL.replace("flow = \"sent\"", "flow = \"chat\"")));
    assert_eq!(
        own.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["c.toml:31: flows.chat.session.template is missing: line \"tru\" (truora) sends approved templates alone; write the \
          template's id, or give the line another flow"]
    );
    let asks = told(parse(&REAL.replace("session.template_vars = [\"city\"]", "on_yes = \"ask\"")));
    assert_eq!(asks.len(), 1, "{asks:?}");
    assert!(asks[0].key == "flows.sent.on_yes" && asks[0].cure.contains("line \"tru\""), "{asks:?}");
}

#[test]
fn mistakes_and_warnings_are_told_as_they_were() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config/told.txt");
    let text = std::fs::read_to_string(&golden).unwrap();
    let is_told = |line: &&str| line.starts_with("> ") || line.starts_with("~ ");
    let mut now = Vec::new();
    for case in text.trim_end().split("\n\n").map(str::trim) {
        let case: Vec<&str> = case.lines().filter(|line| !is_told(line)).collect();
        let case = case.join("\n");
        let answers = told(&case);
        assert!(!answers.is_empty(), "nothing is told of\n{case}");
        assert!(!answers.iter().any(|line| line.contains("hunter2")), "a secret is repeated: {answers:?}");
        now.push(format!("{case}\n{}\n", answers.join("\n")));
    }
    let now = now.join("\n");
    #[allow(clippy::disallowed_methods)]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(&golden, &now).unwrap();
    }
    assert!(now.matches("> ").count() > 45 && now.matches("\n~ ").count() > 10);
    for (line, (is, was)) in now.lines().zip(text.lines()).enumerate() {
        assert_eq!(is, was, "{}:{}; UPDATE_GOLDEN=1 rewrites it, then read the diff", golden.display(), line + 1);
    }
    assert_eq!(now.lines().count(), text.lines().count());
}

#[test]
fn secrets_do_not_print_themselves() {
    assert!(!format!("{:?}", parse(FULL).unwrap()).contains("a long enough secret"));
}

#[test]
fn no_line_and_no_flow_is_a_mistake() {
    let mistakes = parse("").unwrap_err().to_string();
    assert_eq!(
        mistakes,
        "c.toml: flows is missing: write [flows.NAME] and below it enable_follow_up = true\n\
         c.toml: lines is missing: write [lines.NAME] and below it provider = \"whatsapp_cloud\", or \"console\" to try"
    );
}

#[test]
fn ids_of_flows_differ() {
    let id = "IPF0123456789abcdef0123456789abcdef";
    let text = format!("flows.g = {{ id = \"{id}\" }}\nflows.h = {{ id = \"{}\" }}", id.replace('a', "A"));
    let expected = format!("> c.toml:2: flows.h.id = {:?}: flows.g has this id already; write another", id.replace('a', "A"));
    assert_eq!(told(&text)[0], expected);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mut table: Table = FULL.parse().unwrap();
    let containers = ["calendar", "session", "steps", "completions", "questions", "provider", "min", "max"];
    let paths: Vec<Vec<String>> =
        paths(&table).into_iter().filter(|path| !containers.iter().any(|key| path.ends_with(&[(*key).into()]))).collect();
    for path in &paths {
        *at(&mut table, path) = Value::Float(0.5);
    }
    let mistakes = parse(&toml::to_string(&table).unwrap()).unwrap_err();
    for path in paths.iter().map(|path| path.join(".")) {
        assert!(mistakes.mistakes.iter().any(|mistake| covers(&mistake.key, &path)), "{path} is not in\n{mistakes}");
    }
    assert_eq!(mistakes.mistakes.len(), paths.len(), "one for each, and no other:\n{mistakes}");
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
            // A bound may be any number.
            if (name.ends_with(".min") || name.ends_with(".max")) && (value.is_integer() || value.is_float()) {
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
    let key = key.replace('[', ".").replace(']', "");
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
        if inside.is_empty()
            || ["calendar", "session", "steps", "completions", "questions"].iter().any(|key| path.last().is_some_and(|last| last == key))
        {
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
        ("flows.f.max_lateness: \"6h\" is now (not set)", false),
        ("flows.g.enable_follow_up: false is new", false),
        ("hooks.crm.secret_file: \"crm\" is now \"renewed\"", false),
        ("server.listen: \"127.0.0.1:8787\" is now \"127.0.0.1:8789\"", true),
    ] {
        assert!(changed.contains(&(what.to_owned(), restart)), "{what} is not in {changed:#?}");
    }
    assert!(changed.iter().all(|(what, _)| !what.contains("long enough")), "{changed:?}");
    assert_eq!(diff::Changed { what: "a: 1 is now 2".into(), restart: true }.to_string(), "a: 1 is now 2 (in force after a restart)");
    // The same place, another secret: known by its mark alone.
    let renewed = config::parse(FULL, "c.toml", &Withheld).unwrap();
    assert!(diff::diff(&old, &renewed).iter().any(|c| c.what == "hooks.crm.secret_file: the secret there is another one now"));
}

/// A place, how much is cut there, and what is put instead.
fn cut() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    (any::<prop::sample::Index>(), 0usize..12, "[\\[\\]{}=\"'.,#a-z0-9\n-]{0,6}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_damage_panics(cuts in prop::collection::vec(cut(), 1..6)) {
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

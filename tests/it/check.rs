//! The verb `check`: what it prints, where, and its exit code. Not the mistakes themselves: `config` has those.

use std::path::PathBuf;

use reengaged::cli::check::{Options, run};
use reengaged::moment::Moment;

/// Runs the verb on a file of this text: exit code, output, errors; the file's path reads `FILE`.
fn check(text: &str, explain: bool, json: bool) -> (u8, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let now = Moment::parse("2026-03-04T10:00:00Z").unwrap();
    let code = run(Some(path.clone()), &Options { explain, json }, now, &mut out, &mut err).unwrap();
    let shown = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&path.display().to_string(), "FILE");
    (code, shown(out), shown(err))
}

const RIGHT: &str = "lines.a.provider = \"console\"\nflows.f.enable_follow_up = true\nflows.f.follow_up_delay = 45\n";

#[test]
fn a_right_configuration_is_fine() {
    assert_eq!(check(RIGHT, false, false), (0, "FILE: fine\n".into(), String::new()));
    let (code, out, err) = check("lines.a.provider = \"console\"\nflows.f.follow_up_delay = 45\n", false, false);
    assert_eq!((code, out.as_str()), (0, "FILE: fine; 0 mistakes, 1 warning\n"));
    assert!(err.starts_with("warning: FILE:2: flows.f.enable_follow_up is missing: "), "{err}");
}

#[test]
fn every_mistake_is_printed_and_the_exit_code_is_2() {
    let (code, out, err) = check("lines.a.provider = 5\nflows.f.yes = \"\"\n", true, false);
    assert_eq!((code, out.as_str()), (2, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        lines[0],
        "FILE:1: lines.a.provider = 5: write \"whatsapp_cloud\", \"gupshup\", \"twilio\", \"truora\", \"webhook\" or \"console\""
    );
    assert_eq!(lines[1], "FILE:2: flows.f.yes = \"\": write 1 to 20 characters; these are 0");
    assert_eq!(lines.last(), Some(&"FILE: 2 mistakes, 1 warning"));
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let mut err = Vec::new();
    let code = run(Some(PathBuf::from("no/such.toml")), &Options::default(), Moment(0), &mut Vec::new(), &mut err).unwrap();
    let err = String::from_utf8(err).unwrap();
    assert_eq!(code, 2);
    assert!(err.starts_with("no/such.toml: the configuration cannot be read: No such file"), "{err}");
}

#[test]
fn explain_tells_the_values_in_force_and_the_shares() {
    let (code, out, _) = check(RIGHT, true, false);
    assert_eq!(code, 0);
    for line in [
        "# server.listen = \"127.0.0.1:8787\"",
        "# server.webhooks is not set",
        "  flows.f.follow_up_delay = 45",
        "flow f: the first follow-up, for a silence that begins at each minute of the week from Monday 2026-03-09 UTC, \
         a week without holidays and changes of clocks.",
        "  at once    45.8 %  goes when the wait is over",
        "  deferred   54.2 %  waits for the next opening",
        "  advanced    0.0 %  is brought forward into the messaging window",
        "  template    0.0 %  needs the approved template",
        "  dropped     0.0 %  is not sent",
    ] {
        assert!(out.lines().any(|printed| printed == line), "{line:?} is not in\n{out}");
    }
}

#[test]
fn where_lines_differ_each_is_told() {
    let hours = "flows.f.calendar = { timezone = \"Etc/UTC\", hours = \"Mo 10:00-11:00\" }\n";
    let own = "lines.b = { provider = \"webhook\", url = \"http://127.0.0.1:1/\", secret_env = \"PATH\" }\n";
    let gupshup =
        "lines.t = { provider = \"gupshup\", phone = \"57317770000\", app = \"a\", api_key_env = \"PATH\", allow_from = [\"::1\"] }\n";
    let (code, out, _) = check(&format!("{RIGHT}{hours}{own}{gupshup}"), true, false);
    assert_eq!(code, 0, "{out}");
    let told: Vec<&str> = out.lines().filter(|line| line.starts_with("flow f") || line.contains("  dropped")).collect();
    assert!(told[0].starts_with("flow f on a, b: ") && told[1].contains(" 0.0 %"), "{told:?}");
    assert!(
        told[2].starts_with("flow f on t: ") && !told[3].contains(" 0.0 %"),
        "without a template, what the window misses is dropped: {told:?}"
    );
    let (_, out, _) = check(&format!("{RIGHT}{hours}{own}{gupshup}"), true, true);
    let flow = &serde_json::from_str::<serde_json::Value>(&out).unwrap()["flows"]["f"];
    assert_eq!((&flow["lines"]["b"]["dropped"], &flow["dropped"]), (&serde_json::json!(0), &serde_json::json!(0)));
    assert!(flow["lines"]["t"]["dropped"].as_u64() > Some(0), "{flow}");
}

#[test]
fn json_says_the_same() {
    let (code, out, err) = check(RIGHT, true, true);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!((answer["fine"].as_bool(), answer["mistakes"].as_array().unwrap().len()), (Some(true), 0));
    let flow = &answer["flows"]["f"];
    assert_eq!((flow["at_once"].as_u64(), flow["deferred"].as_u64(), flow["minutes"].as_u64()), (Some(4_620), Some(5_460), Some(10_080)));
    assert!(answer["settings"].as_array().unwrap().iter().any(|s| s["key"] == "store.path" && s["given"] == false));

    let (code, out, err) = check("lines.a.provider = 5\n", true, true);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), answer["fine"].as_bool()), (2, "", Some(false)));
    assert!(answer["mistakes"].as_array().unwrap().iter().any(|m| m["line"] == 1 && m["key"] == "lines.a.provider" && m["value"] == "5"));
}

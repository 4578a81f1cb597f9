//! What must not stand in the program's source, whatever clippy says: comparisons of signatures that take longer the more agrees,
//! clients that follow redirects, TLS that accepts anything, unsafe code, SQL and patterns. Not the layers: `tidy` has those.

use std::path::Path;

/// The program's source, without comments and without the tests beside it.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder of the source").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&entry).expect("a source");
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                found.push((entry.display().to_string(), lines.join("\n")));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 150, "{} files", found.len());
    found
}

/// The lines in which all of `words` stand, outside the files that may.
fn lines(words: &[&str], but: &[&str]) -> Vec<String> {
    let sources = sources();
    let files = sources.iter().filter(|(path, _)| !but.iter().any(|end| path.ends_with(end)));
    let lines = files.flat_map(|(path, code)| code.lines().map(move |line| format!("{path}: {}", line.trim())));
    lines.filter(|line| words.iter().all(|word| line.to_lowercase().contains(word))).collect()
}

#[test]
fn signatures_and_tokens_are_compared_in_constant_time() {
    for word in ["signature", "digest", "hmac", "token"] {
        for operator in ["==", "!="] {
            let mut found = lines(&[word, operator], &[]);
            // Names of things, and lengths, are no secrets.
            found.retain(|line| ![".len()", "name", "algorithm", "assert"].iter().any(|word| line.contains(word)));
            assert!(found.is_empty(), "compare it with subtle, or Mac::verify_slice: {found:#?}");
        }
    }
    for (file, way) in [
        ("src/shapes/signature.rs", "verify_slice"),
        ("src/provider/whatsapp/read.rs", "ct_eq"),
        ("src/provider/twilio/signature.rs", "verify_slice"),
        ("src/provider/truora/token.rs", "verify_slice"),
        ("src/provider/remote.rs", "ct_eq"),
        ("src/http/auth.rs", "ct_eq"),
    ] {
        let sources = sources();
        let (_, code) = sources.iter().find(|(path, _)| path.ends_with(file)).unwrap_or_else(|| panic!("{file} is gone"));
        assert!(code.contains(way), "{file} compares in another way than by {way}");
    }
}

#[test]
fn one_client_calls_out_and_it_accepts_no_false_certificate() {
    let built = lines(&["reqwest::client::builder"], &[]);
    assert!(built.len() == 1 && built[0].contains("provider/client.rs"), "{built:#?}");
    for word in ["reqwest::client::new", "reqwest::get", "danger_accept", "dangerous()", "accept_invalid"] {
        assert_eq!(lines(&[word], &[]), Vec::<String>::new(), "{word}");
    }
    let client = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/client.rs")).expect("the client");
    for rule in ["redirect::Policy::none()", "retry::never()", "no_proxy()", "referer(false)", "connect_timeout", "pool_idle_timeout"] {
        assert!(client.contains(rule), "{rule} is gone from the one client");
    }
}

#[test]
fn nothing_in_it_is_unsafe_no_query_is_put_together_and_no_pattern_comes_from_outside() {
    let manifest = include_str!("../../../Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""), "unsafe code is forbidden, not denied: no `allow` lifts that");
    assert_eq!(lines(&["unsafe "], &[]), Vec::<String>::new());
    for word in ["select ", "insert into", "delete from"] {
        assert_eq!(lines(&[&format!("\"{word}")], &[]), Vec::<String>::new(), "there is no SQL in this release");
    }
    let direct: Vec<&str> =
        manifest.lines().filter(|line| ["regex", "handlebars", "tera"].iter().any(|name| line.starts_with(name))).collect();
    assert!(direct.is_empty(), "patterns and templates of people are read by our own code, in one pass: {direct:?}");
}

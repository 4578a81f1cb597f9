//! JSON in the order in which the providers write it: they sign bytes, so bytes are what is made here. Not a parser.

/// An object of these members; each value is JSON already.
pub(super) fn object<K: AsRef<str>>(members: impl IntoIterator<Item = (K, String)>) -> String {
    let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{}:{value}", text(name.as_ref()))).collect();
    format!("{{{}}}", members.join(","))
}

/// An array of these values; each is JSON already.
pub(super) fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

/// A text.
pub(super) fn text(text: impl AsRef<str>) -> String {
    serde_json::Value::from(text.as_ref()).to_string()
}

/// The same JSON with everything but ASCII as `\u00f1` and `/` as `\/`: how Meta writes its webhooks.
pub(super) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

/// The same JSON without the space between its parts, order kept: a fixture as it would be on the wire.
pub(super) fn compact(json: &str) -> String {
    let (mut inside, mut escape) = (false, false);
    let keep = |c: &char| {
        let kept = inside || !c.is_ascii_whitespace();
        inside ^= *c == '"' && !escape;
        escape = inside && *c == '\\' && !escape;
        kept
    };
    json.chars().filter(keep).collect()
}

#[test]
fn json_keeps_its_order_and_its_bytes() {
    assert_eq!(object([("b", text("ñ \"/\"")), ("a", array(["1".to_owned()]))]), "{\"b\":\"ñ \\\"/\\\"\",\"a\":[1]}");
    assert_eq!(escaped("\"Sí 😀 a/b\""), "\"S\\u00ed \\ud83d\\ude00 a\\/b\"");
    assert_eq!(compact("{ \"a b\": [1,\n 2], \"q\\\" \": \"\\\\\" }\n"), "{\"a b\":[1,2],\"q\\\" \":\"\\\\\"}");
}

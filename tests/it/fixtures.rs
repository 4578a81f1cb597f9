//! The fixtures of providers' webhooks as deliveries: bodies byte for byte, with the request lines and headers of `SIGNATURES.json`.
//!
//! Not their reading: `readers*.rs` has that.

use std::fs;

use reengaged::engine::ports::Webhook;
use serde_json::Value;

/// A webhook's delivery, whole.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) peer: Option<&'static str>,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    pub(crate) fn new(target: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Delivery {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Delivery { target: target.into(), headers, peer: None, body: body.into() }
    }

    pub(crate) fn hook(&self) -> Webhook<'_> {
        Webhook { target: &self.target, headers: &self.headers, peer: self.peer, body: &self.body }
    }
}

/// The bytes of a fixture, as `whatsapp_cloud/in_text.json`.
pub(crate) fn body(file: &str) -> Vec<u8> {
    let path = crate::shared().join("fixtures").join(file);
    fs::read(&path).unwrap_or_else(|e| panic!("the fixtures are at hand (REENGAGED_SHARED): {}: {e}", path.display()))
}

/// The names of the fixtures of a folder, in order.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(crate::shared().join("fixtures").join(folder)).expect("the fixtures are at hand (REENGAGED_SHARED)");
    let mut names: Vec<String> = entries.map(|entry| entry.expect("a file").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// A secret of the fixtures, for tests alone.
pub(crate) fn secret(name: &str) -> String {
    signatures()["secrets"][name].as_str().unwrap_or_else(|| panic!("no secret {name}")).to_owned()
}

/// A delivery by its key in `SIGNATURES.json`: a file, or `file#another delivery of it`.
pub(crate) fn delivery(key: &str) -> Delivery {
    let request = &signatures()["requests"][key];
    let url = url::Url::parse(request["url"].as_str().unwrap_or_else(|| panic!("{key} is not in SIGNATURES.json"))).expect("a URL");
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let headers = request["headers"].as_object().expect("headers").iter();
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().expect("text").into())).collect();
    let file = key.split('#').next().unwrap_or(key);
    let body = if file.ends_with('/') { Vec::new() } else { body(file) };
    Delivery { target, headers, peer: None, body }
}

fn signatures() -> Value {
    serde_json::from_slice(&body("SIGNATURES.json")).expect("SIGNATURES.json is JSON")
}

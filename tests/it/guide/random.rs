//! Random forms: whatever is sent is answered, and never with a 5xx.
//!
//! Not what right forms do.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use proptest::prelude::*;
use reengaged::http::Tokens;
use tokio::runtime::Runtime;

use super::desk::{Guide, INBOUND, OUTBOUND, send};

/// One server for all cases.
fn server() -> &'static (Runtime, Mutex<Guide>) {
    static SERVER: OnceLock<(Runtime, Mutex<Guide>)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let guide = runtime.block_on(Guide::start(Tokens::default()));
        (runtime, Mutex::new(guide))
    })
}

fn asked(method: &str, path: &str, body: Vec<u8>) -> u16 {
    let (runtime, guide) = server();
    let guide = guide.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let asked = guide.raw(method, path, "application/x-www-form-urlencoded", body);
    // Longer than anything takes on a busy machine: what is not answered by then hangs.
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), asked).await }).expect("it hangs").0
}

/// A value of a field: often nearly right, sometimes anything.
fn value() -> BoxedStrategy<String> {
    prop_oneof![
        3 => prop::sample::select(INBOUND.iter().chain(&OUTBOUND).map(|(_, value)| (*value).to_owned()).collect::<Vec<_>>()),
        2 => prop::sample::select(vec!["true", "false", "IMAGE", "MARKETING", "https://my-page.com/a", "+573181230000", "57", "kyc"]).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => "[ -~]{0,40}",
        1 => (1..3_000usize).prop_map(|n| "ñ".repeat(n)),
        1 => "\\PC{0,9}\\{\\{\\.?[a-z ]{0,4}\\}?\\}?",
    ]
    .boxed()
}

fn name() -> BoxedStrategy<String> {
    let known: Vec<String> = INBOUND
        .iter()
        .chain(&OUTBOUND)
        .map(|(name, _)| *name)
        .chain(send("").into_iter().map(|(name, _)| name))
        .map(str::to_owned)
        .collect();
    let more = [
        "media_url",
        "call_to_action.phone.message",
        "call_to_action.phone.number",
        "call_to_action.url.message",
        "call_to_action.url.url",
    ];
    prop_oneof![
        9 => prop::sample::select(known),
        3 => prop::sample::select(more.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
    .boxed()
}

fn call() -> BoxedStrategy<(&'static str, String)> {
    let id = prop_oneof![Just(format!("OTB{}", "0".repeat(32))), Just(format!("INB{}", "a".repeat(32))), "[^/?#%\\x00-\\x20]{0,40}"];
    let id = id.prop_map(|id| url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>());
    prop_oneof![
        3 => Just(("POST", "/inbounds".to_owned())),
        3 => Just(("POST", "/outbounds".to_owned())),
        3 => Just(("POST", "/outbounds/send".to_owned())),
        2 => (prop::sample::select(vec!["GET", "PUT", "PATCH", "DELETE"]), id, any::<bool>())
            .prop_map(|(method, id, inbound)| (method, format!("/{}/{id}", if inbound { "inbounds" } else { "outbounds" }))),
    ]
    .boxed()
}

fn form() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((name(), value()), 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if crate::support::long() { 3_000 } else { 300 }, ..ProptestConfig::default() })]

    #[test]
    fn random_forms_are_answered_and_never_with_a_fault_of_ours((method, path) in call(), fields in form()) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let status = asked(method, &path, body.into_bytes());
        prop_assert!((200..500).contains(&status), "{method} {path}: {status}");
    }

    #[test]
    fn a_right_form_with_one_field_spoilt_is_right_or_refused((which, at) in (0..3usize, any::<prop::sample::Index>()), spoilt in value()) {
        let id = format!("OTB{}", "0".repeat(32));
        let (path, own) = [("/inbounds", INBOUND.to_vec()), ("/outbounds", OUTBOUND.to_vec()), ("/outbounds/send", send(&id))][which].clone();
        let mut fields: Vec<(String, String)> = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let at = at.index(fields.len());
        fields[at].1 = spoilt;
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let status = asked("POST", path, body.into_bytes());
        prop_assert!([200, 400, 404, 409].contains(&status), "{path} {}: {status}", fields[at].0);
    }

    #[test]
    fn random_bytes_are_answered((method, path) in call(), body in prop::collection::vec(any::<u8>(), 0..400)) {
        let status = asked(method, &path, body);
        prop_assert!((200..500).contains(&status), "{method} {path}: {status}");
    }
}

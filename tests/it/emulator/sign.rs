//! How each provider proves that a webhook is its own. Written apart from the program's checks, from the published rules. Not the bodies.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

/// `X-Hub-Signature-256`: HMAC-SHA256 of the body's bytes under the app's secret, in hexadecimal.
pub(crate) fn meta(secret: &str, body: &[u8]) -> String {
    let digest: String = hmac256(secret, body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digest}")
}

/// `X-Twilio-Signature`: HMAC-SHA1 of the public address and the fields sorted by name, under the auth token, in base64.
pub(crate) fn twilio(token: &str, address: &str, form: &[(String, String)]) -> String {
    let mut fields: Vec<&(String, String)> = form.iter().collect();
    fields.sort();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(address.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A JWT of these claims under a shared secret, by the algorithm of this name.
pub(crate) fn jwt(algorithm: &str, secret: &str, claims: &str) -> String {
    let head = format!("{{\"alg\":\"{algorithm}\",\"typ\":\"JWT\"}}");
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    let signature = match algorithm {
        "HS256" => hmac256(secret, signed.as_bytes()),
        "HS384" => digest::<Hmac<Sha384>>(secret, signed.as_bytes()),
        "HS512" => digest::<Hmac<Sha512>>(secret, signed.as_bytes()),
        other => panic!("{other} is no algorithm with a shared secret"),
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hmac256(secret: &str, bytes: &[u8]) -> Vec<u8> {
    digest::<Hmac<Sha256>>(secret, bytes)
}

fn digest<M: Mac + KeyInit>(secret: &str, bytes: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn the_published_vectors_hold() {
    assert_eq!(meta("secret", b"test"), "sha256=0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914");
    let fields = [
        ("Digits", "1234"),
        ("CallSid", "CA1234567890ABCDE"),
        ("To", "+18005551212"),
        ("Caller", "+14158675309"),
        ("From", "+14158675309"),
        ("ReasonConferenceEnded", "test"),
        ("Reason", "Participant"),
    ];
    let form: Vec<(String, String)> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(twilio("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", &form), "vOEb5UThFn24KEfnOFLQY2AE5FY=");
    // The example of RFC 7515, A.1, has other spaces in its head; the rule is the same.
    assert!(jwt("HS384", "k", "{}").starts_with("eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.e30."));
    assert_eq!(jwt("HS512", "k", "{}").rsplit('.').next().map(str::len), Some(86));
}

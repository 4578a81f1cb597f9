//! Signatures of [Standard Webhooks](https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body.
//!
//! Not a transport: what is signed here is sent by `provider/webhook.rs` and `hooks/`, and what comes in is read by `http/`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::moment::{MINUTE, Moment, SECOND};

/// How far the time of a signed message may lie from now, in milliseconds: the guard against one that is played again.
pub const TOLERANCE: i64 = 5 * MINUTE;

/// A key that signs. It prints as `SigningKey(..)`.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl SigningKey {
    /// Reads a secret: `whsec_` and base64, as Standard Webhooks writes it; any other text stands for its own bytes.
    ///
    /// # Errors
    /// What is wrong, to follow the secret's name; the secret itself is not in it.
    pub fn read(secret: &str) -> Result<SigningKey, &'static str> {
        let bytes = match secret.strip_prefix("whsec_") {
            Some(rest) => STANDARD.decode(rest).map_err(|_| "begins with whsec_ and is no base64 after that; copy it whole")?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return Err("is empty; make one with: head -c 32 /dev/urandom | base64");
        }
        Ok(SigningKey(Hmac::new_from_slice(&bytes).expect("HMAC takes a key of any length")))
    }

    fn over(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", seconds.to_string().as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

/// The three headers of a signed message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// `webhook-id`: the same whenever the message is sent again.
    pub id: String,
    /// `webhook-timestamp`: seconds since the epoch.
    pub timestamp: String,
    /// `webhook-signature`: one `v1,BASE64` for each key, so that a receiver may change to a new one in its own time.
    pub signature: String,
}

impl Signed {
    /// The headers by name.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [("webhook-id", &self.id), ("webhook-timestamp", &self.timestamp), ("webhook-signature", &self.signature)]
    }
}

/// Signs `body` as message `id` sent at `now`, with every key.
#[must_use]
pub fn sign(keys: &[SigningKey], id: &str, now: Moment, body: &[u8]) -> Signed {
    let seconds = now.0.div_euclid(SECOND);
    let signatures: Vec<String> =
        keys.iter().map(|key| format!("v1,{}", STANDARD.encode(key.over(id, seconds, body).finalize().into_bytes()))).collect();
    Signed { id: id.to_owned(), timestamp: seconds.to_string(), signature: signatures.join(" ") }
}

/// Checks a message that came in: its time is within [`TOLERANCE`] of `now`, and one of its signatures is by one of `keys`.
/// The comparison takes the same time wherever the signatures differ.
///
/// # Errors
/// What is wrong with it, in a few words.
pub fn verify(keys: &[SigningKey], signed: &Signed, body: &[u8], now: Moment) -> Result<(), &'static str> {
    let seconds: i64 = signed.timestamp.parse().map_err(|_| "webhook-timestamp is no number of seconds")?;
    if now.since(Moment(seconds.saturating_mul(SECOND))).saturating_abs() > TOLERANCE {
        return Err("webhook-timestamp is more than five minutes from now");
    }
    for text in signed.signature.split(' ').filter_map(|s| s.strip_prefix("v1,")) {
        let Ok(bytes) = STANDARD.decode(text) else { continue };
        if keys.iter().any(|key| key.over(&signed.id, seconds, body).verify_slice(&bytes).is_ok()) {
            return Ok(());
        }
    }
    Err("no webhook-signature is by a key of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_614_265_330_000);

    fn key(secret: &str) -> SigningKey {
        SigningKey::read(secret).unwrap()
    }

    /// The example that the implementations of Standard Webhooks share.
    #[test]
    fn signs_the_standard_example() {
        let keys = [key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let signed = sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, br#"{"test": 2432232314}"#);
        assert_eq!(signed.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(signed.headers()[1], ("webhook-timestamp", "1614265330"));
        assert_eq!(verify(&keys, &signed, br#"{"test": 2432232314}"#, NOW), Ok(()));
    }

    #[test]
    fn two_keys_make_two_signatures_and_either_is_enough() {
        let (old, new, other) = (key("an old secret, raw bytes"), key("whsec_bmV3IHNlY3JldCBvZiAyNCBieXRlcw=="), key("whsec_AAAA"));
        let signed = sign(&[new.clone(), old.clone()], "hk_1", NOW, b"{}");
        assert_eq!(signed.signature.split(' ').count(), 2);
        assert_eq!(verify(&[old], &signed, b"{}", NOW), Ok(()));
        assert_eq!(verify(&[other.clone(), new], &signed, b"{}", NOW), Ok(()));
        assert!(verify(&[other], &signed, b"{}", NOW).is_err());
        assert!(verify(&[], &signed, b"{}", NOW).is_err());
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let keys = [key("0123456789abcdef")];
        let good = sign(&keys, "id", NOW, b"body");
        let bad = [
            Signed { id: "other".into(), ..good.clone() },
            Signed { timestamp: "1614265331".into(), ..good.clone() },
            Signed { timestamp: "now".into(), ..good.clone() },
            Signed { timestamp: i64::MAX.to_string(), ..good.clone() },
            Signed { signature: String::new(), ..good.clone() },
            Signed { signature: "v1,".into(), ..good.clone() },
            Signed { signature: "v1,???".into(), ..good.clone() },
            Signed { signature: good.signature.replace("v1,", "v1a,"), ..good.clone() },
            Signed { signature: good.signature.replace("v1,", ""), ..good.clone() },
        ];
        for signed in &bad {
            assert!(verify(&keys, signed, b"body", NOW).is_err(), "{signed:?}");
        }
        assert!(verify(&keys, &good, b"bod", NOW).is_err());
        assert!(verify(&keys, &good, b"body", NOW.plus(TOLERANCE)).is_ok());
        assert!(verify(&keys, &good, b"body", NOW.plus(TOLERANCE + 1)).is_err());
        assert!(verify(&keys, &good, b"body", NOW.plus(-TOLERANCE - 1)).is_err());
    }

    #[test]
    fn secrets_are_read_and_never_printed() {
        assert!(SigningKey::read("whsec_not base64").unwrap_err().contains("base64"));
        assert!(SigningKey::read("whsec_").unwrap_err().contains("empty"));
        assert!(SigningKey::read("").is_err());
        assert_eq!(format!("{:?}", key("CANARY")), "SigningKey(..)");
    }
}

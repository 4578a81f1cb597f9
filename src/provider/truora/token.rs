//! A hook's token: a JWT in its compact form, signed with a secret that both sides share.
//!
//! Not what it says (`read.rs`), and not a general reader of JWT: the algorithm is the configured one, whatever the token's header
//! asks for, and its times (`exp`, `nbf`, `iat`) are not looked at. Whether Truora sends any is not confirmed, and a hook that comes
//! late, or twice, is harmless: what it tells is final, and its identity is kept.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::HookAlgorithm;
use crate::engine::ports::Forged;
use crate::provider::meta::hex;
use crate::provider::remote::Key;

/// A token, taken apart and not yet believed.
pub(super) struct Token<'a> {
    /// Header and payload, as they are signed.
    signed: Cow<'a, str>,
    /// The bytes of the signature, encoded.
    signature: String,
}

impl<'a> Token<'a> {
    /// The token that a body is: bare, or as a JSON text. `None` where it is none.
    pub(super) fn of(body: &'a [u8]) -> Option<Token<'a>> {
        let text = std::str::from_utf8(body).ok()?;
        let text = if text.starts_with('"') { Cow::Owned(serde_json::from_str::<String>(text).ok()?) } else { Cow::Borrowed(text) };
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') {
            return None;
        }
        let signature = signature.to_owned();
        let length = signed.len();
        let signed = match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
            Cow::Owned(mut text) => {
                text.truncate(length);
                Cow::Owned(text)
            }
        };
        Some(Token { signed, signature })
    }

    /// Proves that somebody with one of `secrets` signed it by `algorithm`; the comparison takes the same time wherever signatures
    /// differ.
    ///
    /// # Errors
    /// [`Forged`], where nobody did.
    pub(super) fn verify(&self, algorithm: HookAlgorithm, secrets: &[Key]) -> Result<(), Forged> {
        let header: Header = decoded(self.part(0)).ok_or(Forged("the token's header is no JSON"))?;
        if header.alg != name(algorithm) {
            return Err(Forged("the token is signed by another algorithm than the configured one"));
        }
        if header.crit.is_some() {
            return Err(Forged("the token asks for an extension that nobody here understands"));
        }
        let signature = URL_SAFE_NO_PAD.decode(&self.signature).map_err(|_| Forged("the token's signature is no base64url"))?;
        let signs = match algorithm {
            HookAlgorithm::Hs256 => signs::<Hmac<Sha256>>,
            HookAlgorithm::Hs384 => signs::<Hmac<Sha384>>,
            HookAlgorithm::Hs512 => signs::<Hmac<Sha512>>,
        };
        if secrets.iter().any(|secret| signs(secret, self.signed.as_bytes(), &signature)) {
            return Ok(());
        }
        Err(Forged("the token is signed with none of the secrets of this line"))
    }

    /// What it claims: JSON, not yet read. `None` where it is no text.
    pub(super) fn claims(&self) -> Option<String> {
        String::from_utf8(URL_SAFE_NO_PAD.decode(self.part(1)).ok()?).ok()
    }

    /// What tells it from every other: a hash of what is signed.
    pub(super) fn digest(&self) -> String {
        hex(&Sha256::digest(self.signed.as_bytes()))
    }

    fn part(&self, at: usize) -> &str {
        self.signed.split('.').nth(at).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<IgnoredAny>,
}

/// The word for an algorithm in a token's header.
fn name(algorithm: HookAlgorithm) -> &'static str {
    match algorithm {
        HookAlgorithm::Hs256 => "HS256",
        HookAlgorithm::Hs384 => "HS384",
        HookAlgorithm::Hs512 => "HS512",
    }
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn signs<M: Mac + KeyInit>(secret: &Key, signed: &[u8], signature: &[u8]) -> bool {
    let mut mac = <M as KeyInit>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(signed);
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "test-only-truora-hook-secret";

    /// A token with this header and these claims, signed by HS256 with the secret of the tests.
    pub(in crate::provider::truora) fn token(header: &str, claims: &str) -> String {
        signed_by::<Hmac<Sha256>>(header, claims)
    }

    fn signed_by<M: Mac + KeyInit>(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut mac = <M as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn verify(body: &str, algorithm: HookAlgorithm, secrets: &[&str]) -> Result<(), Forged> {
        let secrets: Vec<Key> = secrets.iter().map(|secret| Key::new(*secret)).collect();
        Token::of(body.as_bytes()).ok_or(Forged("no token"))?.verify(algorithm, &secrets)
    }

    /// The example of RFC 7515, appendix A.1; its key is no text, so its parts are checked by the same function underneath.
    #[test]
    fn the_example_of_the_standard_is_signed_so() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb\
            S9pc19yb290Ijp0cnVlfQ";
        let mut mac = Hmac::<Sha256>::new_from_slice(&URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
        mac.update(signed.as_bytes());
        assert_eq!(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let token = format!("{signed}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let token = Token::of(token.as_bytes()).unwrap();
        assert!(token.claims().unwrap().starts_with(r#"{"iss":"joe""#));
        assert!(decoded::<Header>(token.part(0)).is_some_and(|header| header.alg == "HS256"));
    }

    #[test]
    fn each_algorithm_is_taken_where_it_is_configured_and_nowhere_else() {
        use HookAlgorithm::{Hs256, Hs384, Hs512};
        let tokens = [
            (Hs256, signed_by::<Hmac<Sha256>>(r#"{"alg":"HS256"}"#, "{}")),
            (Hs384, signed_by::<Hmac<Sha384>>(r#"{"alg":"HS384"}"#, "{}")),
            (Hs512, signed_by::<Hmac<Sha512>>(r#"{"alg":"HS512"}"#, "{}")),
        ];
        for (own, token) in &tokens {
            for algorithm in [Hs256, Hs384, Hs512] {
                assert_eq!(verify(token, algorithm, &[SECRET]).is_ok(), algorithm == *own, "{own:?} at {algorithm:?}");
            }
        }
        // What it is signed by and what it says must both be right.
        let mislabelled = signed_by::<Hmac<Sha512>>(r#"{"alg":"HS256"}"#, "{}");
        assert!(verify(&mislabelled, Hs256, &[SECRET]).is_err() && verify(&mislabelled, Hs512, &[SECRET]).is_err());
    }

    #[test]
    fn nothing_but_a_signature_of_ours_is_believed() {
        let good = token(r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"events":[]}"#);
        let ok = |body: &str| verify(body, HookAlgorithm::Hs256, &["other", SECRET]).is_ok();
        assert!(ok(&good) && ok(&format!("\"{good}\"")));
        assert!(verify(&good, HookAlgorithm::Hs256, &["other"]).is_err() && verify(&good, HookAlgorithm::Hs256, &[]).is_err());

        let (signed, signature) = good.rsplit_once('.').unwrap();
        for wrong in [
            signed.to_owned(),
            format!("{signed}."),
            format!("{signed}.{}", &signature[..42]),
            format!("{signed}.{signature}="),
            format!("{signed}.{signature}AA"),
            format!("{signed}.x.{signature}"),
            format!("{}.{signature}", signed.replace("eyJldmVudHMi", "eyJldmVudHMj")),
            token(r#"{"alg":"none"}"#, "{}"),
            token(r#"{"alg":"hs256"}"#, "{}"),
            token(r#"{"alg":"RS256"}"#, "{}"),
            token(r#"{"alg":"HS256","alg":"none"}"#, "{}"),
            token(r#"{"alg":"HS256","crit":["exp"]}"#, "{}"),
            token("{}", "{}"),
            token("[]", "{}"),
            format!("{{\"token\":\"{good}\"}}"),
            format!("{good}\n"),
            format!(" {good}"),
            String::new(),
            "..".into(),
            "\"".into(),
        ] {
            assert!(!ok(&wrong), "{wrong}");
        }
        let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode("{}"));
        assert!(!ok(&none), "an unsigned token");
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let good = token(r#"{"alg":"HS256"}"#, r#"{"events":[]}"#).into_bytes();
            let mut other = good.clone();
            let at = at.index(other.len());
            other[at] = byte;
            let believed = Token::of(&other).is_some_and(|t| t.verify(HookAlgorithm::Hs256, &[Key::new(SECRET)]).is_ok());
            prop_assert_eq!(believed, other == good);
        }

        #[test]
        fn it_is_total(body in proptest::collection::vec(any::<u8>(), 0..200), text in "\"?[a-zA-Z0-9_.-]{0,80}\"?") {
            for body in [body.as_slice(), text.as_bytes()] {
                if let Some(token) = Token::of(body) {
                    prop_assert!(token.verify(HookAlgorithm::Hs256, &[Key::new(SECRET)]).is_err());
                    let _ = (token.claims(), token.digest());
                }
            }
        }
    }
}

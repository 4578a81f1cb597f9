//! Webhooks of the Cloud API: the handshake, the signature, what they say.
//!
//! Not the platform's shapes: `meta/` reads those.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use url::form_urlencoded;

use crate::engine::heard::Item;
use crate::engine::ports::{Forged, Handshake, Inbox, Unreadable, Webhook};
use crate::provider::meta::{self, Dialect, Envelope, Items, table};
use crate::provider::remote::Key;
use crate::provider::whatsapp::Settings;

/// The one signature that counts; `X-Hub-Signature` is an older one and proves nothing.
const SIGNATURE: &str = "x-hub-signature-256";
/// Hexadecimal digits of an HMAC-SHA256.
const DIGITS: usize = 64;
/// As much of a number's id is kept; Meta's have sixteen digits.
pub(super) const ADDRESS_CHARS: usize = 64;
/// Longest challenge that is sent back, in bytes; Meta's are ten digits.
const CHALLENGE_BYTES: usize = 128;

/// Reads the webhooks of a line of the Cloud API.
pub struct Reader {
    phone_number_id: String,
    secrets: Vec<Hmac<Sha256>>,
    verify_tokens: Vec<Key>,
    dialect: Dialect,
}

impl Reader {
    /// The reader of a line.
    ///
    /// # Errors
    /// An app secret is missing or empty: nothing would prove where a webhook comes from.
    pub fn new(settings: &Settings) -> Result<Reader, String> {
        let secrets = &settings.app_secrets;
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err("the app secret is missing or empty: without it nothing proves where a webhook comes from".into());
        }
        if settings.verify_tokens.iter().any(|token| token.expose().is_empty()) {
            return Err("the word of the verification handshake is empty".into());
        }
        let mac = |secret: &Key| Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
        Ok(Reader {
            phone_number_id: settings.phone_number_id.clone(),
            secrets: secrets.iter().map(mac).collect(),
            verify_tokens: settings.verify_tokens.clone(),
            dialect: Dialect {
                reactions: settings.reactions,
                // A longer one is no line's, and every event of the change carries it.
                address: |metadata| metadata.phone_number_id.as_str().chars().take(ADDRESS_CHARS).collect(),
                trouble: table::trouble,
                templates: true,
            },
        })
    }
}

impl Inbox for Reader {
    fn handshake(&self, hook: &Webhook<'_>) -> Handshake {
        let only = |name: &str| {
            let mut values = form_urlencoded::parse(hook.query().as_bytes()).filter(|(known, _)| known == name).map(|(_, value)| value);
            values.next().filter(|_| values.next().is_none())
        };
        let (Some(mode), Some(token), Some(challenge)) = (only("hub.mode"), only("hub.verify_token"), only("hub.challenge")) else {
            return Handshake::Refused;
        };
        let known = self.verify_tokens.iter().fold(false, |known, ours| ours.matches(&token) | known);
        let plain = !challenge.is_empty() && challenge.len() <= CHALLENGE_BYTES && challenge.bytes().all(|b| b.is_ascii_alphanumeric());
        if mode == "subscribe" && known && plain { Handshake::Challenge(challenge.into_owned()) } else { Handshake::Refused }
    }

    fn verify(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        let header = hook.header(SIGNATURE).ok_or(Forged("not exactly one X-Hub-Signature-256"))?;
        let given = header.strip_prefix("sha256=").filter(|hex| hex.len() == DIGITS).ok_or(Forged("X-Hub-Signature-256 is none"))?;
        let mut valid = Choice::from(0);
        for secret in &self.secrets {
            let ours = secret.clone().chain_update(hook.body).finalize().into_bytes();
            // As digits, in lower case: what is no such number differs.
            valid |= meta::hex(&ours).as_bytes().ct_eq(given.as_bytes());
        }
        if valid.into() { Ok(()) } else { Err(Forged("X-Hub-Signature-256 is by no app secret of this line")) }
    }

    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
        let text = meta::text(hook.body)?;
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| meta::unreadable(&e))?;
        let mut items = Items::default();
        match envelope.object.as_str() {
            // Other products of the same app arrive at the same address.
            object if !matches!(object, "" | "whatsapp_business_account") => items.push(Item::Passed("foreign_object"))?,
            _ if !envelope.entry.is_there() => return Err(Unreadable("body: entry is missing, or no list".into())),
            _ => meta::read(&envelope, &self.dialect, &mut items)?,
        }
        Ok(items.into_vec())
    }

    fn is_at(&self, address: &str) -> bool {
        address == self.phone_number_id
    }

    fn redelivers(&self) -> bool {
        true
    }
}

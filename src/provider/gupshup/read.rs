//! Webhooks of Gupshup: what proves their origin, and which of two versions they are. An app may send both, even on one address.
//!
//! Not the shapes: `v2.rs` has those of version 2, `meta/` those of version 3.

use std::net::IpAddr;

use serde::Deserialize;
use url::form_urlencoded;

use crate::engine::heard::Item;
use crate::engine::ports::{Forged, Handshake, Inbox, Unreadable, Webhook};
use crate::provider::gupshup::{Proof, Settings, table, v2};
use crate::provider::meta::{self, Dialect, Envelope, Items, digits};
use crate::provider::soft::{List, Word};

/// Reads the webhooks of a line of Gupshup.
pub struct Reader {
    app: String,
    phone: String,
    proof: Proof,
    dialect: Dialect,
}

impl Reader {
    /// The reader of a line.
    ///
    /// # Errors
    /// Nothing would prove where a webhook comes from.
    pub fn new(settings: &Settings) -> Result<Reader, String> {
        let proof = &settings.proof;
        if proof.tokens.is_empty() && proof.allow_from.is_empty() {
            return Err("nothing proves where a webhook comes from: set a token, or the addresses that it may come from".into());
        }
        if proof.tokens.iter().any(|token| token.expose().is_empty()) {
            return Err("the token of the webhook is empty; make one with: head -c 24 /dev/urandom | base64".into());
        }
        if proof.header.is_some() && proof.tokens.is_empty() {
            return Err("a header is to prove where a webhook comes from, and there is no token that it could carry".into());
        }
        Ok(Reader {
            app: settings.app.clone(),
            phone: digits(&settings.phone),
            proof: Proof { header: proof.header.as_deref().map(str::to_ascii_lowercase), ..proof.clone() },
            dialect: Dialect {
                reactions: settings.reactions,
                // The number is in every message of version 3; the app's id, which is there too, is nothing that a line is set up with.
                address: |metadata| digits(metadata.display_phone_number.as_str()),
                trouble: table::trouble,
                // They are known by Gupshup's own ids, which version 3 does not tell.
                templates: false,
            },
        })
    }

    fn token(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        let given = match &self.proof.header {
            Some(header) => hook.header(header).map(str::to_owned).ok_or(Forged("not exactly one header with the token"))?,
            None => {
                let mut tokens = form_urlencoded::parse(hook.query().as_bytes()).filter(|(name, _)| name == "token");
                let (_, token) = tokens.next().ok_or(Forged("no token in the address"))?;
                if tokens.next().is_some() {
                    return Err(Forged("more than one token in the address"));
                }
                token.into_owned()
            }
        };
        let known = self.proof.tokens.iter().fold(false, |known, ours| ours.matches(&given) | known);
        if known { Ok(()) } else { Err(Forged("the token is none of this line")) }
    }

    fn peer(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        let address: Option<IpAddr> = hook.peer.and_then(|peer| peer.parse().ok());
        let address = address.ok_or(Forged("the address it comes from is not known"))?.to_canonical();
        let allowed = self.proof.allow_from.iter().any(|range| range.contains(&address));
        if allowed { Ok(()) } else { Err(Forged("it comes from an address that is not allowed")) }
    }
}

impl Inbox for Reader {
    fn handshake(&self, _hook: &Webhook<'_>) -> Handshake {
        Handshake::Unasked
    }

    fn verify(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        if !self.proof.tokens.is_empty() {
            self.token(hook)?;
        }
        if !self.proof.allow_from.is_empty() {
            self.peer(hook)?;
        }
        Ok(())
    }

    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
        let text = meta::text(hook.body)?;
        let head: Head<'_> = serde_json::from_str(text).map_err(|e| meta::unreadable(&e))?;
        let mut items = Items::default();
        if head.entry.is_there() {
            let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| meta::unreadable(&e))?;
            meta::read(&envelope, &self.dialect, &mut items)?;
        } else if head.kind.is_empty() {
            return Err(Unreadable("body: neither type nor entry: no webhook of version 2 or 3".into()));
        } else {
            items.push(v2::read(text, self.dialect.reactions))?;
        }
        Ok(items.into_vec())
    }

    fn is_at(&self, address: &str) -> bool {
        !address.is_empty() && (address == self.app || address == self.phone)
    }

    fn redelivers(&self) -> bool {
        true
    }
}

/// By which the versions are told apart.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Word<'a>,
    #[serde(borrow, default)]
    entry: List<'a>,
}

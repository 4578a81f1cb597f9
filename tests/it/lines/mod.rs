//! Whole stories on the lines of real providers: the real binary, its emulated provider, real sockets, driven from outside alone. Not the
//! readers and writers: their golden tests stand beside them.
//!
//! Nothing sleeps. What has to be in the past is said to be (a question of half an hour ago is due at once); what has to take hours takes
//! them on a clock that runs faster.

mod asking;
mod common;
mod gupshup;
mod story;
mod truora;
mod twilio;
mod whatsapp;

use std::path::Path;

use reengaged::moment::Moment;

use crate::emulator::{Gupshup, Hook, Manners, Meta, Person, Sent, Truora, Twilio};

/// What a story has to know of a provider.
trait Line: Manners {
    /// The line's name, and so the last word of its address.
    const NAME: &'static str;
    /// Its `provider`.
    const PROVIDER: &'static str;
    /// The path of `api`.
    const API: &'static str;
    /// The approved template of the flow, as `session.template` names it.
    const TEMPLATE: &'static str;
    /// The code of a closed window, in the answer and in a status.
    const CLOSED: (Option<u32>, u32);
    /// Whether the line hears the person, and may send what it wants inside the window.
    const CHATS: bool = true;
    /// Whether a line that has stopped asks its provider, or tries a send.
    const PROBES: bool;

    /// The provider's keys of the line, and its secrets by the name of their file.
    fn keys(&self) -> (String, Vec<(&'static str, &str)>);

    /// The person writes; `None` where the provider says no times, so that nothing can be said to have been written earlier.
    fn wrote(&self, person: &Person, said: &str, at: Moment) -> Option<Hook>;

    /// The person writes at this moment, whatever the provider says of times.
    fn writes(&self, person: &Person, said: &str, now: Moment) -> Hook;

    /// The person taps the button at this place.
    fn taps(&self, person: &Person, sent: &Sent, place: usize, now: Moment) -> Hook;
}

impl Line for Meta {
    const NAME: &'static str = "whatsapp";
    const PROVIDER: &'static str = "whatsapp_cloud";
    const API: &'static str = "/v25.0";
    const TEMPLATE: &'static str = "reengage_es/es";
    const CLOSED: (Option<u32>, u32) = (Some(131_047), 131_047);
    const PROBES: bool = true;

    fn keys(&self) -> (String, Vec<(&'static str, &str)>) {
        let keys = format!(
            "phone_number_id = \"{}\"\ntoken_file = \"token\"\napp_secret_file = \"app\"\nverify_token_file = \"verify\"\ndaily = 1000",
            self.phone_number_id
        );
        (keys, vec![("token", &self.token), ("app", &self.app_secret), ("verify", "test-only-verify-token")])
    }

    fn wrote(&self, person: &Person, said: &str, at: Moment) -> Option<Hook> {
        Some(self.says(person, said, at))
    }

    fn writes(&self, person: &Person, said: &str, now: Moment) -> Hook {
        self.says(person, said, now)
    }

    fn taps(&self, person: &Person, sent: &Sent, place: usize, now: Moment) -> Hook {
        self.taps(person, sent, place, now)
    }
}

impl Line for Gupshup {
    const NAME: &'static str = "gupshup";
    const PROVIDER: &'static str = "gupshup";
    const API: &'static str = "";
    const TEMPLATE: &'static str = "c6aecef6-bcb0-4fb1-8100-28c094e3bc6b";
    // Its answers tell of the request alone; a closed window always comes later.
    const CLOSED: (Option<u32>, u32) = (None, 470);
    const PROBES: bool = false;

    fn keys(&self) -> (String, Vec<(&'static str, &str)>) {
        let keys = format!(
            "app = \"{}\"\nphone = \"{}\"\napi_key_file = \"key\"\nwebhook_token_file = \"hook\"\ndaily = 1000",
            self.app, self.phone
        );
        (keys, vec![("key", &self.api_key), ("hook", &self.webhook_token)])
    }

    fn wrote(&self, person: &Person, said: &str, at: Moment) -> Option<Hook> {
        Some(self.says(person, said, at))
    }

    fn writes(&self, person: &Person, said: &str, now: Moment) -> Hook {
        self.says(person, said, now)
    }

    fn taps(&self, person: &Person, sent: &Sent, place: usize, now: Moment) -> Hook {
        self.taps(person, sent, place, now)
    }
}

impl Line for Twilio {
    const NAME: &'static str = "twilio";
    const PROVIDER: &'static str = "twilio";
    const API: &'static str = "";
    const TEMPLATE: &'static str = "HX00000000000000000000000000000001";
    const CLOSED: (Option<u32>, u32) = (Some(63_016), 63_016);
    const PROBES: bool = true;

    fn keys(&self) -> (String, Vec<(&'static str, &str)>) {
        let mut keys = format!(
            "account_sid = \"{}\"\nphone = \"{}\"\nauth_token_file = \"token\"\npublic_url = \"{}\"\ndaily = 1000",
            self.account_sid, self.phone, self.public_url
        );
        if self.quick_reply {
            keys.push_str("\nquick_reply = \"HX00000000000000000000000000000002\"");
        }
        (keys, vec![("token", &self.auth_token)])
    }

    fn wrote(&self, _person: &Person, _said: &str, _at: Moment) -> Option<Hook> {
        None
    }

    fn writes(&self, person: &Person, said: &str, _now: Moment) -> Hook {
        self.says(person, said)
    }

    fn taps(&self, person: &Person, sent: &Sent, place: usize, _now: Moment) -> Hook {
        self.taps(person, sent, place)
    }
}

impl Line for Truora {
    const NAME: &'static str = "truora";
    const PROVIDER: &'static str = "truora";
    const API: &'static str = "";
    const TEMPLATE: &'static str = "OTB00000000000000000000000000000001";
    // Only templates go out there.
    const CLOSED: (Option<u32>, u32) = (None, 0);
    const CHATS: bool = false;
    const PROBES: bool = false;

    fn keys(&self) -> (String, Vec<(&'static str, &str)>) {
        let keys = "api_key_file = \"key\"\nhook_secret_file = \"hook\"\nflow_id = \"IPF00000000000000000000000000000001\"";
        (keys.to_owned(), vec![("key", &self.api_key), ("hook", &self.hook_secret)])
    }

    fn wrote(&self, _person: &Person, _said: &str, _at: Moment) -> Option<Hook> {
        None
    }

    fn writes(&self, _person: &Person, _said: &str, _now: Moment) -> Hook {
        unreachable!("Truora's own bot hears the person")
    }

    fn taps(&self, _person: &Person, _sent: &Sent, _place: usize, _now: Moment) -> Hook {
        unreachable!("Truora's own bot hears the tap")
    }
}

/// Writes a secret as a file that nobody else can read.
fn secret(home: &Path, name: &str, value: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(home.join(name)).expect("a file");
    file.write_all(value.as_bytes()).expect("a secret is written");
}

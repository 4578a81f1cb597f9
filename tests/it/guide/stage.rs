//! Whoever walks through the guide: one daemon, its provider's emulator, a receiver of hooks, and `curl`.
//!
//! Not the walks. It begins at night; while people and programs talk, an hour takes
//! a minute, and where hours have to pass it takes seconds, on a daemon that goes on from where the one before ended.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reengaged::clock::Clock;
use reengaged::moment::{HOUR, Moment, SECOND};
use reengaged::shapes::signature::{Signed, SigningKey, verify};
use serde_json::Value;

use crate::emulator::{Emulator, Meta, Person, Sent};
use crate::stub::{Request, Stub};
use crate::support::debian;
use crate::whole::process::Daemon;

/// Three in the morning in Colombia: five hours before the guide's hours begin.
const NIGHT: &str = "2026-03-03T08:00:00Z";
/// When they begin.
const OPENS: &str = "2026-03-03T13:00:00Z";
/// An hour takes a minute, while people and programs talk.
const TALK: u32 = 60;
/// An hour takes three seconds, while the night passes.
pub(super) const FAST: u32 = 1_200;
/// What somebody who is sent a message needs to read it, in milliseconds.
const READS: i64 = 4 * SECOND;
/// Longer than anything takes on a busy machine, the rest of the night included; a bound for failures, not a wait.
const PATIENCE: Duration = Duration::from_secs(240);
pub(super) const QUESTIONS: [&str; 3] = ["¿Cómo te llamas?", "¿Cuál es tu correo?", "¿Qué edad tienes?"];
const CONTENT: &str = "Hello {{.name}}, ¿Are you ready to start the process?";

fn configuration(api: &str, hook: &url::Url, expires: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[server.tokens.client]
scopes = ["operate"]
file = "key"
[store]
path = "data"
any_filesystem = true
[maintenance]
approvals = "0 * * * * *"
[lines.support]
provider = "whatsapp_cloud"
api = "{api}"
phone = "5716000001"
phone_number_id = "106540352242922"
waba_id = "102290129340398"
token_file = "token"
app_secret_file = "app"
verify_token_file = "app"
daily = 1000
pair_gap = "0s"
catch_up_wait = "0s"
flow = "onboarding"
[flows.onboarding]
id = "IPF0123456789abcdef0123456789abcdef"
enable_follow_up = true
follow_up_delay = 30
follow_up_message = "You have an active process in progress, would you like to continue?"
yes = "yes"
no = "no"
expires_after = "{expires}"
[[flows.onboarding.questions]]
id = "name"
kind = "text"
prompt = "{}"
[[flows.onboarding.questions]]
id = "email"
kind = "email"
prompt = "{}"
[[flows.onboarding.questions]]
id = "age"
kind = "number"
min = 18
max = 120
prompt = "{}"
[hooks.results]
url = "{hook}"
secret_env = "REENGAGED_TEST_SECRET"
allow_private = true
"#,
        QUESTIONS[0], QUESTIONS[1], QUESTIONS[2]
    )
}

/// Somebody who has nothing but the guide and another host.
pub(super) struct Walk {
    pub(super) provider: Emulator<Meta>,
    daemon: Daemon,
    hook: Stub,
    clock: Clock,
    pub(super) person: Person,
    home: tempfile::TempDir,
}

impl Walk {
    pub(super) fn begin(expires: &str) -> Walk {
        static PERSON: AtomicUsize = AtomicUsize::new(0);
        let (provider, hook) = (Emulator::start(Meta::new()), Stub::answering(200, "", ""));
        let home = tempfile::tempdir().expect("a directory");
        let secrets = [("key", "the client's own key"), ("token", &provider.manners.token), ("app", &provider.manners.app_secret)];
        for (name, text) in secrets {
            use std::os::unix::fs::PermissionsExt;
            let path = home.path().join(name);
            std::fs::write(&path, text).expect("a file");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        }
        let text = configuration(&provider.api("/v25.0"), &hook.url("/"), expires);
        std::fs::write(home.path().join("config.toml"), text).expect("a file");
        let clock = Clock::scaled(TALK, Moment::parse(NIGHT).expect("an instant"));
        let daemon = start(&home, &provider, &clock);
        let person = Person::number(PERSON.fetch_add(1, Ordering::Relaxed));
        Walk { provider, daemon, hook, clock, person, home }
    }

    /// From now on time passes so much faster than the world's.
    pub(super) fn time_passes(&mut self, faster: u32) {
        self.daemon.signal("TERM");
        assert!(self.daemon.wait().success(), "{}", self.daemon.log());
        self.clock = Clock::scaled(faster, self.clock.now());
        self.daemon = start(&self.home, &self.provider, &self.clock);
    }

    /// One call of the guide: `curl` with the header and the fields that it names.
    pub(super) fn curl(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--request", method]);
        curl.args(["--header", "Truora-API-Key: the client's own key", "--write-out", "\n%{http_code}"]);
        for (name, value) in fields {
            curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let done = curl.arg(format!("{}{path}", self.daemon.base)).output().expect("curl runs");
        let (said, error) = (String::from_utf8_lossy(&done.stdout).into_owned(), String::from_utf8_lossy(&done.stderr).into_owned());
        let (body, status) = said.rsplit_once('\n').unwrap_or_else(|| panic!("{said}{error}\n{}", self.daemon.log()));
        (status.parse().expect("a status"), serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {body}")))
    }

    /// The person reads what came last: an answer sooner than that is to what was said before.
    pub(super) async fn reads(&self) {
        let until = self.clock.now().plus(READS);
        while self.clock.now() < until {
            tokio::task::yield_now().await;
        }
    }

    /// The person sends this.
    pub(super) async fn says(&self, text: &str) {
        self.reads().await;
        let hook = self.provider.manners.says(&self.person, text, self.clock.now());
        assert_eq!(self.provider.deliver(&hook).await, 200, "{}", self.daemon.log());
    }

    /// The person taps the button at this place.
    pub(super) async fn taps(&self, sent: &Sent, place: usize) {
        self.reads().await;
        let hook = self.provider.manners.taps(&self.person, sent, place, self.clock.now());
        assert_eq!(self.provider.deliver(&hook).await, 200, "{}", self.daemon.log());
    }

    /// The n-th message to the person, from 1.
    pub(super) fn message(&self, n: usize) -> Sent {
        self.provider.taken(n)[n - 1].clone()
    }

    /// Files the inbound and follows its link: what the person sends is what stands in it.
    pub(super) async fn starts_by_its_link(&self) {
        let (status, inbound) = self.curl(
            "POST",
            "/v1/whatsapp/inbounds",
            &[
                ("waba_provider", "whatsapp_cloud"),
                ("waba_phone_number", "5716000001"),
                ("flow_id", "IPF0123456789abcdef0123456789abcdef"),
                ("inbound_message", "Quiero empezar ¡ya!"),
            ],
        );
        assert_eq!(status, 200, "{inbound}");
        let link = url::Url::parse(inbound["link"].as_str().expect("a link")).expect("an address");
        let said: Vec<(String, String)> = link.query_pairs().into_owned().collect();
        assert_eq!((link.host_str(), &*said[0].1, &*said[1].1), (Some("api.whatsapp.com"), "5716000001", "Quiero empezar ¡ya!"));
        self.says(&said[1].1.to_uppercase()).await;
        assert_eq!(self.message(1).text, QUESTIONS[0]);
    }

    /// The person answers two of the three questions, and leaves; the follow-up comes when the day begins.
    pub(super) async fn is_left_and_followed_up(&mut self) -> Sent {
        self.starts_by_its_link().await;
        self.says("Camila Ríos").await;
        assert_eq!(self.message(2).text, QUESTIONS[1]);
        self.says("camila@example.com").await;
        assert_eq!(self.message(3).text, QUESTIONS[2]);
        assert!(self.clock.now() < opening(), "it is still night");
        self.time_passes(FAST);
        let follow_up = self.message(4);
        assert!(self.clock.now() >= opening(), "it came at night");
        assert!(self.clock.now().since(opening()) < 12 * HOUR, "it came late");
        assert!(follow_up.text.contains("would you like to continue?"), "{follow_up:?}");
        assert_eq!(follow_up.buttons.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>(), ["yes", "no"]);
        self.time_passes(TALK);
        follow_up
    }

    /// What the hook was told, once it was told this; the signature of each is right.
    pub(super) fn told(&self, kind: &str) -> Vec<Value> {
        let key = [SigningKey::read("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz").expect("a key")];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let heard = self.hook.requests();
            for request in &heard {
                let header = |name: &str| request.header(name).to_owned();
                let signed =
                    Signed { id: header("webhook-id"), timestamp: header("webhook-timestamp"), signature: header("webhook-signature") };
                let seconds: i64 = signed.timestamp.parse().expect("seconds");
                // By its own time: that of the world's clock is not the daemon's here.
                assert_eq!(verify(&key, &signed, &request.body, Moment(seconds * SECOND)), Ok(()), "{signed:?}");
            }
            // A receiver knows by its id what comes again: a stop may come between the taking and its being kept.
            let mut known = BTreeSet::new();
            let told: Vec<Value> = heard.iter().filter(|request| known.insert(request.header("webhook-id"))).map(Request::json).collect();
            if told.iter().any(|record| record["type"] == kind) {
                return told;
            }
            assert!(Instant::now() < deadline, "nobody was told of {kind}: {told:?}\n{}", self.daemon.log());
            std::thread::yield_now();
        }
    }

    /// What the hook was told of this type.
    pub(super) fn told_of(&self, kind: &str) -> Value {
        self.told(kind).into_iter().find(|record| record["type"] == kind).expect("it was told")
    }

    /// Creates the guide's outbound that starts a flow.
    pub(super) fn creates_an_outbound(&self) -> String {
        let (status, created) = self.curl(
            "POST",
            "/v1/whatsapp/outbounds",
            &[
                ("waba_phone_number", "5716000001"),
                ("is_notification", "false"),
                ("content", CONTENT),
                ("category", "UTILITY"),
                ("template_type", "TEXT"),
                ("language_code", "es"),
                ("outbound_name", "Welcome"),
                ("continue_process_message", "Continue"),
                ("cancel_process_message", "Cancel"),
                ("var.name", "Jhon"),
            ],
        );
        assert_eq!((status, created["status"].as_str()), (200, Some("PENDING")), "{created}");
        created["outbound_id"].as_str().expect("an id").to_owned()
    }

    /// Asks for the status as the guide says, until it is this.
    pub(super) fn waits_until(&self, id: &str, wanted: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, outbound) = self.curl("GET", &format!("/v1/whatsapp/outbounds/{id}"), &[]);
            assert_eq!(status, 200, "{outbound}");
            if outbound["status"] == wanted {
                return outbound;
            }
            assert!(Instant::now() < deadline, "never {wanted}: {outbound}\n{}", self.daemon.log());
        }
    }

    /// Creates an outbound and has it approved, which the provider tells by a webhook.
    pub(super) async fn has_an_approved_outbound(&self) -> String {
        let id = self.creates_an_outbound();
        self.provider.read(1);
        assert_eq!(self.provider.manners.submitted.all()[0].text, "Hello {{1}}, ¿Are you ready to start the process?");
        // Told before the submission's own answer is kept, it would say nothing.
        while self.curl("GET", &format!("/v1/whatsapp/outbounds/{id}"), &[]).1["template"].is_null() {}
        let template = self.provider.manners.submitted.becomes("APPROVED", "");
        let news = self.provider.manners.template_becomes(&template.name, &template.language, "APPROVED", self.clock.now());
        assert_eq!(self.provider.deliver(&news).await, 200);
        self.waits_until(&id, "APPROVED");
        let approved = self.told_of("outbound.approved");
        assert_eq!((&approved["data"]["outbound_id"], &approved["data"]["line"]), (&id.as_str().into(), &"support".into()));
        id
    }

    /// Sends it to the person, who has agreed.
    pub(super) fn sends(&self, id: &str) -> Sent {
        let before = self.provider.taken(0).len();
        let (status, sent) = self.curl(
            "POST",
            "/v1/whatsapp/outbounds/send",
            &[
                ("phone_number", self.person.phone.strip_prefix("57").expect("a number of Colombia")),
                ("country_code", "57"),
                ("outbound_id", id),
                ("user_authorized", "true"),
                ("flow_id", "onboarding"),
                ("var.name", "Roger"),
            ],
        );
        assert_eq!(status, 200, "{sent}");
        self.message(before + 1)
    }
}

fn start(home: &tempfile::TempDir, provider: &Emulator<Meta>, clock: &Clock) -> Daemon {
    let mut daemon = Daemon::spawn(home.path(), &["--clock", &clock.described()]);
    daemon.wait_ready();
    provider.calls(&daemon.base, "support");
    provider.keeps(clock.clone());
    daemon
}

fn opening() -> Moment {
    Moment::parse(OPENS).expect("an instant")
}

pub(super) fn curl_is_there() -> bool {
    debian("curl", "curl")
}

//! A story's stage: one daemon with one line, its provider, a hook that hears of results, and a clock. Not the stories.

use std::time::Duration;

use reengaged::clock::Clock;
use reengaged::moment::{MINUTE, Moment};
use serde_json::{Value, json};

use super::{Line, secret};
use crate::emulator::{Emulator, Hook, Person, Sent};
use crate::stub::{Request, Stub};
use crate::whole::process::{Daemon, client, get, post};

/// The bot's question in every story.
pub(super) const QUESTION: &str = "¿Cuál es tu correo?";
/// The follow-up in every story.
pub(super) const FOLLOW_UP: &str = "Tienes un proceso activo en curso";
/// Longer than anything takes on a busy machine; a bound for failures, not a wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a story differs from the plainest one.
pub(super) struct Plot {
    /// More keys of the line.
    pub(super) line: String,
    /// More keys of the flow.
    pub(super) flow: String,
    /// After how much silence the conversation is over.
    pub(super) expires_after: &'static str,
    /// The hours, UTC.
    pub(super) hours: (String, String),
    /// How many times faster than the world's the clock runs, and from when on.
    pub(super) clock: Option<(u32, Moment)>,
}

impl Default for Plot {
    fn default() -> Plot {
        Plot {
            line: "pair_gap = \"0s\"\ncatch_up_wait = \"0s\"".to_owned(),
            flow: String::new(),
            expires_after: "48h",
            hours: ("00:00".to_owned(), "00:00".to_owned()),
            clock: None,
        }
    }
}

impl Plot {
    /// Time flies: a quarter of an hour takes a second, from now on.
    pub(super) fn fast() -> Plot {
        Plot { clock: Some((900, Clock::system().wall())), ..Plot::default() }
    }
}

pub(super) struct Story<M> {
    pub(super) provider: Emulator<M>,
    pub(super) daemon: Daemon,
    pub(super) hook: Stub,
    pub(super) clock: Clock,
    client: reqwest::Client,
    home: tempfile::TempDir,
}

impl<M: Line> Story<M> {
    pub(super) fn begin(manners: M, plot: &Plot) -> Story<M> {
        let provider = Emulator::start(manners);
        let hook = Stub::answering(200, "", "");
        let home = tempfile::tempdir().expect("a directory");
        let (keys, secrets) = provider.manners.keys();
        for (name, value) in secrets {
            secret(home.path(), name, value);
        }
        let configuration = configuration::<M>(&provider.api(M::API), &keys, hook.url("/").as_str(), plot);
        std::fs::write(home.path().join("config.toml"), configuration).expect("a file");
        let clock = plot.clock.map_or_else(Clock::system, |(factor, start)| Clock::scaled(factor, start));
        let daemon = start(home.path(), &clock);
        provider.calls(&daemon.base, M::NAME);
        provider.keeps(clock.clone());
        Story { provider, daemon, hook, clock, client: client(), home }
    }

    /// Kills the daemon, and starts another on what it left.
    pub(super) fn killed(self) -> Story<M> {
        self.killed_while(|_| {})
    }

    /// Kills the daemon, and starts another on what it left once this has happened, on the clock that the story has then.
    pub(super) fn killed_while(mut self, happens: impl FnOnce(&mut Story<M>)) -> Story<M> {
        self.daemon.signal("KILL");
        self.daemon.wait();
        happens(&mut self);
        self.daemon = start(self.home.path(), &self.clock);
        self.provider.calls(&self.daemon.base, M::NAME);
        self
    }

    /// The moment so many minutes ago.
    pub(super) fn ago(&self, minutes: i64) -> Moment {
        self.clock.now().plus(-minutes * MINUTE)
    }

    /// The caller's name of a person's conversation.
    pub(super) fn name(person: &Person) -> String {
        format!("chat-{}", person.phone)
    }

    /// The person wrote, and ten minutes later the bot asked, so many minutes ago.
    pub(super) async fn asked(&self, person: &Person, minutes: i64) -> String {
        self.wrote(person, "hola", minutes + 10).await;
        self.asks(person, minutes).await
    }

    /// The person wrote so many minutes ago: told by the provider where it tells times, otherwise by the bot.
    pub(super) async fn wrote(&self, person: &Person, said: &str, minutes: i64) {
        match self.provider.manners.wrote(person, said, self.ago(minutes)) {
            Some(hook) => self.hears(&hook).await,
            None => {
                let message = json!({"type": "user_message", "conversation": Self::name(person), "line": M::NAME, "to": format!("+{}", person.phone),
                    "text": said, "at": self.ago(minutes).to_string()});
                self.event(&message).await;
            }
        }
    }

    /// The bot asked so many minutes ago.
    pub(super) async fn asks(&self, person: &Person, minutes: i64) -> String {
        self.asks_at(person, self.ago(minutes)).await
    }

    /// The bot asked at this moment.
    pub(super) async fn asks_at(&self, person: &Person, at: Moment) -> String {
        let name = Self::name(person);
        let question = json!({"type": "question", "conversation": name, "line": M::NAME, "to": format!("+{}", person.phone),
            "vars": {"name": person.name}, "question": {"id": "email", "text": QUESTION}, "at": at.to_string()});
        self.event(&question).await;
        name
    }

    /// Tells the daemon by its own API.
    pub(super) async fn event(&self, event: &Value) -> Value {
        let (status, answer) = post(&self.client, &format!("{}/v1/events", self.daemon.base), event).await.expect("an answer");
        assert_eq!(status, 200, "{event}: {answer}\n{}", self.daemon.log());
        answer
    }

    /// The provider's webhook is taken.
    pub(super) async fn hears(&self, hook: &Hook) {
        let status = self.provider.deliver(hook).await;
        assert_eq!(status, 200, "{}\n{}", String::from_utf8_lossy(&hook.body), self.daemon.log());
    }

    /// The person taps the button at this place, now.
    pub(super) async fn taps(&self, person: &Person, sent: &Sent, place: usize) {
        self.hears(&self.provider.manners.taps(person, sent, place, self.clock.now())).await;
    }

    /// Where the conversation stands.
    pub(super) async fn shown(&self, name: &str) -> Value {
        let (status, shown) = self.get(&format!("/v1/conversations/{name}")).await;
        assert_eq!(status, 200, "{name}: {shown}");
        shown
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        get(&self.client, &format!("{}{path}", self.daemon.base)).await
    }

    /// Waits until the conversation stands so.
    pub(super) async fn until(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let real = Clock::system();
        let began = real.elapsed();
        loop {
            let shown = self.shown(name).await;
            if is(&shown) {
                return shown;
            }
            assert!(real.elapsed() - began < PATIENCE, "{name} never {what}: {shown}\n{}", self.daemon.log());
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the follow-up is out and waits for its answer.
    pub(super) async fn answering(&self, name: &str) -> Value {
        self.until(name, "answering", |shown| shown["state"] == "answering").await
    }

    /// Waits until the conversation is over.
    pub(super) async fn finished(&self, name: &str) -> Value {
        self.until(name, "finished", |shown| shown["state"] == "finished").await
    }

    /// What the hook was told of a conversation, in order, once it was told this.
    pub(super) fn told(&self, name: &str, kind: &str) -> Vec<Value> {
        loop {
            let heard = self.hook.requests();
            let told: Vec<Value> = heard.iter().map(Request::json).filter(|record| record["data"]["conversation"] == name).collect();
            if told.iter().any(|record| record["type"] == format!("conversation.{kind}")) {
                return told;
            }
            self.hook.wait_for(heard.len() + 1);
        }
    }

    /// Somebody else is nudged, after everybody who was due before: what was not sent by now will not be. The messages so far.
    pub(super) async fn everybody_else_was_nudged(&self) -> Vec<Sent> {
        let bystander = Person::number(900_000);
        self.asked(&bystander, 31).await;
        let mut taken = self.provider.taken(1);
        while !taken.iter().any(|sent| sent.to == bystander.phone) {
            taken = self.provider.taken(taken.len() + 1);
        }
        taken.retain(|sent| sent.to != bystander.phone);
        taken
    }
}

fn start(home: &std::path::Path, clock: &Clock) -> Daemon {
    let described = clock.described();
    let mut daemon = Daemon::spawn(home, &["--clock", &described]);
    daemon.wait_ready();
    daemon
}

fn configuration<M: Line>(api: &str, keys: &str, hook: &str, plot: &Plot) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "data"
any_filesystem = true
[lines.{name}]
provider = "{provider}"
api = "{api}"
{keys}
{line}
[flows.onboarding]
enable_follow_up = true
follow_up_delay = 30
follow_up_message = "{FOLLOW_UP}"
start_business_hours = "{opens}"
end_business_hours = "{closes}"
yes = "Sí, continuar"
no = "No, gracias"
expires_after = "{expires}"
{flow}
[flows.onboarding.session]
template = "{template}"
template_vars = ["name"]
[hooks.results]
url = "{hook}"
secret_env = "REENGAGED_TEST_SECRET"
allow_private = true
"#,
        name = M::NAME,
        provider = M::PROVIDER,
        template = M::TEMPLATE,
        line = plot.line,
        flow = plot.flow,
        expires = plot.expires_after,
        opens = plot.hours.0,
        closes = plot.hours.1,
    )
}

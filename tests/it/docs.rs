//! The pages of `docs/lines/` say the truth: their configuration is right, and every command on them runs against the real daemon and the
//! provider's emulator and prints what the page says it prints. Not the prose.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::emulator::{Emulator, Gupshup, Manners, Meta, Truora, Twilio};
use crate::support::debian;
use crate::whole::process::Daemon;

/// A fenced block of a page: its language and its text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Block {
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                blocks.push(Block { language: language.to_owned(), text: String::new() });
            }
            None if open => {
                let text = &mut blocks.last_mut().expect("a block is open").text;
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "a block of the page does not end");
    blocks
}

/// A page under test: its directory, and what its variables are set to.
struct Page<'a> {
    text: &'a str,
    line: &'a str,
    provider: &'a str,
    variables: Vec<(&'a str, String)>,
    home: tempfile::TempDir,
}

impl<'a> Page<'a> {
    /// The page of a provider, whose API is at `api`.
    fn new(text: &'a str, line: &'a str, provider: &'a str, api: String, secrets: &[(&'a str, &str)]) -> Page<'a> {
        let home = tempfile::tempdir().expect("a directory");
        let mut variables: Vec<(&str, String)> = secrets.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        variables.extend([("CONFIG", home.path().display().to_string()), ("API", api)]);
        Page { text, line, provider, variables, home }
    }

    /// Runs what stands on the page, in its order. The daemon comes up for the first command that speaks to it.
    fn run(&mut self) -> Daemon {
        let blocks = blocks(self.text);
        let (preamble, rest) = blocks.split_first().expect("the page has blocks");
        assert!(preamble.language == "sh" && preamble.text.contains("REENGAGED="), "the first block sets the variables");
        let (mut daemon, mut configured, mut printed) = (None, String::new(), 0);
        for (place, block) in rest.iter().enumerate() {
            match block.language.as_str() {
                "toml" => {
                    configured.clone_from(&block.text);
                    self.write(&configured);
                }
                "sh" => {
                    if daemon.is_none() && block.text.contains("$REENGAGED") {
                        daemon = Some(self.start(&configured));
                    }
                    let output = self.shell(&format!("{}{}", preamble.text, block.text));
                    let expected = rest.get(place + 1).filter(|next| next.language == "text");
                    let expected_text = expected.map_or("", |next| &next.text);
                    assert_eq!(output.trim_end(), expected_text.trim_end(), "{}", block.text);
                    printed += usize::from(expected.is_some());
                }
                "text" => assert_eq!(rest[place - 1].language, "sh", "what is printed follows what prints it"),
                other => panic!("a block of {other:?} is not tested; write sh, toml or text"),
            }
        }
        assert_eq!(printed, rest.iter().filter(|block| block.language == "text").count());
        assert!(printed >= 4, "only {printed} commands of the page print something");
        daemon.expect("the page speaks to the daemon")
    }

    fn write(&self, configuration: &str) {
        std::fs::write(self.home.path().join("config.toml"), configuration).expect("a file");
    }

    /// The daemon on the page's own configuration; the provider is the emulator, and it is open at any hour.
    fn start(&mut self, configuration: &str) -> Daemon {
        let here = "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"data\"\nany_filesystem = true\n";
        let provider = format!("provider = \"{}\"\n", self.provider);
        let api = self.variables.iter().find(|(name, _)| *name == "API").map(|(_, value)| value.clone()).expect("it is set");
        assert!(configuration.contains(&provider) && configuration.contains("\"13:00\"") && configuration.contains(self.line));
        let theirs = configuration.replace(&provider, &format!("{provider}api = \"{api}\"\n")).replace("\"13:00\"", "\"00:00\"");
        self.write(&format!("{here}{theirs}"));
        let daemon = Daemon::start(self.home.path());
        self.variables.push(("REENGAGED", daemon.base.clone()));
        daemon
    }

    /// What the commands print. They have the page's variables, and this build of the program.
    fn shell(&self, commands: &str) -> String {
        let programs = Path::new(env!("CARGO_BIN_EXE_reengaged")).parent().map(Path::to_path_buf);
        let path =
            std::env::join_paths(programs.into_iter().chain(["/usr/bin", "/bin"].map(PathBuf::from))).expect("paths without a colon");
        let shell = Command::new("sh")
            .args(["-eu", "-c", commands])
            .env_clear()
            .env("PATH", path)
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .output()
            .expect("there is a shell");
        let (out, err) = (String::from_utf8_lossy(&shell.stdout).into_owned(), String::from_utf8_lossy(&shell.stderr).into_owned());
        assert!(shell.status.success(), "{}: {out}{err}\n{commands}", shell.status);
        out
    }
}

fn tools() -> bool {
    debian("curl", "curl") && debian("openssl", "openssl")
}

/// The page holds, and its try-out reached the phone.
fn holds<M: Manners>(mut page: Page<'_>, emulator: &Emulator<M>) {
    let daemon = page.run();
    assert_eq!(emulator.taken(1)[0].to, "573001234567", "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_the_cloud_api_holds() {
    if tools() {
        let emulator = Emulator::start(Meta::new());
        let secrets = [("TOKEN", emulator.manners.token.as_str()), ("APP_SECRET", &emulator.manners.app_secret)];
        let text = include_str!("../../docs/lines/whatsapp_cloud.md");
        holds(Page::new(text, "whatsapp", "whatsapp_cloud", emulator.api("/v25.0"), &secrets), &emulator);
        assert_eq!(emulator.wrong(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_gupshup_holds() {
    if tools() {
        let emulator = Emulator::start(Gupshup::new());
        let secrets = [("API_KEY", emulator.manners.api_key.as_str())];
        let text = include_str!("../../docs/lines/gupshup.md");
        holds(Page::new(text, "gupshup", "gupshup", emulator.api(""), &secrets), &emulator);
        assert_eq!(emulator.wrong().len(), 1, "the question to nobody alone is refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_twilio_holds() {
    if tools() {
        let emulator = Emulator::start(Twilio::new());
        let secrets = [("AUTH_TOKEN", emulator.manners.auth_token.as_str())];
        let text = include_str!("../../docs/lines/twilio.md");
        holds(Page::new(text, "twilio", "twilio", emulator.api(""), &secrets), &emulator);
        assert_eq!(emulator.wrong(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_truora_holds() {
    if tools() {
        let emulator = Emulator::start(Truora::new());
        let secrets = [("API_KEY", emulator.manners.api_key.as_str()), ("HOOK_SECRET", &emulator.manners.hook_secret)];
        let text = include_str!("../../docs/lines/truora.md");
        holds(Page::new(text, "truora", "truora", emulator.api(""), &secrets), &emulator);
        assert_eq!(emulator.wrong(), Vec::<String>::new());
    }
}

#[test]
fn blocks_are_found_in_their_order() {
    let page = "x\n```sh\na\n\nb\n```\ny\n```text\nc\n```\n";
    let block = |language: &str, text: &str| Block { language: language.to_owned(), text: text.to_owned() };
    assert_eq!(blocks(page), [block("sh", "a\n\nb\n"), block("text", "c\n")]);
}

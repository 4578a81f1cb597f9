//! The console provider: prints what a person would receive.
//!
//! Not a log: one line a message, whatever the text holds, so that a terminal shows it as it is and a program can read it.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;

use crate::conversation::{Capabilities, Form, Purpose};
use crate::engine::approval::{Submission, TemplateDraft, Unsubmitted};
use crate::engine::ports::{CallEnd, Called, Message, Provider, Waiting};
use crate::provider::{CAPABILITIES, Printer, approved_at_once, render};

/// Prints messages, one a line.
pub struct Console {
    printer: Printer,
    json: bool,
    reveal: bool,
}

impl Console {
    /// Prints to `printer`: as JSON where `json`, the number in full where `reveal`.
    #[must_use]
    pub fn new(printer: Printer, json: bool, reveal: bool) -> Console {
        Console { printer, json, reveal }
    }

    /// Prints one.
    pub fn print(&self, message: &Message) -> Called {
        let to = if self.reveal { message.to.clone() } else { masked(&message.to) };
        let mut line = if self.json { json(message, &to) } else { readable(message, &to) };
        line.push('\n');
        // A thread that panicked while it printed left at worst half a line behind.
        let mut printer = self.printer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match printer.write_all(line.as_bytes()).and_then(|()| printer.flush()) {
            Ok(()) => Called::new(CallEnd::Accepted, "printed"),
            Err(e) => Called::new(CallEnd::Busy(0), format!("not printed: {e}")),
        }
    }
}

impl Provider for Console {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn send<'a>(&'a self, message: &'a Message) -> Pin<Box<dyn Future<Output = Called> + Send + 'a>> {
        Box::pin(std::future::ready(self.print(message)))
    }

    fn submit<'a>(&'a self, draft: &'a TemplateDraft) -> Option<Waiting<'a, Result<Submission, Unsubmitted>>> {
        approved_at_once(draft)
    }
}

/// As `2026-03-02T12:00:00.000Z support → …4567: "¿Seguimos?" [Sí] [No]  (follow-up 1, flow onboarding; asked: "¿Tu correo?")`.
fn readable(message: &Message, to: &str) -> String {
    let who = if to.is_empty() { escaped(&message.caller, false) } else { escaped(to, false) };
    let mut line = format!("{} {} → {}: ", message.now, escaped(&message.line, false), who);
    if message.form == Form::Template {
        let _ = write!(line, "template {} ", escaped(message.template.as_deref().unwrap_or("(unnamed)"), false));
        for (name, value) in &message.vars {
            let _ = write!(line, "{}=\"{}\" ", escaped(name, false), escaped(value, true));
        }
    }
    let _ = write!(line, "\"{}\"", escaped(&message.text, true));
    if let Some((yes, no)) = &message.buttons {
        let _ = write!(line, " [{}] [{}]", escaped(yes, false), escaped(no, false));
    }
    for (_, title) in &message.choices {
        let _ = write!(line, " [{}]", escaped(title, false));
    }
    let what = match message.purpose {
        Purpose::FollowUp => format!("follow-up {}", u32::from(message.step) + 1),
        Purpose::Ask => "the question".to_owned(),
        other => format!("the {}", other.as_str().replace('_', " ")),
    };
    let _ = write!(line, "  ({what}, flow {}", escaped(&message.flow, false));
    if message.attempt > 1 {
        let _ = write!(line, ", call {}", message.attempt);
    }
    match &message.question {
        Some(question) if message.purpose == Purpose::FollowUp => {
            let _ = write!(line, "; asked: \"{}\")", escaped(&question.text, true));
        }
        _ => line.push(')'),
    }
    line
}

/// The body of a webhook line, on one line: a payload comes in with whatever line ends its sender likes.
fn json(message: &Message, to: &str) -> String {
    let body = render::body(message, to);
    let value: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    escaped(&value.to_string(), false)
}

/// The last four characters of a number or user id; of a short one none, so that never half of it is shown.
fn masked(to: &str) -> String {
    let characters = to.chars().count();
    match characters {
        0 => String::new(),
        1..=7 => "…".to_owned(),
        n => format!("…{}", to.chars().skip(n - 4).collect::<String>()),
    }
}

/// `text` on one line, with nothing in it that a terminal obeys or that turns the direction of what follows; quotes and
/// backslashes too where it stands between quotes.
fn escaped(text: &str, quoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        match c {
            '"' | '\\' if quoted => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Four digits are enough for all of these, and JSON reads them too.
            c if c.is_control() || turns => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::{block_on, message};
    use proptest::prelude::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(message: &Message, json: bool, reveal: bool) -> String {
        let page = Page::default();
        let console = Console::new(Arc::new(Mutex::new(page.clone())), json, reveal);
        assert_eq!(block_on(console.send(message)).end, CallEnd::Accepted);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_says_what_a_person_would_receive() {
        let mut m = message();
        let line = "2026-03-02T12:00:00.000Z support → …4567: \"¿Seguimos, Ana?\" [Sí] [No]  \
                    (follow-up 1, flow onboarding; asked: \"¿Tu correo?\")\n";
        assert_eq!(printed(&m, false, false), line);
        assert_eq!(printed(&m, false, true), line.replace("…4567", "573001234567"));
        m.form = Form::Template;
        m.template = Some("re_engage_1".into());
        m.attempt = 2;
        m.to.clear();
        assert_eq!(
            printed(&m, false, false),
            "2026-03-02T12:00:00.000Z support → lead-42: template re_engage_1 name=\"Ana\" \"¿Seguimos, Ana?\" [Sí] [No]  \
             (follow-up 1, flow onboarding, call 2; asked: \"¿Tu correo?\")\n"
        );
        m = message();
        m.purpose = Purpose::Ask;
        m.buttons = None;
        m.text = "¿Tu correo?".into();
        assert_eq!(
            printed(&m, false, false),
            "2026-03-02T12:00:00.000Z support → …4567: \"¿Tu correo?\"  (the question, flow onboarding)\n"
        );
    }

    #[test]
    fn json_is_what_a_webhook_line_would_post() {
        let m = message();
        let value: serde_json::Value = serde_json::from_str(&printed(&m, true, false)).unwrap();
        assert_eq!(value["data"]["to"], "…4567");
        let value: serde_json::Value = serde_json::from_str(&printed(&m, true, true)).unwrap();
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(&render::body(&m, &m.to)).unwrap());
    }

    #[test]
    fn a_closed_output_took_nothing() {
        let console = Console::new(Arc::new(Mutex::new(Closed)), false, false);
        assert_eq!(block_on(console.send(&message())).end, CallEnd::Busy(0));
    }

    #[test]
    fn numbers_are_masked_and_terminals_obey_nothing() {
        for (to, shown) in [("", ""), ("1234567", "…"), ("12345678", "…5678"), ("US.abcdefgh", "…efgh")] {
            assert_eq!(masked(to), shown);
        }
        assert_eq!(escaped("a\u{1b}[2J\n\"b\"\\\u{202e}", true), "a\\u001b[2J\\n\\\"b\\\"\\\\\\u202e");
    }

    proptest! {
        #[test]
        fn one_line_whatever_the_text_holds(texts in any::<[String; 3]>(), json in any::<bool>()) {
            let [text, to, question] = texts;
            let mut m = message();
            m.text = text.clone();
            m.to = to;
            m.question.as_mut().unwrap().text = question;
            m.question.as_mut().unwrap().payload = "{\n\"a\":\r\n\t1}".into();
            let line = printed(&m, json, true);
            let obeyed = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            prop_assert_eq!(line.find(obeyed), Some(line.len() - 1));
            if json {
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                prop_assert_eq!(value["data"]["text"].as_str(), Some(&*text));
            }
        }
    }
}

//! The typed answer: what a whole message says to "shall we go on?", in Spanish, Portuguese, English and French.
//!
//! Not a reader of meaning, and not where it is decided whether an answer counts in a state: that is the machine's. Here only the
//! whole message counts ("we must STOP this bill" is no opt-out), with case, accents, punctuation, courtesy, lengthened letters and
//! friendly emoji forgiven. In doubt there is no answer: any other text brings the person back to the bot all the same, while a
//! wrong "no" ends their conversation and a wrong opt-out ends them all. So:
//!
//! - a question mark, a digit, an unknown word or an unknown sign anywhere: no answer;
//! - two answers that contradict each other: no answer ("sí o no", "no 👍");
//! - "yes, later" is later; "no, later" too, but "no later" is not, nor is "no stop" an opt-out where "no, stop" is one;
//! - "not now" is later, never no: one more reminder costs less than a person lost;
//! - "ok thanks" and "👍 gracias" are ways to leave politely: no answer. "ok" and "👍" alone are yes.

mod fold;
mod words;

pub use fold::fold;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A longer message is never an answer; in bytes, after trimming.
const MAX_BYTES: usize = 200;
/// A message of more words is never an answer.
const MAX_WORDS: usize = 16;

/// What a person answers to a follow-up, by button or by word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Choice {
    /// Go on: the last unanswered question is asked again.
    Yes,
    /// Do not go on: the conversation finishes as declined.
    No,
    /// Not now: planned again some hours on.
    Later,
    /// Never again: an opt-out, on all lines.
    Stop,
}

impl Choice {
    /// Every choice, in the order of their codes.
    pub const ALL: [Choice; 4] = [Choice::Yes, Choice::No, Choice::Later, Choice::Stop];

    /// The byte that stands for this choice in stored records, 1 to 4; it never changes meaning.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Choice::Yes => 1,
            Choice::No => 2,
            Choice::Later => 3,
            Choice::Stop => 4,
        }
    }

    /// The choice of a stored byte; `None` where the byte is no choice's.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Choice> {
        match code {
            1 => Some(Choice::Yes),
            2 => Some(Choice::No),
            3 => Some(Choice::Later),
            4 => Some(Choice::Stop),
            _ => None,
        }
    }

    /// The word of the interfaces: `yes`, `no`, `later` or `stop`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Choice::Yes => "yes",
            Choice::No => "no",
            Choice::Later => "later",
            Choice::Stop => "stop",
        }
    }

    /// Reads exactly what [`as_str`](Choice::as_str) prints; `None` for anything else. What people type is for [`read`].
    #[must_use]
    pub fn parse(word: &str) -> Option<Choice> {
        Choice::ALL.into_iter().find(|choice| choice.as_str() == word)
    }
}

/// The answer that `text` is, as a whole; `None` where it is any other message. Total, and linear in the length of `text`.
#[must_use]
pub fn read(text: &str) -> Option<Choice> {
    let text = text.trim();
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut heard = hear(text)?;
    heard.join_spelled_letters();
    let mut said = heard.signs;
    let mut before: Option<Says> = None;
    let mut at = 0;
    while at < heard.words.len() {
        let (says, words) = heard.phrase_at(at)?;
        // "no later" and "no stop" are not "no, later" and "no, stop".
        let contradicts = before.is_some_and(|last| last != says && (last == Says::No || says == Says::No) && says != Says::Filler);
        if contradicts && says != Says::Thanks && !heard.words[at].after_break {
            return None;
        }
        before = if matches!(says, Says::Filler | Says::Thanks) { None } else { Some(says) };
        said.note(says);
        at += words;
    }
    said.choice()
}

/// What one phrase or sign says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    Yes,
    /// A weaker yes: "ok", 👍.
    Nod,
    No,
    Later,
    Stop,
    Thanks,
    /// Please, hello, sir: nothing.
    Filler,
    /// ❌, ✋: underlines a "no" or a "stop", contradicts a "yes", says nothing alone.
    Refusal,
}

/// Everything a message said.
#[derive(Clone, Copy, Default)]
struct Said {
    yes: bool,
    nod: bool,
    no: bool,
    later: bool,
    stop: bool,
    thanks: bool,
    refusal: bool,
    thumb_down: bool,
}

impl Said {
    fn note(&mut self, says: Says) {
        match says {
            Says::Yes => self.yes = true,
            Says::Nod => self.nod = true,
            Says::No => self.no = true,
            Says::Later => self.later = true,
            Says::Stop => self.stop = true,
            Says::Thanks => self.thanks = true,
            Says::Refusal => self.refusal = true,
            Says::Filler => {}
        }
    }

    /// The one answer in it, if it is one.
    fn choice(self) -> Option<Choice> {
        if self.stop {
            return (!self.yes && !self.later).then_some(Choice::Stop);
        }
        if self.later {
            return (!self.refusal && !self.thumb_down).then_some(Choice::Later);
        }
        if self.no || self.thumb_down {
            return (!self.yes && !self.nod).then_some(Choice::No);
        }
        if self.yes {
            return (!self.refusal).then_some(Choice::Yes);
        }
        (self.nod && !self.thanks && !self.refusal).then_some(Choice::Yes)
    }
}

/// A message as heard: its words in lower case without marks, and what its signs say.
struct Heard {
    letters: String,
    words: Vec<Word>,
    signs: Said,
}

#[derive(Clone, Copy)]
struct Word {
    start: usize,
    end: usize,
    /// A comma, full stop, new line or sign stands between this word and the one before.
    after_break: bool,
}

impl Heard {
    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| &self.letters[word.start..word.end])
    }

    /// "S T O P", "s.t.o.p": where every word is one letter, they spell one word.
    fn join_spelled_letters(&mut self) {
        if self.words.len() > 1 && self.words.iter().all(|word| word.end - word.start == 1) {
            self.words = vec![Word { start: 0, end: self.letters.len(), after_break: true }];
        }
    }

    /// The longest known phrase at word `at`, and how many words it takes; an exact one before a lengthened one.
    fn phrase_at(&self, at: usize) -> Option<(Says, usize)> {
        let mut best: Option<(Says, usize, bool)> = None;
        for (says, phrase) in words::beginning_with(*self.word(at).as_bytes().first()?) {
            let Some((words, exact)) = self.fits(at, phrase) else { continue };
            if best.is_none_or(|(_, most, best_exact)| (words, exact) > (most, best_exact)) {
                best = Some((*says, words, exact));
            }
        }
        best.map(|(says, words, _)| (says, words))
    }

    /// How many words `phrase` takes at word `at`, and whether letter for letter; `None` where it is not what stands there.
    fn fits(&self, at: usize, phrase: &str) -> Option<(usize, bool)> {
        let (mut words, mut exact) = (0, true);
        for known in phrase.split(' ') {
            let heard = self.word(at + words);
            let broken = words > 0 && self.words.get(at + words).is_some_and(|word| word.after_break);
            if broken || !is_lengthened(heard.as_bytes(), known.as_bytes()) {
                return None;
            }
            exact &= heard.len() == known.len();
            words += 1;
        }
        Some((words, exact))
    }
}

/// Takes a message apart; `None` where something stands in it that no answer has.
fn hear(text: &str) -> Option<Heard> {
    // "nº" and "№" would decompose into a "no".
    if text.contains(['º', 'ª', '№']) {
        return None;
    }
    let mut heard = Heard { letters: String::with_capacity(text.len()), words: Vec::with_capacity(8), signs: Said::default() };
    let (mut in_word, mut after_break) = (false, true);
    for c in text.chars().filter(|c| !is_apostrophe(*c)).nfkd().flat_map(char::to_lowercase) {
        match class_of(c)? {
            Class::Nothing => {}
            Class::Letter => {
                if !in_word {
                    let start = heard.letters.len();
                    heard.words.push(Word { start, end: start, after_break });
                    (in_word, after_break) = (true, false);
                }
                heard.letters.push(c);
                heard.words.last_mut()?.end = heard.letters.len();
            }
            Class::Space => in_word = false,
            Class::Break => (in_word, after_break) = (false, true),
            Class::Sign(says) => {
                (in_word, after_break) = (false, true);
                heard.signs.note(says);
            }
            Class::ThumbDown => {
                (in_word, after_break) = (false, true);
                heard.signs.thumb_down = true;
            }
        }
        if heard.words.len() > MAX_WORDS {
            return None;
        }
    }
    Some(heard)
}

/// What one character is to an answer.
enum Class {
    Letter,
    Space,
    Break,
    /// Accents, joiners, skin tones, variation selectors.
    Nothing,
    Sign(Says),
    ThumbDown,
}

/// The class of a decomposed, lower-case character; `None` where no answer holds it (a digit, a question mark, a sign of doubt, a picture).
fn class_of(c: char) -> Option<Class> {
    Some(match c {
        _ if is_combining_mark(c) || is_ignorable(c) => Class::Nothing,
        _ if c.is_alphabetic() => Class::Letter,
        ',' | '.' | '!' | '¡' | ';' | ':' | '\n' | '\r' | '。' | '،' => Class::Break,
        '-' | '–' | '—' | '‐' | '_' | '*' | '~' | '/' | '\\' | '|' | '"' | '“' | '”' | '„' | '«' | '»' | '(' | ')' | '[' | ']' | '#'
        | '·' | '•' => Class::Space,
        _ if c.is_whitespace() => Class::Space,
        '👎' => Class::ThumbDown,
        '👍' | '👌' | '✅' | '✔' | '☑' | '🆗' => Class::Sign(Says::Nod),
        '❌' | '✖' | '🚫' | '🛑' | '⛔' | '✋' | '🙅' => Class::Sign(Says::Refusal),
        // Doubt: as good as a question mark.
        '🤔' | '🤨' | '🤷' | '🧐' | '😕' | '🙃' => return None,
        // Faces, hands, hearts, sparkles: they colour an answer and change none. Other pictures may stand for words ("no 🍕").
        '\u{1F600}'..='\u{1F64F}' | '\u{1F90C}'..='\u{1F93A}' | '\u{1F970}'..='\u{1F97A}' | '\u{1FAE0}'..='\u{1FAF8}' => {
            Class::Sign(Says::Filler)
        }
        '❤' | '♥' | '☺' | '☹' | '✨' | '⭐' | '🌟' | '🎉' | '🎊' | '💪' | '👏' | '👋' | '👊' | '✊' | '🔥' | '💯' | '🚀' => {
            Class::Sign(Says::Filler)
        }
        '\u{1F491}'..='\u{1F49F}' | '🖤' | '🧡' => Class::Sign(Says::Filler),
        _ => return None,
    })
}

/// Apostrophes and the accents typed beside their letter ("si´"): neither parts a word.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | '‛' | 'ʼ' | '′' | '`' | '´' | '¨' | '＇')
}

/// Joiners, marks of direction, soft hyphens, skin tones and the gender signs inside an emoji.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{FEFF}' | '\u{FE0E}' | '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '♀' | '♂')
}

/// Whether `heard` is `known`, perhaps with letters drawn out: at its ends from two on ("sii", "nno"), inside from three on ("siiip";
/// "valle" is not "vale"). Never shortened, and a word of one letter as it is.
fn is_lengthened(heard: &[u8], known: &[u8]) -> bool {
    let (mut h, mut k) = (0, 0);
    while k < known.len() {
        let (drawn, plain) = (run(heard, h, known[k]), run(known, k, known[k]));
        let at_an_end = k == 0 || k + plain == known.len();
        let longer = known.len() > 1 && drawn > plain && (at_an_end || drawn >= 3);
        if drawn != plain && !longer {
            return false;
        }
        h += drawn;
        k += plain;
    }
    h == heard.len()
}

/// How many times `byte` stands in `text` from `from` on, without a gap.
fn run(text: &[u8], from: usize, byte: u8) -> usize {
    text[from.min(text.len())..].iter().take_while(|b| **b == byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_and_words_go_there_and_back() {
        for choice in Choice::ALL {
            assert_eq!(Choice::from_code(choice.code()), Some(choice));
            assert_eq!(Choice::parse(choice.as_str()), Some(choice));
        }
        assert_eq!((Choice::from_code(0), Choice::from_code(5), Choice::parse("YES")), (None, None, None));
    }

    #[test]
    fn every_listed_phrase_says_what_its_list_says() {
        for (says, phrases) in words::LISTS {
            for phrase in *phrases {
                assert!(
                    phrase.split(' ').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())),
                    "{phrase:?} is not as heard"
                );
                let expected = match says {
                    Says::Yes | Says::Nod => Some(Choice::Yes),
                    Says::No => Some(Choice::No),
                    Says::Later => Some(Choice::Later),
                    Says::Stop => Some(Choice::Stop),
                    Says::Thanks | Says::Filler | Says::Refusal => None,
                };
                assert_eq!(read(phrase), expected, "{phrase:?}");
                assert_eq!(read(&phrase.to_uppercase()), expected, "{phrase:?} in capitals");
            }
        }
    }

    #[test]
    fn no_phrase_is_listed_twice() {
        let mut seen = std::collections::BTreeMap::new();
        for (says, phrase) in words::LISTS.iter().flat_map(|(says, phrases)| phrases.iter().map(move |phrase| (says, phrase))) {
            assert_eq!(seen.insert(phrase, says), None, "{phrase:?} is listed twice");
        }
    }

    #[test]
    fn letters_are_drawn_out_but_words_are_not_changed() {
        for (heard, known) in [("sii", "si"), ("nno", "no"), ("siiip", "sip"), ("stoooop", "stop"), ("stopp", "stop"), ("si", "si")] {
            assert!(is_lengthened(heard.as_bytes(), known.as_bytes()), "{heard} {known}");
        }
        for (heard, known) in [("valle", "vale"), ("stoop", "stop"), ("aret", "arret"), ("nn", "n"), ("s", "si"), ("sin", "si"), ("", "no")]
        {
            assert!(!is_lengthened(heard.as_bytes(), known.as_bytes()), "{heard} {known}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>(), chars in proptest::collection::vec(any::<char>(), 0..80)) {
            let _ = (read(&text), read(&chars.into_iter().collect::<String>()));
        }

        #[test]
        fn only_the_whole_message_counts(list in 0..words::LISTS.len(), pick in any::<prop::sample::Index>()) {
            let phrases = words::LISTS[list].1;
            let phrase = phrases[pick.index(phrases.len())];
            prop_assert_eq!(read(&format!("{phrase} and something else entirely different")), None);
            prop_assert_eq!(read(&format!("we must {phrase} this bill")), None);
            prop_assert_eq!(read(&format!("{phrase}?")), None);
        }

        #[test]
        fn dress_changes_nothing(list in 0..words::LISTS.len(), pick in any::<prop::sample::Index>(), dress in 0..6_usize) {
            let phrases = words::LISTS[list].1;
            let phrase = phrases[pick.index(phrases.len())];
            let dressed = match dress {
                0 => format!("  {phrase}.\n"),
                1 => format!("¡{phrase}!!!"),
                2 => format!("*{}*", phrase.to_uppercase()),
                3 => format!("\u{200e}“{phrase}” 😊"),
                4 => phrase.chars().flat_map(|c| [c, '\u{301}']).collect(),
                _ => phrase.replace(' ', "\u{a0} "),
            };
            prop_assert_eq!(read(&dressed), read(phrase), "{:?}", dressed);
        }

        #[test]
        fn a_long_message_is_no_answer(times in 70_usize..20_000) {
            prop_assert_eq!(read(&"no ".repeat(times)), None);
            prop_assert_eq!(read(&format!("{}sí{}", " ".repeat(times), "\n".repeat(times))), Some(Choice::Yes));
        }
    }
}

//! What an error may repeat of what it was given: enough to find it again, no number of a person and no text.
//!
//! Not the log: nothing that came from outside is put there in the first place. Errors go back to whoever sent the value, and from
//! there into logs that nobody here looks after.

use std::ops::Range;

/// So many digits are a number that somebody may be called by.
const DIGITS: usize = 7;
/// Signs that people write between the digits of a number.
const BETWEEN: [char; 6] = [' ', '-', '.', '(', ')', '/'];

/// `text` with the middle of every number in it hidden: `57300*****33`. Dates stay as they are.
#[must_use]
pub fn numbers(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut shown = characters.clone();
    let mut at = 0;
    while at < characters.len() {
        if !is_digit(characters[at]) {
            at += 1;
            continue;
        }
        let run = run(&characters, at);
        at = run.end;
        if characters[run.clone()].iter().filter(|c| is_digit(**c)).count() >= DIGITS && !is_date(&characters[run.clone()]) {
            hide(&mut shown, run);
        }
    }
    shown.into_iter().collect()
}

/// A sentence of serde's without the texts that it quotes, and without numbers.
#[must_use]
pub(crate) fn sentence(error: &str) -> String {
    const QUOTES: &str = "string \"";
    let mut said = String::with_capacity(error.len());
    let mut rest = error;
    while let Some(found) = rest.find(QUOTES) {
        said.push_str(&rest[..found + QUOTES.len() - 2]);
        rest = after_quote(&rest[found + QUOTES.len()..]);
    }
    said.push_str(rest);
    numbers(&said)
}

/// What follows the quote that ends the text at whose beginning this is.
fn after_quote(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return &text[at + 1..],
            _ => escaped = false,
        }
    }
    ""
}

/// Digits of any script that people write numbers in.
fn is_digit(c: char) -> bool {
    c.is_numeric()
}

/// The digits from here on, with at most two signs between any two of them.
fn run(characters: &[char], from: usize) -> Range<usize> {
    let mut end = from + 1;
    for (at, c) in characters.iter().enumerate().skip(end) {
        if is_digit(*c) {
            end = at + 1;
        } else if !BETWEEN.contains(c) || at >= end + 2 {
            break;
        }
    }
    from..end
}

/// Whether this is a day, as `2026-03-02`.
fn is_date(run: &[char]) -> bool {
    run.len() == 10 && run.iter().enumerate().all(|(at, c)| if matches!(at, 4 | 7) { *c == '-' } else { c.is_ascii_digit() })
}

/// Hides all but its first third and the last two digits.
fn hide(shown: &mut [char], run: Range<usize>) {
    let digits: Vec<usize> = run.filter(|at| is_digit(shown[*at])).collect();
    let begins = (digits.len() / 3).min(5);
    for at in &digits[begins..digits.len() - 2] {
        shown[*at] = '*';
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_hidden_and_what_is_none_is_not() {
        for (text, shown) in [
            ("573001112233", "5730******33"),
            ("no conversation \"15550001234\"", "no conversation \"155******34\""),
            ("+57 300 111 2233", "+57 30* *** **33"),
            ("+1 (555) 000-1234", "+1 (55*) ***-**34"),
            ("1.555.000.1234", "1.55*.***.**34"),
            ("ana-573001112233@x", "ana-5730******33@x"),
            ("٥٧٣٠٠١١١٢٢٣٣", "٥٧٣٠******٣٣"),
            ("1234567", "12***67"),
            ("123456", "123456"),
            ("alice", "alice"),
            ("2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z"),
            ("20260302120000", "2026********00"),
            ("", ""),
        ] {
            assert_eq!(numbers(text), shown, "{text}");
        }
    }

    #[test]
    fn what_serde_quotes_is_left_out() {
        for (said, shown) in [
            (r#"invalid type: string "say \"no\" to 1", expected an object"#, "invalid type: string, expected an object"),
            (r#"invalid value: string "it ends here"#, "invalid value: string"),
            ("invalid type: integer `15550001234`, expected a string", "invalid type: integer `155******34`, expected a string"),
            ("EOF while parsing a string at line 1 column 5", "EOF while parsing a string at line 1 column 5"),
        ] {
            assert_eq!(sentence(said), shown, "{said}");
        }
    }

    proptest! {
        /// No seven digits that followed each other still do, whatever stands around them.
        #[test]
        fn no_number_is_left(text in "[0-9 +().a-z-]{0,60}") {
            let shown = numbers(&text);
            prop_assert_eq!(shown.chars().count(), text.chars().count());
            let digits = |window: &[char]| window.iter().all(|c| c.is_ascii_digit());
            let left: Vec<char> = shown.chars().collect();
            prop_assert!(!left.windows(DIGITS).any(digits), "{}", shown);
            prop_assert_eq!(numbers(&shown), shown.clone(), "again changes nothing");
        }
    }
}

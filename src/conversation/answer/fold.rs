//! A text without what does not matter when people compare texts: case, accents, apostrophes, invisible signs, kinds of space.
//!
//! Not an answer, and not for showing.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{is_apostrophe, is_ignorable};

/// The text, folded; two texts that people take for the same fold to the same. Folding twice changes nothing.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars().nfkd().flat_map(char::to_lowercase).nfkd() {
        if is_combining_mark(c) || is_ignorable(c) || is_apostrophe(c) {
            continue;
        }
        if c.is_whitespace() {
            space = !folded.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            folded.push(' ');
        }
        folded.push(c);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_take_for_the_same_folds_to_the_same() {
        for (one, other) in [
            ("¡Listo, José!", "¡LISTO,  JOSE!"),
            ("  Tu pago\nfue recibido ", "tu pago fue recibido"),
            ("d'accord", "d’accord"),
            ("Ａ\u{200b}bc", "abc"),
            ("STRASSE ÀÉ", "strasse ae"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("pago recibido"), fold("pagorecibido"));
        assert_eq!((fold(""), fold(" \n")), (String::new(), String::new()));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}

//! Texts cut to what a provider takes.
//!
//! Not a judgement of them: what fits is left as it is.

/// The text within `limit` characters; a longer one ends in `…`. Characters are counted as the longest of the usual counts does,
/// in units of UTF-16: whatever the provider counts, it fits.
pub(super) fn fit(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let kept = text.chars().take_while(|c| match room.checked_sub(c.len_utf16()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    });
    let mut cut: String = kept.collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// The length of a text in units of UTF-16.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_fits_stays_and_the_rest_is_cut() {
        assert_eq!(fit("Sí, continuar", 20), "Sí, continuar");
        assert_eq!(fit("Sí, quiero continuar ahora", 20), "Sí, quiero continua…");
        assert_eq!(fit("uno dos", 5), "uno…");
        assert_eq!(fit("😀😀", 3), "😀…");
    }

    proptest! {
        #[test]
        fn it_always_fits_and_is_a_beginning(text in any::<String>(), limit in 1_usize..60) {
            let cut = fit(&text, limit);
            prop_assert!(units(&cut) <= limit);
            prop_assert!(cut == text || text.starts_with(cut.strip_suffix('…').expect("the sign of a cut")));
        }
    }
}

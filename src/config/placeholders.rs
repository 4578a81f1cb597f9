//! `{{.name}}` in a text: whether it is written as it must be.
//!
//! Not the filling in: that happens when a message is sent.

/// The longest name of a variable, in bytes.
const NAME_BYTES: usize = crate::limits::VARIABLE_BYTES;

/// Checks every placeholder of a text.
///
/// # Errors
/// What is wrong with the first one that is, and what would be right.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((inside, behind)) = after.split_once("}}") else {
            return Err("a placeholder begins with {{ and never ends; write it as {{.name}}".to_owned());
        };
        let name = inside.strip_prefix('.').unwrap_or_default();
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(plain) {
            return Err(format!(
                "{:?} is no placeholder; write it as {{{{.name}}}}, of letters, digits, - and _",
                format!("{{{{{inside}}}}}")
            ));
        }
        rest = behind;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_checked() {
        for right in ["", "plain", "Hi {{.name}}", "{{.a}}{{.b_2}}", "}} alone", "{ {.x} }"] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in ["{{.name", "{{name}}", "{{ .name }}", "{{.}}", "{{.a b}}", "{{{.name}}}", "{{.a}} {{.b"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[{}.a-c]*") {
            let _ = check(&text);
        }
    }
}

//! `{{.name}}` in a text: whether it is written as it must be.
//!
//! Not the filling in: that happens when a message is sent.

use crate::engine::template;

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
        if !inside.strip_prefix('.').is_some_and(is_name) {
            return Err(format!(
                "{:?} is no placeholder; write it as {{{{.name}}}}, of letters, digits, - and _",
                format!("{{{{{inside}}}}}")
            ));
        }
        rest = behind;
    }
    Ok(())
}

/// Whether a variable can have this name.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= NAME_BYTES && name.chars().all(plain)
}

/// Checks the name of a variable.
///
/// # Errors
/// What would be right.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if is_name(name) {
        return Ok(());
    }
    let bare = name.trim_start_matches("{{.").trim_end_matches("}}");
    let meant = if is_name(bare) { format!("; did you mean {bare:?}?") } else { String::new() };
    Err(format!("{name:?} is no name of a variable: write letters, digits, - and _{meant}"))
}

/// The names of the placeholders of a text that is right, each once, in the order in which they first stand there.
pub(super) fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in template::variables(text).unwrap_or_default() {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_once_in_their_order() {
        assert_eq!(names("Hi {{.name}}, {{.b}} and {{.a}}; bye {{.name}}"), ["name", "b", "a"]);
        assert_eq!(names("plain"), Vec::<String>::new());
        assert!(check_name("name").is_ok() && check_name("a b").is_err() && check_name("").is_err());
        assert!(check_name("{{.name}}").unwrap_err().contains("did you mean \"name\"?"));
    }

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

//! Variables in messages, `{{.name}}`: found, checked and filled in.
//!
//! Not a template language: no conditions, no functions, no escapes.

/// Whether a text names variables.
#[must_use]
pub fn has_variables(text: &str) -> bool {
    text.contains("{{")
}

/// The names that a text uses, in order, or the first place that looks like a variable and is none.
///
/// # Errors
/// The broken piece, as written.
pub fn variables(text: &str) -> Result<Vec<&str>, &str> {
    let mut names = Vec::new();
    for piece in pieces(text) {
        if let Piece::Variable(name) = piece? {
            names.push(name);
        }
    }
    Ok(names)
}

/// The text with every variable filled in from `vars`, which is sorted by name.
///
/// # Errors
/// The name that is missing, or the broken piece.
pub fn fill<'a>(text: &'a str, vars: &[(String, String)]) -> Result<String, &'a str> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece? {
            Piece::Text(text) => filled.push_str(text),
            Piece::Variable(name) => match vars.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
                Ok(i) => filled.push_str(&vars[i].1),
                Err(_) => return Err(name),
            },
        }
    }
    Ok(filled)
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, &str>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let open = rest.find("{{").unwrap_or(rest.len());
        if open > 0 {
            let (piece, after) = rest.split_at(open);
            rest = after;
            return Some(Ok(Piece::Text(piece)));
        }
        let Some(close) = rest.find("}}") else {
            return Some(Err(std::mem::take(&mut rest)));
        };
        let (piece, after) = rest.split_at(close + 2);
        rest = after;
        let name = piece[2..close].trim().strip_prefix('.').unwrap_or_default();
        let valid = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        Some(if valid { Ok(Piece::Variable(name)) } else { Err(piece) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn variables_are_found_and_filled() {
        let vars = [("last".to_owned(), "Federer".to_owned()), ("name".to_owned(), "Roger".to_owned())];
        assert_eq!(variables("Hi {{.name}} {{ .last }}!"), Ok(vec!["name", "last"]));
        assert_eq!(fill("Hi {{.name}} {{ .last }}!", &vars).as_deref(), Ok("Hi Roger Federer!"));
        assert_eq!(fill("Hi {{.city}}", &vars), Err("city"));
        assert_eq!(fill("no variables, } or {", &vars).as_deref(), Ok("no variables, } or {"));
        assert_eq!(variables("Hi {{name}}"), Err("{{name}}"));
        assert_eq!(variables("Hi {{.name"), Err("{{.name"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,80}") {
            if let Ok(names) = variables(&text) {
                let mut vars: Vec<(String, String)> = names.iter().map(|n| ((*n).to_owned(), "x".to_owned())).collect();
                vars.sort();
                prop_assert!(!fill(&text, &vars).expect("all are given").contains("{{."));
            }
        }
    }
}

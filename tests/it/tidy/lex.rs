//! Rust source with its comments and literals blanked out, so that rules meet code only. Not a parser: it knows no syntax beyond what
//! hides text.

/// `source` with the inside of every comment, string and character literal replaced by spaces; lines and columns stay.
pub(super) fn code_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_hidden(&chars, at).unwrap_or(at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `None` where none begins.
fn end_of_hidden(chars: &[char], at: usize) -> Option<usize> {
    let starts = |text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    if starts("//") {
        return Some(chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |line| at + line));
    }
    if starts("/*") {
        return Some(end_of_block(chars, at));
    }
    if chars[at] == '"' {
        return Some(end_of_quoted(chars, at + 1, '"'));
    }
    if chars[at] == 'r' && at.checked_sub(1).is_none_or(|before| !is_name(chars[before]) || chars[before] == 'b') {
        return end_of_raw(chars, at + 1);
    }
    // 'a' and '\n' are literals, 'a in a type is a lifetime.
    if chars[at] == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')) {
        return Some(end_of_quoted(chars, at + 1, '\''));
    }
    None
}

fn end_of_block(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0_usize, at);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn end_of_quoted(chars: &[char], mut i: usize, quote: char) -> usize {
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

fn end_of_raw(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + hashes) == Some(&'"')).then_some(())?;
    let mut i = at + hashes + 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(chars.len())
}

/// Whether `c` may stand in a Rust name.
pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn comments_and_literals_are_blanked_and_code_stays() {
    for (source, code) in [
        ("a // tokio\nb", "a         \nb"),
        ("a /* x /* y */ z */ b", "a                   b"),
        ("f(\"tok\\\"io\") g", "f(         ) g"),
        ("r#\"a \" b\"# c", "           c"),
        ("br\"x\" c", "b     c"),
        ("'{' 'a: '\\'' x", "    'a:      x"),
        ("for r in 0..r {}", "for r in 0..r {}"),
    ] {
        assert_eq!(code_of(source), code, "{source}");
    }
}

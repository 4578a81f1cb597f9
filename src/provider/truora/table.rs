//! What Truora's errors mean: by the status of HTTP. Its bodies carry `code`, `http_code` and `message`, each optional; no list of the
//! codes is published, so they are for people.
//!
//! Not what is HTTP's own (`client::common`): no answer, too early, and what a server may have taken before it failed.

use crate::engine::heard::Trouble;

/// What a status other than 2xx means.
pub(super) fn trouble(status: u16) -> Trouble {
    match status {
        429 => Trouble::ThrottleLine,
        401 | 403 => Trouble::Authentication,
        402 => Trouble::Account,
        // The path is fixed: what is not found is the outbound.
        404 => Trouble::Template,
        // Something was done, or is being done.
        303 | 409 => Trouble::Doubt,
        _ => Trouble::Configuration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        for status in 300..500 {
            let expected = match status {
                303 | 409 => "doubt",
                401 | 403 => "authentication",
                402 => "account",
                404 => "template",
                429 => "throttle_line",
                _ => "configuration",
            };
            assert_eq!(trouble(status).as_str(), expected, "HTTP {status}");
        }
    }
}

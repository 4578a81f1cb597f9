//! What a receiver says about when to come again: `Retry-After`.
//!
//! Not the decision: how long is really waited is bounded by the engine.

use crate::moment::{Moment, SECOND};

/// Reads `Retry-After`: the milliseconds to wait, at least 0. A date is counted from the receiver's own `Date`, where it
/// sends one, so that two clocks need not agree; else from `now`. `None` where the header says nothing that can be read.
#[must_use]
pub fn retry_after(value: &str, date: Option<&str>, now: Moment) -> Option<i64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(value.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(SECOND));
    }
    let base = date.and_then(http_date).unwrap_or(now);
    Some(http_date(value)?.since(base).max(0))
}

/// The date of HTTP, as `Wed, 21 Oct 2015 07:28:00 GMT`.
fn http_date(text: &str) -> Option<Moment> {
    let date = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some(Moment(date.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{DAY, MINUTE};
    use proptest::prelude::*;

    #[test]
    fn seconds_dates_and_nonsense() {
        let now = Moment::parse("2015-10-21T07:27:00Z").unwrap();
        let at = "Wed, 21 Oct 2015 07:28:00 GMT";
        for (value, date, expected) in [
            ("120", None, Some(2 * MINUTE)),
            (" 0 ", None, Some(0)),
            ("99999999999999999999", None, Some(i64::MAX)),
            (at, None, Some(MINUTE)),
            (at, Some("Wed, 21 Oct 2015 07:27:50 GMT"), Some(10 * SECOND)),
            (at, Some("Thu, 22 Oct 2015 07:28:00 GMT"), Some(0)),
            (at, Some("yesterday"), Some(MINUTE)),
            ("Thu, 22 Oct 2015 07:27:00 GMT", None, Some(DAY)),
            ("-1", None, None),
            ("1.5", None, None),
            ("", None, None),
            ("soon", None, None),
        ] {
            assert_eq!(retry_after(value, date, now), expected, "{value:?} {date:?}");
        }
    }

    proptest! {
        #[test]
        fn it_never_panics_and_never_waits_backwards(value in ".{0,40}", date in proptest::option::of(".{0,40}"), now in any::<i64>()) {
            let wait = retry_after(&value, date.as_deref(), Moment(now));
            prop_assert!(wait.is_none_or(|w| w >= 0));
        }
    }
}

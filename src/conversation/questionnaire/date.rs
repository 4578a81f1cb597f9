//! Dates as people write them in numbers: `2026-03-02`, `2/3/2026`, `2.3.2026`. Kept as ISO 8601 has them.
//!
//! Not words: "next Friday" is no date, nor is a year of two digits, which would be guessed.

use chrono::NaiveDate;

/// The first and the last year that are taken.
const YEARS: std::ops::RangeInclusive<i32> = 1_800..=2_200;

/// In which order numbers alone stand; a year of four digits in front needs none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateOrder {
    /// Day, month, year.
    DayFirst,
    /// Month, day, year.
    MonthFirst,
}

/// The date in a text.
pub(super) fn read(text: &str, order: DateOrder) -> Option<String> {
    let mut numbers = text.split(['-', '/', '.', ' ']).filter(|part| !part.is_empty());
    let parts = [numbers.next()?, numbers.next()?, numbers.next()?];
    if numbers.next().is_some() || !parts.iter().all(|part| part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let [year, month, day] = match (parts, order) {
        ([year, month, day], _) if year.len() == 4 => [year, month, day],
        ([day, month, year], DateOrder::DayFirst) | ([month, day, year], DateOrder::MonthFirst) => [year, month, day],
    };
    if year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    YEARS.contains(&year.parse().ok()?).then(|| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_read_in_their_order() {
        use DateOrder::{DayFirst, MonthFirst};
        for (written, order, date) in [
            ("2026-03-02", DayFirst, Some("2026-03-02")),
            ("2026-03-02", MonthFirst, Some("2026-03-02")),
            ("2/3/2026", DayFirst, Some("2026-03-02")),
            ("2/3/2026", MonthFirst, Some("2026-02-03")),
            ("02.03.2026", DayFirst, Some("2026-03-02")),
            ("2 3 2026", DayFirst, Some("2026-03-02")),
            ("29/2/2024", DayFirst, Some("2024-02-29")),
            ("29/2/2026", DayFirst, None),
            ("13/1/2026", MonthFirst, None),
            ("2/3/26", DayFirst, None),
            ("0026-03-02", DayFirst, None),
            ("2026-3", DayFirst, None),
            ("1/2/3/2026", DayFirst, None),
            ("mañana", DayFirst, None),
            ("2/x/2026", DayFirst, None),
        ] {
            assert_eq!(read(written, order).as_deref(), date, "{written}");
        }
    }

    proptest! {
        #[test]
        fn every_date_reads_back(days in -62_000i64..84_000, month_first: bool) {
            let date = NaiveDate::default() + chrono::Duration::days(days);
            let order = if month_first { DateOrder::MonthFirst } else { DateOrder::DayFirst };
            let plain = date.format(if month_first { "%m/%d/%Y" } else { "%d/%m/%Y" }).to_string();
            prop_assert_eq!(read(&plain, order), Some(date.to_string()));
            prop_assert_eq!(read(&date.to_string(), order), Some(date.to_string()));
        }

        #[test]
        fn it_is_total(text in any::<String>(), digits in "[0-9/. -]{0,20}") {
            let _ = (read(&text, DateOrder::DayFirst), read(&digits, DateOrder::MonthFirst));
        }
    }
}

//! What a decision costs: on the guide's daily window, on a compiled calendar, and as a line of `plan`.

use criterion::{Criterion, criterion_group, criterion_main};
use reengaged::moment::{DAY, HOUR, MINUTE, Moment};
use reengaged::schedule::{Calendar, Daily, Hours, Notation, Rules, Session, Silence, Zone, plan};
use reengaged::shapes::plan::Planner;
use std::hint::black_box;
use std::sync::Arc;

fn rules(hours: Hours) -> Rules {
    Rules { enabled: true, wait: 45 * MINUTE, hours, session: Some(Session::default()), spread: 20 * MINUTE }
}

/// Silences over two years, at every time of the day and of the week, so that no branch is learnt by heart.
fn silences() -> Vec<Silence> {
    let start = Moment::parse("2026-01-01T00:00:00Z").expect("an instant").0;
    (0..1024)
        .map(|n: i64| {
            let at = Moment(start + n * 7_919 * 61_003 % (730 * DAY));
            Silence { inactive_since: at, last_inbound_at: Some(at), now: at, spread_key: n as u64 }
        })
        .collect()
}

fn calendar() -> Calendar {
    let zone = Zone::named("America/New_York").expect("a zone");
    let notation = Notation::read("Mo-Fr 07:00-12:00,13:00-19:00, Sa 08:00-15:00; PH 10:00-12:00").expect("hours");
    let holidays: Vec<_> = (1..=12).filter_map(|month| chrono::NaiveDate::from_ymd_opt(2026, month, 25)).collect();
    Calendar::new(zone, notation, &holidays)
}

fn decisions(c: &mut Criterion) {
    let silences = silences();
    let mut turn = silences.iter().cycle();
    let daily = rules(Hours::Daily(Daily::default()));
    c.bench_function("plan, daily window", |b| b.iter(|| plan(&daily, black_box(turn.next().expect("a cycle")))));
    let compiled = rules(Hours::Calendar(Arc::new(calendar())));
    c.bench_function("plan, calendar with zone and holidays", |b| b.iter(|| plan(&compiled, black_box(turn.next().expect("a cycle")))));
    c.bench_function("a calendar from its text, with the first table", |b| {
        b.iter(|| Hours::Calendar(Arc::new(calendar())).next_open(Moment(1_800_000_000_000), HOUR));
    });
}

fn lines(c: &mut Criterion) {
    let policy = r#"{"enable_follow_up":true,"follow_up_delay":45,"calendar":{"timezone":"America/Bogota","hours":"Mo,Tu 07:00-19:00, Sa 08:00-15:00","holidays":["2026-01-01"]},
        "session":{"window_minutes":1440,"margin_minutes":10,"when_closed":["advance","template","skip"],"template":"OTB1"}}"#;
    let line = format!(
        r#"{{"id":1,"policy":{policy},"inactive_since":"2026-03-01T22:30:00.000Z","last_inbound_at":"2026-03-01T22:30:00.000Z",
            "now":"2026-03-01T22:30:00.000Z"}}"#
    );
    let mut planner = Planner::new(None);
    let mut answer = String::new();
    c.bench_function("a line of plan, policy seen before", |b| {
        b.iter(|| {
            answer.clear();
            planner.answer_into(black_box(line.as_bytes()), &mut answer)
        });
    });
}

criterion_group!(benches, decisions, lines);
criterion_main!(benches);

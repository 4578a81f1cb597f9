//! An [`Event`], and the trail of a decision, as bytes.
//!
//! Not what they mean. Codes are never used again for something else.

use crate::conversation::{Choice, Event, Finish, Refusal, Report, Verdict};
use crate::moment::Moment;
use crate::schedule::{Reason, SkipReason, TRAIL_LEN, Trail};
use crate::store::codec::state::maybe;
use crate::store::codec::words::{Reader, put_at, put_i};

/// Appends an event; its instants are written as distances from `now`.
pub(crate) fn put_event(out: &mut Vec<u8>, event: &Event, now: Moment) {
    let choice = |choice: Option<Choice>| choice.map_or(0, Choice::code);
    match *event {
        Event::Message { at, typed } => {
            out.extend_from_slice(&[1, choice(typed)]);
            put_at(out, at, now);
        }
        Event::Answer { at, choice: chosen, silence } => {
            out.extend_from_slice(&[2, chosen.code() << 1 | u8::from(silence.is_some())]);
            put_at(out, at, now);
            if let Some(silence) = silence {
                put_at(out, silence, now);
            }
        }
        Event::Question { at, obstacle } => {
            out.extend_from_slice(&[3, obstacle.map_or(0, SkipReason::code)]);
            put_at(out, at, now);
        }
        Event::Finish { at, how } => {
            out.extend_from_slice(&[4, finish_code(how)]);
            put_at(out, at, now);
        }
        Event::OptOut { at } => {
            out.push(5);
            put_at(out, at, now);
        }
        Event::OptIn { at } => {
            out.push(6);
            put_at(out, at, now);
        }
        Event::Hold => out.push(7),
        Event::Release => out.push(8),
        Event::Postpone { until } => {
            out.push(9);
            put_at(out, until, now);
        }
        Event::SendNow => out.push(10),
        Event::Woke => out.push(11),
        Event::Sent { silence, step, verdict } => {
            out.extend_from_slice(&[12, step]);
            put_at(out, silence, now);
            put_verdict(out, verdict, now);
        }
        Event::Orphaned => out.push(13),
        Event::PolicyChanged => out.push(14),
        Event::Found { silence, step, verdict } => {
            out.extend_from_slice(&[15, step]);
            put_at(out, silence, now);
            put_verdict(out, verdict, now);
        }
        Event::Resend => out.push(16),
        Event::Undelivered { silence, step, refusal } => {
            out.extend_from_slice(&[17, step, refusal as u8]);
            put_at(out, silence, now);
        }
        Event::Ask { at } => put_coded(out, 18, at, now),
        Event::Invite { at } => put_coded(out, 19, at, now),
        Event::Notify { at } => put_coded(out, 20, at, now),
        Event::Close { at } => put_coded(out, 21, at, now),
        Event::Blocked { reason } => out.extend_from_slice(&[22, reason.code()]),
    }
}

fn put_coded(out: &mut Vec<u8>, code: u8, at: Moment, now: Moment) {
    out.push(code);
    put_at(out, at, now);
}

/// The event that [`put_event`] wrote.
pub(crate) fn read_event(read: &mut Reader<'_>, now: Moment) -> Option<Event> {
    Some(match read.u8()? {
        1 => {
            let code = read.u8()?;
            let typed = maybe(code != 0, || Choice::from_code(code))?;
            Event::Message { at: read.at(now)?, typed }
        }
        2 => {
            let code = read.u8()?;
            let choice = Choice::from_code(code >> 1)?;
            Event::Answer { at: read.at(now)?, choice, silence: maybe(code & 1 == 1, || read.at(now))? }
        }
        3 => {
            let code = read.u8()?;
            let obstacle = maybe(code != 0, || SkipReason::from_code(code))?;
            Event::Question { at: read.at(now)?, obstacle }
        }
        4 => {
            let how = finish_of(read.u8()?)?;
            Event::Finish { at: read.at(now)?, how }
        }
        5 => Event::OptOut { at: read.at(now)? },
        6 => Event::OptIn { at: read.at(now)? },
        7 => Event::Hold,
        8 => Event::Release,
        9 => Event::Postpone { until: read.at(now)? },
        10 => Event::SendNow,
        11 => Event::Woke,
        12 => {
            let step = read.u8()?;
            Event::Sent { step, silence: read.at(now)?, verdict: read_verdict(read, now)? }
        }
        13 => Event::Orphaned,
        14 => Event::PolicyChanged,
        15 => {
            let step = read.u8()?;
            Event::Found { step, silence: read.at(now)?, verdict: read_verdict(read, now)? }
        }
        16 => Event::Resend,
        17 => {
            let step = read.u8()?;
            let refusal = refusal_of(read.u8()?)?;
            Event::Undelivered { step, refusal, silence: read.at(now)? }
        }
        18 => Event::Ask { at: read.at(now)? },
        19 => Event::Invite { at: read.at(now)? },
        20 => Event::Notify { at: read.at(now)? },
        21 => Event::Close { at: read.at(now)? },
        22 => Event::Blocked { reason: SkipReason::from_code(read.u8()?)? },
        _ => return None,
    })
}

/// Appends a trail.
pub(crate) fn put_trail(out: &mut Vec<u8>, trail: &Trail, now: Moment) {
    out.push(trail.len() as u8);
    for reason in trail.iter() {
        let (code, at, number) = reason.to_parts();
        out.push(code);
        put_at(out, at, now);
        put_i(out, number);
    }
}

/// The trail that [`put_trail`] wrote.
pub(crate) fn read_trail(read: &mut Reader<'_>, now: Moment) -> Option<Trail> {
    let n = usize::from(read.u8()?);
    if n > TRAIL_LEN {
        return None;
    }
    let mut trail = Trail::new();
    for _ in 0..n {
        let code = read.u8()?;
        let at = read.at(now)?;
        trail.push(Reason::from_parts(code, at, read.i64()?)?);
    }
    Some(trail)
}

/// Appends what a hook is told.
pub(crate) fn put_report(out: &mut Vec<u8>, report: Report) {
    match report {
        Report::Started => out.push(1),
        Report::FollowUpSent { unknown } => out.extend_from_slice(&[2, u8::from(unknown)]),
        Report::Resumed { revived } => out.extend_from_slice(&[3, u8::from(revived)]),
        Report::Declined => out.push(4),
        Report::Succeeded => out.push(5),
        Report::Failed => out.push(6),
        Report::Expired => out.push(7),
        Report::Skipped(reason) => out.extend_from_slice(&[8, reason.code()]),
        Report::OptedOut => out.push(9),
        Report::FollowUpDelivered => out.push(10),
        Report::OutboundApproved => out.push(11),
        Report::OutboundRejected => out.push(12),
    }
}

/// The report that [`put_report`] wrote.
pub(crate) fn read_report(read: &mut Reader<'_>) -> Option<Report> {
    Some(match read.u8()? {
        1 => Report::Started,
        2 => Report::FollowUpSent { unknown: read.u8()? == 1 },
        3 => Report::Resumed { revived: read.u8()? == 1 },
        4 => Report::Declined,
        5 => Report::Succeeded,
        6 => Report::Failed,
        7 => Report::Expired,
        8 => Report::Skipped(SkipReason::from_code(read.u8()?)?),
        9 => Report::OptedOut,
        10 => Report::FollowUpDelivered,
        11 => Report::OutboundApproved,
        12 => Report::OutboundRejected,
        _ => return None,
    })
}

fn put_verdict(out: &mut Vec<u8>, verdict: Verdict, now: Moment) {
    match verdict {
        Verdict::Accepted(at) => {
            out.push(1);
            put_at(out, at, now);
        }
        Verdict::Busy(millis) => {
            out.push(2);
            put_i(out, millis);
        }
        Verdict::Refused(refusal) => out.extend_from_slice(&[3, refusal as u8]),
        Verdict::Unknown => out.push(4),
        Verdict::NotBegun => out.push(5),
        Verdict::Stopped => out.push(6),
    }
}

fn read_verdict(read: &mut Reader<'_>, now: Moment) -> Option<Verdict> {
    Some(match read.u8()? {
        1 => Verdict::Accepted(read.at(now)?),
        2 => Verdict::Busy(read.i64()?),
        3 => Verdict::Refused(refusal_of(read.u8()?)?),
        4 => Verdict::Unknown,
        5 => Verdict::NotBegun,
        6 => Verdict::Stopped,
        _ => return None,
    })
}

fn refusal_of(code: u8) -> Option<Refusal> {
    [Refusal::WindowClosed, Refusal::Template, Refusal::Recipient, Refusal::Line, Refusal::OptedOut].into_iter().find(|r| *r as u8 == code)
}

const FINISHES: [Finish; 4] = [Finish::Succeeded, Finish::Failed, Finish::Cancelled, Finish::Superseded];

fn finish_code(how: Finish) -> u8 {
    match how {
        Finish::Succeeded => 1,
        Finish::Failed => 2,
        Finish::Cancelled => 3,
        Finish::Superseded => 4,
    }
}

fn finish_of(code: u8) -> Option<Finish> {
    FINISHES.into_iter().find(|how| finish_code(*how) == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_trails_and_reports_come_back(
            event in samples::event(), trail in samples::trail(), report in samples::report(), now: i64
        ) {
            let now = Moment(now);
            let mut out = Vec::new();
            put_event(&mut out, &event, now);
            put_trail(&mut out, &trail, now);
            put_report(&mut out, report);
            let mut read = Reader::new(&out);
            prop_assert_eq!(read_event(&mut read, now), Some(event));
            prop_assert_eq!(read_trail(&mut read, now), Some(trail));
            prop_assert_eq!(read_report(&mut read), Some(report));
            prop_assert!(read.end().is_some());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(trail) = read_trail(&mut Reader::new(&bytes), Moment(0)) {
                prop_assert!(trail.len() <= TRAIL_LEN);
            }
            if let Some(event) = read_event(&mut Reader::new(&bytes), Moment(0)) {
                let mut out = Vec::new();
                put_event(&mut out, &event, Moment(0));
                prop_assert_eq!(read_event(&mut Reader::new(&out), Moment(0)), Some(event));
            }
        }
    }
}

//! What every store promises of the registry: small records beside conversations, and what hooks are told of them.
//!
//! Not what the records mean.

use std::sync::Arc;

use reengaged::conversation::Report;
use reengaged::engine::ports::Restored;
use reengaged::engine::record::{Change, HookRecord, NameId};
use reengaged::engine::registry::{Filed, OutboundNews, Register};

use super::{NOW, Subject, each, record};

#[test]
fn records_of_the_registry_are_replaced_whole_and_taken_away_whole() {
    each(|subject, step| {
        let long = |byte: u8, n: usize| -> Arc<[u8]> { Arc::from(vec![byte; n]) };
        let file = |register, id: &str, value: Option<Arc<[u8]>>| {
            Change::Filed(Box::new(Filed { register, id: Arc::from(id), value, hooks: Vec::new() }))
        };
        let there = |subject: &Subject| -> Vec<(Register, String, u8, usize)> {
            let told = subject.told().into_iter().filter_map(|told| match told {
                Restored::Filed(register, id, value) => Some((register, id.to_string(), value.first().copied().unwrap_or(0), value.len())),
                _ => None,
            });
            told.collect()
        };
        let (inbound, outbound) = (Register::Inbound, Register::Outbound);
        subject.apply([file(outbound, "OTB1", Some(long(1, 20_000))), file(inbound, "OTB1", Some(long(2, 3)))]);
        step(subject);
        let small = (inbound, "OTB1".to_owned(), 2, 3);
        assert_eq!(there(subject), [small.clone(), (outbound, "OTB1".to_owned(), 1, 20_000)]);
        // Two changes of one record before any is folded, the first of them the longest of all.
        subject.apply([file(outbound, "OTB1", Some(long(3, 50_000))), file(outbound, "OTB1", Some(long(4, 7)))]);
        step(subject);
        assert_eq!(there(subject), [small.clone(), (outbound, "OTB1".to_owned(), 4, 7)]);
        subject.apply([file(outbound, "OTB1", Some(long(5, 50_000)))]);
        step(subject);
        subject.apply([file(outbound, "OTB1", None), file(outbound, "OTB", Some(long(6, 0)))]);
        step(subject);
        assert_eq!(there(subject), [small, (outbound, "OTB".to_owned(), 0, 0)]);
    });
}

#[test]
fn what_hooks_are_told_of_an_outbound_is_kept_with_it() {
    each(|subject, step| {
        let news = OutboundNews { id: Arc::from("OTB1"), name: "Welcome".into(), line: "support".into(), why: "spam".into() };
        let told = HookRecord { report: Report::OutboundRejected, question: None, outbound: Some(Box::new(news)), ..record(5, 1, &[4, 5]) };
        let filed = Filed { register: Register::Outbound, id: Arc::from("OTB1"), value: None, hooks: vec![told.clone()] };
        subject.apply([Change::Filed(Box::new(filed))]);
        step(subject);
        assert_eq!(subject.store().hook(5).unwrap(), Some(told.clone()));
        assert!(subject.told().contains(&Restored::LastHook(5)) && subject.told().contains(&Restored::Hook(told)));
        subject.apply([Change::HookDone(NameId(4), 5), Change::HookDead(NameId(5), 5, NOW)]);
        step(subject);
        let dead = subject.store().dead(0, 9).unwrap();
        assert_eq!(dead.iter().map(|(hook, record, _)| (hook.0, record.seq)).collect::<Vec<_>>(), [(5, 5)]);
        assert_eq!(dead[0].1.outbound.as_ref().map(|news| &*news.why), Some("spam"));
    });
}

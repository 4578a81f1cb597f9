//! Hooks on real sockets: signed, in order, again until taken, each hook for itself, and never to an address of ours.
//! Not the order of retries: that is proved in `engine/courier`, without a network.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use reengaged::conversation::Report;
use reengaged::engine::ports::Fault;
use reengaged::engine::record::{Change, HookRecord, NameId, Question};
use reengaged::hooks::courier::{Courier, Office};
use reengaged::hooks::deliver::{Hook, Letter};
use reengaged::hooks::guard::PublicOnly;
use reengaged::id::{ConversationId, Keys};
use reengaged::moment::{HOUR, Moment};
use reengaged::provider::client;
use reengaged::shapes::signature::{self, Signed, SigningKey};

use crate::stub::{self, Mood, Stub};

const CRM: NameId = NameId(1);
const LOG: NameId = NameId(2);
const WALL: Moment = Moment(1_800_000_000_000);

/// A store of hook records, and a clock that the test moves.
#[derive(Default)]
struct Desk {
    records: Mutex<BTreeMap<u64, HookRecord>>,
    kept: Mutex<Vec<Change>>,
    changed: Condvar,
    tick: AtomicI64,
    unreadable: Mutex<Vec<u64>>,
}

impl Desk {
    fn write(&self, conversation: u128, seq: u64, hooks: &[NameId]) {
        let record = HookRecord {
            seq,
            conversation: ConversationId(conversation),
            report: Report::Resumed { revived: false },
            at: WALL,
            episode: 1,
            step: 0,
            send: None,
            question: Some(Question { id: "q".into(), text: "¿Y?".into(), payload: String::new(), choices: Vec::new() }),
            answers: Vec::new(),
            outbound: None,
            hooks: hooks.to_vec(),
        };
        self.records.lock().unwrap().insert(seq, record);
    }

    /// Waits until so many changes were kept, and gives them.
    fn wait_for(&self, changes: usize) -> Vec<Change> {
        let limit = Duration::from_secs(20);
        let (kept, late) = self.changed.wait_timeout_while(self.kept.lock().unwrap(), limit, |kept| kept.len() < changes).unwrap();
        assert!(!late.timed_out(), "{} of {changes} changes after {limit:?}", kept.len());
        kept.clone()
    }
}

impl Office for Desk {
    fn record(&self, seq: u64) -> Result<Option<HookRecord>, Fault> {
        if self.unreadable.lock().unwrap().contains(&seq) {
            return Err(Fault::Corrupt(format!("hook record {seq}: its checksum is wrong")));
        }
        Ok(self.records.lock().unwrap().get(&seq).cloned())
    }

    fn letter(&self, hook: &str, record: HookRecord) -> Result<Letter, Fault> {
        let id = Keys::new(&[7; 32]).hook(hook, record.seq);
        let caller = record.conversation.0.to_string();
        Ok(Letter { id, record, caller, line: "support".into(), flow: "onboarding".into(), attributes: Vec::new() })
    }

    fn keep(&self, change: Change) {
        if let Change::HookDone(hook, seq) = &change {
            let mut records = self.records.lock().unwrap();
            let record = records.get_mut(seq).expect("what is done was written");
            record.hooks.retain(|h| h != hook);
        }
        self.kept.lock().unwrap().push(change);
        self.changed.notify_all();
    }

    fn wall(&self) -> Moment {
        WALL
    }

    fn tick(&self) -> Moment {
        Moment(self.tick.load(Ordering::SeqCst))
    }
}

fn keys() -> Vec<SigningKey> {
    ["a new secret of some length", "the old one, still in use"].map(|secret| SigningKey::read(secret).unwrap()).to_vec()
}

fn hook(id: NameId, stub: &Stub) -> Hook {
    let client = client::build(&client::Settings::default()).unwrap();
    Hook { id, name: format!("hook{}", id.0).into(), url: stub.url("/hook"), keys: keys(), client, allow_private: true }
}

/// Runs a courier while `story` is told on this thread, and ends it.
fn deliver(desk: &Arc<Desk>, hooks: Vec<Hook>, story: impl FnOnce(&Courier)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let courier = Courier::new(Arc::<Desk>::clone(desk), hooks);
    let running = runtime.spawn(courier.clone().run());
    story(&courier);
    courier.stop();
    let ended = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), running).await });
    ended.expect("it stops within the budget of a delivery").expect("it does not panic");
}

/// Which records a stub got, by the conversation's name and the record's `webhook-id`.
fn ids(requests: &[stub::Request], conversation: &str) -> Vec<String> {
    let of = requests.iter().filter(|r| r.json()["data"]["conversation"] == conversation);
    of.map(|r| r.header("webhook-id").to_owned()).collect()
}

#[test]
fn records_arrive_signed_by_every_key_and_are_done() {
    let stub = Stub::answering(204, "", "");
    let desk = Arc::new(Desk::default());
    desk.write(42, 1, &[CRM]);
    deliver(&desk, vec![hook(CRM, &stub)], |courier| {
        courier.offer(CRM, ConversationId(42), 1, WALL);
        assert_eq!(desk.wait_for(1), [Change::HookDone(CRM, 1)]);
    });
    let request = &stub.requests()[0];
    let text = |name: &str| request.header(name).to_owned();
    let signed = Signed { id: text("webhook-id"), timestamp: text("webhook-timestamp"), signature: text("webhook-signature") };
    assert_eq!(signed.id, Keys::new(&[7; 32]).hook("hook1", 1).to_string());
    for key in keys() {
        assert_eq!(signature::verify(&[key], &signed, &request.body, WALL), Ok(()));
    }
    let body = request.json();
    assert_eq!((&body["type"], &body["data"]["question"]["text"]), (&"conversation.resumed".into(), &"¿Y?".into()));
}

#[test]
fn a_conversation_keeps_its_order_through_failures_and_others_go_on() {
    let refused = Arc::new(Mutex::new(0));
    let count = Arc::clone(&refused);
    // The first three tries of conversation 1 fail.
    let stub = Stub::new(Mood::Decide(Arc::new(move |request| {
        let mut refused = count.lock().unwrap();
        if request.json()["data"]["conversation"] == "1" && *refused < 3 {
            *refused += 1;
            return stub::answer(500, "", "");
        }
        stub::answer(200, "", "")
    })));
    let desk = Arc::new(Desk::default());
    let ids_of = |seqs: &[u64]| -> Vec<String> { seqs.iter().map(|s| Keys::new(&[7; 32]).hook("hook1", *s).to_string()).collect() };
    deliver(&desk, vec![hook(CRM, &stub)], |courier| {
        for seq in 1..=30 {
            desk.write(u128::from(seq % 3), seq, &[CRM]);
            courier.offer(CRM, ConversationId(u128::from(seq % 3)), seq, WALL);
        }
        // Conversations 0 and 2 are through while 1 still waits for its second try.
        desk.wait_for(20);
        assert_eq!(ids(&stub.requests(), "1"), ids_of(&[1]));
        for tries in 2..=4 {
            // The stub may have counted a try before the courier heard how it ended: then the hour passed too soon, and passes again.
            loop {
                desk.tick.fetch_add(HOUR, Ordering::SeqCst);
                courier.configure(vec![hook(CRM, &stub)]);
                if stub.has_within(20 + tries, Duration::from_millis(200)) {
                    break;
                }
            }
        }
        desk.wait_for(30);
    });
    let requests = stub.requests();
    let of = |remainder: u64| (1..=30).filter(|s| s % 3 == remainder).collect::<Vec<u64>>();
    assert_eq!(ids(&requests, "0"), ids_of(&of(0)));
    assert_eq!(ids(&requests, "2"), ids_of(&of(2)));
    assert_eq!(ids(&requests, "1")[3..], ids_of(&of(1)));
    assert_eq!(ids(&requests, "1")[..3], ids_of(&[1, 1, 1]));
}

#[test]
fn a_hook_that_hangs_costs_only_itself() {
    let (hanging, good) = (Stub::new(Mood::Hang), Stub::answering(200, "", ""));
    let desk = Arc::new(Desk::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let courier = Courier::new(Arc::<Desk>::clone(&desk), vec![hook(CRM, &hanging), hook(LOG, &good)]);
    let running = runtime.spawn(courier.clone().run());
    for seq in 1..=200 {
        desk.write(u128::from(seq), seq, &[CRM, LOG]);
        courier.offer(CRM, ConversationId(u128::from(seq)), seq, WALL);
        courier.offer(LOG, ConversationId(u128::from(seq)), seq, WALL);
    }
    hanging.wait_for(16);
    let kept = desk.wait_for(200);
    assert!(kept.iter().all(|change| matches!(change, Change::HookDone(LOG, _))));
    // No more calls hang than a hook may have under way.
    assert_eq!((hanging.requests().len(), good.requests().len()), (16, 200));
    let figures: BTreeMap<_, _> = courier.figures().into_iter().collect();
    assert_eq!((figures[&CRM].pending, figures[&CRM].in_flight, figures[&LOG].pending), (200, 16, 0));
    running.abort();
}

#[test]
fn gone_and_forgotten_records_and_unreadable_ones() {
    let stub = Stub::answering(410, "", "");
    let desk = Arc::new(Desk::default());
    desk.write(1, 1, &[CRM]);
    desk.write(2, 2, &[]);
    desk.unreadable.lock().unwrap().push(3);
    deliver(&desk, vec![hook(CRM, &stub)], |courier| {
        for seq in 1..=3 {
            courier.offer(CRM, ConversationId(u128::from(seq)), seq, WALL);
        }
        let kept = desk.wait_for(2);
        assert!(kept.contains(&Change::HookDead(CRM, 1, WALL)) && kept.contains(&Change::HookDone(CRM, 2)), "{kept:?}");
        // A hook that is taken out of the configuration leaves dead letters.
        courier.configure(Vec::new());
        assert_eq!(desk.wait_for(3)[2], Change::HookDead(CRM, 3, WALL));
    });
    assert_eq!(stub.requests().len(), 1);
}

#[test]
fn an_address_of_ours_is_never_called_unless_allowed() {
    let stub = Stub::answering(200, "", "");
    let port = stub.address.port();
    for url in [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/"), format!("http://[::ffff:127.0.0.1]:{port}/")] {
        let resolver = Some(Arc::new(PublicOnly::system()) as Arc<dyn reqwest::dns::Resolve>);
        let guarded = client::build(&client::Settings { resolver, ..client::Settings::default() }).unwrap();
        let hook = Hook { url: url.parse().unwrap(), client: guarded.clone(), allow_private: false, ..hook(CRM, &stub) };
        let desk = Desk::default();
        desk.write(1, 1, &[CRM]);
        let letter = desk.letter("hook1", desk.record(1).unwrap().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (outcome, told) = runtime.block_on(reengaged::hooks::deliver::post(&hook, &letter, WALL));
        assert_eq!(outcome, reengaged::engine::courier::Outcome::Failed { after: 0 }, "{url}: {told}");
        // And where the text of the URL passes, the resolver does not.
        let named = guarded.get(format!("http://localhost:{port}/"));
        let ended = runtime.block_on(client::call(named, Duration::from_secs(5), WALL));
        assert!(matches!(&ended, client::Ended::NotSent(why) if why.contains("loopback")), "{ended:?}");
    }
    assert_eq!(stub.connections(), 0);
}

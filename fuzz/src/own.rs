//! What is fuzzed of our own formats: configuration, hours, durations, waits, forms, numbers, addresses, error messages, records on the
//! disk, and the listener.
//!
//! Not the providers' webhooks and not events: `targets.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use reengaged::config::{self, Setting, Withheld};
use reengaged::engine::book::Book;
use reengaged::hooks::guard::PublicOnly;
use reengaged::moment::{HOUR, Moment};
use reengaged::schedule::{Calendar, Notation, Zone};
use reengaged::shapes::guide::form::Form;
use reengaged::shapes::guide::inbound::Inbound;
use reengaged::shapes::guide::outbound::Outbound;
use reengaged::shapes::guide::send::SendForm;
use reengaged::shapes::{address, discreet, event, pacing, units};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::runtime::Runtime;
use toml::{Table, Value};
use url::Url;

pub const EXAMPLE: &str = include_str!("../../config.toml.example");
const NOW: Moment = Moment(1_772_404_200_000);

/// The configuration: every mistake is one line and says where; what is taken, written again from the values in force, is the same.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match config::parse(text, "config.toml", &Withheld) {
        Err(mistakes) => {
            assert!(!mistakes.mistakes.is_empty());
            for mistake in &mistakes.mistakes {
                let told = mistake.to_string();
                assert!(!told.contains('\n') && !mistake.cure.is_empty(), "{told:?}");
                // What ends too soon is missed on the line behind the last.
                assert!(mistake.line <= text.lines().count() + 1, "{told}");
                // What stands in the file stands on a line of it.
                assert!(mistake.line > 0 || mistake.value.is_empty(), "{told}");
            }
        }
        Ok(found) => {
            let Some(again) = written(&found.settings) else { return };
            let twice = config::parse(&again, "config.toml", &Withheld).unwrap_or_else(|mistakes| panic!("{mistakes}\nof\n{again}"));
            let values = |settings: &[Setting]| -> Vec<(String, Option<String>)> {
                let mut values: Vec<_> = settings.iter().map(|setting| (setting.key.clone(), setting.value.clone())).collect();
                values.sort();
                values
            };
            assert_eq!(values(&found.settings), values(&twice.settings), "{again}");
        }
    }
}

/// A file that gives these settings; `None` where a text of theirs is too long to be shown whole.
fn written(settings: &[Setting]) -> Option<String> {
    let mut file = Table::new();
    for setting in settings.iter().filter(|setting| setting.given) {
        let Some(value) = &setting.value else { continue };
        if value.contains("\"...") || value.ends_with("...") {
            return None;
        }
        let one: Table = format!("value = {value}").parse().unwrap_or_else(|error| panic!("{} = {value}: {error}", setting.key));
        let path: Vec<&str> = setting.key.split('.').collect();
        put(&mut file, &path, one["value"].clone());
    }
    Some(toml::to_string(&file).expect("a table of plain values"))
}

fn put(table: &mut Table, path: &[&str], value: Value) {
    let (key, index) = path[0].split_once('[').map_or((path[0], None), |(key, index)| (key, Some(index.trim_end_matches(']'))));
    let Some(index) = index else {
        if path.len() == 1 {
            table.insert(key.to_owned(), value);
        } else if let Value::Table(inner) = table.entry(key).or_insert_with(|| Value::Table(Table::new())) {
            put(inner, &path[1..], value);
        }
        return;
    };
    let index: usize = index.parse().expect("a place in a list");
    let Value::Array(list) = table.entry(key).or_insert_with(|| Value::Array(Vec::new())) else { return };
    while list.len() <= index {
        list.push(Value::Table(Table::new()));
    }
    let Value::Table(inner) = &mut list[index] else { return };
    put(inner, &path[1..], value);
}

/// Hours and durations: what is taken means by the tables what it means by its definition, and is written again as it was meant.
pub fn hours(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(millis) = units::parse(text) {
        assert_eq!(units::parse(&units::print(millis)), Some(millis), "{text:?}");
    }
    match Notation::read(text) {
        Err(refusal) => assert!(!refusal.why.is_empty() && !refusal.why.contains('\n')),
        Ok(notation) => {
            let zone = Zone::named("America/New_York").expect("a zone");
            let calendar = Calendar::new(zone, notation, &[]);
            // The day on which clocks go forward, and the week about it; a leap day; a turn of the year.
            for begin in [1_772_928_000_000, 1_835_395_200_000, 1_798_675_200_000] {
                for step in 0..16 {
                    let at = Moment(begin + step * (7 * HOUR + 1_234_567));
                    assert_eq!(calendar.is_open(at), calendar.open_by_definition(at), "{text:?} at {at}");
                }
            }
        }
    }
}

/// What a receiver says about when to come again: never a wait before now, whatever it says.
pub fn waits(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (value, date) = text.split_once('\n').map_or((text, None), |(value, date)| (value, Some(date)));
    for now in [NOW, Moment::MIN, Moment::MAX] {
        assert!(pacing::retry_after(value, date, now).is_none_or(|wait| wait >= 0), "{value:?} {date:?}");
    }
}

static BOOK: LazyLock<Book> = LazyLock::new(|| {
    let example = EXAMPLE.replace("#phone = \"57317770000\"\n# What arms", "phone = \"57317770000\"\n# What arms");
    config::parse(&example, "config.toml", &Withheld).expect("the example").book
});

/// An outbound, for the forms that send one.
static OUTBOUND: LazyLock<Outbound> = LazyLock::new(|| {
    let form = "waba_phone_number=57317770000&is_notification=false&content=Hola+%7B%7B.name%7D%7D&category=UTILITY&template_type=TEXT\
                &language_code=es&outbound_name=a&var.name=Ana&continue_process_message=Go&cancel_process_message=No";
    let form = Form::read(form.as_bytes()).unwrap_or_else(|bad| panic!("{}", bad.why));
    Outbound::create(form, &BOOK, NOW).unwrap_or_else(|bad| panic!("{}: {}", bad.field, bad.why))
});

/// The guide's forms: what is filed comes back from its bytes as it was, and may lead a provider nowhere private.
pub fn forms(data: &[u8]) {
    let Ok(form) = Form::read(data) else { return };
    if let Ok(outbound) = Outbound::create(form.clone(), &BOOK, NOW) {
        assert_eq!(Outbound::from_bytes(&outbound.to_bytes()), Some(outbound.clone()));
        if let Some(media) = &outbound.media_url {
            assert_eq!(address::private(&media.parse().expect("an address")), None, "{media}");
        }
    }
    if let Ok(inbound) = Inbound::create(form.clone(), &BOOK) {
        assert_eq!(Inbound::from_bytes(&inbound.to_bytes()), Some(inbound.clone()));
        let _ = inbound.link();
        let _ = inbound.edit(form.clone(), &BOOK);
    }
    match SendForm::read(form).and_then(|send| send.invitation(&OUTBOUND, None, &BOOK)) {
        Ok(invitation) => assert!((7..=15).contains(&invitation.phone.len()) && invitation.phone.bytes().all(|b| b.is_ascii_digit())),
        Err(bad) => assert!(!bad.why.is_empty()),
    }
}

/// A number of a person: digits alone, and read again the same.
pub fn numbers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = |number: &str| {
        let body = serde_json::json!({"type": "hold", "conversation": "c", "to": number}).to_string();
        event::read(body.as_bytes()).ok().and_then(|event| event.to)
    };
    let Some(number) = read(text) else { return };
    assert!((7..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()), "{text:?} became {number:?}");
    assert_eq!(read(&format!("+{number}")), Some(number.clone()), "{text:?}");
}

/// Answers each question with the next of its answers.
struct Told(Mutex<Vec<Vec<IpAddr>>>);

impl Resolve for Told {
    fn resolve(&self, _: Name) -> Resolving {
        let answer = self.0.lock().expect("one thread").pop().unwrap_or_default();
        let found: Vec<SocketAddr> = answer.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
        Box::pin(std::future::ready(Ok(Box::new(found.into_iter()) as Addrs)))
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// Addresses: none that is allowed leads to this machine or its networks, by its text or by either of two answers of the resolver.
pub fn addresses(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(url) = Url::parse(text)
        && address::check(&url).is_ok()
    {
        assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
        match url.host() {
            Some(url::Host::Ipv4(ip)) => assert!(is_public(IpAddr::V4(ip)), "{text}"),
            Some(url::Host::Ipv6(ip)) => assert!(is_public(IpAddr::V6(ip)), "{text}"),
            Some(url::Host::Domain(name)) => assert!(name != "localhost" && name.parse::<IpAddr>().is_err(), "{text}"),
            None => panic!("{text} has no host"),
        }
    }
    let ips: Vec<IpAddr> = data
        .chunks(17)
        .filter_map(|chunk| match chunk.split_first()? {
            (kind, rest) if kind % 2 == 0 => Some(IpAddr::V4(Ipv4Addr::from(*rest.first_chunk::<4>()?))),
            (_, rest) => Some(IpAddr::V6(Ipv6Addr::from(*rest.first_chunk::<16>()?))),
        })
        .collect();
    let (first, second) = ips.split_at(ips.len() / 2);
    let resolver = PublicOnly::over(Arc::new(Told(Mutex::new(vec![second.to_vec(), first.to_vec()]))));
    for _ in 0..2 {
        let name: Name = "hook.example".parse().expect("a name");
        if let Ok(found) = RUNTIME.block_on(resolver.resolve(name)) {
            found.for_each(|at| assert!(is_public(at.ip()), "{at}"));
        }
    }
}

/// By the standard library and the registries of special addresses, written apart from the program's own judgement.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let n = u32::from(ip);
            let within = |base: [u8; 4], bits: u32| n >> (32 - bits) == u32::from(Ipv4Addr::from(base)) >> (32 - bits);
            let special = ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_multicast() || ip.is_broadcast();
            let reserved = [([0, 0, 0, 0], 8), ([100, 64, 0, 0], 10), ([192, 0, 0, 0], 24), ([198, 18, 0, 0], 15), ([240, 0, 0, 0], 4)];
            !special && !ip.is_documentation() && !reserved.iter().any(|(base, bits)| within(*base, *bits))
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            let tail = ip.octets();
            let inside = Ipv4Addr::new(tail[12], tail[13], tail[14], tail[15]);
            match (a, b) {
                (0x64, 0xff9b) => is_public(IpAddr::V4(inside)),
                (0x2002, _) | (0x2001, 0) | (0x2001, 0xdb8) => false,
                _ => a & 0xe000 == 0x2000,
            }
        }
    }
}

/// What errors repeat: nothing of seven digits in a row, and the same when it is repeated again.
pub fn masks(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = discreet::numbers(&text);
    let run = |text: &str| text.as_bytes().windows(7).any(|window| window.iter().all(u8::is_ascii_digit));
    assert!(!run(&shown), "{shown:?}");
    assert_eq!(discreet::numbers(&shown), shown);
    let quoted = serde_json::json!({"type": text, "conversation": text, "at": text, "to": text, "line": {"a": text}});
    if let Err(bad) = event::read(quoted.to_string().as_bytes()) {
        // What the message says of its own accord names an example.
        assert!(!run(&bad.message.replace("+573001112233", "")), "{}", bad.message);
    }
}

/// The listener, before an engine that is not there yet: whatever bytes come, what goes back is HTTP or nothing, and it still answers.
pub fn listener(data: &[u8]) {
    use reengaged::http::{Address, Listener, Settings, Site, Tokens, serve};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
        let any: Address = "127.0.0.1:0".parse().expect("an address");
        let listener = RUNTIME.block_on(Listener::everything(&any)).expect("a port");
        let Address::Tcp(at) = *listener.address() else { unreachable!("asked for a port") };
        // Time stands still: nothing here measures it.
        let site = Site::new(
            Settings { head: Duration::from_millis(100), body: Duration::from_millis(100), ..Settings::standard(|| Duration::ZERO) },
            Tokens::default(),
        );
        RUNTIME.spawn(serve(vec![listener], site, std::future::pending()));
        at
    });
    let at = *SERVER;
    let exchange = async {
        let mut stream = TcpStream::connect(at).await.expect("it accepts");
        let _ = stream.write_all(data).await;
        let _ = stream.shutdown().await;
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told).await;
        told
    };
    let told = RUNTIME.block_on(async { tokio::time::timeout(Duration::from_secs(8), exchange).await }).expect("an end");
    assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 ") || told.starts_with(b"HTTP/1.0 "), "{}", String::from_utf8_lossy(&told));
    assert!(!String::from_utf8_lossy(&told).contains("hyper"));
}

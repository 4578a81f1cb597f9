//! Every bound of the program in one place, with the relations between them checked at compile time.
//!
//! Not configuration: what an operator may change is in `config/`, with its default named here.

use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};

/// Largest event, in bytes of JSON.
pub const EVENT_BYTES: usize = 16 * 1024;
/// Largest identity given with an event, in bytes.
pub const EVENT_ID_BYTES: usize = 128;
/// Largest name that a caller gives a conversation, in bytes.
pub const CONVERSATION_BYTES: usize = 128;
/// Longest label of a button, in characters.
pub const LABEL_CHARS: usize = 20;
/// Longest text of a question, in characters.
pub const QUESTION_CHARS: usize = 4_096;
/// Largest payload of a question, in bytes.
pub const PAYLOAD_BYTES: usize = 4 * 1024;
/// Most variables (and most attributes) of a conversation.
pub const VARIABLES: usize = 64;
/// Largest variable or attribute, name and value each, in bytes.
pub const VARIABLE_BYTES: usize = 1024;

/// Most updates of one webhook: Meta sends at most 1 000, and no body of 3 MB holds more messages.
pub const WEBHOOK_UPDATES: usize = 20_000;

/// How far a provider's time may lie ahead of arrival before it is clamped to arrival, in milliseconds.
pub const AHEAD: i64 = 5 * MINUTE;
/// How much older than the armed question a message may be and still cancel it (providers stamp whole seconds).
pub const DISORDER: i64 = 60 * SECOND;
/// "later" plans again this far on.
pub const LATER: i64 = 3 * HOUR;
/// A typed yes revives an expired or declined conversation for this long; a button does until retention.
pub const TYPED_REVIVAL: i64 = DAY;
/// A send in doubt waits this long for a status that settles it, then ends `unknown`.
pub const DOUBT: i64 = DAY;
/// A question that arrives longer than this after it was asked is history: it is remembered, but arms nothing.
pub const HISTORY: i64 = DAY;
/// The wait before the second call for a send; doubles with each further one.
pub const BACKOFF: i64 = 5 * SECOND;
/// The longest wait between calls for a send that we choose ourselves.
pub const BACKOFF_CEILING: i64 = 10 * MINUTE;
/// The longest wait between calls that a provider may ask for.
pub const RETRY_AFTER_CEILING: i64 = 6 * HOUR;
/// A question asked again after "yes" goes out within this time or not at all.
pub const ASK: i64 = HOUR;
/// Most episodes of a conversation in which something was sent.
pub const EPISODES_WITH_SENDS: u8 = 3;
/// The longest name of a template, in bytes.
pub const TEMPLATE_BYTES: usize = 512;
/// Statuses of messages that may turn out to be ours, kept until the call that sent them has ended.
pub const EARLY_STATUSES: usize = 4_096;
/// Calls for one send, refusals included.
pub const ATTEMPTS: u8 = 8;
/// The highest rate of a line, in sends a second.
pub const RATE: usize = 10_000;
/// Follow-ups that cannot go out in time are named so long in advance.
pub const FORESEE: i64 = DAY;
/// A line on which so many calls in a row ended without an answer has stopped: its provider is not itself, and each further call would
/// be one more that nobody may repeat.
pub const DOUBTS_IN_A_ROW: u32 = 8;
/// A line that has stopped is asked about so long after; each time in vain, the wait doubles.
pub const PROBE: i64 = 15 * SECOND;
/// The longest wait between two questions whether a stopped line works.
pub const PROBE_CEILING: i64 = 5 * MINUTE;
/// Further follow-ups in a flow.
pub const STEPS: usize = 8;
/// The `step` number under which a question of the conversation is identified.
pub const ASK_STEP: u8 = u8::MAX;
/// The `step` number under which an invitation is identified.
pub const INVITE_STEP: u8 = 254;
/// The `step` number under which a notification is identified.
pub const NOTIFY_STEP: u8 = 253;
/// The `step` number under which the last word of a flow is identified.
pub const CLOSE_STEP: u8 = 252;
/// An invitation goes out within this time or not at all.
pub const INVITE: i64 = DAY;
/// A notification goes out within this time or not at all: a one-time password is of no use later.
pub const NOTIFY: i64 = HOUR;
/// So soon after a call has begun nobody has read what it brings.
pub const READ: i64 = 2 * SECOND;
/// So soon after a flow has ended a word of the person is one of thanks, and starts nothing by itself.
pub const COURTESY: i64 = 10 * MINUTE;
/// The flow that notifications are reported under; no flow of the configuration has this name.
pub const NOTIFICATION: &str = "notification";
/// Most questions of a flow.
pub const QUESTIONS: usize = 64;
/// Longest answer to a question of ours, in bytes.
pub const ANSWER_BYTES: usize = 4 * 1024;
/// Most choices of a question; more than [`BUTTONS`] become a list.
pub const CHOICES: usize = 10;
/// Most buttons under a question.
pub const BUTTONS: usize = 3;
/// Longest title of a choice in a list, in characters.
pub const ROW_CHARS: usize = 24;

/// The shortest wait before a follow-up (the guide's floor).
pub const WAIT_FLOOR: i64 = 30 * MINUTE;
/// The longest wait before the first follow-up (the guide's ceiling).
pub const WAIT_CEILING: i64 = 23 * HOUR;
/// The longest delay of a further follow-up.
pub const STEP_CEILING: i64 = 30 * DAY;
/// How far an opening is looked for from the target; both ends count.
pub const HORIZON: i64 = 21 * DAY;
/// The longest notation of hours, in bytes.
pub const NOTATION_BYTES: usize = 4_096;
/// Most holidays of one calendar.
pub const HOLIDAYS: usize = 10_000;

/// Silence after a follow-up before the conversation is over, unless configured.
pub const EXPIRES_AFTER: i64 = 2 * DAY;
/// Identities of events are kept this long.
pub const IDENTITY_DAYS: i64 = 9;
/// Finished conversations and dead hooks stay on disk this long, unless configured.
pub const RETENTION: i64 = 30 * DAY;
/// Sends stay in the ledger this long: longer than any silence or backup lives.
pub const LEDGER: i64 = 90 * DAY;
/// Decisions kept of a conversation.
pub const DECISIONS: usize = 64;
/// Conversations on one page of a list.
pub const PAGE: usize = 1_000;

/// Calls under way on one line, unless configured.
pub const MAX_IN_FLIGHT: usize = 64;
/// The time a call to a provider may take, all of it.
pub const CALL_BUDGET: i64 = 10 * SECOND;
/// The time SIGTERM leaves to calls under way; then they are in doubt, durably.
pub const DRAIN: i64 = 20 * SECOND;
/// The longest sleep of the loop, so that a suspended or stepped clock cannot strand a timer.
pub const NAP: i64 = 5 * SECOND;
/// A jump of the wall clock beyond this holds sending.
pub const CLOCK_JUMP: i64 = 60 * SECOND;
/// A clock that jumped must be steady this long before sending goes on by itself.
pub const CLOCK_STEADY: i64 = 60 * SECOND;
/// A drift between wall clock and time since boot below this is what clocks do: it neither breaks a clock's steadiness nor, at
/// start, puts the wall before the last instant the daemon was alive.
pub const CLOCK_DRIFT: i64 = 2 * SECOND;
/// A wall clock earlier than this release (2026-01-01) is a dead battery, not the time.
pub const CLOCK_EARLIEST: Moment = Moment(1_767_225_600_000);
/// A wall clock so much later than the last instant at which it was believed, in this life or the one before, is not believed
/// without an operator.
pub const CLOCK_AHEAD: i64 = 400 * DAY;
/// Being down longer than this makes a line wait for the webhooks queued at its provider.
pub const DOWN: i64 = 60 * SECOND;

/// The time a connection to a provider or a hook may take, name and TLS included.
pub const CONNECT: i64 = 5 * SECOND;
/// An idle connection is kept this long: shorter than what servers keep, so that it rarely dies under a call.
pub const POOL_IDLE: i64 = 4 * SECOND;
/// As much of a response is read, in bytes.
pub const RESPONSE_BYTES: usize = 64 * 1024;
/// As much is read of a page of what was missed, in bytes.
pub const LISTING_BYTES: usize = 2 * 1024 * 1024;

/// Largest webhook of a provider, in bytes: Meta sends up to 3 MB.
pub const WEBHOOK_BYTES: usize = 4 * 1024 * 1024;
/// A webhook up to this size is read at once; of larger ones only so many as [`WEBHOOKS_LARGE`] are in memory together, since
/// nothing proves where they come from before they are whole.
pub const WEBHOOK_SMALL: usize = 64 * 1024;
/// Larger webhooks that are read at once.
pub const WEBHOOKS_LARGE: usize = 16;
/// The time the bot may take with a webhook that is handed on to it, at most: providers wait little longer.
pub const FORWARD_BUDGET: i64 = 10 * SECOND;
/// How long before the last sign of life it is asked what was missed.
pub const MISSED_OVERLAP: i64 = MINUTE;

/// Deliveries to one hook under way at once.
pub const HOOK_IN_FLIGHT: usize = 16;
/// The time a delivery to a hook may take, all of it.
pub const HOOK_BUDGET: i64 = 15 * SECOND;
/// The wait before a hook record is delivered again; doubles with each further time.
pub const HOOK_BACKOFF: i64 = 5 * SECOND;
/// The longest wait between deliveries of a hook record.
pub const HOOK_BACKOFF_CEILING: i64 = HOUR;
/// The longest wait between two tries at a hook that takes nothing at all.
pub const HOOK_PROBE_CEILING: i64 = MINUTE;
/// A hook record that was not taken for so long becomes a dead letter.
pub const HOOK_AGE: i64 = 3 * DAY;
/// Records of one hook that are remembered by number; the others are found on disk when these are done.
pub const HOOK_BACKLOG: usize = 65_536;

/// Inbounds of the registry: all of them are in memory, and compared with each message of a person.
pub const INBOUNDS: usize = 10_000;
/// Outbounds of the registry.
pub const OUTBOUNDS: usize = 10_000;
/// The longest record of the registry, in bytes: a form, quoted.
pub const FILED_BYTES: usize = 128 * 1024;
/// Largest form of the guide's calls, in bytes.
pub const FORM_BYTES: usize = 64 * 1024;

/// Changes in one group commit.
pub const GROUP: usize = 4_096;
/// Events waiting for the engine; more are refused with 503 before anything is kept.
pub const INBOX: usize = 8_192;
/// Changes that are in the log and in memory and not yet put where they rest; with more of them nothing further is taken in, so that
/// neither memory nor the next start grows with a load that the disk cannot follow.
pub const UNFOLDED: usize = 393_216;

const _: () = assert!(CALL_BUDGET < DRAIN, "a call ends before the drain does");
const _: () = assert!(DRAIN < 60 * SECOND, "the drain ends before systemd's TimeoutStopSec");
const _: () = assert!(FORWARD_BUDGET < DRAIN, "a webhook that is handed on ends before the drain does");
const _: () = assert!(CONNECT < CALL_BUDGET, "a connection that cannot be made is known as such");
const _: () = assert!(HOOK_BUDGET < DRAIN && HOOK_AGE < RETENTION);
const _: () = assert!(WAIT_FLOOR < WAIT_CEILING && WAIT_CEILING < STEP_CEILING);
const _: () = assert!(LEDGER > RETENTION + STEP_CEILING, "nothing that could be sent again has left the ledger");
const _: () = assert!(PROBE < PROBE_CEILING && BACKOFF < BACKOFF_CEILING);
const _: () = assert!(STEPS < CLOSE_STEP as usize && CLOSE_STEP < NOTIFY_STEP && NOTIFY_STEP < INVITE_STEP && INVITE_STEP < ASK_STEP);
const _: () = assert!(CLOCK_DRIFT < CLOCK_JUMP && CLOCK_JUMP <= CLOCK_STEADY && NAP < CLOCK_STEADY);
const _: () = assert!(IDENTITY_DAYS * DAY >= 8 * DAY, "providers redeliver for 7 days");

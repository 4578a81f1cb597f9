//! The words that [`read`](super::read) knows, by what they say, in Spanish, Portuguese, English and French.
//!
//! Not a dictionary of everything that could mean yes or no: a phrase stands here only if the whole message can hardly
//! mean anything else. What is left out is read as ordinary text, which brings the person back all the same, so leaving out is
//! cheap and a wrong "no" or a wrong opt-out is not. Written as [`read`](super::read) hears them: lower case, no accents, no
//! apostrophes, hyphens as spaces. Lengthened letters ("siii") need no entry; slips of the finger that people really make do.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::Says;

/// A phrase, and what it says.
type Phrase = (Says, &'static str);

/// The phrases that begin with this byte, in the order of the lists: most messages are no answer, and are not held against all of them.
pub(super) fn beginning_with(first: u8) -> &'static [Phrase] {
    static BY_FIRST: LazyLock<BTreeMap<u8, Vec<Phrase>>> = LazyLock::new(|| {
        let mut by_first: BTreeMap<u8, Vec<Phrase>> = BTreeMap::new();
        for (says, phrases) in LISTS {
            for phrase in *phrases {
                by_first.entry(phrase.as_bytes()[0]).or_default().push((*says, phrase));
            }
        }
        by_first
    });
    BY_FIRST.get(&first).map_or(&[], Vec::as_slice)
}

/// Every list with what it says. Where two phrases fit at the same place the longer one counts.
pub(super) const LISTS: &[(Says, &[&str])] = &[
    (Says::Yes, YES_ES),
    (Says::Yes, YES_PT),
    (Says::Yes, YES_EN),
    (Says::Yes, YES_FR),
    (Says::Nod, NOD),
    (Says::No, NO_ES),
    (Says::No, NO_PT),
    (Says::No, NO_EN),
    (Says::No, NO_FR),
    (Says::Later, LATER_ES),
    (Says::Later, LATER_PT),
    (Says::Later, LATER_EN),
    (Says::Later, LATER_FR),
    (Says::Stop, STOP_EN),
    (Says::Stop, STOP_ES),
    (Says::Stop, STOP_PT),
    (Says::Stop, STOP_FR),
    (Says::Thanks, THANKS),
    (Says::Filler, FILLER),
];

// Left out of "yes": "ya" (done, or now), "bien" (how are you?), "tudo bem" (the same), "right" (or left), "1" (an answer to the bot).
#[rustfmt::skip]
const YES_ES: &[&str] = &[
    "si", "s", "sip", "sipi", "sisi", "sisisi", "simon", "claro", "claro que si", "que si", "clarisimo", "clarin", "por supuesto",
    "desde luego", "obvio", "obvio que si", "dale", "dale pues", "de una", "hagale", "hagale pues", "hagamosle", "hagamoslo", "venga",
    "vamos", "vamos pues", "vamos a darle", "orale", "afirmativo", "correcto", "asi es", "quiero", "si quiero", "lo quiero",
    "quiero continuar", "quiero seguir", "si quiero continuar", "si quiero seguir", "deseo continuar", "si deseo continuar",
    "me interesa", "si me interesa", "estoy interesado", "estoy interesada", "si estoy interesado", "si estoy interesada", "continuar",
    "continuemos", "continua", "continuo", "seguir", "sigamos", "seguimos", "si sigamos", "si continuemos", "retomemos", "retomar",
    "estoy listo", "estoy lista", "si senor", "si senora", "si senorita", "aqui estoy", "si aqui estoy", "sigo aqui", "si sigo aqui",
    "si puedo", "si se puede", "si pues", "pues si", "pues claro", "ah si", "siempre si", "si vamos", "como no",
];
#[rustfmt::skip]
const YES_PT: &[&str] = &[
    "sim", "ss", "sim senhor", "sim senhora", "claro que sim", "com certeza", "certeza", "pode", "pode ser", "pode sim", "quero",
    "quero sim", "sim quero", "eu quero", "quero continuar", "sim quero continuar", "gostaria", "gostaria sim", "bora", "bora la",
    "vamos la", "vamos sim", "isso", "isso mesmo", "isso ai", "uhum", "aham", "ahan", "correto", "podemos", "podemos sim",
    "podemos continuar", "pode continuar", "continue", "vamos continuar", "tenho interesse", "tenho sim", "sim tenho interesse",
    "aqui estou", "estou aqui", "sim estou aqui", "estou pronto", "estou pronta", "to aqui", "sim por favor", "ta certo", "logico",
    "obvio que sim",
];
#[rustfmt::skip]
const YES_EN: &[&str] = &[
    "yes", "y", "yeah", "yea", "yep", "yup", "yes yes", "yse", "eys", "yas", "yees", "yeh", "yah", "ye", "sure", "sure thing",
    "of course", "ofc", "definitely", "absolutely", "certainly", "yes i do", "i do", "yes i am", "i am", "yes i would", "i would",
    "yes i would like to", "id like to", "yes id like to", "id love to", "yes id love to", "go ahead", "yes go ahead", "go on", "lets go",
    "yes lets go", "lets do it", "lets do this", "lets continue", "yes lets continue", "yes continue", "keep going", "carry on",
    "i want to continue", "yes i want to continue", "id like to continue", "yes id like to continue", "resume", "proceed", "please do",
    "yes i can", "i can", "yes we can", "im ready", "yes im ready", "ready", "im here", "yes im here", "still here", "im still here",
    "yes im still here", "im interested", "yes im interested", "still interested", "im still interested", "yes im still interested",
    "uh huh", "mhm", "yessir", "yes maam", "yeah sure", "why not", "sounds good", "affirmative", "aye",
];
#[rustfmt::skip]
const YES_FR: &[&str] = &[
    "oui", "oiu", "ui", "ouais", "ouai", "ouaip", "ouep", "mais oui", "oui oui", "oui bien sur", "bien sur", "bien sur que oui",
    "evidemment", "certainement", "volontiers", "avec plaisir", "absolument", "tout a fait", "daccord", "dac", "dacc", "je veux bien",
    "oui je veux bien", "je veux", "oui je veux", "je veux continuer", "oui je veux continuer", "je souhaite continuer",
    "oui je souhaite continuer", "continuer", "continuons", "oui continuons", "on continue", "oui on continue", "allons y", "on y va",
    "vas y", "allez y", "poursuivre", "oui allez y", "oui vas y", "reprendre", "reprenons", "pourquoi pas", "je suis la",
    "oui je suis la", "je suis pret", "je suis prete", "ca minteresse", "oui ca minteresse", "je suis interesse", "je suis interessee",
    "carrement", "cest parti", "bien entendu",
];

// A nod is a yes by itself; with thanks ("ok gracias") it is a polite way to leave, and says nothing.
#[rustfmt::skip]
const NOD: &[&str] = &[
    "ok", "okay", "okey", "oki", "okis", "okidoki", "oka", "okok", "vale", "listo", "bueno", "perfecto", "genial", "va", "sale",
    "sale pues", "de acuerdo", "esta bien", "ta bien", "aja", "bale", "beleza", "blz", "certo", "ta bom", "ta", "tabom", "perfeito",
    "combinado", "tudo certo", "fine", "great", "perfect", "alright", "all right", "cool", "deal", "parfait", "ca marche", "ca roule",
    "entendu", "tres bien", "super",
];

// "cancelar", "salir", "detener", "annuler" halt whatever goes on: the process or the messages. "no" honours both and can be
// taken back; an opt-out from all lines could not. In English "cancel" is a STOP word by law (47 CFR 64.1200), so it stands below.
// Left out: "negativo" (a test result), "nunca", "never", "nada", "ninguno" (answers to the bot), "no puedo", "no mas" (of what?).
#[rustfmt::skip]
const NO_ES: &[&str] = &[
    "no", "n", "nop", "nope", "nopi", "nono", "nonono", "nel", "nel pastel", "nanay", "claro que no", "que no",
    "por supuesto que no", "desde luego que no", "obvio no", "obvio que no", "pues no", "ya no", "ya no quiero", "ya no me interesa",
    "ya no deseo", "ya no deseo continuar", "ya no quiero continuar", "no quiero", "no lo quiero", "no quiero continuar",
    "no quiero seguir", "no quiero nada", "no deseo", "no deseo continuar", "no deseo seguir", "no me interesa", "no me interesa nada",
    "no estoy interesado", "no estoy interesada", "no interesado", "no interesada", "no continuar", "no seguir", "mejor no",
    "creo que no", "cancelar", "salir", "detener", "no senor", "no senora", "no senorita", "siempre no", "cambie de opinion",
];
#[rustfmt::skip]
const NO_PT: &[&str] = &[
    "nao", "naum", "nn", "nao nao", "num quero", "nao quero", "nao quero mais", "nao quero nao", "nao quero continuar",
    "nao desejo continuar", "quero nao", "agora nao quero", "nao tenho interesse", "sem interesse", "nao estou interessado",
    "nao estou interessada", "nao me interessa", "nao me interessa mais", "claro que nao", "com certeza nao", "melhor nao",
    "acho que nao", "deixa pra la", "deixa para la", "nao continuar", "nao senhor", "nao senhora", "ja nao quero", "desisto", "desisti",
];
#[rustfmt::skip]
const NO_EN: &[&str] = &[
    "nah", "naw", "no no", "no way", "of course not", "definitely not", "absolutely not", "certainly not", "no i dont",
    "no i do not", "i dont want to", "no i dont want to", "i do not want to", "i dont want it", "dont want it", "dont want to",
    "no i wont", "i dont want to continue", "no i dont want to continue", "i do not want to continue", "do not continue", "dont continue",
    "i would not", "id rather not", "rather not", "not interested", "im not interested", "no im not interested", "no longer interested",
    "im no longer interested", "not interested anymore", "im not interested anymore", "i am not interested", "no i am not", "no im not",
    "no im good", "nope im good", "not really", "no not really", "no maam", "no sir", "i changed my mind", "changed my mind",
    "never mind", "nevermind", "nvm", "forget it", "i guess not", "i dont think so", "dont think so",
];
#[rustfmt::skip]
const NO_FR: &[&str] = &[
    "non", "nan", "non non", "mais non", "bien sur que non", "surtout pas", "non pas du tout", "pas interesse", "pas interessee",
    "je ne suis pas interesse", "je ne suis pas interessee", "je suis pas interesse", "je suis pas interessee", "non pas interesse",
    "ca ne minteresse pas", "ca minteresse pas", "ca ne minteresse plus", "ca minteresse plus", "je ne veux pas", "je veux pas",
    "non je ne veux pas", "je ne veux plus", "je veux plus", "je ne veux pas continuer", "je ne souhaite pas continuer",
    "je ne souhaite plus continuer", "je ne veux plus continuer", "sans facon", "non sans facon", "laisse tomber", "laissez tomber",
    "annuler", "non ca ira", "pas la peine", "jai change davis",
];

// "Not now" is later, not no: one more reminder costs less than a person lost. Left out: "tomorrow", "mañana", "demain" (an answer to
// the bot as likely as not), "ahorita" (now, or who knows when), "hasta luego", "see you later", "a plus" (good-bye).
#[rustfmt::skip]
const LATER_ES: &[&str] = &[
    "mas tarde", "mastarde", "mas tardecito", "mas tardesito", "mas rato", "mas ratico", "mas luego", "despues", "despuesito", "dsp",
    "dps", "luego", "lueguito", "mas adelante", "al rato", "al ratico", "al ratito", "en un rato", "en un ratico", "en un ratito",
    "dentro de un rato", "en otro momento", "otro momento", "otro dia", "en otra ocasion", "otra ocasion", "ahora no", "no ahora",
    "ahora no puedo", "no puedo ahora", "ahora mismo no", "ahora mismo no puedo", "en este momento no", "en este momento no puedo",
    "no puedo en este momento", "no en este momento", "por ahora no",
    "no por ahora", "no por el momento", "por ahora no puedo", "por el momento no", "de momento no",
    "por el momento no puedo", "ahorita no", "ahorita no puedo", "no puedo ahorita", "hoy no", "hoy no puedo", "estoy ocupado",
    "estoy ocupada", "ando ocupado", "ando ocupada", "estoy ocupado ahora", "estoy ocupada ahora", "estoy en una reunion",
    "estoy en reunion", "estoy manejando", "voy manejando", "estoy conduciendo", "luego te escribo", "luego le escribo",
    "luego les escribo", "te escribo luego", "les escribo luego", "despues te escribo", "despues le escribo", "despues les escribo",
    "te escribo despues", "les escribo despues", "te escribo mas tarde", "le escribo mas tarde", "les escribo mas tarde",
    "mas tarde te escribo", "mas tarde les escribo", "luego continuo", "despues continuo", "mas tarde continuo", "continuo mas tarde",
    "continuo luego", "continuo despues", "luego sigo", "despues sigo", "lo hago mas tarde", "lo hago luego", "lo hago despues",
    "luego lo hago", "despues lo hago", "mas tarde lo hago", "recuerdame luego", "recuerdame despues", "recuerdame mas tarde",
    "recuerdamelo luego", "recuerdamelo mas tarde", "recuerdamelo despues", "tal vez luego", "tal vez mas tarde", "tal vez despues",
    "talvez mas tarde", "talvez despues", "quizas luego", "quizas mas tarde", "quizas despues", "quiza mas tarde", "puede ser mas tarde",
    "mejor luego", "mejor mas tarde", "mejor despues", "pero luego", "pero mas tarde", "pero despues", "pero ahora no",
    "pero ahora no puedo", "pero no ahora", "un momento", "un momentico", "un momentito", "un segundo", "dame un momento",
    "deme un momento", "dame un segundo", "dame un minuto", "deme un minuto", "espera", "espere", "esperame", "espereme",
    "espera un momento", "espere un momento", "esperame un momento", "espera un rato", "permitame un momento", "permiteme un momento",
    "permitame",
];
#[rustfmt::skip]
const LATER_PT: &[&str] = &[
    "mais tarde", "depois", "depois eu vejo", "logo mais", "mais logo", "daqui a pouco", "daqui pouco", "daqui a pouquinho", "outra hora",
    "em outro momento", "outro momento", "outro dia", "noutro momento", "agora nao", "nao agora", "agora nao posso", "agora nao da",
    "nao posso agora", "no momento nao", "nao posso no momento", "no momento nao posso", "por enquanto nao",
    "nao por enquanto", "nao por agora", "por agora nao", "hoje nao",
    "agora eu nao posso", "estou ocupado", "to ocupado", "to ocupada", "estou ocupado agora", "estou ocupada agora", "estou ocupada",
    "estou em reuniao", "to em reuniao", "estou dirigindo", "to dirigindo", "estou no transito", "depois te chamo", "depois eu chamo",
    "te chamo depois", "chamo depois", "te chamo mais tarde", "mais tarde te chamo", "mais tarde eu chamo", "depois falo", "falo depois",
    "depois continuo", "continuo depois", "mais tarde continuo", "continuo mais tarde", "depois eu continuo", "faco depois",
    "faco mais tarde", "depois faco", "depois eu faco", "me lembra depois", "me lembre depois", "me lembra mais tarde",
    "me lembre mais tarde", "lembrar depois", "lembrar mais tarde", "lembre me mais tarde", "lembra me mais tarde", "talvez depois",
    "talvez mais tarde", "talvez outra hora", "pode ser depois", "pode ser mais tarde", "mas depois", "mas mais tarde", "mas agora nao",
    "mas agora nao posso", "mas nao agora", "so mais tarde", "so depois", "um momento", "um momentinho", "um instante", "so um momento",
    "so um instante", "so um pouco", "espera ai", "espera um pouco", "perai", "pera ai", "pere ai", "aguarde", "aguarda",
    "aguarde um momento", "calma ai", "ja volto", "volto ja", "volto depois", "volto mais tarde",
];
#[rustfmt::skip]
const LATER_EN: &[&str] = &[
    "later", "laters", "maybe later", "maybe latter", "perhaps later", "possibly later", "later on", "a bit later",
    "a little later", "later today", "not now", "not right now", "not just now", "not at the moment", "not at this time", "not for now",
    "no not now", "no not right now", "not today", "not this time", "another time", "some other time", "maybe another time",
    "another day", "some other day", "in a bit", "in a while", "in a little while", "in a little bit", "in a few", "in a few minutes",
    "in a minute", "in a moment", "in a sec", "one moment", "one moment please", "one sec", "one second", "just a moment",
    "just a minute", "just a sec", "just a second", "a moment", "hold on", "hang on", "wait", "wait a minute", "wait a moment",
    "please wait", "give me a minute", "give me a moment", "give me a sec", "give me a second", "gimme a sec", "gimme a minute",
    "remind me later", "remind me again later", "please remind me later", "ask me later", "ask again later", "message me later",
    "text me later", "contact me later", "call me later", "come back later", "ill do it later", "i will do it later", "ill do that later",
    "do it later", "ill continue later", "i will continue later", "continue later", "ill come back later", "ill be back later",
    "i will be back later", "ill get back to you", "ill get back to you later", "i will get back to you", "ill reply later",
    "ill answer later", "will do later", "will do it later", "but later", "but not now", "but not right now", "im busy", "i am busy",
    "im busy now", "im busy right now", "i am busy now", "i am busy right now", "busy now", "busy right now", "busy at the moment",
    "im busy at the moment", "im driving", "i am driving", "im in a meeting", "in a meeting", "i am in a meeting", "cant now",
    "cant right now", "i cant now", "i cant right now", "not now im busy", "cant talk now", "cant talk right now",
    "i cant talk right now", "brb", "ttyl", "be right back", "talk later", "rather later", "snooze",
];
#[rustfmt::skip]
const LATER_FR: &[&str] = &[
    "plus tard", "plutard", "un peu plus tard", "peut etre plus tard", "peut etre un peu plus tard", "tout a lheure", "tt a lheure",
    "tantot", "apres", "dans un moment", "dans un instant", "dans une minute", "dans quelques minutes", "dans un petit moment",
    "pas maintenant", "non pas maintenant", "pas tout de suite", "pas pour le moment", "pas pour linstant", "pour linstant non",
    "pour le moment non", "pas aujourdhui", "pas ce soir", "une autre fois", "un autre jour", "un autre moment", "a un autre moment",
    "peut etre une autre fois", "rappelle moi plus tard", "rappelez moi plus tard", "rappelle le moi plus tard", "relancez moi plus tard",
    "recontactez moi plus tard", "ecrivez moi plus tard", "je vous ecris plus tard", "je reviens plus tard", "je reviens",
    "je reviendrai plus tard", "je continue plus tard", "je continuerai plus tard", "je le ferai plus tard", "je ferai ca plus tard",
    "je le fais plus tard", "je ferai plus tard", "continuer plus tard", "on verra plus tard", "mais plus tard", "mais pas maintenant",
    "mais pas tout de suite", "je suis occupe", "je suis occupee", "je suis en reunion", "je suis occupe la", "occupe pour le moment",
    "en reunion", "je conduis", "je suis au volant", "je ne peux pas maintenant", "je peux pas maintenant", "la je peux pas",
    "la je ne peux pas", "pas le temps maintenant", "pas le temps la", "attends", "attendez", "un instant", "un moment", "une seconde",
    "un petit moment", "attendez un moment", "attends un peu", "patientez",
];

// The seven words of 47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel, unsubscribe; then what carriers add and what
// people write when they have had enough. Nothing here fits inside a sentence: the whole message has to be it.
#[rustfmt::skip]
const STOP_EN: &[&str] = &[
    "stop", "quit", "end", "revoke", "opt out", "optout", "cancel", "unsubscribe", "stopall", "stop all", "stpo", "sotp", "stip", "stahp",
    "unsub", "unsuscribe", "unsubcribe", "unsubscibe", "unsubsribe", "unsubscrib", "un subscribe", "unsubscribed", "cancle", "cancell",
    "opt me out", "opting out", "i opt out", "i want to opt out", "i would like to opt out", "id like to opt out", "opt out of messages",
    "unsubscribe me", "i want to unsubscribe", "i would like to unsubscribe", "id like to unsubscribe", "stop it", "stop this",
    "stop now", "stop that", "just stop", "stop already", "stop messages", "stop the messages", "stop these messages", "stop messaging",
    "stop messaging me", "stop texting", "stop texting me", "stop text", "stop texts", "stop sending", "stop sending messages",
    "stop sending me messages", "stop sending me this", "stop sending these", "stop sending me texts", "stop sending texts",
    "stop sending these messages", "stop sending me these messages", "stop writing me", "stop writing to me", "stop contacting me",
    "stop contacting", "stop bothering me", "stop bugging me", "stop spamming", "stop spamming me", "stop spam", "stop the spam",
    "stop promotions", "stop promos", "stop marketing", "stop ads", "stop follow ups", "stop reminders", "stop reminding me",
    "quit texting me", "quit messaging me", "quit it", "cancel messages", "cancel subscription", "cancel my subscription", "end messages",
    "do not contact me", "dont contact me", "do not contact me again", "dont contact me again", "dont contact me anymore",
    "do not contact", "do not text me", "dont text me", "dont text me again", "dont text me anymore", "do not text me again",
    "do not message me", "dont message me", "dont message me again", "do not message me again", "dont message me anymore",
    "never contact me again", "never text me again", "never message me again", "dont write me", "dont write to me", "dont write me again",
    "dont write me anymore", "do not write me", "do not disturb", "no more messages", "no more texts", "no more messages please",
    "i dont want any more messages", "i dont want more messages", "i dont want these messages", "i dont want messages",
    "i dont want to receive messages", "i do not want any more messages", "i dont want to receive any more messages",
    "i dont want to receive these messages", "leave me alone", "remove me", "remove me from the list", "remove me from your list",
    "remove me from this list", "remove my number", "please remove my number", "delete my number", "lose my number", "take me off",
    "take me off the list", "take me off your list", "take me off this list", "revoke consent", "i revoke consent", "i revoke my consent",
    "revoke my consent", "withdraw consent", "i withdraw my consent",
];
// Left out: "alto" (tall, high: an answer), "para" (for; "pará": wait), "basta" alone (that is enough of them), "fin", "terminar",
// "finalizar" (to end, or to complete), "de baja" (on sick leave), "vaja" (a slip for "baja", and "well!" in Catalan).
#[rustfmt::skip]
const STOP_ES: &[&str] = &[
    "baja", "baja baja", "solicito la baja", "solicito baja", "quiero la baja", "quiero baja", "pido la baja", "dar de baja",
    "darme de baja", "darse de baja", "dame de baja", "deme de baja", "denme de baja", "dame baja", "quiero darme de baja",
    "me quiero dar de baja", "quiero dar de baja", "deseo darme de baja", "me doy de baja", "como me doy de baja", "favor darme de baja",
    "cancelar suscripcion", "cancelar la suscripcion", "cancelar mi suscripcion", "cancelar suscripciones", "cancelar subscripcion",
    "anular suscripcion", "cancelar mensajes", "cancelar los mensajes", "cancelar notificaciones", "desuscribir", "desuscribirme",
    "desuscribirse", "desuscribeme", "desuscripcion", "quiero desuscribirme", "desinscribir", "desinscribirme", "desubscribir",
    "desubscribirme", "parar", "pare", "paren", "pare ya", "paren ya", "parar mensajes", "parar los mensajes", "detener mensajes",
    "detener los mensajes", "detener promociones", "detener la promocion", "detener notificaciones", "no mas mensajes", "no mas mensaje",
    "ya no mas mensajes", "no mas mensajes por favor", "no mas publicidad", "no mas spam", "no mas notificaciones", "basta ya",
    "ya basta", "basta de mensajes", "no quiero mensajes", "no quiero mas mensajes", "ya no quiero mas mensajes", "ya no quiero mensajes",
    "no quiero recibir mensajes", "no quiero recibir mas mensajes", "no deseo recibir mensajes", "no deseo recibir mas mensajes",
    "no deseo mas mensajes", "ya no quiero recibir mensajes", "ya no quiero recibir mas mensajes", "ya no deseo recibir mensajes",
    "no me escriban", "no me escriban mas", "no me escriba mas", "no me escribas mas", "no me escribas", "no me escriba",
    "ya no me escriban", "ya no me escriba", "ya no me escribas", "ya no me escriban mas", "no me vuelvan a escribir",
    "no me vuelva a escribir", "no vuelvan a escribirme", "no vuelva a escribirme", "no me contacten", "no me contacten mas",
    "no me contacte mas", "no me contacte", "no me vuelvan a contactar", "no me manden mensajes", "no me manden mas mensajes",
    "no me manden mas", "no me mande mas mensajes", "no me mandes mas mensajes", "no manden mas mensajes", "ya no me manden mensajes",
    "ya no me manden mas mensajes", "no me envien mensajes", "no me envien mas mensajes", "no me envien mas", "no me envie mas mensajes",
    "no envien mas mensajes", "no enviar mas mensajes", "no enviar mas", "dejen de escribirme", "deja de escribirme",
    "deje de escribirme", "dejen de escribir", "dejen de enviarme mensajes", "dejen de mandarme mensajes", "deje de enviarme mensajes",
    "deja de enviarme mensajes", "deja de mandarme mensajes", "dejen de enviar mensajes", "dejen de mandar mensajes", "dejen de molestar",
    "dejen de molestarme", "deja de molestar", "deja de molestarme", "deje de molestar", "deje de molestarme", "dejenme en paz",
    "dejeme en paz", "dejame en paz", "dejenme tranquilo", "dejenme tranquila", "no molestar", "no molesten", "no molesten mas",
    "no moleste", "no moleste mas", "no molestes", "no molestes mas", "no me molesten", "no me molesten mas", "no me moleste",
    "no me moleste mas", "no me molestes", "no me molestes mas", "borrenme", "borrenme de la lista", "borrame de la lista", "eliminenme",
    "eliminenme de la lista", "eliminame de la lista", "eliminen mi numero", "elimine mi numero", "borren mi numero", "borre mi numero",
    "saquenme de la lista", "sacame de la lista", "saqueme de la lista", "quitenme de la lista", "quitame de la lista",
    "saquenme de su lista", "retirenme de la lista", "retireme de la lista",
];
#[rustfmt::skip]
const STOP_PT: &[&str] = &[
    "parem", "parem ja", "pare agora", "sair", "quero sair", "sair da lista", "quero sair da lista", "descadastrar", "descadastra",
    "descadastre", "descadastro", "me descadastre", "me descadastra", "me descadastrem", "quero descadastrar", "quero me descadastrar",
    "descadastrar meu numero", "descadastre meu numero", "descadastrese", "decadastrar", "descadrastar", "cancelar inscricao",
    "cancelar a inscricao", "cancelar minha inscricao", "cancelar assinatura", "cancelar mensagens", "cancelar as mensagens",
    "cancelar recebimento", "cancelar notificacoes", "cancelar cadastro", "desinscrever", "me desinscreva", "desinscreva",
    "quero me desinscrever", "parar mensagens", "parar as mensagens", "parar promocoes", "parar de receber", "quero parar de receber",
    "parar de receber mensagens", "quero parar de receber mensagens", "interromper promocoes", "interromper mensagens",
    "chega de mensagem", "chega de mensagens", "sem mais mensagens", "nao quero mensagens", "nao quero mais mensagem",
    "nao quero mais mensagens", "nao quero receber", "nao quero mais receber", "nao quero receber mensagem",
    "nao quero receber mensagens", "nao quero receber mais mensagens", "nao quero mais receber mensagem",
    "nao quero mais receber mensagens", "nao desejo receber mensagens", "nao desejo mais receber mensagens",
    "nao desejo receber mais mensagens", "nao quero receber mais nada", "nao me mande mensagem", "nao me mande mensagens",
    "nao me mande mais mensagem", "nao me mande mais mensagens", "nao me manda mais mensagem", "nao me manda mais mensagens",
    "nao me mandem mais mensagem", "nao me mandem mais mensagens", "nao mande mais mensagem", "nao mande mais mensagens",
    "nao mandem mais mensagens", "nao mande mais", "nao me mande mais", "nao me envie mais mensagens", "nao me enviem mais mensagens",
    "nao enviar mais", "nao enviar mais mensagens", "nao envie mais mensagens", "nao me chame mais", "nao me chama mais",
    "nao me escreva mais", "nao me escrevam mais", "nao me contate mais", "nao me contatem mais", "nao me procure mais",
    "nao me procurem mais", "nao entre mais em contato", "nao entrem mais em contato", "pare de me mandar mensagem",
    "pare de me mandar mensagens", "parem de me mandar mensagem", "parem de me mandar mensagens", "para de me mandar mensagem",
    "para de me mandar mensagens", "pare de mandar mensagem", "pare de mandar mensagens", "para de mandar mensagem",
    "para de mandar mensagens", "parem de mandar mensagem", "parem de mandar mensagens", "pare de me enviar mensagens",
    "parem de me enviar mensagens", "pare de enviar mensagens", "parem de enviar mensagens", "pare de me encher", "para de encher",
    "pare de encher", "para de me encher", "pare de me incomodar", "para de me incomodar", "parem de me incomodar", "nao me incomode",
    "nao me incomode mais", "nao me incomodem", "nao me incomodem mais", "nao incomode", "nao incomodem", "me deixa em paz",
    "me deixe em paz", "me deixem em paz", "deixa me em paz", "deixe me em paz", "me tira da lista", "me tire da lista",
    "me tirem da lista", "tira meu numero", "tire meu numero", "tirem meu numero", "tira meu numero da lista", "me remova",
    "me remova da lista", "me removam da lista", "remova meu numero", "remover meu numero", "remove meu numero", "apague meu numero",
    "apaga meu numero", "exclua meu numero", "exclui meu numero",
];
#[rustfmt::skip]
const STOP_FR: &[&str] = &[
    "arret", "aret", "arreter", "areter", "arrete", "arretez", "aretez", "arretez ca", "arrete ca", "arretez svp",
    "arretez maintenant", "arretez tout", "stopper", "stoppez", "stop pub", "stop pubs", "stop publicite", "stop sms", "stop message",
    "stop aux messages", "stop les messages", "desabonner", "desabonne", "desabonement", "desaboner", "desabonnement", "desabonnez",
    "desabonnez moi", "desabonne moi", "me desabonner", "se desabonner", "je veux me desabonner", "je souhaite me desabonner",
    "je voudrais me desabonner", "je me desabonne", "desinscrire", "desinscription", "me desinscrire", "se desinscrire",
    "desinscrivez moi", "desinscris moi", "je veux me desinscrire", "je souhaite me desinscrire", "je voudrais me desinscrire",
    "plus de message", "plus de messages", "je ne veux plus de messages", "je ne veux plus de message", "je ne veux pas de messages",
    "je ne veux plus recevoir de messages", "je veux plus recevoir de messages", "je ne veux pas recevoir de messages",
    "je ne souhaite plus recevoir de messages", "je ne souhaite plus recevoir de message", "je ne veux plus recevoir vos messages",
    "je ne veux plus rien recevoir", "je ne souhaite plus etre contacte", "je ne souhaite plus etre contactee",
    "je ne veux plus etre contacte", "je ne veux plus etre contactee", "ne mecrivez plus", "ne mecris plus", "mecrivez plus",
    "ne me contactez plus", "ne me contactez pas", "me contactez plus", "ne menvoyez plus de messages", "ne menvoyez plus de message",
    "ne menvoyez plus rien", "nenvoyez plus de messages", "menvoyez plus de messages", "ne me relancez plus", "arretez de mecrire",
    "arrete de mecrire", "arretez de menvoyer des messages", "arrete de menvoyer des messages", "arretez les messages",
    "arreter les messages", "arretez vos messages", "arreter messages", "arreter les promotions", "arretez les promotions",
    "arretez de me contacter", "arretez de me harceler", "arretez de me relancer", "arretez de me deranger", "arretez de membeter",
    "arretez le spam", "laissez moi tranquille", "laisse moi tranquille", "laissez moi en paix", "laisse moi en paix",
    "fichez moi la paix", "fiche moi la paix", "foutez moi la paix", "fous moi la paix", "ne me derangez plus", "ne pas deranger",
    "supprimez moi", "supprimez moi de la liste", "supprimez moi de votre liste", "supprimez mon numero", "retirez moi de la liste",
    "retirez moi de votre liste", "enlevez moi de la liste", "effacez mon numero", "retirez mon numero",
];

// Courtesy says nothing by itself.
#[rustfmt::skip]
const THANKS: &[&str] = &[
    "gracias", "muchas gracias", "mil gracias", "muchisimas gracias", "grax", "gracias igual", "grasias", "gracia", "thanks", "thank you",
    "thank u", "thankyou", "thx", "tks", "ty", "thanks a lot", "thank you so much", "thank you very much", "thanks so much",
    "thanks anyway", "many thanks", "obrigado", "obrigada", "obg", "obgd", "muito obrigado", "muito obrigada", "brigado", "brigada",
    "vlw", "valeu", "merci", "merci beaucoup", "merci bien", "mrc", "merci quand meme",
];
#[rustfmt::skip]
const FILLER: &[&str] = &[
    "por favor", "porfavor", "porfa", "porfis", "porfi", "pls", "plz", "please", "plis", "plss", "pfv", "pf", "xfa", "x favor", "xfavor",
    "por fa", "por gentileza", "svp", "stp", "sil vous plait", "sil te plait", "silvousplait", "sil vous plais", "hola", "hola buenas",
    "holi", "ola", "oi", "oie", "hi", "hello", "hey", "hallo", "salut", "coucou", "bonjour", "bonsoir", "bjr", "bom dia", "bomdia",
    "boa tarde", "boa noite", "buenas", "buen dia", "buenos dias", "buenas tardes", "buenas noches", "good morning", "good afternoon",
    "good evening", "senor", "senora", "senorita", "senhor", "senhora", "sir", "maam", "madame", "monsieur", "mademoiselle",
];

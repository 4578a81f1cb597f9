//! The fields of an outbound's form, one by one: each is read with what it depends on.
//!
//! Not the record, nor the order in which they are asked for.

use url::Url;

use crate::conversation::answer;
use crate::engine::template;
use crate::limits;
use crate::shapes::address;
use crate::shapes::event::shortened;
use crate::shapes::guide::form::Form;
use crate::shapes::guide::outbound::{CallToAction, TemplateType};
use crate::shapes::guide::{BadField, LABEL_CHARS, URL_BYTES, VALUE_CHARS, VARIABLE_BYTES, digits};

/// Most variables of one text.
const VARIABLES: usize = 32;

pub(super) fn template_type(form: &mut Form) -> Result<TemplateType, BadField> {
    use TemplateType::{Document, Image, Text, Video};
    form.word("template_type", &[("TEXT", Text), ("VIDEO", Video), ("IMAGE", Image), ("DOCUMENT", Document)])
}

pub(super) fn media(form: &mut Form, template_type: TemplateType) -> Result<Option<String>, BadField> {
    let field = "media_url";
    if template_type == TemplateType::Text {
        let given = form.maybe(field, URL_BYTES)?;
        let none = given.is_none().then_some(None);
        return none.ok_or_else(|| BadField::new(field, "a message of template_type TEXT has no media; leave it out"));
    }
    let url = form.need(field, URL_BYTES, "write where the picture, video or document is: template_type is not TEXT")?;
    let at = address(field, &url)?;
    // The provider fetches it, not this program: it must not be led into its own network either.
    match address::private(&at) {
        None => Ok(Some(url)),
        Some(why) => Err(BadField::new(field, format!("{why}; write an address that the provider can fetch it from"))),
    }
}

/// The labels of *continue* and *cancel*: needed where a flow starts, and out of place in a notification.
pub(super) fn labels(form: &mut Form, is_notification: bool) -> Result<(Option<String>, Option<String>), BadField> {
    let mut label = |field: &'static str, wanted: &str| {
        let given = if is_notification { form.maybe(field, LABEL_CHARS)? } else { Some(form.need(field, LABEL_CHARS, wanted)?) };
        match given {
            Some(_) if is_notification => Err(BadField::new(field, "a notification has no such button; leave it out")),
            Some(label) => one_line(field, &label).map(Some),
            None => Ok(None),
        }
    };
    let go_on = label("continue_process_message", "write the label of the button that starts the flow, as Continue")?;
    let cancel = label("cancel_process_message", "write the label of the button that declines, as Cancel")?;
    Ok((go_on, cancel))
}

fn one_line(field: &str, text: &str) -> Result<String, BadField> {
    let text = text.trim();
    let fine = !text.chars().any(char::is_control) && !answer::fold(text).is_empty();
    fine.then(|| text.to_owned()).ok_or_else(|| BadField::new(field, "is no label; write one line that can be seen"))
}

/// One example for each variable of the text, and none for others.
pub(super) fn variables(form: &mut Form, content: &str) -> Result<Vec<(String, String)>, BadField> {
    let mut examples = form.prefixed("var.");
    let names = names(content)?;
    let mut variables = Vec::with_capacity(names.len());
    for name in names {
        let Some(at) = examples.iter().position(|(known, _)| known == name) else {
            return Err(BadField::new(format!("var.{name}"), "is missing: content has this variable; write an example of it"));
        };
        let (name, example) = examples.remove(at);
        variables.push((name.clone(), value(&name, example)?));
    }
    match examples.into_iter().next() {
        Some((name, _)) => Err(BadField::new(format!("var.{name}"), "content has no such variable; leave it out")),
        None => Ok(variables),
    }
}

/// The names of the variables of a text, each once, in the order of the text.
fn names(content: &str) -> Result<Vec<&str>, BadField> {
    let all = template::variables(content)
        .map_err(|piece| BadField::new("content", format!("{} is no variable; write it as {{{{.name}}}}", shortened(piece))))?;
    let mut names: Vec<&str> = Vec::with_capacity(all.len());
    for name in all {
        if name.len() > VARIABLE_BYTES {
            return Err(BadField::new("content", format!("the variable {} is too long; at most {VARIABLE_BYTES} bytes", shortened(name))));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > VARIABLES {
        return Err(BadField::new("content", format!("has {} variables; at most {VARIABLES}", names.len())));
    }
    Ok(names)
}

/// The value of a variable: WhatsApp takes neither line breaks nor tabs in one.
pub(super) fn value(name: &str, value: String) -> Result<String, BadField> {
    let field = || format!("var.{name}");
    if value.trim().is_empty() {
        return Err(BadField::new(field(), "is empty; write its value"));
    }
    if value.chars().nth(VALUE_CHARS).is_some() || value.len() > limits::VARIABLE_BYTES {
        return Err(BadField::new(field(), format!("has {} bytes; at most {}", value.len(), limits::VARIABLE_BYTES)));
    }
    if value.chars().any(char::is_control) {
        return Err(BadField::new(field(), "has a line break or a tab in it, which WhatsApp does not take; write one line"));
    }
    Ok(value)
}

/// A button that leads away: label and target, both or neither.
pub(super) fn call_to_action(
    form: &mut Form,
    label: &str,
    target: &str,
    read: impl Fn(&str, &str) -> Result<String, BadField>,
) -> Result<Option<CallToAction>, BadField> {
    let (label, target) = (format!("call_to_action.{label}"), format!("call_to_action.{target}"));
    let message = form.maybe(&label, LABEL_CHARS)?;
    let to = form.maybe(&target, URL_BYTES)?;
    match (message, to) {
        (Some(message), Some(to)) => Ok(Some(CallToAction { message: one_line(&label, &message)?, target: read(&target, &to)? })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(BadField::new(target, format!("is missing: {label} is given"))),
        (None, Some(_)) => Err(BadField::new(label, format!("is missing: {target} is given"))),
    }
}

pub(super) fn address(field: &str, text: &str) -> Result<Url, BadField> {
    let wrong = || BadField::new(field, format!("{} is no address; write it whole, as https://my-page.com", shortened(text)));
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong());
    }
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    if matches!(url.scheme(), "http" | "https") && plain { Ok(url) } else { Err(wrong()) }
}

/// A language as the guide writes it: `es`, `pt-BR`; an underscore is taken as well.
pub(super) fn language(code: String) -> Result<String, BadField> {
    let (one, region) = code.split_once(['-', '_']).map_or((&*code, None), |(one, region)| (one, Some(region)));
    let language = (2..=3).contains(&one.len()) && one.bytes().all(|b| b.is_ascii_lowercase());
    let place = |region: &str| (2..=4).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_alphanumeric());
    if language && region.is_none_or(place) {
        return Ok(code.replace('_', "-"));
    }
    Err(BadField::new("language_code", format!("{} is no code of a language; write it as es, pt-BR or en", shortened(&code))))
}

/// Country code and national number as one.
pub(super) fn joined(country_code: &str, phone_number: &str) -> Result<String, BadField> {
    let code = digits(country_code).filter(|code| code.len() <= 3 && !code.starts_with('0'));
    let code = code.ok_or_else(|| {
        BadField::new("country_code", format!("{} is no country code; write 1 to 3 digits, as 57", shortened(country_code)))
    })?;
    let national = digits(phone_number).filter(|_| !phone_number.trim_start().starts_with('+'));
    let whole = national.map(|national| format!("{code}{national}")).filter(|whole| (7..=15).contains(&whole.len()));
    // The number is a person's: it is not repeated.
    whole.ok_or_else(|| BadField::new("phone_number", "is no number without country code; write its digits, as 3181230000"))
}

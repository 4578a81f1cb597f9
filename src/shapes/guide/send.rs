//! The form that sends an outbound to one person: checked against the outbound it names.
//!
//! Not the sending: what comes of this is asked of the engine.

use crate::engine::book::Book;
use crate::engine::record::Outgoing;
use crate::engine::registry::Register;
use crate::engine::request::Invitation;
use crate::engine::template;
use crate::shapes::event::shortened;
use crate::shapes::guide::fields::{joined, value};
use crate::shapes::guide::form::Form;
use crate::shapes::guide::outbound::Outbound;
use crate::shapes::guide::{BadField, flow_of, line_of};

/// The fields of the call.
const FIELDS: &str = "phone_number, country_code, outbound_id, user_authorized, flow_id, var.<name>";

/// What the form says without the outbound.
#[derive(Debug)]
pub struct SendForm {
    /// To whom: digits with country code.
    pub phone: String,
    /// Which outbound.
    pub outbound_id: String,
    /// The flow, as it was named.
    flow_id: Option<String>,
    vars: Vec<(String, String)>,
}

impl SendForm {
    /// Reads the form.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn read(mut form: Form) -> Result<SendForm, BadField> {
        let national = form.need("phone_number", 40, "write the person's number without country code, as 3181230000")?;
        let country = form.need("country_code", 8, "write the country code of the number, as 57")?;
        let phone = joined(&country, &national)?;
        let outbound_id = form.need("outbound_id", 64, "write the id of an outbound, as OTB and 32 hexadecimal digits")?;
        if !Register::Outbound.is_id(&outbound_id) {
            let why = format!("{} is no id of an outbound; those are OTB and 32 hexadecimal digits", shortened(&outbound_id));
            return Err(BadField::new("outbound_id", why));
        }
        if !form.truth("user_authorized")? {
            let why = "must be true: without the person's own consent nothing is sent to them";
            return Err(BadField::new("user_authorized", why));
        }
        let flow_id = form.maybe("flow_id", 100)?;
        let vars = form.prefixed("var.");
        form.end(FIELDS)?;
        Ok(SendForm { phone, outbound_id, flow_id, vars })
    }

    /// What is asked of the engine, by the outbound that was named; `id` makes it known when it comes again.
    ///
    /// # Errors
    /// The first field that does not fit the outbound.
    pub fn invitation(self, outbound: &Outbound, id: Option<String>, book: &Book) -> Result<Invitation, BadField> {
        let line = line_of(book, &outbound.waba_phone_number)?.to_string();
        let flow = match self.flow_id {
            Some(_) if outbound.is_notification => {
                return Err(BadField::new("flow_id", "this outbound is a notification, which starts no flow; leave it out"));
            }
            None if !outbound.is_notification => {
                return Err(BadField::new("flow_id", "is missing: this outbound starts a flow; write its name or id"));
            }
            Some(named) => Some(flow_of(book, &named)?.to_string()),
            None => None,
        };
        let vars = values(self.vars, outbound)?;
        let mut sorted = vars.clone();
        sorted.sort();
        // The text was read when the outbound was created, and its variables are all there.
        let text = template::fill(&outbound.content, &sorted).unwrap_or_default();
        let label = |label: &Option<String>| label.clone().unwrap_or_default();
        let outgoing = Outgoing {
            outbound: self.outbound_id,
            template: outbound.template.clone(),
            text,
            yes: label(&outbound.continue_process_message),
            no: label(&outbound.cancel_process_message),
            vars,
            header: outbound.header(),
            media: outbound.media_url.clone(),
            category: outbound.category.as_str().to_owned(),
        };
        Ok(Invitation { line, flow, phone: self.phone, outgoing, id })
    }
}

/// A value for each variable of the outbound, in its order, and none besides.
fn values(mut given: Vec<(String, String)>, outbound: &Outbound) -> Result<Vec<(String, String)>, BadField> {
    let mut values = Vec::with_capacity(outbound.variables.len());
    for (name, _) in &outbound.variables {
        let Some(at) = given.iter().position(|(known, _)| known == name) else {
            return Err(BadField::new(format!("var.{name}"), "is missing: the outbound has this variable; write its value"));
        };
        let (name, text) = given.remove(at);
        let text = value(&name, text)?;
        values.push((name, text));
    }
    match given.into_iter().next() {
        Some((name, _)) => Err(BadField::new(format!("var.{name}"), "the outbound has no such variable; leave it out")),
        None => Ok(values),
    }
}

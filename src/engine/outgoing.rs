//! What an invitation or a notification says: an approved template with what goes into it.
//!
//! Not its approval, and not a provider's request.

/// What stands above the text of a template.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum Header {
    /// Nothing.
    #[default]
    None = 0,
    /// A picture.
    Image = 1,
    /// A film.
    Video = 2,
    /// A document.
    Document = 3,
}

impl Header {
    /// All of them, in the order of their codes.
    pub const ALL: [Header; 4] = [Header::None, Header::Image, Header::Video, Header::Document];

    /// The word that the guide and all providers use for a template with it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Header::None => "TEXT",
            Header::Image => "IMAGE",
            Header::Video => "VIDEO",
            Header::Document => "DOCUMENT",
        }
    }

    /// What is stored as `code`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Header> {
        Header::ALL.into_iter().find(|header| *header as u8 == code)
    }
}

/// A message of our own accord: an approved template with what goes into it. What an invitation or a notification says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    /// The outbound's id, `OTB…`.
    pub outbound: String,
    /// What the provider calls its template.
    pub template: String,
    /// Its text, variables filled in.
    pub text: String,
    /// The label of *continue*; empty in a notification.
    pub yes: String,
    /// The label of *cancel*; empty in a notification.
    pub no: String,
    /// The variables that the template takes, in its order.
    pub vars: Vec<(String, String)>,
    /// What stands above its text.
    pub header: Header,
    /// The address of that, where there is something.
    pub media: Option<String>,
    /// Its category, in the guide's words: `MARKETING`, `AUTHENTICATION`, `UTILITY`.
    pub category: String,
}

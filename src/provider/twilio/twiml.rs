//! The text of TwiML: what a bot tells Twilio to send, in its answer to a webhook.
//!
//! Not an interpreter: what other verbs do (redirect, media alone) is not followed. Documents with a DTD are not read.

use roxmltree::{Document, Node};

/// What the person gets to read by this answer, several messages one under the other; `None` where there is nothing to read.
/// By content type, as Twilio does it: XML or HTML is TwiML, plain text is the message itself.
pub(super) fn text(content_type: &str, body: &[u8]) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let text = match content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "text/plain" => body.trim().to_owned(),
        "text/xml" | "application/xml" | "text/html" => messages(body)?,
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn messages(xml: &str) -> Option<String> {
    let document = Document::parse(xml.trim_start_matches('\u{feff}').trim_start()).ok()?;
    let response = Some(document.root_element()).filter(|root| root.has_tag_name("Response"))?;
    // `Sms` is what the verb was called once, and is still taken.
    let verbs = response.children().filter(|node| node.has_tag_name("Message") || node.has_tag_name("Sms"));
    let texts: Vec<String> = verbs.map(message).filter(|text| !text.is_empty()).collect();
    Some(texts.join("\n"))
}

/// The text of one message: that of its `Body`, or its own where it has none.
fn message(verb: Node<'_, '_>) -> String {
    let body = verb.children().find(|node| node.has_tag_name("Body"));
    let texts = body.unwrap_or(verb).children().filter(Node::is_text).filter_map(|node| node.text());
    texts.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_person_gets_to_read() {
        let xml = |body: &str| text("text/xml; charset=utf-8", body.as_bytes());
        for (body, expected) in [
            ("<Response><Message>¿Cuál es tu correo?</Message></Response>", Some("¿Cuál es tu correo?")),
            ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>\n <Message><Body>Hola &amp; adiós</Body></Message></Response>", {
                Some("Hola & adiós")
            }),
            ("<Response><Message>a</Message><Redirect>http://x</Redirect><Message><Body> b </Body></Message></Response>", Some("a\nb")),
            ("<Response><Message><Body><![CDATA[1 < 2]]></Body><Media>https://x/y.png</Media></Message></Response>", Some("1 < 2")),
            ("<Response><Message>see<Media>https://x/y.png</Media></Message></Response>", Some("see")),
            ("<Response><Sms>old</Sms></Response>", Some("old")),
            ("\u{feff}\n<Response><Message>x</Message></Response>", Some("x")),
            ("<Response/>", None),
            ("<Response><Message><Media>https://x/y.png</Media></Message></Response>", None),
            ("<Response><Message> </Message></Response>", None),
            ("<Reply><Message>x</Message></Reply>", None),
            ("<html><body>502</body></html>", None),
            ("<Response><Message>x</Response>", None),
            ("<!DOCTYPE r [<!ENTITY a \"x\">]><Response><Message>&a;</Message></Response>", None),
            ("", None),
        ] {
            assert_eq!(xml(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn the_content_type_decides() {
        let body = b"<Response><Message>x</Message></Response>";
        for kind in ["text/xml", "application/xml", "Text/HTML;charset=utf-8"] {
            assert_eq!(text(kind, body).as_deref(), Some("x"), "{kind}");
        }
        assert_eq!(text("text/plain", b" Hola \n").as_deref(), Some("Hola"));
        assert_eq!(text("text/plain", b"  "), None);
        for kind in ["application/json", "", "text/xmlish"] {
            assert_eq!(text(kind, body), None, "{kind}");
        }
        assert_eq!(text("text/plain", &[0xff, 0xfe]), None, "no UTF-8");
    }

    #[test]
    fn a_document_however_deep_is_read_or_not_and_that_is_all() {
        let deep = format!("<Response>{}{}</Response>", "<Message>".repeat(50_000), "</Message>".repeat(50_000));
        assert_eq!(text("text/xml", deep.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn it_is_total(body in proptest::collection::vec(any::<u8>(), 0..300), inner in ".{0,60}") {
            let _ = text("text/xml", &body);
            let _ = text("text/xml", format!("<Response><Message>{inner}</Message></Response>").as_bytes());
        }
    }
}

//! A small strict XML reader: elements, attributes, text, comments, the five named entities and character numbers.
//!
//! Enough for scatter files and manifests (formats.md section 2.5). Document types and CDATA are refused, so nothing
//! can expand; every element must be closed by its own name.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Fault, MapError};
use super::lines::{Line, column};

/// Deepest nesting; real files have five levels.
const DEEPEST: usize = 16;

/// A place in the text.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) line: Line<'a>,
    pub(super) column: u32,
}

impl At<'_> {
    pub(super) fn fault(&self, what: &str) -> MapError {
        self.line.fault(self.column, Fault::Xml(what.to_owned()))
    }
}

/// What comes next in the text.
pub(super) enum Event<'a> {
    /// An element begins; the value of its `name` attribute and where that element stands.
    Open { element: &'a str, name: Option<String>, at: At<'a> },
    /// The innermost element ends. `text` is what stood in it when it had neither
    /// elements inside nor a `name` alone, trimmed.
    Close { element: &'a str, text: Option<String>, at: At<'a> },
}

/// An element that is not closed yet.
struct Element<'a> {
    name: &'a str,
    text: String,
    /// Where its text begins.
    text_at: Option<At<'a>>,
    has_elements: bool,
    /// Its value is the `name` attribute.
    has_name: bool,
}

/// Reads a text event by event.
pub(super) struct Reader<'a> {
    text: &'a str,
    position: usize,
    line: u32,
    line_start: usize,
    open: Vec<Element<'a>>,
    /// An element `<a/>` still has to be closed.
    close_next: bool,
    root_seen: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8]) -> Result<Self, MapError> {
        let start = |valid: usize| {
            let number = super::lines::lines(text.get(..valid).unwrap_or_default()).count().max(1);
            Line { number: u32::try_from(number).unwrap_or(u32::MAX), bytes: b"" }
        };
        let text = core::str::from_utf8(text)
            .map_err(|error| start(error.valid_up_to()).fault(1, Fault::Xml("not UTF-8".to_owned())))?;
        Ok(Self {
            text,
            position: 0,
            line: 1,
            line_start: 0,
            open: Vec::new(),
            close_next: false,
            root_seen: false,
        })
    }

    /// The next event; none at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Event<'a>>, MapError> {
        if self.close_next {
            self.close_next = false;
            let at = self.at();
            return self.close(at).map(Some);
        }
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return self.end();
            }
            if let Some(inner) = rest.strip_prefix("<!--") {
                self.skip_past(inner, 4, "-->", "a comment without end")?;
            } else if let Some(inner) = rest.strip_prefix("<?") {
                self.skip_past(inner, 2, "?>", "an instruction without end")?;
            } else if rest.starts_with("<!") {
                return Err(self.at().fault("document types and CDATA are not read"));
            } else if let Some(inner) = rest.strip_prefix("</") {
                return self.closing_tag(inner).map(Some);
            } else if rest.starts_with('<') {
                return self.opening_tag().map(Some);
            } else {
                self.characters(rest)?;
            }
        }
    }

    /// Where the reader is.
    pub(super) fn at(&self) -> At<'a> {
        let bytes = self.text.as_bytes().get(self.line_start..).unwrap_or_default();
        At {
            line: Line { number: self.line, bytes },
            column: column(self.position.saturating_sub(self.line_start)),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn advance(&mut self, length: usize) {
        let end = self.position.saturating_add(length);
        let bytes = self.text.as_bytes();
        while self.position < end {
            let byte = bytes.get(self.position);
            self.position = self.position.saturating_add(1);
            let ends_line = match byte {
                Some(b'\n') => true,
                Some(b'\r') => bytes.get(self.position) != Some(&b'\n'),
                _ => false,
            };
            if ends_line {
                self.line = self.line.saturating_add(1);
                self.line_start = self.position;
            }
        }
    }

    fn skip_past(&mut self, inner: &str, before: usize, end: &str, what: &str) -> Result<(), MapError> {
        let length = inner.find(end).ok_or_else(|| self.at().fault(what))?;
        self.advance(before.saturating_add(length).saturating_add(end.len()));
        Ok(())
    }

    fn end(&self) -> Result<Option<Event<'a>>, MapError> {
        match self.open.last() {
            Some(it) => Err(self.at().fault(&format!("the text ends inside <{}>", it.name))),
            None if !self.root_seen => Err(self.at().fault("no element")),
            None => Ok(None),
        }
    }

    fn characters(&mut self, rest: &'a str) -> Result<(), MapError> {
        let length = rest.find('<').unwrap_or(rest.len());
        let raw = rest.get(..length).unwrap_or_default();
        let blanks = raw.len().saturating_sub(raw.trim_ascii_start().len());
        self.advance(blanks);
        let at = self.at();
        let raw = raw.trim_ascii_start();
        if !raw.is_empty() {
            let text = entities(raw).ok_or_else(|| at.fault("a broken or unknown entity"))?;
            let Some(element) = self.open.last_mut() else {
                return Err(at.fault("text outside the elements"));
            };
            element.text_at = element.text_at.or(Some(at));
            element.text.push_str(&text);
        }
        self.advance(raw.len());
        Ok(())
    }

    fn opening_tag(&mut self) -> Result<Event<'a>, MapError> {
        let at = self.at();
        self.advance(1);
        let element = self.word();
        if element.is_empty() {
            return Err(at.fault("a < without a name behind it"));
        }
        if self.open.is_empty() && self.root_seen {
            return Err(at.fault("a second root element"));
        }
        if self.open.len() == DEEPEST {
            return Err(at.fault("elements nested too deep"));
        }
        let mut name = None;
        loop {
            self.blanks();
            let rest = self.rest();
            if rest.starts_with("/>") {
                self.advance(2);
                self.close_next = true;
                break;
            } else if rest.starts_with('>') {
                self.advance(1);
                break;
            }
            let (key, value) = self.attribute()?;
            if key == "name" {
                name = Some(value);
            }
        }
        self.root_seen = true;
        if let Some(parent) = self.open.last_mut() {
            if !parent.text.is_empty() {
                return Err(at.fault(&format!("text and elements mixed in <{}>", parent.name)));
            }
            parent.has_elements = true;
        }
        let (text, text_at, has_name) = (String::new(), None, name.is_some());
        self.open.push(Element { name: element, text, text_at, has_elements: false, has_name });
        Ok(Event::Open { element, name, at })
    }

    fn attribute(&mut self) -> Result<(&'a str, String), MapError> {
        let at = self.at();
        let key = self.word();
        self.blanks();
        let rest = self.rest();
        if key.is_empty() || !rest.starts_with('=') {
            return Err(at.fault("an element that is not closed by >, or a broken attribute"));
        }
        self.advance(1);
        self.blanks();
        let rest = self.rest();
        let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''));
        let quoted = quote.and_then(|quote| {
            let inner = rest.get(1..)?;
            inner
                .get(..inner.find([quote, '<'])?)
                .filter(|it| inner.get(it.len()..).is_some_and(|after| after.starts_with(quote)))
        });
        let raw = quoted.ok_or_else(|| at.fault("an attribute without its value in quotes"))?;
        let value = entities(raw).ok_or_else(|| at.fault("a broken or unknown entity"))?;
        self.advance(raw.len().saturating_add(2));
        Ok((key, trimmed(&value)))
    }

    fn closing_tag(&mut self, inner: &'a str) -> Result<Event<'a>, MapError> {
        let at = self.at();
        let is_end = |it: char| it == '>' || it == '<';
        let length = inner.find(is_end).ok_or_else(|| at.fault("a closing tag without >"))?;
        let name = inner.get(..length).unwrap_or_default().trim_ascii_end();
        match self.open.last() {
            Some(it) if it.name == name => {}
            Some(it) => return Err(at.fault(&format!("</{}> is due here", it.name))),
            None => return Err(at.fault("a closing tag without its element")),
        }
        if !inner.get(length..).is_some_and(|it| it.starts_with('>')) {
            return Err(at.fault("a closing tag without >"));
        }
        self.advance(length.saturating_add(3));
        self.close(at)
    }

    fn close(&mut self, at: At<'a>) -> Result<Event<'a>, MapError> {
        let Some(it) = self.open.pop() else {
            return Err(at.fault("a closing tag without its element"));
        };
        if it.has_elements && !it.text.is_empty() {
            return Err(it.text_at.unwrap_or(at).fault(&format!("text and elements mixed in <{}>", it.name)));
        }
        let holds_text = !it.has_elements && (!it.has_name || !it.text.is_empty());
        let text = holds_text.then(|| trimmed(&it.text));
        Ok(Event::Close { element: it.name, text, at: it.text_at.unwrap_or(at) })
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let is_word = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.' | ':');
        let length = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
        self.advance(length);
        rest.get(..length).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.advance(rest.len().saturating_sub(rest.trim_ascii_start().len()));
    }
}

/// Text without the blanks of XML around it.
fn trimmed(text: &str) -> String {
    text.trim_matches(|it: char| it.is_ascii_whitespace()).to_owned()
}

/// Text with its entities replaced; none where one is broken or not known.
fn entities(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // The longest is &#x10ffff;
        let end = after.bytes().take(10).position(|it| it == b';')?;
        let (entity, tail) = after.split_at_checked(end)?;
        out.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let digits = number.strip_prefix('#')?;
                let value = match digits.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                char::from_u32(value.ok()?)?
            }
        });
        rest = tail.get(1..)?;
    }
    out.push_str(rest);
    Some(out)
}

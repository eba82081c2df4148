//! What S3 writes as XML, of the calls that go by the [lane](super::lane): errors, and pages of a listing.
//!
//! It is read event by event, and what is text in one piece is not copied.

use std::borrow::Cow;

use mvi_core::Timestamp;
use quick_xml::{Error, Reader, escape::resolve_predefined_entity, events::Event};

/// Why an answer cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is no XML.
    Xml(Error),
    /// It is not the XML that was expected.
    Other(&'static str),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Xml(error) => error.fmt(f),
            Self::Other(found) => f.write_str(found),
        }
    }
}

impl std::error::Error for Unreadable {}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Xml(error)
    }
}

type Result<T> = std::result::Result<T, Unreadable>;

/// What an error says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    code: Option<String>,
    message: Option<String>,
}

impl Said {
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

/// An object, as a page has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) size: Option<u64>,
    pub(super) tag: Option<Cow<'a, str>>,
    pub(super) modified: Option<Timestamp>,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page<'a> {
    pub(super) objects: Vec<Found<'a>>,
    pub(super) prefixes: Vec<Cow<'a, str>>,
    /// Whether keys stand as in a URL.
    pub(super) as_in_url: bool,
    pub(super) is_truncated: bool,
    pub(super) next: Option<String>,
}

/// What is said by an answer that refuses, if it is an error of S3.
pub(super) fn error(answer: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(answer).ok()?;
    read_error(text).ok().flatten()
}

/// The error inside of an answer that says yes.
pub(super) fn error_within(answer: &[u8]) -> Option<Said> {
    // What has none has hardly ever the letters, and need not be read twice.
    let start = &answer[..answer.len().min(500)];
    start.windows(6).any(|it| it == b"<Error").then(|| error(answer)).flatten()
}

fn read_error(text: &str) -> Result<Option<Said>> {
    let mut xml = Xml::new(text);
    if xml.root(|name| name == "Error").is_err() {
        return Ok(None);
    }
    let mut said = Said::default();
    while let Some(part) = xml.child(|name| match name {
        "Code" => Part::Code,
        "Message" => Part::Message,
        _ => Part::Unknown,
    })? {
        match part {
            Part::Code => said.code = Some(xml.text()?.into_owned()),
            Part::Message => said.message = Some(xml.text()?.into_owned()),
            _ => xml.skip()?,
        }
    }
    Ok(Some(said))
}

/// Reads a page of a listing.
pub(super) fn page(answer: &[u8]) -> Result<Page<'_>> {
    let text = std::str::from_utf8(answer).map_err(|_| Unreadable::Other("text in no UTF-8"))?;
    let mut xml = Xml::new(text);
    xml.root(|name| name == "ListBucketResult")?;
    let mut page = Page::default();
    while let Some(part) = xml.child(|name| match name {
        "Contents" => Part::Contents,
        "CommonPrefixes" => Part::CommonPrefixes,
        "IsTruncated" => Part::IsTruncated,
        "NextContinuationToken" => Part::Next,
        "EncodingType" => Part::EncodingType,
        _ => Part::Unknown,
    })? {
        match part {
            Part::Contents => page.objects.push(object(&mut xml)?),
            Part::CommonPrefixes => page.prefixes.extend(prefix(&mut xml)?),
            Part::IsTruncated => {
                page.is_truncated = match &*xml.text()? {
                    "true" => true,
                    "false" => false,
                    _ => return Err(Unreadable::Other("an IsTruncated that is no bool")),
                };
            }
            Part::Next => page.next = Some(xml.text()?.into_owned()),
            Part::EncodingType => page.as_in_url = xml.text()? == "url",
            _ => xml.skip()?,
        }
    }
    Ok(page)
}

fn object<'a>(xml: &mut Xml<'a>) -> Result<Found<'a>> {
    let mut found = Found::default();
    while let Some(part) = xml.child(|name| match name {
        "Key" => Part::Key,
        "Size" => Part::Size,
        "ETag" => Part::Tag,
        "LastModified" => Part::Modified,
        _ => Part::Unknown,
    })? {
        match part {
            Part::Key => found.key = Some(xml.text()?),
            Part::Size => found.size = xml.text()?.parse().ok(),
            Part::Tag => found.tag = Some(xml.text()?),
            Part::Modified => found.modified = xml.text()?.parse().ok(),
            _ => xml.skip()?,
        }
    }
    Ok(found)
}

fn prefix<'a>(xml: &mut Xml<'a>) -> Result<Option<Cow<'a, str>>> {
    let mut found = None;
    while let Some(part) = xml.child(|name| match name {
        "Prefix" => Part::Key,
        _ => Part::Unknown,
    })? {
        match part {
            Part::Key => found = Some(xml.text()?),
            _ => xml.skip()?,
        }
    }
    Ok(found)
}

/// An element that means something to us, or not.
#[derive(Clone, Copy)]
enum Part {
    Code,
    Message,
    Contents,
    CommonPrefixes,
    IsTruncated,
    Next,
    EncodingType,
    Key,
    Size,
    Tag,
    Modified,
    Unknown,
}

/// XML, read from its start to its end.
struct Xml<'a> {
    reader: Reader<&'a [u8]>,
}

impl<'a> Xml<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        // Without it, what is empty is a case of its own.
        reader.config_mut().expand_empty_elements = true;
        Self { reader }
    }

    /// Enters the first element, which is one that `is` knows.
    fn root(&mut self, is: impl Fn(&str) -> bool) -> Result<()> {
        let known = |name: &str| if is(name) { Part::Contents } else { Part::Unknown };
        match self.child(known)? {
            Some(Part::Contents) => Ok(()),
            _ => Err(Unreadable::Other("another element than was expected")),
        }
    }

    /// Enters the next element inside of this one; `None` where this one ends.
    fn child(&mut self, part: impl Fn(&str) -> Part) -> Result<Option<Part>> {
        loop {
            match self.reader.read_event()? {
                Event::Start(start) => return Ok(Some(part(start.local_name().as_ref()))),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(Unreadable::Other("an end in the middle")),
                _ => {}
            }
        }
    }

    /// The text of this element, which has nothing else inside, and leaves it.
    fn text(&mut self) -> Result<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.reader.read_event()? {
                Event::Text(piece) => append(&mut text, piece.xml10_content()),
                Event::CData(piece) => append(&mut text, piece.xml10_content()),
                Event::GeneralRef(entity) => {
                    if let Some(c) = entity.resolve_char_ref()? {
                        text.to_mut().push(c);
                    } else {
                        let known = resolve_predefined_entity(&entity.xml10_content());
                        text += known.ok_or(Unreadable::Other("an entity that nobody knows"))?;
                    }
                }
                Event::End(_) => return Ok(text),
                Event::Start(_) => return Err(Unreadable::Other("an element where text was")),
                Event::Eof => return Err(Unreadable::Other("an end in the middle")),
                _ => {}
            }
        }
    }

    /// Leaves this element, whatever is inside.
    fn skip(&mut self) -> Result<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.reader.read_event()? {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(Unreadable::Other("an end in the middle")),
                _ => {}
            }
        }
        Ok(())
    }
}

fn append<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.to_mut().push_str(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, message: &str) -> Said {
        Said { code: Some(code.into()), message: Some(message.into()) }
    }

    #[test]
    fn an_error_says_its_code_and_message() {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Code>NoSuchKey</Code><Message>a &lt;b&gt; &#x26; c.</Message><Detail><Code>other</Code></Detail></Error>";
        assert_eq!(error(text.as_bytes()), Some(said("NoSuchKey", "a <b> & c.")));
        assert_eq!(error_within(text.as_bytes()), Some(said("NoSuchKey", "a <b> & c.")));
        assert_eq!(error(b"<Error><Code/></Error>").unwrap().code(), Some(""));
        assert_eq!(error(b"<Error></Error>"), Some(Said::default()));
        for none in [
            &b""[..],
            b"not found",
            b"<html><Error><Code>a</Code></Error></html>",
            b"<Error><Code>a</Co",
            b"<Error><Code>a</Message></Error>",
            b"<Error><Code>\xff</Code></Error>",
            b"<Error><Code>&evil;</Code></Error>",
        ] {
            assert_eq!(error(none), None, "{}", String::from_utf8_lossy(none));
        }
        assert_eq!(error_within(b"<ListBucketResult></ListBucketResult>"), None);
    }

    #[test]
    fn a_page_has_what_it_has_in_any_order_with_what_nobody_asked_for() {
        let text = "<?xml version=\"1.0\"?><!-- a --><s:ListBucketResult xmlns:s=\"x\">\n  <Name>acme</Name>\n\
            <Contents><Owner><ID>1</ID><Key>no</Key></Owner><Key>a&amp;b<![CDATA[<c>]]>&#252;</Key><Size>5</Size>\
            <ETag>&quot;e1&quot;</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>\
            <CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes><CommonPrefixes/><Contents/>\
            <EncodingType>url</EncodingType><NextContinuationToken>1+/=</NextContinuationToken>\
            <IsTruncated>true</IsTruncated></s:ListBucketResult>";
        let got = page(text.as_bytes()).unwrap();
        let first = Found {
            key: Some("a&b<c>ü".into()),
            size: Some(5),
            tag: Some("\"e1\"".into()),
            modified: "2026-01-02T03:04:05Z".parse().ok(),
        };
        assert_eq!(got.objects, [first, Found::default()]);
        assert_eq!(got.prefixes, ["d/"]);
        assert!(got.as_in_url && got.is_truncated);
        assert_eq!(got.next.as_deref(), Some("1+/="));
        assert_eq!(page(b"<ListBucketResult/>").unwrap(), Page::default());
    }

    #[test]
    fn text_in_one_piece_is_not_copied() {
        let text = b"<ListBucketResult><Contents><Key>a/b</Key></Contents></ListBucketResult>";
        let got = page(text).unwrap();
        assert!(matches!(got.objects[0].key, Some(Cow::Borrowed("a/b"))));
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for none in [
            "",
            "no",
            "<Error><Code>a</Code></Error>",
            "<ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key></Contents>",
            "<ListBucketResult><Contents><Key>a</Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key><b>a</b></Key></Contents></ListBucketResult>",
            "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Name>&b;</ListBucketResult>",
            "<ListBucketResult><Contents><Key>&b;</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>&#0;&#x110000;</Key></Contents></ListBucketResult>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><ListBucketResult><Contents><Key>&b;</Key></Contents></ListBucketResult>",
        ] {
            page(none.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn nothing_that_is_sent_panics() {
        let whole = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><!-- - --><Contents><Key>a&amp;b<![CDATA[]]></Key>\
            <Size>5</Size></Contents><CommonPrefixes><Prefix>&#252;ü</Prefix></CommonPrefixes></ListBucketResult>"
            .as_bytes();
        for at in 0..whole.len() {
            let _ = page(&whole[..at]);
            let _ = error(&whole[at..]);
            for byte in [0, b'<', b'>', b'&', b'"', b'/', b'!', b'?', 0xff] {
                let mut other = whole.to_vec();
                other[at] = byte;
                let _ = page(&other);
            }
        }
        let deep = format!("<ListBucketResult>{}", "<a>".repeat(100_000));
        page(deep.as_bytes()).unwrap_err();
    }
}

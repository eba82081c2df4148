//! The one page, as a string: no template, no script, nothing from elsewhere.

use std::fmt::{self, Write as _};

use mvi_core::{Error, Result};

use super::{
    health::Report,
    links::{Link, Links},
};

const STYLE: &str = "\
:root { color-scheme: light dark; --line: #8884; --accent: #0a7a5c }
@media (prefers-color-scheme: dark) { :root { --accent: #4fd1a5 } }
body { max-width: 46rem; margin: 3rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }
h1 { margin: 0 } h1 a { color: inherit; text-decoration: none }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1.5rem 0 }
input, select, button { font: inherit; padding: .4rem .6rem; border: 1px solid var(--line); border-radius: .4rem; min-width: 0 }
input[name=url], input[name=file] { flex: 1 0 100% } input[name=owner], input[name=code] { flex: 1 1 8rem }
button { background: var(--accent); color: Canvas; border: 0; cursor: pointer }
table { width: 100%; border-collapse: collapse } caption { text-align: left; padding: .5rem 0 }
th, td { text-align: left; padding: .4rem .6rem .4rem 0; border-top: 1px solid var(--line) }
td.url { max-width: 18rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
td.hits, th.hits { text-align: right }
a { color: var(--accent) } .note { padding: .5rem .8rem; border-left: 3px solid var(--accent) }
footer { margin-top: 3rem; font-size: .85rem; opacity: .7 }";

/// What the page is about.
#[derive(Debug, Default)]
pub(crate) struct Shown<'a> {
    /// Whose links are listed; everybody's, where nobody's in particular.
    pub(crate) owner: Option<&'a str>,
    /// The code that was just made.
    pub(crate) made: Option<&'a str>,
}

/// The page with the form and the list.
pub(crate) fn home(shown: &Shown<'_>, links: &Result<Vec<Link>>, health: Report) -> String {
    let mut body = String::new();
    let Shown { owner, made } = *shown;
    if let Some(code) = made {
        let code = Escaped(code);
        push(
            &mut body,
            format_args!(
                "<p class=note>Made <a href=\"/{code}\">/{code}</a>. The list may need a moment to show it.</p>"
            ),
        );
    }
    push(
        &mut body,
        format_args!(
            "<form method=post action=/links enctype=multipart/form-data>\
         <input name=url type=url placeholder=\"https://a.long/address\" aria-label=\"long address\" autofocus>\
         <input name=file type=file aria-label=\"or a file\">\
         <input name=owner placeholder=\"your name\" aria-label=\"your name\" maxlength=64 required value=\"{owner}\">\
         <input name=code placeholder=\"code (or leave it to us)\" aria-label=code maxlength=32 pattern=\"[A-Za-z0-9_\\-]+\">\
         <select name=expires_in aria-label=expires><option value=\"\">keeps<option value=60>a minute<option value=3600>an hour<option value=86400>a day</select>\
         <button>Shorten</button></form>",
            owner = Escaped(owner.unwrap_or_default()),
        ),
    );
    match links {
        Ok(links) => list(&mut body, owner, links),
        Err(error) => {
            push(&mut body, format_args!("<p class=note>{}</p>", Escaped(&error.to_string())));
        }
    }
    whole(&body, health)
}

/// The page that says what went wrong.
pub(crate) fn failure(error: &Error, health: Report) -> String {
    let back = "<p><a href=/>Back to the links</a></p>";
    whole(&format!("<p class=note>{}</p>{back}", Escaped(&error.to_string())), health)
}

fn list(body: &mut String, owner: Option<&str>, links: &[Link]) {
    body.push_str("<table><caption>");
    match owner {
        Some(owner) => push(
            body,
            format_args!(
                "Links of {}, the newest first. <a href=/>Everybody's</a>",
                Escaped(owner)
            ),
        ),
        None => body.push_str("Links of everybody"),
    }
    if links.len() as u64 == Links::MOST_LISTED {
        push(body, format_args!(", the first {}", links.len()));
    }
    body.push_str("</caption><tr><th>link<th>leads to<th>owner<th>made<th class=hits>hits</tr>");
    for Link { code, url, owner, created, expires, hits, file } in links {
        let leads_to = file.as_ref().map_or(url, |it| &it.name);
        let (code, url, owner) = (Escaped(code), Escaped(leads_to), Escaped(owner));
        push(
            body,
            format_args!(
                "<tr><td><a href=\"/{code}\">/{code}</a><td class=url title=\"{url}\">{url}\
             <td><a href=\"/?owner={}\">{owner}</a><td>{}",
                Query(owner.0),
                created.strftime("%F %H:%M")
            ),
        );
        if let Some(expires) = expires {
            push(body, format_args!(", until {}", expires.strftime("%F %H:%M")));
        }
        push(body, format_args!("<td class=hits>{hits}</tr>"));
    }
    body.push_str("</table>");
    if links.is_empty() {
        body.push_str("<p>None yet.</p>");
    }
}

fn whole(body: &str, health: Report) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Short links</title><style>{STYLE}</style>\
         <h1><a href=/>Short links</a></h1>{body}<footer>{health}</footer></html>"
    )
}

fn push(body: &mut String, text: fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a string takes what it is given");
}

/// Text from a person, as text in a page or in a quoted attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Text from a person, as a value in a URL's query.
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {
                    f.write_char(byte.into())?;
                }
                other => write!(f, "%{other:02X}")?,
            }
        }
        Ok(())
    }
}

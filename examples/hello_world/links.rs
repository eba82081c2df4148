//! Links: a short code, the URL or file behind it, whose it is, and how often it was followed.
//!
//! ```text
//!   table "links"          code ──▶ {url, owner, created, hits, file}
//!   index "by-owner"      owner ──▶ its links, by `created`
//! ```

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use mvi_core::{
    Error, ErrorKind, Kv, KvExt as _, Name, Result, Timestamp, When,
    kv::{
        Attr, Change, Condition, CreateTable, Expiry, Index, Query, Scan, Table, Ttl, Typed,
        Update, Value, Versioned,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    app,
    files::File,
    patience::{Repeat, patiently},
};

/// A link as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    code: String,
    url: String,
    owner: String,
    /// Milliseconds since 1970, on the cloud's clock.
    created: i64,
    hits: i64,
    /// Who made it: see [`Links::create`].
    token: String,
    /// The file that it leads to.
    #[serde(default)]
    file: Option<File>,
}

/// A link as the app shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Link {
    pub(crate) code: String,
    pub(crate) url: String,
    pub(crate) owner: String,
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) hits: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<File>,
}

/// A link as somebody asks for it.
#[derive(Clone, Debug)]
pub(crate) struct NewLink {
    pub(crate) code: Option<String>,
    pub(crate) to: To,
    pub(crate) owner: String,
    pub(crate) expires_in: Option<Duration>,
}

/// What a link leads to.
#[derive(Clone, Debug)]
pub(crate) enum To {
    /// An address.
    Url(String),
    /// A file of ours.
    File(File),
}

/// All links, in any cloud's Kv.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    table: Typed<Stored>,
    by_owner: Name,
}

/// Makes the table, or finds it as it was left.
pub(crate) async fn create_table(kv: &dyn Kv) -> Result<Table> {
    let by_owner = Index::new(by_owner()?, Attr::text("owner")).sort(Attr::int("created"));
    let links = CreateTable::new(Name::new("links")?, Attr::text("code"));
    let table = kv.create_table(links.index(by_owner).ttl(Ttl::On)).await?;
    kv.wait_active(&table.name, Duration::from_mins(2)).await
}

fn by_owner() -> Result<Name> {
    Name::new("by-owner")
}

impl Links {
    /// The most links that a list has.
    pub(crate) const MOST_LISTED: u64 = 100;

    /// The links in `table`.
    pub(crate) fn new(kv: Arc<dyn Kv>, table: &Table) -> Result<Self> {
        Ok(Self { table: Typed::new(kv, table).strong(), by_owner: by_owner()? })
    }

    /// Makes a link. Of all who want one code at one time, exactly one gets it.
    pub(crate) async fn create(&self, new: NewLink) -> Result<Link> {
        let NewLink { code, to, owner, expires_in } = new;
        let token = token()?;
        let code = code.unwrap_or_else(|| token[..6].to_owned());
        check(&code, &owner)?;
        let (url, file) = match to {
            To::Url(url) => {
                check_url(&url)?;
                (url, None)
            }
            To::File(file) => (format!("/files/{code}"), Some(file)),
        };
        let mut create = Update::new(self.table.table().clone(), code.as_str())
            .only_if(Condition::Absent)
            .set("url", url)
            .set("owner", owner)
            // The cloud's clock, not ours: two servers of this app need not agree on the time.
            .change(Change::SetTime("created".into(), When::Now))
            .set("hits", 0)
            .set("token", token.as_str());
        if let Some(file) = &file {
            create = create.set("file", Value::of(file)?);
        }
        if let Some(time) = expires_in {
            create = create.expires(Expiry::At(When::In(time)));
        }
        // The token tells our own link from another's, so that asking twice is safe: where the first answer was
        // lost, the second is a conflict with ourselves.
        let made = patiently(Repeat::Always, || async {
            let conflict = match self.table.update(create.clone()).await {
                Err(error) if error.kind() == ErrorKind::Conflict => error,
                answer => return answer,
            };
            match self.table.get(code.as_str()).await? {
                Some(link) if link.token == token => Ok(link),
                Some(_) => Err(Error::conflict(format!("the code {code:?} is taken"))),
                None => Err(conflict),
            }
        });
        show(made.await?)
    }

    /// Counts a hit, and says where the link leads.
    pub(crate) async fn follow(&self, code: &str) -> Result<String> {
        check_code(code)?;
        let hit = Update::new(self.table.table().clone(), code)
            .only_if(Condition::Present)
            .increment("hits", 1);
        match patiently(Repeat::IfSafe, || self.table.update(hit.clone())).await {
            Ok(link) => Ok(link.into_inner().url),
            Err(error) if error.kind() == ErrorKind::Conflict => Err(missing(code)),
            // It may have been counted: to count again could count twice, and the visitor only wants to go on.
            Err(error) if error.may_have_applied() => Ok(self.find(code).await?.url),
            Err(error) => Err(error),
        }
    }

    /// The link called `code`, with every hit so far.
    pub(crate) async fn find(&self, code: &str) -> Result<Link> {
        check_code(code)?;
        let found = patiently(Repeat::Always, || self.table.get(code)).await?;
        found.map_or_else(|| Err(missing(code)), show)
    }

    /// An owner's links, the newest first; some links of everybody, in no order, where nobody is named.
    /// One that was made a moment ago may still be missing.
    pub(crate) async fn list(&self, owner: Option<&str>) -> Result<Vec<Link>> {
        let name = || self.table.table().clone();
        let read = || {
            let links = match owner {
                Some(owner) => {
                    let of = Query::new(name(), owner).index(self.by_owner.clone()).descending();
                    self.table.query(of.limit(Self::MOST_LISTED))
                }
                None => self.table.scan(Scan::new(name()).limit(Self::MOST_LISTED)),
            };
            links.try_collect::<Vec<_>>()
        };
        patiently(Repeat::Always, read).await?.into_iter().map(show).collect()
    }
}

fn show(stored: Versioned<Stored>) -> Result<Link> {
    let Versioned {
        value: Stored { code, url, owner, created, hits, token: _, file },
        expires,
        ..
    } = stored;
    let created = Timestamp::from_millisecond(created)
        .map_err(|e| Error::new(ErrorKind::Internal, "a link from no time").with_source(e))?;
    Ok(Link { code, url, owner, created, expires, hits, file })
}

fn missing(code: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no link {code:?}"))
}

/// Checks what a person typed.
pub(crate) fn check(code: &str, owner: &str) -> Result<()> {
    if !is_code(code) || app::RESERVED.contains(&code) {
        return Err(Error::invalid(format!(
            "the code does not fit: wanted 1 to 32 letters, digits, - and _, and not {}",
            app::RESERVED.join(" or ")
        )));
    }
    if !(1..=64).contains(&owner.len()) || owner.contains(char::is_control) {
        return Err(Error::invalid("the owner does not fit: wanted 1 to 64 bytes of text"));
    }
    Ok(())
}

fn check_url(url: &str) -> Result<()> {
    // Nothing but the web: a link may not run a script in the page that lists it.
    let address = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let fits = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_graphic());
    if url.len() > 2_000 || !address.is_some_and(fits) {
        return Err(Error::invalid(
            "the url does not fit: wanted http:// or https:// and an address, without spaces, of 2,000 bytes at most",
        ));
    }
    Ok(())
}

fn is_code(code: &str) -> bool {
    (1..=32).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// What can't be a code leads nowhere.
fn check_code(code: &str) -> Result<()> {
    if is_code(code) { Ok(()) } else { Err(missing(code)) }
}

/// 16 random bytes in hex: no two writes ever share one.
pub(crate) fn token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(ErrorKind::Internal, "no randomness").with_source(e))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

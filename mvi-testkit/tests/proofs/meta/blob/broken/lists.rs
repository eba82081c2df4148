//! What is broken of listings.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    BucketName, Error, ErrorKind, Items,
    blob::{Entry, List, Listed, ObjectVersion, Part, Tag, Upload, VersionState, Versions},
};

use super::{
    super::{
        super::{Border, at_borders, eager, rewrite},
        Flaw,
    },
    Broken, known,
};

impl Broken {
    pub(super) fn list_objects(&self, mut list: List) -> Items<Entry> {
        let asked = list.clone();
        match self.flaw {
            Some(Flaw::StreamsAreEager) => return eager(self.blob.list(list)),
            Some(Flaw::LimitIsIgnored) => list.limit = None,
            Some(Flaw::DelimiterIsOneCharacter) => {
                let first = |it: String| it.chars().take(1).collect();
                list.delimiter = list.delimiter.map(first);
            }
            Some(Flaw::NoBucketListsAsEmpty) => {
                let items = self.blob.list(list);
                let all = async move {
                    match items.try_collect::<Vec<_>>().await {
                        Err(e) if e.kind() == ErrorKind::NotFound => Ok(known(vec![])),
                        all => all.map(known),
                    }
                };
                return stream::once(all).try_flatten().boxed();
            }
            Some(flaw @ (Flaw::PagesLoseAnEntry | Flaw::PagesRepeatAnEntry)) => {
                let page = list.page.map_or(1_000, std::num::NonZeroU32::get);
                let page = usize::try_from(page).unwrap();
                let loses = flaw == Flaw::PagesLoseAnEntry;
                let border = if loses { Border::Loses } else { Border::Repeats };
                let items = self.blob.list(list);
                return rewrite(items, async move |all| Ok(at_borders(all, page, border)));
            }
            Some(Flaw::ListStopsAtAThousand) => {
                list.limit = Some(list.limit.unwrap_or(1_000).min(1_000));
            }
            Some(Flaw::ListIsSortedAsUtf16) => {
                return rewrite(self.blob.list(list), async |mut all| {
                    all.sort_by_key(|it| it.as_str().encode_utf16().collect::<Vec<_>>());
                    Ok(all)
                });
            }
            Some(Flaw::ListIsSortedAsInADictionary) => {
                return rewrite(self.blob.list(list), async |mut all| {
                    all.sort_by_key(|it| it.as_str().to_lowercase());
                    Ok(all)
                });
            }
            Some(Flaw::ListIsOld) => {
                let this = self.clone();
                return rewrite(self.blob.list(list), async move |all| {
                    Ok(this.remember(|it| {
                        it.lists.entry((asked.bucket, asked.prefix)).or_insert(all).clone()
                    }))
                });
            }
            Some(Flaw::ListMissesWhatStays) => return self.by_place(list),
            Some(Flaw::PrefixIsASegment) => {
                return rewrite(self.blob.list(list), async move |mut all| {
                    let prefix = &asked.prefix;
                    let whole = |rest: &str| rest.is_empty() || rest.starts_with('/');
                    let whole = |rest: &str| prefix.ends_with('/') || whole(rest);
                    all.retain(|it| it.as_str().strip_prefix(&**prefix).is_some_and(whole));
                    Ok(all)
                });
            }
            Some(Flaw::FoldsComeLast) => {
                return rewrite(self.blob.list(list), async |mut all| {
                    all.sort_by_key(|it| matches!(it, Entry::Prefix(_)));
                    Ok(all)
                });
            }
            Some(
                Flaw::DelimiterIsFoundInThePrefix
                | Flaw::FoldsRepeatAtPages
                | Flaw::FoldsComeAgainBehindThemselves
                | Flaw::LimitCountsKeys,
            ) if list.delimiter.is_some() => return self.folded_here(list),
            Some(Flaw::StartAfterIsIncluded) => {
                if let Some(start) = list.start_after.take() {
                    return rewrite(self.blob.list(list), async move |mut all| {
                        all.retain(|it| it.as_str() >= &*start);
                        Ok(all)
                    });
                }
            }
            Some(Flaw::StartAfterNeedsItsEntry) => {
                if let Some(start) = list.start_after.take() {
                    return rewrite(self.blob.list(list), async move |mut all| {
                        if let Some(at) = all.iter().position(|it| it.as_str() == start) {
                            all.drain(..=at);
                        }
                        Ok(all)
                    });
                }
            }
            Some(Flaw::UploadsAreListedAsObjects) => {
                let uploads = self
                    .blob
                    .uploads(&list.bucket)
                    .map_ok(|it| Entry::Object(Listed::new(it.key, 0, Tag::new("none"))));
                return self.blob.list(list).chain(uploads).boxed();
            }
            _ => {}
        }
        self.blob.list(list)
    }

    /// Goes on by how many there were, and not by what was last.
    fn by_place(&self, list: List) -> Items<Entry> {
        let Some(page) = list.page else { return self.blob.list(list) };
        let page = usize::try_from(page.get()).unwrap();
        let blob = std::sync::Arc::clone(&self.blob);
        let pages = stream::try_unfold(0, move |given| {
            let (blob, list) = (std::sync::Arc::clone(&blob), list.clone());
            async move {
                let all: Vec<_> = blob.list(List { page: None, ..list }).try_collect().await?;
                let next: Vec<_> = all.into_iter().skip(given).take(page).collect();
                let given = given + next.len();
                Ok::<_, Error>((!next.is_empty()).then(|| (known(next), given)))
            }
        });
        pages.try_flatten().boxed()
    }

    /// Folds what a listing without a delimiter gives, in a wrong way.
    fn folded_here(&self, list: List) -> Items<Entry> {
        let (flaw, asked) = (self.flaw, list.clone());
        let delimiter = list.delimiter.clone().unwrap_or_default();
        let unfolded = List {
            delimiter: None,
            limit: asked.limit.filter(|_| flaw == Some(Flaw::LimitCountsKeys)),
            start_after: asked
                .start_after
                .clone()
                .filter(|_| flaw == Some(Flaw::FoldsComeAgainBehindThemselves)),
            ..list
        };
        rewrite(self.blob.list(unfolded), async move |all| {
            let searched = match flaw {
                Some(Flaw::DelimiterIsFoundInThePrefix) => 0,
                _ => asked.prefix.len(),
            };
            let page = match (flaw, asked.page) {
                (Some(Flaw::FoldsRepeatAtPages), Some(page)) => {
                    usize::try_from(page.get()).unwrap()
                }
                _ => usize::MAX,
            };
            let mut folded: Vec<Entry> = Vec::new();
            for (at, entry) in all.into_iter().enumerate() {
                let text = entry.as_str();
                let entry = match text[searched..].find(&*delimiter) {
                    Some(found) => {
                        Entry::Prefix(text[..searched + found + delimiter.len()].to_owned())
                    }
                    None => entry,
                };
                if folded.last() != Some(&entry) || at % page == 0 {
                    folded.push(entry);
                }
            }
            if flaw != Some(Flaw::FoldsComeAgainBehindThemselves)
                && let Some(start) = &asked.start_after
            {
                folded.retain(|it| it.as_str() > &**start);
            }
            folded.truncate(usize::try_from(asked.limit.unwrap_or(u64::MAX)).unwrap());
            Ok(folded)
        })
    }

    pub(super) fn list_versions(&self, mut list: Versions) -> Items<ObjectVersion> {
        match self.flaw {
            Some(Flaw::StreamsAreEager) => return eager(self.blob.versions(list)),
            Some(Flaw::VersionsAreOldestFirst) => {
                return rewrite(self.blob.versions(list), async |mut all| {
                    all.reverse();
                    all.sort_by(|a, b| a.key.cmp(&b.key));
                    Ok(all)
                });
            }
            Some(Flaw::VersionPagesLoseOne) => {
                if let Some(page) = list.page {
                    let page = usize::try_from(page.get()).unwrap();
                    return rewrite(self.blob.versions(list), async move |all| {
                        Ok(at_borders(all, page, Border::Loses))
                    });
                }
            }
            Some(Flaw::VersionsIgnoreThePrefix) => list.prefix.clear(),
            Some(Flaw::VersionsAreAllCurrent) => {
                let current = |mut it: ObjectVersion| {
                    it.state = VersionState::Current;
                    it
                };
                return self.blob.versions(list).map_ok(current).boxed();
            }
            _ => {}
        }
        self.blob.versions(list)
    }

    pub(super) fn list_parts(&self, upload: &Upload) -> Items<Part> {
        if self.has(Flaw::PartsAreListedAsText) {
            return rewrite(self.blob.parts(upload), async |mut all| {
                all.sort_by_key(|it| it.number.get().to_string());
                Ok(all)
            });
        }
        self.blob.parts(upload)
    }

    pub(super) fn list_uploads(&self, bucket: &BucketName) -> Items<Upload> {
        let uploads = self.blob.uploads(bucket);
        match self.flaw {
            Some(Flaw::StreamsAreEager) => eager(uploads),
            Some(Flaw::UploadsListWhatIsCompleted) => {
                let mut completed = self.remember(|it| it.completed.clone());
                rewrite(uploads, async move |mut all| {
                    completed.retain(|it| !all.contains(it));
                    all.extend(completed);
                    all.sort_by(|a, b| a.key.cmp(&b.key));
                    Ok(all)
                })
            }
            Some(Flaw::UploadsAreListedAsTheyCame) => rewrite(uploads, async |mut all| {
                all.sort_by_key(|it| std::cmp::Reverse(it.key.clone()));
                Ok(all)
            }),
            _ => uploads,
        }
    }
}

//! Text that is short nearly always, and cloned often.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The most bytes that need no memory of their own.
const SHORT_BYTES: usize = 22;

/// A tag, a version: text of a provider that nobody changes. Up to 22 bytes lie in it, and a clone of more is the same memory.
#[derive(Clone)]
pub(crate) struct Text(Repr);

#[derive(Clone)]
enum Repr {
    /// Bytes of UTF-8, and how many of them.
    Short(u8, [u8; SHORT_BYTES]),
    Long(Arc<str>),
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(text.as_bytes());
                Self(Repr::Short(length, bytes))
            }
            _ => Self(Repr::Long(text.into())),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Short(..) => str::from_utf8(self.as_bytes()).expect("it was text when it came"),
            Repr::Long(text) => text,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(length, bytes) => &bytes[..usize::from(*length)],
            Repr::Long(text) => text.as_bytes(),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_length_is_itself() {
        assert_eq!(size_of::<Text>(), 24);
        let all: String = ('a'..='z').chain("üß€".chars()).cycle().take(60).collect();
        let ends = all.char_indices().map(|(at, _)| at);
        let texts: Vec<_> = ends.map(|end| (&all[..end], Text::new(&all[..end]))).collect();
        for (text, made) in &texts {
            assert_eq!(made.as_str(), *text);
            assert_eq!(format!("{made:?}"), format!("{text:?}"));
            assert_eq!(texts.iter().filter(|it| it.1 == *made).count(), 1);
        }
    }
}

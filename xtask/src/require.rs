//! `MVI_REQUIRE`: what has to be there for a run to count.

use crate::Result;

/// The variable's name; the conformance binaries read it too.
pub(crate) const VARIABLE: &str = "MVI_REQUIRE";

/// What has to be there for a run to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Require {
    /// Nothing: what is missing is printed, and its tests do not run.
    Nothing,
    /// These oracles, by name.
    Names(Vec<String>),
    /// All there is.
    All,
}

impl Require {
    /// Reads the environment.
    pub(crate) fn from_env(known: &[&str]) -> Result<Self> {
        Self::parse(&std::env::var(VARIABLE).unwrap_or_default(), known)
    }

    fn parse(text: &str, known: &[&str]) -> Result<Self> {
        let names: Vec<String> = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        match names.as_slice() {
            [] => Ok(Self::Nothing),
            [all] if all == "all" => Ok(Self::All),
            _ => match names.iter().find(|name| !known.contains(&name.as_str())) {
                Some(name) => Err(format!(
                    "{VARIABLE} names `{name}`, which is not one of: all, {}",
                    known.join(", ")
                )),
                None => Ok(Self::Names(names)),
            },
        }
    }

    /// Whether this one has to be there.
    pub(crate) fn wants(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Names(names) => names.iter().any(|wanted| wanted == name),
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 2] = ["moto", "dynalite"];

    #[test]
    fn nothing_is_required_unless_asked() {
        assert_eq!(Require::parse("", &KNOWN), Ok(Require::Nothing));
        assert!(!Require::Nothing.wants("moto"));
    }

    #[test]
    fn all_requires_everything() {
        assert!(Require::parse("all", &KNOWN).unwrap().wants("dynalite"));
    }

    #[test]
    fn names_require_only_themselves() {
        let require = Require::parse("moto, ", &KNOWN).unwrap();
        assert!(require.wants("moto"));
        assert!(!require.wants("dynalite"));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let error = Require::parse("moto,motor", &KNOWN).unwrap_err();
        assert!(error.contains("`motor`"), "{error}");
    }
}

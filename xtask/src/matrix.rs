//! The support table.
use crate::Result;
pub(crate) fn run(_words: &[&str]) -> Result<()> {
    Err("not yet".to_owned())
}

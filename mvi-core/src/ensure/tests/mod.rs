//! What `ensure` promises, told as stories.

mod cloud;
mod schedule;

use self::{
    cloud::Flaw,
    schedule::{Plan, Tally, tell},
};
use super::Unique;

/// Plays a quarter of the 10,000 schedules.
fn all(unique: Unique) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..2_500 {
        match tell(unique, seed, Plan::HONEST) {
            Ok(more) => tally.add(more),
            Err(wrong) => {
                let told = tell(unique, seed, Plan { told: true, ..Plan::HONEST });
                panic!("{}", told.err().unwrap_or(wrong));
            }
        }
    }
    println!("{unique:?}: {tally:?}");
    // What never happens is not tested.
    assert!(tally.given > 2_500 && tally.adopted > 500 && tally.refused > 300, "{tally:?}");
    assert!(tally.failed > 100 && tally.crashed > 300 && tally.made_anew > 300, "{tally:?}");
    tally
}

#[test]
fn a_name_has_one_resource_whatever_happens() {
    all(Unique::Name);
}

#[test]
fn a_token_has_one_resource_whatever_happens() {
    all(Unique::Token);
}

#[test]
fn a_tag_has_one_resource_and_its_orphans_are_reported() {
    let tally = all(Unique::Tag);
    assert!(tally.discards > 300 && tally.orphans > 100, "{tally:?}");
}

#[test]
fn an_alias_has_one_resource_and_its_orphans_are_reported() {
    let tally = all(Unique::Alias);
    assert!(tally.discards > 200 && tally.orphans > 100, "{tally:?}");
}

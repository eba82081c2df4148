//! What `ensure` promises: 10,000 stories that seeds tell, and some that people do.

mod cloud;
mod schedule;
mod script;
mod stories;

use std::time::Duration;

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

/// The first story that goes wrong under `plan`, if one of many does.
fn caught(unique: Unique, plan: Plan) -> Option<String> {
    (0..500).find_map(|seed| tell(unique, seed, plan).err())
}

fn with(flaw: Flaw) -> Plan {
    Plan { flaw, ..Plan::HONEST }
}

#[test]
fn a_broken_provider_is_caught() {
    for (unique, flaw, what) in [
        (Unique::Name, Flaw::NameIgnored, "2 live"),
        (Unique::Token, Flaw::TokenIgnored, "2 live"),
        (Unique::Token, Flaw::TokenPerSettings, "2 live"),
        (Unique::Alias, Flaw::AliasMoves, "was given to one, and"),
        (Unique::Alias, Flaw::AllNamed, "in the end"),
        (Unique::Name, Flaw::StampLost, "taken for another's"),
        (Unique::Token, Flaw::StampLost, "taken for another's"),
        (Unique::Tag, Flaw::StampLost, "taken for another's"),
        (Unique::Alias, Flaw::StampLost, "taken for another's"),
        (Unique::Tag, Flaw::BirthLost, "which a caller holds"),
        (Unique::Tag, Flaw::LagsForLong, "was given to one, and"),
        (Unique::Name, Flaw::FinishForgets, "not finished"),
        (Unique::Token, Flaw::FinishForgets, "not finished"),
        (Unique::Tag, Flaw::FinishForgets, "not finished"),
        (Unique::Alias, Flaw::FinishForgets, "not finished"),
        (Unique::Tag, Flaw::DiscardsTheOldest, "which call"),
        (Unique::Alias, Flaw::DiscardsTheOldest, "which holds the alias"),
    ] {
        let wrong = caught(unique, with(flaw));
        assert!(wrong.is_some_and(|it| it.contains(what)), "{unique:?} with {flaw:?} goes unseen");
    }
}

#[test]
fn a_race_that_is_not_waited_for_is_caught() {
    let hasty = Plan { settle: Duration::ZERO, ..Plan::HONEST };
    let wrong = caught(Unique::Tag, hasty).expect("two winners");
    assert!(wrong.contains("is held"), "{wrong}");
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for unique in [Unique::Name, Unique::Token, Unique::Tag, Unique::Alias] {
        for seed in 0..20 {
            let plan = Plan { settle: Duration::ZERO, told: true, ..with(Flaw::BirthLost) };
            assert_eq!(tell(unique, seed, plan).err(), tell(unique, seed, plan).err());
        }
    }
}

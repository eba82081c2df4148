//! Lifecycles: the rules are kept. That they are followed takes days: the simulated cloud's own tests see to it.

use std::sync::Arc;

use mvi_core::{
    Blob, ErrorKind, Result,
    blob::{MAX_RULES, Rule},
};

use super::{Place, Scope, eventually, fails};

/// Wants the bucket to have these rules, in any order.
async fn has(place: &Place<'_>, rules: &[Rule]) -> Result<()> {
    let sorted = |mut rules: Vec<Rule>| {
        rules.sort_by_key(|it| format!("{it:?}"));
        rules
    };
    let wanted = sorted(rules.to_vec());
    eventually(&format!("bucket with {} rules", rules.len()), Scope::PATIENCE, || async {
        let found = sorted(place.blob.bucket(&place.bucket).await?.lifecycle);
        Ok((found == wanted).then_some(()))
    })
    .await
}

pub(super) async fn the_rules_of_a_bucket_are_kept(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    has(&place, &[]).await?;
    let rules = [
        Rule::expire("tmp/", 1),
        Rule::expire("logs/2026 é/", 36_500),
        // One of either kind for the same keys, and for all.
        Rule::expire_noncurrent("tmp/", 7),
        Rule::expire_noncurrent("", 30),
    ];
    blob.set_lifecycle(&place.bucket, rules.to_vec()).await?;
    has(&place, &rules).await
}

pub(super) async fn rules_are_replaced_whole(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    let first = [Rule::expire("a/", 1), Rule::expire("b/", 2)];
    for rules in [&first[..], &[Rule::expire_noncurrent("b/", 3)], &[], &first[..1]] {
        blob.set_lifecycle(&place.bucket, rules.to_vec()).await?;
        has(&place, rules).await?;
    }
    Ok(())
}

pub(super) async fn a_bucket_has_at_most_99_rules(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    let rules: Vec<_> = (0..=MAX_RULES).map(|it| Rule::expire(format!("{it}/"), 1)).collect();
    assert_eq!(rules.len(), 100);
    fails(blob.set_lifecycle(&place.bucket, rules.clone()).await, ErrorKind::Invalid);
    has(&place, &[]).await?;
    blob.set_lifecycle(&place.bucket, rules[..MAX_RULES].to_vec()).await?;
    has(&place, &rules[..MAX_RULES]).await
}

pub(super) async fn rules_that_make_no_sense_are_invalid(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    let kept = [Rule::expire("kept/", 1)];
    blob.set_lifecycle(&place.bucket, kept.to_vec()).await?;
    for wrong in [
        vec![Rule::expire("a/", 0)],
        vec![Rule::expire_noncurrent("a/", 0)],
        vec![Rule::expire("a/", 36_501)],
        vec![Rule::expire("a/", u32::MAX)],
        vec![Rule::expire("a/", 1), Rule::expire("a/", 2)],
        vec![Rule::expire_noncurrent("", 1), Rule::expire("", 1), Rule::expire_noncurrent("", 1)],
        vec![Rule::expire("a\n", 1)],
        vec![Rule::expire("a".repeat(1_025), 1)],
    ] {
        let error = fails(blob.set_lifecycle(&place.bucket, wrong).await, ErrorKind::Invalid);
        assert_eq!(error.op(), "blob.set_lifecycle");
    }
    has(&place, &kept).await
}

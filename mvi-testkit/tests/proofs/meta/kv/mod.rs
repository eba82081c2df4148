//! Kvs that break one promise each.

mod broken;
mod flaw;

use std::sync::Arc;

use mvi_core::Cloud;
use mvi_testkit::{Sim, conformance::Backend};

use super::{every, passes, tried};

pub(crate) use self::{broken::Broken, flaw::Flaw};

/// Each flaw, and the case that names the promise that it breaks.
const CAUGHT_BY: &[(Flaw, &str)] = &[
    // Tables.
    (Flaw::CreateTakesOtherSettings, "kv::a_name_with_other_settings_already_exists"),
    (Flaw::CreateRefusesARepeat, "kv::a_create_repeats_safely"),
    (Flaw::DeletedTablesKeepTheirRecords, "kv::a_table_created_after_its_deletion_is_empty"),
    (Flaw::DeleteOfNoTableFails, "kv::a_delete_of_no_table_succeeds"),
    (Flaw::ListIgnoresLabels, "kv::tables_are_listed_by_all_of_their_labels"),
    (Flaw::NoTableReadsAsEmpty, "kv::every_operation_on_no_table_is_not_found"),
    // Records.
    (Flaw::PutMerges, "kv::a_put_replaces_the_whole_item"),
    (Flaw::NullsAreDropped, "kv::every_kind_of_value_is_read_back"),
    (Flaw::IntegersAreFloats, "kv::numbers_keep_their_value"),
    (Flaw::TheSameItemIsNoWrite, "kv::each_write_has_a_version_of_its_own"),
    (Flaw::StrongGetIsEventual, "kv::a_strong_read_sees_the_write_before_it"),
    (Flaw::DeleteOfNothingFails, "kv::a_delete_of_nothing_succeeds"),
    (Flaw::DeleteTakesThePartition, "kv::a_delete_removes_the_record"),
    (Flaw::ErrorsAreNameless, "kv::errors_name_the_operation_and_the_table"),
    (Flaw::LongBytesAreCut, "kv::an_item_is_at_most_400_000_bytes"),
    (Flaw::WhatIsTooLongIsIgnored, "kv::a_key_is_at_most_700_bytes"),
    // Conditions.
    (Flaw::PutForgetsItsCondition, "kv::absent_holds_only_where_nothing_is"),
    (
        Flaw::UpdateForgetsItsCondition,
        "kv::a_conditional_update_that_does_not_hold_changes_nothing",
    ),
    (
        Flaw::DeleteForgetsItsCondition,
        "kv::a_conditional_delete_that_does_not_hold_changes_nothing",
    ),
    (Flaw::VersionMeansPresent, "kv::a_stale_version_conflicts_and_changes_nothing"),
    (Flaw::NeWantsSomething, "kv::what_is_absent_is_different_from_every_value"),
    (Flaw::NumbersCompareAsText, "kv::numbers_compare_as_numbers"),
    (Flaw::NowIsLongAgo, "kv::times_are_resolved_by_the_provider"),
    // Updates.
    (Flaw::OverflowSaturates, "kv::an_increment_beyond_64_bits_conflicts_and_changes_nothing"),
    (Flaw::AppendSkipsRepeats, "kv::an_append_keeps_order_and_repeats"),
    (Flaw::UpdateGivesWhatWas, "kv::an_update_gives_the_record_as_it_is_now"),
    (Flaw::ChangesAreMadeOneByOne, "kv::one_change_that_does_not_fit_undoes_the_others"),
    // Races.
    (Flaw::PutLooksThenWrites, "kv::one_of_many_creators_wins"),
    (Flaw::UpdateReadsThenWrites, "kv::increments_add_up"),
    (Flaw::TransactReadsThenWrites, "kv::one_of_many_transactions_takes_all_the_keys"),
    // Expiry.
    (Flaw::NothingExpires, "kv::an_expired_record_is_never_returned"),
    (Flaw::ConditionsSeeTheExpired, "kv::conditions_take_an_expired_record_as_absent"),
    (Flaw::UpdateRevivesTheExpired, "kv::an_update_of_an_expired_record_starts_empty"),
    (Flaw::UpdateForgetsTheExpiry, "kv::an_update_keeps_or_changes_the_expiry"),
    // Many at once.
    (Flaw::GetManyAnswersInItsOwnOrder, "kv::get_many_answers_in_the_order_of_the_keys"),
    (Flaw::GetManyStopsAtAHundred, "kv::get_many_reads_more_than_one_request_can"),
    (Flaw::WriteManySwallowsErrors, "kv::one_failed_write_of_many_leaves_the_others"),
    (
        Flaw::WriteManyTakesARecordTwice,
        "kv::two_writes_of_one_record_are_invalid_and_nothing_is_written",
    ),
    // Transactions.
    (Flaw::TransactSkipsChecks, "kv::a_failing_check_changes_nothing"),
    (Flaw::TransactTakesStepsOneByOne, "kv::a_failing_condition_of_any_step_changes_nothing"),
    (Flaw::TransactTakesMoreThanAHundred, "kv::a_hundred_steps_are_taken_and_more_are_invalid"),
    // Queries.
    (Flaw::PagesLoseARecord, "kv::pages_of_any_size_lose_and_repeat_nothing"),
    (Flaw::PagesRepeatARecord, "kv::pages_of_any_size_lose_and_repeat_nothing"),
    (Flaw::IntegersAreSortedAsText, "kv::integers_are_ordered_as_numbers"),
    (Flaw::TextIsSortedAsInADictionary, "kv::text_is_ordered_by_its_bytes"),
    (Flaw::DescendingIsIgnored, "kv::descending_is_ascending_reversed"),
    (Flaw::ExcludedBoundsAreIncluded, "kv::a_range_has_the_bounds_it_says"),
    (Flaw::PrefixIsAnyPart, "kv::a_prefix_is_a_prefix"),
    (Flaw::LimitIsIgnored, "kv::a_limit_is_the_most_given"),
    (Flaw::LimitComesBeforeTheFilter, "kv::a_limit_counts_what_the_filter_lets_through"),
    (Flaw::FilterIsIgnored, "kv::a_filter_holds_as_a_condition_does"),
    (Flaw::CursorIsIncluded, "kv::a_cursor_resumes_after_every_record"),
    (Flaw::CursorNeedsItsRecord, "kv::a_cursor_of_a_deleted_record_still_resumes"),
    (Flaw::PartitionIsAPrefix, "kv::partitions_are_kept_apart"),
    (Flaw::StrongQueryIsEventual, "kv::a_strong_query_sees_the_write_before_it"),
    (Flaw::StreamsAreEager, "kv::nothing_is_asked_until_a_stream_is_polled"),
    // Indexes.
    (Flaw::IndexIsNotSparse, "kv::an_index_has_only_records_with_its_attributes"),
    (Flaw::IndexIsNotSorted, "kv::an_index_is_ordered_by_its_sort_attribute"),
    (Flaw::IndexIsNotUpdated, "kv::a_record_moves_in_an_index_with_its_attributes"),
    (Flaw::StrongIndexIsEventual, "kv::a_strong_read_of_an_index_is_invalid"),
    // Scans.
    (Flaw::ScanStopsAfterAPage, "kv::a_scan_gives_every_record_once"),
    (Flaw::SegmentsOverlap, "kv::segments_are_disjoint_and_complete"),
    (Flaw::LastSegmentIsEmpty, "kv::segments_are_disjoint_and_complete"),
];

fn backend(flaw: Option<Flaw>) -> Backend {
    Backend::simulated("broken", "none", move |seed| async move {
        let kv = Arc::new(Broken::new(Sim::new(seed).cloud().kv, flaw));
        Ok(Cloud { kv, ..Cloud::unsupported("only Kv is here") })
    })
}

#[test]
fn every_broken_kv_is_caught_by_the_case_that_names_its_promise() {
    every("kvs", CAUGHT_BY, |flaw| backend(Some(flaw)));
}

/// Else a flaw may be caught for what wraps it.
#[test]
fn the_same_kv_without_a_flaw_passes_every_case() {
    passes("kv", &backend(None), 100);
}

#[test]
fn every_flaw_is_tried() {
    assert_eq!(tried(CAUGHT_BY), Flaw::ALL);
}

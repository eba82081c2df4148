//! The promises of [`Kv`].

mod condition;
mod expiry;
mod ext;
mod index;
mod limit;
mod lock;
mod many;
mod query;
mod race;
mod record;
mod scan;
mod store;
mod table;
mod transact;
mod update;

use std::sync::Arc;

use futures::{FutureExt as _, TryStreamExt as _};
use mvi_core::{Kv, Labels, Result, kv};

use super::{
    Scope, Service, cases, eventually, help,
    help::{race, stream_fails},
};
use store::{Shape, Store, fails, one, some};

pub(super) static SERVICE: Service = Service {
    name: "kv",
    ops: kv::OPS,
    cases: cases! { kv:
        table {
            a_table_is_as_it_was_asked_for,
            a_create_repeats_safely,
            a_name_with_other_settings_already_exists,
            a_table_created_after_its_deletion_is_empty,
            a_table_that_is_not_there_is_not_found,
            a_delete_of_no_table_succeeds,
            every_operation_on_no_table_is_not_found,
            tables_are_listed_by_all_of_their_labels,
            racers_create_one_table,
            settings_that_no_table_can_have_are_invalid,
        }
        record {
            a_get_of_nothing_is_none,
            a_put_is_read_back,
            a_put_replaces_the_whole_item,
            every_kind_of_value_is_read_back,
            numbers_keep_their_value,
            equal_numbers_are_equal_however_they_were_written,
            an_item_without_attributes_is_a_record,
            attribute_names_may_hold_any_character,
            keys_of_every_kind_hold_records,
            odd_keys_are_kept_apart,
            each_write_has_a_version_of_its_own,
            a_strong_read_sees_the_write_before_it,
            other_reads_see_it_in_time,
            a_delete_removes_the_record,
            a_delete_of_nothing_succeeds,
            errors_name_the_operation_and_the_table,
        }
        condition {
            absent_holds_only_where_nothing_is,
            present_holds_only_where_a_record_is,
            a_stale_version_conflicts_and_changes_nothing,
            a_version_ends_with_its_record,
            numbers_compare_as_numbers,
            text_and_bytes_compare_by_their_bytes,
            values_of_other_kinds_are_neither_equal_nor_in_order,
            what_is_absent_is_different_from_every_value,
            has_and_lacks_see_null_as_something,
            paths_lead_into_maps_only,
            prefixes_and_parts_are_found,
            a_prefix_of_bytes_is_found,
            what_is_neither_text_nor_list_has_no_parts,
            conditions_combine,
            conditions_hold_of_no_record_as_of_an_empty_one,
            times_are_resolved_by_the_provider,
            a_conditional_delete_that_does_not_hold_changes_nothing,
        }
        update {
            an_update_of_nothing_starts_empty,
            an_update_without_changes_makes_a_record,
            an_update_gives_the_record_as_it_is_now,
            a_set_changes_one_attribute,
            an_increment_adds_and_starts_from_zero,
            an_increment_of_a_float_adds,
            an_append_keeps_order_and_repeats,
            a_remove_of_nothing_changes_nothing,
            a_nested_path_changes_only_its_value,
            a_path_without_its_parents_conflicts,
            an_increment_beyond_64_bits_conflicts_and_changes_nothing,
            an_increment_of_no_number_conflicts,
            an_append_to_no_list_conflicts,
            one_change_that_does_not_fit_undoes_the_others,
            overlapping_changes_are_invalid,
            a_conditional_update_that_does_not_hold_changes_nothing,
        }
        race {
            one_of_many_creators_wins,
            one_of_many_writers_with_a_version_wins,
            one_of_many_deleters_wins,
            increments_add_up,
            appends_keep_every_value,
            a_counter_by_versions_loses_nothing,
            transfers_keep_the_sum,
            one_of_many_transactions_takes_all_the_keys,
        }
        expiry {
            an_expired_record_is_never_returned,
            a_record_is_there_until_it_expires,
            conditions_take_an_expired_record_as_absent,
            transactions_take_an_expired_record_as_absent,
            an_update_of_an_expired_record_starts_empty,
            a_put_forgets_the_expiry_of_what_was_there,
            an_update_keeps_or_changes_the_expiry,
            an_expiry_counts_whole_seconds,
            an_expiry_where_ttl_is_off_is_invalid,
        }
        many {
            get_many_answers_in_the_order_of_the_keys,
            get_many_reads_more_than_one_request_can,
            get_many_of_nothing_is_empty,
            write_many_makes_more_writes_than_one_request_can,
            one_failed_write_of_many_leaves_the_others,
            one_invalid_write_of_many_leaves_the_others,
            a_write_to_no_table_leaves_the_others,
            two_writes_of_one_record_are_invalid_and_nothing_is_written,
            write_many_writes_to_several_tables,
        }
        transact {
            a_transaction_takes_every_step,
            a_failing_check_changes_nothing,
            a_failing_condition_of_any_step_changes_nothing,
            a_change_that_does_not_fit_changes_nothing,
            a_write_in_between_conflicts,
            checks_alone_are_a_transaction,
            one_record_in_two_steps_is_invalid,
            a_hundred_steps_are_taken_and_more_are_invalid,
            a_transaction_spans_tables,
        }
        query {
            text_is_ordered_by_its_bytes,
            integers_are_ordered_as_numbers,
            bytes_are_ordered_as_bytes,
            descending_is_ascending_reversed,
            a_range_has_the_bounds_it_says,
            a_prefix_is_a_prefix,
            a_limit_is_the_most_given,
            pages_of_any_size_lose_and_repeat_nothing,
            a_cursor_resumes_after_every_record,
            a_cursor_of_a_deleted_record_still_resumes,
            a_filter_holds_as_a_condition_does,
            a_filter_holds_of_odd_kinds_as_a_condition_does,
            a_limit_counts_what_the_filter_lets_through,
            partitions_are_kept_apart,
            a_partition_without_a_sort_attribute_is_one_record,
            a_strong_query_sees_the_write_before_it,
            nothing_is_asked_until_a_stream_is_polled,
            queries_that_make_no_sense_are_invalid,
        }
        index {
            an_index_has_only_records_with_its_attributes,
            an_index_is_ordered_by_its_sort_attribute,
            equal_places_in_an_index_are_neither_lost_nor_repeated,
            a_cursor_resumes_an_index_after_every_record,
            a_record_moves_in_an_index_with_its_attributes,
            an_index_may_be_of_the_keys_attributes,
            a_range_and_a_filter_hold_in_an_index,
            a_strong_read_of_an_index_is_invalid,
            an_attribute_of_another_kind_than_its_index_is_invalid,
        }
        scan {
            a_scan_gives_every_record_once,
            segments_are_disjoint_and_complete,
            a_scan_filters_and_limits,
            a_scan_resumes_after_every_record,
        }
        limit {
            a_key_is_at_most_700_bytes,
            an_item_is_at_most_400_000_bytes,
            an_item_is_at_most_16_deep,
            an_item_has_at_most_5_000_values,
            a_key_of_another_form_than_the_tables_is_invalid,
            names_that_a_provider_keeps_are_invalid,
            a_list_in_a_list_is_invalid,
            an_item_holds_no_attribute_of_its_key,
            a_condition_or_an_update_has_at_most_50_terms,
            a_transaction_is_at_most_4_mb,
            a_filter_is_of_attributes_only,
            a_condition_is_on_what_the_item_holds,
        }
        ext {
            a_wait_ends_when_the_table_is_active,
            a_fetch_of_nothing_is_not_found,
            delete_prefix_removes_what_starts_with_it,
            counts_add_up,
            a_typed_table_gives_what_was_written,
            a_typed_value_is_replaced_only_as_it_was_read,
        }
        lock {
            a_lock_is_one_holders_at_a_time,
            a_held_lock_conflicts_and_names_its_holder,
            a_lock_is_free_when_its_lease_ends,
            a_renewed_lock_is_kept,
            a_lock_whose_answer_was_lost_is_held,
        }
    },
    sweep: |cloud, scope| sweep(&cloud.kv, scope).boxed(),
};

/// Deletes the tables that a case made, and sees that none of its own is left.
async fn sweep(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let given = scope.given();
    if given.is_empty() {
        return Ok(());
    }
    for name in &given {
        kv.delete_table(name).await?;
    }
    eventually("end of the case's tables", Scope::CHANGE, || async {
        let own =
            kv.list_tables(Labels::new()).try_filter(|it| std::future::ready(scope.owns(&it.name)));
        let left: Vec<_> = own.try_collect().await?;
        Ok(left.is_empty().then_some(()))
    })
    .await
}

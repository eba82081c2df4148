//! The promises of [`Blob`].

mod bucket;
mod condition;
mod copy;
mod ext;
mod key;
mod lifecycle;
mod limit;
mod list;
mod many;
mod object;
mod place;
mod presign;
mod race;
mod range;
mod upload;
mod version;

use std::sync::Arc;

use futures::{FutureExt as _, TryStreamExt as _};
use mvi_core::{Blob, BlobExt as _, Labels, Result, blob};

use super::{
    Scope, Service, cases, eventually, help,
    help::{race, stream_fails},
};
use place::{Place, fails, none};

pub(super) static SERVICE: Service = Service {
    name: "blob",
    ops: blob::OPS,
    cases: cases! { blob:
        bucket {
            a_bucket_is_as_it_was_asked_for,
            a_create_repeats_safely,
            a_name_with_other_settings_already_exists,
            a_bucket_created_after_its_deletion_is_empty,
            a_bucket_that_is_not_there_is_not_found,
            a_delete_of_no_bucket_succeeds,
            a_bucket_with_an_object_is_kept,
            a_bucket_with_a_version_is_kept,
            unfinished_uploads_do_not_hold_a_bucket,
            every_operation_on_no_bucket_is_not_found,
            a_large_put_to_no_bucket_is_not_found,
            buckets_are_listed_by_all_of_their_labels,
            racers_create_one_bucket,
            racers_with_other_settings_do_not_share_a_bucket,
            a_wait_ends_when_the_bucket_is_there,
            versioning_is_told,
        }
        object {
            a_body_is_read_back_bit_for_bit,
            a_body_of_one_request_or_just_more_is_read_back,
            a_body_of_several_parts_is_read_back,
            every_kind_of_body_is_stored,
            every_kind_of_large_body_is_stored,
            a_body_that_comes_once_ends_where_it_ends,
            a_body_that_fails_changes_nothing,
            a_body_that_is_not_as_long_as_it_says_changes_nothing,
            a_get_of_nothing_is_not_found,
            errors_name_the_operation_and_the_bucket,
            properties_are_kept,
            properties_of_a_large_object_are_kept,
            an_object_without_properties_is_binary,
            a_head_is_what_a_get_says,
            the_checksum_is_that_of_the_whole,
            the_checksum_of_a_large_object_is_that_of_the_whole,
            a_body_that_is_not_what_its_checksum_says_is_not_stored,
            a_large_body_that_is_not_what_its_checksum_says_is_not_stored,
            a_put_replaces_the_whole_object,
            other_bytes_have_another_tag,
            a_read_sees_the_write_before_it,
            a_delete_removes_the_object,
            a_delete_of_nothing_succeeds,
            a_body_that_is_not_read_does_no_harm,
            a_read_keeps_to_its_object_when_another_takes_its_place,
            bytes_in_memory_are_put_and_got,
        }
        key {
            odd_keys_hold_objects_of_their_own,
            odd_keys_are_listed_as_they_are,
            odd_keys_are_copied_from_and_to,
            odd_keys_are_deleted_one_by_one,
            odd_keys_are_deleted_at_once,
            odd_keys_are_uploaded_to,
            a_key_may_begin_with_a_slash,
            a_key_is_at_most_1_024_bytes,
            what_no_provider_takes_is_no_key,
        }
        range {
            a_range_has_the_bytes_it_says,
            a_range_beyond_the_end_is_cut,
            a_range_behind_the_end_is_invalid,
            an_empty_object_has_no_range,
            ranges_of_a_large_object_cross_its_parts,
            a_range_may_have_a_condition,
        }
        condition {
            if_absent_holds_only_where_nothing_is,
            if_match_holds_only_for_what_has_the_tag,
            if_match_never_holds_where_nothing_is,
            a_large_put_if_absent_holds_only_where_nothing_is,
            a_large_put_if_match_holds_only_for_what_has_the_tag,
            a_get_may_ask_for_what_has_a_tag,
            a_get_may_ask_for_what_has_another_tag,
            a_conditional_delete_that_does_not_hold_changes_nothing,
            a_conditional_delete_of_nothing_conflicts,
            conditions_that_make_no_sense_are_invalid,
        }
        race {
            one_of_many_creators_wins,
            one_of_many_large_creators_wins,
            one_of_many_writers_with_a_tag_wins,
            one_of_many_deleters_with_a_tag_wins,
            a_writer_or_a_deleter_with_a_tag_wins,
            one_of_many_completed_uploads_wins,
            a_put_or_a_completed_upload_wins,
            readers_see_one_write_whole,
            readers_see_one_large_write_whole,
            a_counter_by_tags_loses_nothing,
        }
        list {
            a_listing_has_every_key_in_the_order_of_its_bytes,
            text_is_ordered_by_its_bytes,
            pages_of_any_size_lose_and_repeat_nothing,
            small_pages_lose_and_repeat_nothing,
            a_prefix_is_a_prefix,
            a_delimiter_folds_what_is_the_same_up_to_it,
            a_delimiter_may_be_any_text,
            a_fold_of_many_keys_is_one_entry,
            a_listing_starts_after_any_entry,
            a_folded_listing_starts_after_any_entry,
            a_listing_resumes_after_every_entry,
            a_limit_is_the_most_given,
            an_entry_says_what_a_head_does,
            a_listing_sees_the_write_before_it,
            what_is_listed_may_be_deleted_on_the_way,
            what_stays_is_listed_whatever_else_changes,
            nothing_is_asked_until_a_stream_is_polled,
            a_listing_may_be_left_and_read_beside_others,
        }
        upload {
            parts_make_the_object_in_the_order_of_their_numbers,
            parts_may_be_sent_side_by_side,
            a_part_replaces_that_of_its_number,
            an_upload_may_have_one_part,
            every_kind_of_body_is_a_part,
            a_part_whose_body_fails_is_not_there,
            a_part_that_comes_once_is_at_most_64_mib,
            parts_are_listed_by_their_numbers,
            uploads_are_listed_until_they_end,
            uploads_of_one_key_are_apart,
            an_object_is_hidden_until_its_upload_is_complete,
            what_is_kept_for_an_upload_is_seen_by_nobody,
            a_part_but_the_last_has_at_least_5_mib,
            parts_that_are_not_there_as_said_are_invalid,
            parts_out_of_order_are_invalid,
            completing_again_gives_the_same_object,
            completing_again_if_absent_gives_the_same_object,
            a_completion_if_absent_that_conflicts_leaves_the_upload,
            a_completion_if_match_that_conflicts_leaves_the_upload,
            parts_that_are_left_out_are_removed,
            an_aborted_upload_leaves_nothing,
            an_aborted_upload_takes_no_more,
            a_completed_upload_takes_no_more,
            another_process_goes_on_with_an_upload,
            what_is_listed_of_an_upload_is_enough_to_complete_it,
            the_checksum_of_parts_is_that_of_the_whole,
            parts_that_are_not_what_their_checksum_says_make_no_object,
            an_uploads_properties_are_kept,
        }
        version {
            what_is_replaced_is_kept,
            what_is_deleted_is_kept,
            the_same_bytes_are_another_version,
            versions_are_listed_by_key_the_newest_first,
            versions_of_a_deleted_object_are_listed_in_pages,
            versions_may_have_a_prefix,
            a_version_is_deleted_for_good,
            versions_are_deleted_at_once,
            many_are_deleted_as_versions_where_none_is_named,
            a_version_that_is_not_there_is_not_found,
            a_head_and_a_range_may_be_of_a_version,
            a_version_is_copied_back,
            a_completed_upload_is_a_version,
            an_aborted_upload_is_no_version,
            without_versioning_nothing_is_kept,
            what_was_kept_stays_when_versioning_ends,
            many_versions_of_one_key_are_listed,
        }
        lifecycle {
            the_rules_of_a_bucket_are_kept,
            rules_are_replaced_whole,
            a_bucket_has_at_most_99_rules,
            rules_that_make_no_sense_are_invalid,
        }
        copy {
            a_copy_has_the_bytes_and_the_properties,
            a_copy_may_have_properties_of_its_own,
            a_copy_to_another_bucket,
            a_copy_replaces_what_was_there,
            a_copy_if_absent_holds_only_where_nothing_is,
            a_copy_if_match_holds_only_for_what_has_the_tag,
            a_copy_may_be_only_of_what_has_a_tag,
            a_copy_of_nothing_is_not_found,
            a_copy_onto_itself_has_to_change_something,
            a_large_object_is_copied_whole,
            an_empty_object_is_copied,
        }
        many {
            delete_many_removes_more_than_one_request_can,
            delete_many_of_what_is_not_there_succeeds,
            delete_many_takes_a_key_twice,
            delete_many_of_nothing_does_nothing,
        }
        limit {
            metadata_is_at_most_1_900_bytes,
            metadata_is_what_http_carries_unchanged,
            properties_are_what_http_carries_unchanged,
            an_object_is_at_most_5_tib,
            a_part_has_a_number_of_1_to_10_000,
        }
        ext {
            a_file_goes_up_and_comes_down,
            many_ranges_come_in_the_order_they_were_asked_for,
            a_rename_leaves_nothing_behind,
            a_rename_that_does_not_hold_changes_nothing,
            delete_prefix_removes_what_starts_with_it,
            an_emptied_bucket_can_be_deleted,
            a_directory_goes_up_and_comes_down,
        }
        presign {
            a_url_is_of_one_object_and_method,
            a_url_says_that_it_works_for_a_second_to_seven_days,
            a_content_type_is_only_of_what_is_written,
            a_url_is_not_shown,
        }
    },
    sweep: |cloud, scope| sweep(&cloud.blob, scope).boxed(),
};

/// Empties and deletes the buckets that a case made, and sees that none of its own is left.
async fn sweep(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let given = scope.given_buckets();
    if given.is_empty() {
        return Ok(());
    }
    for bucket in &given {
        // Not there, or not there any more.
        if let Err(error) = none(blob.empty(bucket).await) {
            // An emulator that can't remove what was kept, once versioning has ended, can while it is on.
            let again = async {
                blob.set_versioning(bucket, blob::Versioning::On).await?;
                blob.empty(bucket).await
            };
            none(again.await).map_err(|_| error)?;
        }
        blob.delete_bucket(bucket).await?;
    }
    eventually("end of the case's buckets", Scope::CHANGE, || async {
        let own = blob
            .list_buckets(Labels::new())
            .try_filter(|it| std::future::ready(scope.owns_bucket(&it.name)));
        let left: Vec<_> = own.try_collect().await?;
        Ok(left.is_empty().then_some(()))
    })
    .await
}

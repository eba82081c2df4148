//! Blobs that break one promise each.

mod broken;
mod flaw;

use std::sync::Arc;

use mvi_core::Cloud;
use mvi_testkit::{Sim, conformance::Backend};

use super::{every, passes, tried};

pub(crate) use self::{broken::Broken, flaw::Flaw};

/// Each flaw, and the case that names the promise that it breaks.
const CAUGHT_BY: &[(Flaw, &str)] = &[
    // Buckets.
    (Flaw::CreateTakesOtherLabels, "blob::a_name_with_other_settings_already_exists"),
    (Flaw::CreateRefusesARepeat, "blob::a_create_repeats_safely"),
    (Flaw::DeletedBucketsAreKept, "blob::a_bucket_created_after_its_deletion_is_empty"),
    (Flaw::DeleteOfNoBucketFails, "blob::a_delete_of_no_bucket_succeeds"),
    (Flaw::BucketsAreDeletedWithTheirObjects, "blob::a_bucket_with_an_object_is_kept"),
    (Flaw::UploadsHoldTheBucket, "blob::unfinished_uploads_do_not_hold_a_bucket"),
    (Flaw::BucketsAreListedWhateverTheirLabels, "blob::buckets_are_listed_by_all_of_their_labels"),
    (Flaw::NoBucketListsAsEmpty, "blob::every_operation_on_no_bucket_is_not_found"),
    (Flaw::VersioningIsNotTold, "blob::versioning_is_told"),
    // Objects.
    (Flaw::LargeBodiesAreCut, "blob::a_body_of_one_request_or_just_more_is_read_back"),
    (Flaw::OnceEndsAfterOneRequest, "blob::a_body_that_comes_once_ends_where_it_ends"),
    (Flaw::EmptyBodiesAreRefused, "blob::a_body_is_read_back_bit_for_bit"),
    (Flaw::FailedBodiesAreStored, "blob::a_body_that_fails_changes_nothing"),
    (Flaw::ShortBodiesAreStored, "blob::a_body_that_is_not_as_long_as_it_says_changes_nothing"),
    (Flaw::NothingReadsAsEmpty, "blob::a_get_of_nothing_is_not_found"),
    (Flaw::ErrorsAreNameless, "blob::errors_name_the_operation_and_the_bucket"),
    (Flaw::ContentTypeIsDropped, "blob::properties_are_kept"),
    (Flaw::DispositionIsDropped, "blob::properties_are_kept"),
    (Flaw::MetadataIsDropped, "blob::properties_are_kept"),
    (Flaw::MetadataIsMerged, "blob::a_put_replaces_the_whole_object"),
    (Flaw::ChecksumIsNotChecked, "blob::a_body_that_is_not_what_its_checksum_says_is_not_stored"),
    (
        Flaw::LargeChecksumIsNotChecked,
        "blob::a_large_body_that_is_not_what_its_checksum_says_is_not_stored",
    ),
    (
        Flaw::ChecksumIsOfTheFirstRequest,
        "blob::the_checksum_of_a_large_object_is_that_of_the_whole",
    ),
    (Flaw::TagsStay, "blob::other_bytes_have_another_tag"),
    (Flaw::GetIsOld, "blob::a_read_sees_the_write_before_it"),
    (Flaw::HeadIsOld, "blob::a_read_sees_the_write_before_it"),
    (Flaw::DeleteOfNothingFails, "blob::a_delete_of_nothing_succeeds"),
    (Flaw::DeleteTakesThePrefix, "blob::a_delete_removes_the_object"),
    (Flaw::ReadsEndEarly, "blob::a_read_keeps_to_its_object_when_another_takes_its_place"),
    (Flaw::ReadsGoOnWithAnother, "blob::a_read_keeps_to_its_object_when_another_takes_its_place"),
    // Keys.
    (Flaw::KeysAreDecoded, "blob::odd_keys_hold_objects_of_their_own"),
    (Flaw::KeysIgnoreCase, "blob::odd_keys_hold_objects_of_their_own"),
    (Flaw::KeysAreNormalized, "blob::odd_keys_hold_objects_of_their_own"),
    (Flaw::SlashesAreMerged, "blob::odd_keys_hold_objects_of_their_own"),
    (Flaw::LeadingSlashIsDropped, "blob::a_key_may_begin_with_a_slash"),
    (Flaw::TrailingSlashIsDropped, "blob::odd_keys_are_deleted_one_by_one"),
    (Flaw::PlusIsABlank, "blob::odd_keys_hold_objects_of_their_own"),
    (Flaw::CopyDecodesItsSource, "blob::odd_keys_are_copied_from_and_to"),
    (Flaw::LongKeysAreCut, "blob::a_key_is_at_most_1_024_bytes"),
    // Ranges.
    (Flaw::RangeEndIsIncluded, "blob::a_range_has_the_bytes_it_says"),
    (Flaw::RangeIsNotCut, "blob::a_range_beyond_the_end_is_cut"),
    (Flaw::RangeBehindTheEndIsEmpty, "blob::a_range_behind_the_end_is_invalid"),
    (Flaw::LastIsFirst, "blob::a_range_has_the_bytes_it_says"),
    (Flaw::SizeIsThatOfTheRange, "blob::a_head_is_what_a_get_says"),
    (Flaw::RangeForgetsItsCondition, "blob::a_range_may_have_a_condition"),
    // Conditions.
    (Flaw::PutForgetsItsMode, "blob::if_absent_holds_only_where_nothing_is"),
    (Flaw::LargePutForgetsItsMode, "blob::a_large_put_if_absent_holds_only_where_nothing_is"),
    (Flaw::IfMatchMeansPresent, "blob::if_match_holds_only_for_what_has_the_tag"),
    (Flaw::IfMatchOfNothingWrites, "blob::if_match_never_holds_where_nothing_is"),
    (Flaw::GetForgetsIfMatch, "blob::a_get_may_ask_for_what_has_a_tag"),
    (Flaw::GetForgetsIfNoneMatch, "blob::a_get_may_ask_for_what_has_another_tag"),
    (
        Flaw::DeleteForgetsItsCondition,
        "blob::a_conditional_delete_that_does_not_hold_changes_nothing",
    ),
    (Flaw::DeleteIfMatchOfNothingSucceeds, "blob::a_conditional_delete_of_nothing_conflicts"),
    (Flaw::BothConditionsAreTaken, "blob::conditions_that_make_no_sense_are_invalid"),
    // Races.
    (Flaw::PutLooksThenWrites, "blob::one_of_many_creators_wins"),
    (Flaw::DeleteLooksThenDeletes, "blob::one_of_many_deleters_with_a_tag_wins"),
    (Flaw::CompleteLooksThenWrites, "blob::one_of_many_completed_uploads_wins"),
    (Flaw::ReadsAreTorn, "blob::readers_see_one_write_whole"),
    // Listings.
    (Flaw::PagesLoseAnEntry, "blob::pages_of_any_size_lose_and_repeat_nothing"),
    (Flaw::PagesRepeatAnEntry, "blob::small_pages_lose_and_repeat_nothing"),
    (Flaw::ListStopsAtAThousand, "blob::a_listing_has_every_key_in_the_order_of_its_bytes"),
    (Flaw::ListIsSortedAsUtf16, "blob::text_is_ordered_by_its_bytes"),
    (Flaw::ListIsSortedAsInADictionary, "blob::text_is_ordered_by_its_bytes"),
    (Flaw::ListIsOld, "blob::a_listing_sees_the_write_before_it"),
    (Flaw::ListMissesWhatStays, "blob::what_stays_is_listed_whatever_else_changes"),
    (Flaw::PrefixIsASegment, "blob::a_prefix_is_a_prefix"),
    (Flaw::DelimiterIsOneCharacter, "blob::a_delimiter_may_be_any_text"),
    (Flaw::DelimiterIsFoundInThePrefix, "blob::a_delimiter_folds_what_is_the_same_up_to_it"),
    (Flaw::FoldsRepeatAtPages, "blob::a_fold_of_many_keys_is_one_entry"),
    (Flaw::FoldsComeLast, "blob::a_delimiter_folds_what_is_the_same_up_to_it"),
    (Flaw::FoldsComeAgainBehindThemselves, "blob::a_folded_listing_starts_after_any_entry"),
    (Flaw::StartAfterIsIncluded, "blob::a_listing_resumes_after_every_entry"),
    (Flaw::StartAfterNeedsItsEntry, "blob::a_listing_starts_after_any_entry"),
    (Flaw::LimitIsIgnored, "blob::a_limit_is_the_most_given"),
    (Flaw::LimitCountsKeys, "blob::a_limit_is_the_most_given"),
    (Flaw::StreamsAreEager, "blob::nothing_is_asked_until_a_stream_is_polled"),
    // Uploads.
    (Flaw::PartsAreJoinedAsTheyCame, "blob::parts_make_the_object_in_the_order_of_their_numbers"),
    (Flaw::PartsAreListedAsText, "blob::parts_are_listed_by_their_numbers"),
    (Flaw::LeftOutPartsAreKept, "blob::parts_that_are_left_out_are_removed"),
    (Flaw::TheFirstPartStays, "blob::a_part_replaces_that_of_its_number"),
    (Flaw::UploadsListWhatIsCompleted, "blob::uploads_are_listed_until_they_end"),
    (Flaw::UploadsAreListedAsTheyCame, "blob::uploads_are_listed_until_they_end"),
    (Flaw::UploadIsOfItsKey, "blob::uploads_of_one_key_are_apart"),
    (Flaw::UploadsAreListedAsObjects, "blob::what_is_kept_for_an_upload_is_seen_by_nobody"),
    (Flaw::AbortLeavesTheUpload, "blob::an_aborted_upload_leaves_nothing"),
    (Flaw::AbortTakesTheObject, "blob::a_completed_upload_takes_no_more"),
    (Flaw::AbortedUploadsTakeParts, "blob::an_aborted_upload_takes_no_more"),
    (Flaw::CompletingAgainFails, "blob::completing_again_gives_the_same_object"),
    (Flaw::CompleteForgetsItsMode, "blob::a_completion_if_match_that_conflicts_leaves_the_upload"),
    (
        Flaw::AConflictAbortsTheUpload,
        "blob::a_completion_if_absent_that_conflicts_leaves_the_upload",
    ),
    (Flaw::UploadsPropertiesAreDropped, "blob::an_uploads_properties_are_kept"),
    (
        Flaw::WholeChecksumIsNotChecked,
        "blob::parts_that_are_not_what_their_checksum_says_make_no_object",
    ),
    (Flaw::PartsAreSeen, "blob::an_object_is_hidden_until_its_upload_is_complete"),
    (Flaw::TheLastNumberIsRefused, "blob::a_part_has_a_number_of_1_to_10_000"),
    // Versions.
    (Flaw::VersionsAreOldestFirst, "blob::versions_are_listed_by_key_the_newest_first"),
    (Flaw::VersionPagesLoseOne, "blob::many_versions_of_one_key_are_listed"),
    (Flaw::VersionsIgnoreThePrefix, "blob::versions_may_have_a_prefix"),
    (Flaw::VersionsAreAllCurrent, "blob::what_is_replaced_is_kept"),
    (Flaw::OffKeepsVersions, "blob::without_versioning_nothing_is_kept"),
    (Flaw::VersioningOffForgets, "blob::what_was_kept_stays_when_versioning_ends"),
    (Flaw::TheSameBytesAreNoVersion, "blob::the_same_bytes_are_another_version"),
    (Flaw::DeleteTakesAllVersions, "blob::what_is_deleted_is_kept"),
    (Flaw::GetIgnoresTheVersion, "blob::what_is_replaced_is_kept"),
    (Flaw::HeadIgnoresTheVersion, "blob::a_head_and_a_range_may_be_of_a_version"),
    (Flaw::DeleteIgnoresTheVersion, "blob::a_version_is_deleted_for_good"),
    (Flaw::AVersionThatIsNotThereIsTheCurrent, "blob::a_version_that_is_not_there_is_not_found"),
    (Flaw::CopyIgnoresTheVersion, "blob::a_version_is_copied_back"),
    // Lifecycles.
    (Flaw::RulesAreAdded, "blob::rules_are_replaced_whole"),
    (Flaw::RulesAreForgotten, "blob::the_rules_of_a_bucket_are_kept"),
    (Flaw::RulesLastAYear, "blob::the_rules_of_a_bucket_are_kept"),
    // Copies.
    (Flaw::CopyDropsProperties, "blob::a_copy_has_the_bytes_and_the_properties"),
    (Flaw::CopyKeepsItsProperties, "blob::a_copy_may_have_properties_of_its_own"),
    (Flaw::CopyMergesProperties, "blob::a_copy_may_have_properties_of_its_own"),
    (Flaw::CopyForgetsItsMode, "blob::a_copy_if_absent_holds_only_where_nothing_is"),
    (Flaw::CopyIgnoresSourceIfMatch, "blob::a_copy_may_be_only_of_what_has_a_tag"),
    (Flaw::CopyOntoItselfIsTaken, "blob::a_copy_onto_itself_has_to_change_something"),
    (Flaw::CopyOfNothingIsEmpty, "blob::a_copy_of_nothing_is_not_found"),
    (Flaw::CopyIsAlwaysBinary, "blob::a_copy_to_another_bucket"),
    // Many at once.
    (Flaw::DeleteManyDropsAnOutcome, "blob::delete_many_of_what_is_not_there_succeeds"),
    (Flaw::DeleteManyStopsAtAThousand, "blob::delete_many_removes_more_than_one_request_can"),
    (Flaw::DeleteManyIgnoresVersions, "blob::versions_are_deleted_at_once"),
    (Flaw::DeleteManyFailsForWhatIsNotThere, "blob::delete_many_of_what_is_not_there_succeeds"),
    (Flaw::DeleteManyRefusesAKeyTwice, "blob::delete_many_takes_a_key_twice"),
    // Limits.
    (Flaw::MetadataEndsAfterAKilobyte, "blob::metadata_is_at_most_1_900_bytes"),
    // URLs.
    (Flaw::UrlIsNotEscaped, "blob::a_url_is_of_one_object_and_method"),
    (Flaw::UrlIsOfTheOtherMethod, "blob::a_url_is_of_one_object_and_method"),
    (Flaw::UrlWorksForAnHour, "blob::a_url_says_that_it_works_for_a_second_to_seven_days"),
    (Flaw::UrlIsOfAnyContentType, "blob::a_content_type_is_only_of_what_is_written"),
];

fn backend(flaw: Option<Flaw>) -> Backend {
    Backend::simulated("broken", "none", move |seed| async move {
        let blob = Arc::new(Broken::new(Sim::new(seed).cloud().blob, flaw));
        Ok(Cloud { blob, ..Cloud::unsupported("only Blob is here") })
    })
}

#[test]
fn every_broken_blob_is_caught_by_the_case_that_names_its_promise() {
    every("blobs", CAUGHT_BY, |flaw| backend(Some(flaw)));
}

/// Else a flaw may be caught for what wraps it.
#[test]
fn the_same_blob_without_a_flaw_passes_every_case() {
    passes("blob", &backend(None), 150);
}

#[test]
fn every_flaw_is_tried() {
    assert_eq!(tried(CAUGHT_BY), Flaw::ALL);
}

//! The promises of every service that is built, kept on each emulator, through a proxy that throttles and cuts, and where
//! `MVI_LIVE` says so on AWS.

mod mend;

use std::{process::ExitCode, time::Duration};

use mvi_aws::{Aws, AwsBuilder, Retries, Service, Timeouts};
use mvi_core::{
    Cloud, Error, ErrorKind, Result,
    hook::{Call, Hook},
};
use mvi_testkit::conformance::{self, Backend};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::RwLock,
};

fn main() -> ExitCode {
    conformance::main([
        Backend::emulator("ministack", "ministack 1.5.33", "MVI_MINISTACK", ministack)
            .mended("blob", MENDED_MINISTACK)
            .diverges_in(PARTS_OF_NUMBERS, "it refuses begins_with on what is not text")
            .diverges_in(CHECKSUMS_OF_UPLOADS, NO_WHOLE)
            .diverges_in(CONDITIONS_OF_COPIES, COPIES_ALWAYS)
            .diverges(COMPLETED_AGAIN, COMPLETES_AGAIN)
            .diverges(RANGE_OF_A_VERSION, GIVES_THE_WHOLE),
        Backend::emulator("moto", "moto 5.2.5", "MVI_MOTO", moto)
            .mended("kv", ALONE)
            .mended("blob", MENDED_MOTO)
            .diverges("kv::a_prefix_of_bytes_is_found", "its begins_with does not know bytes")
            .diverges_in(OTHER_KINDS, "it answers 500 to an order between two kinds")
            .diverges_in(WRONG_CHECKSUMS, "it stores what has another checksum than it should")
            .diverges_in(CONDITIONS_OF_UPLOADS, "it completes an upload whatever tag is there")
            .diverges_in(CONDITIONS_OF_COPIES, COPIES_ALWAYS)
            .diverges_in(ENDED_UPLOADS, "it answers 500 to a part of no upload")
            .diverges(
                "blob::uploads_are_listed_until_they_end",
                "it lists uploads in the order in which they were started",
            )
            .diverges(
                "blob::what_was_kept_stays_when_versioning_ends",
                "a write behind the end of versioning takes with it what was kept",
            )
            .diverges(
                "blob::an_emptied_bucket_can_be_deleted",
                "it answers 500 to the removal of what was kept, once versioning has ended",
            ),
        Backend::emulator("dynalite", "dynalite 4.0.0", "MVI_DYNALITE", dynalite)
            .only(["kv"])
            .diverges_in(TRANSACTIONS, "it has no transactions")
            .diverges_in(EXPIRY, "it has no UpdateTimeToLive")
            .diverges_in(TAGS, "it drops the tags of CreateTable")
            .diverges_in(OTHER_KINDS, "two equal lists are not equal to it"),
        Backend::emulator(
            "microburst",
            "microburst 0.10.0, ministack",
            "MVI_MICROBURST",
            microburst,
        )
        .mended("blob", MENDED_MICROBURST)
        .diverges_in(PARTS_OF_NUMBERS, "ministack refuses begins_with on what is not text")
        .diverges_in(CHECKSUMS_OF_UPLOADS, NO_WHOLE)
        .diverges_in(CONDITIONS_OF_COPIES, COPIES_ALWAYS)
        .diverges(COMPLETED_AGAIN, COMPLETES_AGAIN),
        Backend::live("aws", "Amazon Web Services", live),
    ])
}

const MENDED_MINISTACK: &str = "the checksum of a whole upload, which it takes for that of its \
     parts' checksums and refuses, is left out";
const MENDED_MOTO: &str = "the tags of a bucket, which it drops, are set behind its creation; two \
     answers get the roots that S3 names; what has a condition goes one at a time";
const MENDED_MICROBURST: &str = "as ministack; and the length of an object, which microburst drops, \
     is asked for behind it, and the range of a version, which ministack ignores, is cut out";
const ALONE: &str = "what changes a table goes one at a time";

const NO_WHOLE: &str = "ministack keeps no checksum of a whole upload, only of its parts";
const CHECKSUMS_OF_UPLOADS: [&str; 4] = [
    "blob::a_large_body_that_is_not_what_its_checksum_says_is_not_stored",
    "blob::the_checksum_of_a_large_object_is_that_of_the_whole",
    "blob::parts_that_are_not_what_their_checksum_says_make_no_object",
    "blob::the_checksum_of_parts_is_that_of_the_whole",
];

const COPIES_ALWAYS: &str = "it copies whatever is there";
const CONDITIONS_OF_COPIES: [&str; 3] = [
    "blob::a_copy_if_absent_holds_only_where_nothing_is",
    "blob::a_copy_if_match_holds_only_for_what_has_the_tag",
    "blob::a_rename_that_does_not_hold_changes_nothing",
];

const COMPLETES_AGAIN: &str =
    "ministack answers a second completion as it did the first, whatever is there by then";
const COMPLETED_AGAIN: &str = "blob::completing_again_if_absent_gives_the_same_object";

const GIVES_THE_WHOLE: &str = "ministack gives the whole of a version, whatever its range";
const RANGE_OF_A_VERSION: &str = "blob::a_head_and_a_range_may_be_of_a_version";

const WRONG_CHECKSUMS: [&str; 4] = [
    "blob::errors_name_the_operation_and_the_bucket",
    "blob::a_body_that_is_not_what_its_checksum_says_is_not_stored",
    "blob::a_large_body_that_is_not_what_its_checksum_says_is_not_stored",
    "blob::parts_that_are_not_what_their_checksum_says_make_no_object",
];

const CONDITIONS_OF_UPLOADS: [&str; 2] = [
    "blob::a_large_put_if_match_holds_only_for_what_has_the_tag",
    "blob::a_completion_if_match_that_conflicts_leaves_the_upload",
];

const ENDED_UPLOADS: [&str; 2] =
    ["blob::an_aborted_upload_takes_no_more", "blob::a_completed_upload_takes_no_more"];

const PARTS_OF_NUMBERS: [&str; 2] = [
    "kv::what_is_neither_text_nor_list_has_no_parts",
    "kv::a_filter_holds_of_odd_kinds_as_a_condition_does",
];

const OTHER_KINDS: [&str; 2] = [
    "kv::values_of_other_kinds_are_neither_equal_nor_in_order",
    "kv::a_filter_holds_of_odd_kinds_as_a_condition_does",
];

const TRANSACTIONS: [&str; 10] = [
    "kv::a_hundred_steps_are_taken_and_more_are_invalid",
    "kv::one_of_many_transactions_takes_all_the_keys",
    "kv::transfers_keep_the_sum",
    "kv::a_transaction_takes_every_step",
    "kv::a_failing_check_changes_nothing",
    "kv::a_failing_condition_of_any_step_changes_nothing",
    "kv::a_change_that_does_not_fit_changes_nothing",
    "kv::a_write_in_between_conflicts",
    "kv::checks_alone_are_a_transaction",
    "kv::a_transaction_spans_tables",
];

const EXPIRY: [&str; 8] = [
    "kv::an_expired_record_is_never_returned",
    "kv::a_record_is_there_until_it_expires",
    "kv::conditions_take_an_expired_record_as_absent",
    "kv::transactions_take_an_expired_record_as_absent",
    "kv::an_update_of_an_expired_record_starts_empty",
    "kv::a_put_forgets_the_expiry_of_what_was_there",
    "kv::an_update_keeps_or_changes_the_expiry",
    "kv::an_expiry_counts_whole_seconds",
];

const TAGS: [&str; 4] = [
    "kv::a_table_is_as_it_was_asked_for",
    "kv::a_create_repeats_safely",
    "kv::racers_create_one_table",
    "kv::tables_are_listed_by_all_of_their_labels",
];

fn at(endpoint: String) -> AwsBuilder {
    // Of ministack a number of twelve digits is an account of its own. A busy machine is no reason to give a call up, whose
    // outcome nobody would know then.
    let timeouts = Timeouts {
        read: Duration::from_mins(1),
        attempt: Duration::from_mins(1),
        operation: Duration::from_mins(2),
        ..Timeouts::default()
    };
    // Nor is an emulator that answers 500 to a listing while others write.
    let retries = Retries { attempts: 6, ..Retries::default() };
    Aws::builder()
        .region("us-east-1")
        .endpoint(endpoint)
        .credentials("000000000001", "anything")
        .timeouts(timeouts)
        .retries(retries)
}

async fn ministack(endpoint: String) -> Result<Cloud> {
    let s3 = mend::mended(&endpoint, mend::Of::Ministack).await?;
    Ok(at(endpoint).endpoint_for(Service::S3, s3).build().await?.cloud())
}

async fn dynalite(endpoint: String) -> Result<Cloud> {
    Ok(at(endpoint).build().await?.cloud())
}

async fn moto(endpoint: String) -> Result<Cloud> {
    let s3 = mend::mended(&endpoint, mend::Of::Moto).await?;
    let aws = at(endpoint).endpoint_for(Service::S3, s3).build().await?;
    Ok(aws.cloud().hooked(ChangesAlone::default()))
}

/// Lets no other call through beside one that changes a table: moto takes changes at the same time one over the
/// other, and where a transaction fails it puts all tables back as they were, with whatever others wrote meanwhile.
/// And beside one that makes a bucket, which its tags are set on only then.
#[derive(Debug, Default)]
struct ChangesAlone(RwLock<()>);

impl Hook for ChangesAlone {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let (op, makes) = (call.op(), call.op() == "blob.create_bucket");
        if op.starts_with("blob.") && !makes {
            next.await
        } else if call.mutates() {
            let _alone = self.0.write().await;
            next.await
        } else {
            let _beside = self.0.read().await;
            next.await
        }
    }
}

/// Of every call one in twenty is throttled; of those whose outcome is the same however often they are sent, some are
/// cut before or after they are applied. (A cut write may have been applied, and says so: the wire tests see to that.)
///
/// Microburst names some operations of S3 otherwise: a rule for `PutObject` is of parts and copies too, and one for
/// `CreateMultipartUpload` of completions, which alone say how large the object is to be.
async fn microburst(endpoint: String) -> Result<Cloud> {
    const RULES: &str = r#"[
        {"service": "s3", "probability": 0.05,
         "error": {"code": "SlowDown"}},
        {"service": "s3", "operation": "GetObject", "probability": 0.05, "reset": true},
        {"service": "s3", "operation": "GetObject", "probability": 0.1, "response": {"abort_frac": 0.5}},
        {"service": "s3", "operation": "ListObjectsV2", "probability": 0.05, "response": {"abort_frac": 0.5}},
        {"service": "s3", "operation": "DeleteObjects", "probability": 0.1, "response": {"abort_frac": 0.0}},
        {"service": "s3", "operation": "PutObject", "probability": 0.05, "reset": true},
        {"service": "s3", "operation": "PutObject", "probability": 0.05, "request": {"cut_upload": {"after_frac": 0.5}}},
        {"service": "s3", "operation": "CreateMultipartUpload", "headers": {"x-amz-mp-object-size": ""},
         "probability": 0.2, "response": {"abort_frac": 0.0}},
        {"service": "dynamodb", "probability": 0.05,
         "error": {"code": "ThrottlingException"}},
        {"service": "dynamodb", "operation": "GetItem", "probability": 0.05, "reset": true},
        {"service": "dynamodb", "operation": "Query", "probability": 0.05, "reset": true},
        {"service": "dynamodb", "operation": "Scan", "probability": 0.05, "response": {"abort_frac": 0.5}},
        {"service": "dynamodb", "operation": "BatchGetItem", "probability": 0.05, "response": {"abort_frac": 0.5}},
        {"service": "dynamodb", "operation": "BatchWriteItem", "probability": 0.2, "response": {"abort_frac": 0.0}},
        {"service": "dynamodb", "operation": "CreateTable", "probability": 0.2, "response": {"abort_frac": 0.0}},
        {"service": "dynamodb", "operation": "DeleteTable", "probability": 0.2, "response": {"abort_frac": 0.0}}
    ]"#;
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let unset = |e| Error::new(ErrorKind::Unavailable, "microburst takes no rules").with_source(e);
    let mut stream = TcpStream::connect(&host).await.map_err(unset)?;
    let request = format!(
        "POST /_microburst/rules HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{RULES}",
        RULES.len()
    );
    stream.write_all(request.as_bytes()).await.map_err(unset)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(unset)?;
    if !answer.starts_with("HTTP/1.1 2") {
        return Err(Error::new(ErrorKind::Unavailable, format!("microburst says {answer:?}")));
    }
    let pause = Duration::from_millis(1);
    let retries = Retries { attempts: 12, first_pause: pause, longest_pause: 16 * pause };
    let s3 = mend::mended(&endpoint, mend::Of::Microburst).await?;
    let aws = at(endpoint).endpoint_for(Service::S3, s3).retries(retries).build().await?;
    Ok(aws.cloud())
}

async fn live() -> Result<Cloud> {
    Ok(Aws::from_env().await?.cloud())
}

//! Log: ordered text from every container, tailed live, searched later.
//!
//! ```text
//!   web, worker, job ──write──▶ ┏━━━━━┓ ──tail────▶ each event once, as it comes in
//!   stdout, stderr              ┃ LOG ┃ ──search──▶ last Tuesday, "error", newest first
//!                               ┗━━━━━┛ ──export──▶ Blob
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** what happened, in the words of what it happened to.
//! - **Depends on** nothing.
//! - **Knobs** retention. **Gauges** events, bytes, rejected.
//!
//! | operation | AWS: CloudWatch Logs | Google Cloud: logging.v2 | limit | source |
//! |---|---|---|---|---|
//! | `create_group` | `CreateLogGroup` | `buckets.create`, `sinks.create` | name 512; 100 | [create], [bucket] |
//! | … and only there | | `sinks.update`: `_Default` leaves it out | Google: 50 exclusions | [sink], [quotas] |
//! | `groups` | `DescribeLogGroups` | `buckets.list`, labels filtered here | AWS: pages of 50 | [groups], [buckets] |
//! | … their labels | `ListTagsForResource` of each, filtered here | in the description | | [labels] |
//! | `delete_group` | `DeleteLogGroup` | `sinks.delete`, `buckets.delete` | Google: gone after 7 d | [delete], [gdelete] |
//! | `set_retention` | `PutRetentionPolicy` | `buckets.patch` | AWS: 22 values, 1 to 3,653 d; Google: from 1 d | [keep], [bucket] |
//! | … for ever | `DeleteRetentionPolicy` | `Unsupported`: a bucket has a number of days | | [keep], [bucket] |
//! | `write` | `PutLogEvents` | `entries.write` | 10,000 events, 1 MiB; 10 MB | [write], [gwrite], [quotas] |
//! | … a stream | `CreateLogStream` | a label of the entry | name 512 | [stream] |
//! | … an event | 26 B on top of its text | | 1 MB; about 256 KB | [event], [quotas] |
//! | … its time | in order, within 24 h | in any order | 14 d ago to in 2 h; retention to in 24 h | [write], [gwrite] |
//! | … its outcome | rejected ones by their index | partial success, by index | | [rejected], [gwrite] |
//! | `tail` | `FilterLogEvents`, polled | `entries.list`, polled | AWS: pages of 10,000, 1 MB | [filter], [list] |
//! | … live | not `StartLiveTail`: it samples | not `entries.tail`: it leaves out, and counts | AWS: 500 a second | [live], [glive] |
//! | `search` | `FilterLogEvents` | `entries.list` | pattern 1,024; 20,000 characters | [filter], [list] |
//! | … newest first | the same | the same | | [filter], [list] |
//! | … for reports | `StartQuery`, `GetQueryResults` | `entries.list` | AWS: query 10,000, rows 100,000 | [query] |
//!
//! A Google group is a log bucket and the sink that fills it, at most 100 in a project, the dying included. Buckets have no labels:
//! name, stamp and labels are in the description.
//!
//! **Unique by** name: groups and streams on AWS, buckets and sinks on Google, where a deleted bucket holds its name for 7 days.
//! An event by its `insertId` and time on Google, where twice is once in a query; by nothing on AWS, whose `PutLogEvents` takes no token:
//! a batch sent again is there twice, under other ids. Our own number, in the event, is what a tail tells it by.
//!
//! Doubtful:
//!
//! - Whether 100 buckets are enough for groups. Else a group is a log name in one bucket a retention, and `delete_group` is `logs.delete`.
//! - Whether a dying bucket's name can be had back empty: `buckets.undelete` brings its events too. Delete, then create, then list.
//! - How late an event shows, which is how far a tail looks back: write with the time in it, poll, take the 99.99th percentile.
//! - Whether events of one stream and one millisecond stay in order on AWS: it sorts by time, ingestion and call. Write 10,000 at once.
//! - Whether Google's duplicates are one before they are indexed: write twice, list at once.
//! - Whether the Rust SDK can ask `FilterLogEvents` for the newest first (`startFromHead`), which is new: build it, else `StartQuery`.
//! - Which filters are the provider's: each word, phrase, field and `or` has to show in the wire's pattern, or is evaluated here.
//!
//! [create]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
//! [bucket]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.locations.buckets
//! [sink]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.sinks
//! [quotas]: https://cloud.google.com/logging/quotas
//! [groups]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html
//! [buckets]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.locations.buckets/list
//! [labels]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html
//! [delete]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html
//! [gdelete]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.locations.buckets/delete
//! [keep]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
//! [write]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
//! [gwrite]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/write
//! [stream]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html
//! [event]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_InputLogEvent.html
//! [rejected]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_RejectedLogEventsInfo.html
//! [filter]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
//! [list]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
//! [live]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
//! [glive]: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/tail
//! [query]: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html

use std::fmt;

use crate::hook::ops;

/// Ordered text from every container, tailed live, searched later. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Log: fmt::Debug + Send + Sync + 'static {}

ops! {
    Log as "log";
    calls {}
    streams {}
}

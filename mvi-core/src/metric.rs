//! Metric: numbers from apps and services; aggregate, analyse, graph, alarm.
//!
//! ```text
//!   apps, and the ──write──▶ ┏━━━━━━━━┓ ──query──▶ p99 a minute ▁▂▂▃█▂▁  a gap is a gap
//!   services themselves      ┃ METRIC ┃
//!                            ┗━━━━━━━━┛ ──alarm──▶ over its threshold for two periods
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** what is so, in numbers, and since when.
//! - **Depends on** nothing.
//! - **Knobs** alarms. **Gauges** series, late points.
//!
//! | operation | AWS: CloudWatch | Google Cloud: monitoring.v3 | limit | source |
//! |---|---|---|---|---|
//! | `write` | `PutMetricData` | `timeSeries.create` | 1,000 metrics, 1 MB; 200 series | [write], [gwrite] |
//! | … a distribution | 150 values with counts | 200 buckets with counts | | [datum], [quotas] |
//! | … dimensions | 30 | 30 | name 255; 100; value 1,024 | [dim], [quotas] |
//! | … its time | 2 weeks ago to in 2 h | later than the series' last, by 5 s | | [write], [quotas] |
//! | … its type | | `metricDescriptors.create`, once | Google: 10,000 | [type], [quotas] |
//! | `query` | `GetMetricData` | `timeSeries.list` | 500 queries, 100,800 points | [query], [gquery] |
//! | … sum, count, average | by the provider | the same; below 60 s here | period from 1 s; 60 s | [stat], [gquery] |
//! | … min, max | by the provider | `Unsupported`: a distribution's range is dropped | | [stat], [range] |
//! | … a percentile | by the provider | from the buckets, here: aligners know 5, 50, 95 and 99 | | [stat], [align] |
//! | `list` | `ListMetrics` | `metricDescriptors.list`, `timeSeries.list` of headers | AWS: pages of 500 | [list], [types] |
//! | … how fresh | up to 15 min late, 2 weeks back | | | [list] |
//! | `set_alarm` | `PutMetricAlarm` | `alertPolicies.create`, `alertPolicies.patch` | name 255; 512 | [alarm], [policy] |
//! | … its period | 10, 20, 30 s, or minutes | minutes | | [alarm], [cond] |
//! | … missing points | as breaching, as not, left as it is | the same three | | [alarm], [cond] |
//! | … unknown | its own state | `Unsupported`: an alert is open or closed | | [alarm], [alert] |
//! | `alarms` | `DescribeAlarms` | `alertPolicies.list`, by labels | AWS: pages of 100 | [alarms], [policies] |
//! | … their labels | `ListTagsForResource` of each, filtered here | come along | | |
//! | `alarm_state` | `DescribeAlarms` | `alerts.list` of the policy | | [alarms], [alerts] |
//! | `delete_alarm` | `DeleteAlarms` | `alertPolicies.delete` | AWS: 100 a call | [delete] |
//!
//! A point that is written twice counts twice on AWS: `PutMetricData` has no token, so the SDK's own retry is off, and a lost answer is an
//! error whose points may have been applied. On Google it is refused: a series only goes on.
//!
//! **Unique by** its name an alarm on AWS, where a second does not fail but replaces it, all but its tags: look first, read back after.
//! On Google by nothing: the provider names a policy, so `mvi-born` is among its user labels (lower case, digits, dashes; 63 characters).
//! A metric's type by its name. A series by its type, resource and labels.
//!
//! Doubtful:
//!
//! - Whether min and max are worth a series each on Google, so that they are exact there too: decide before the first point is written.
//! - Whether percentiles agree within one bucket: CloudWatch keeps values and counts, Google 200 buckets. Ask both for one sample.
//! - Whether a retry on Google that was applied is told from a point out of order: write twice, compare codes and messages.
//! - Whether `alertPolicies.list` filters by user labels on the server: list with one, read the wire and the answer; else here.
//! - How late a point shows, and the first of a new series: write, poll every second, on both.
//! - How late an alarm fires and clears: step over and back, ten times; Google says only that conditions are in minutes.
//! - Whether two policies made at once are both listed at once, which is how long a race takes; Google asks for one such call at a time.
//! - Whether CloudWatch takes 30 dimensions in `ListMetrics`, whose filter has 10: write 30, list by 11.
//!
//! [write]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
//! [gwrite]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/create
//! [datum]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
//! [quotas]: https://cloud.google.com/monitoring/quotas
//! [dim]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
//! [type]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.metricDescriptors/create
//! [query]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
//! [gquery]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list
//! [stat]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html
//! [range]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/TypedValue#Distribution
//! [align]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#Aligner
//! [list]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
//! [types]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.metricDescriptors/list
//! [alarm]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
//! [policy]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies
//! [cond]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#MetricThreshold
//! [alert]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alerts
//! [alarms]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
//! [policies]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies/list
//! [alerts]: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alerts/list
//! [delete]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html

use std::fmt;

use crate::hook::ops;

/// Numbers from apps and services; aggregate, analyse, graph, alarm. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Metric: fmt::Debug + Send + Sync + 'static {}

ops! {
    Metric as "metric";
    calls {}
    streams {}
}

//! Vm: CPU, memory, network and a server OS.
//!
//! ```text
//!   image, size, user data ──▶ ┏━━━━┓ ──▶ boots in a subnet, prints to its console
//!   group: 3 of them ────────▶ ┃ VM ┃ ──▶ runs containers
//!   zones a, b ──────────────▶ ┗━━━━┛     what dies is replaced, in a zone that lives
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** containers run on VMs, and so does whatever no managed service runs.
//! - **Depends on** Vpc for its subnet, Image families for its disk.
//! - **Knobs** size, count, user data, rolling replacement. **Gauges** CPU, running members, boots.
//!
//! | operation | AWS: EC2 | Google Cloud: compute.v1 | limit | source |
//! |---|---|---|---|---|
//! | `create` | `RunInstances` | `instances.insert` | token 64 characters; name 63 | [run], [insert] |
//! | `get` | `DescribeInstances`, by tag | `instances.aggregatedList`, by name | a Google name is its zone's own | [describe], [all] |
//! | `list` | `DescribeInstances`, by tags | `instances.aggregatedList`, by labels | pages of 500 on Google | [describe], [all] |
//! | `delete` | `TerminateInstances` | `instances.delete` | EC2 shows the dead for about 1 h | [end], [delete] |
//! | `start` | `StartInstances` | `instances.start` | | [start], [gstart] |
//! | `stop` | `StopInstances` | `instances.stop` | then `TERMINATED` is Google's *stopped* | [stop], [gstop] |
//! | `reboot` | `RebootInstances` | `instances.reset` | Google's is hard, without a shutdown | [reboot], [reset] |
//! | `console_output` | `GetConsoleOutput` | `instances.getSerialPortOutput` | Google: the last 1 MB | [console], [serial] |
//! | `images` | `DescribeImages`, by owner and name | `images.getFromFamily`, `images.list` | | [ami], [family] |
//! | `sizes` | `DescribeInstanceTypes` | `machineTypes.aggregatedList` | pages of 100; 500 | [types], [machines] |
//! | … of a zone | `DescribeInstanceTypeOfferings` | `machineTypes.list` | pages of 1,000; 500 | [offers] |
//! | `zones` | `DescribeAvailabilityZones` | `zones.list` | | [az] |
//!
//! | operation | AWS: Auto Scaling | Google Cloud: compute.v1 | limit | source |
//! |---|---|---|---|---|
//! | `create_group` | EC2 `CreateLaunchTemplate` | `regionInstanceTemplates.insert` | name 128; 63 | [lt] |
//! | … then | `CreateAutoScalingGroup` | `regionInstanceGroupManagers.insert` | name 255; its VMs' prefix 58 | [asg], [mig] |
//! | `get_group` | `DescribeAutoScalingGroups` | `regionInstanceGroupManagers.get` | | [asgs] |
//! | `list_groups` | `DescribeAutoScalingGroups`, by tags | `regionInstanceGroupManagers.list` | pages of 100; 500 | [asgs], [migs] |
//! | `resize_group` | `UpdateAutoScalingGroup` | `regionInstanceGroupManagers.resize` | AWS: least, most and wanted at once | [asgu] |
//! | `update_group` | EC2 `CreateLaunchTemplateVersion` | `regionInstanceTemplates.insert` | a Google template never changes | [ltv] |
//! | … then | `StartInstanceRefresh` | `regionInstanceGroupManagers.patch` | AWS: healthy 0 to 100 %, at most 100 to 200 % | [pref] |
//! | … rolls back | `RollbackInstanceRefresh` | the same with the old template | | [back] |
//! | `delete_group` | `DeleteAutoScalingGroup`, by force | `regionInstanceGroupManagers.delete` | | [asgd] |
//! | … then | EC2 `DeleteLaunchTemplate` | `regionInstanceTemplates.delete` | | |
//! | `members` | `DescribeAutoScalingGroups` | `regionInstanceGroupManagers.listManagedInstances` | | [members] |
//!
//! Google's groups and templates have no labels of their own: theirs are in the description, and `list_groups` filters them here.
//! A surge in percent is for Google groups of 10 and more; a fixed one is `Invalid` unless it is 0 or at least the number of zones.
//!
//! **Unique by** a token for a VM on AWS (born with its tags), its name (in one zone) on Google; groups and templates by their names.
//! All of Google's take a `requestId`. `StartInstanceRefresh` has no token: after a lost answer, ask `DescribeInstanceRefreshes`.
//!
//! Doubtful:
//!
//! - How long EC2 knows a token after its VM is gone: run twice with the token of a dead one, an hour and two days later.
//! - Two creates of one name in two Google zones: both may succeed. Race them, and see how soon `instances.aggregatedList` has both.
//! - User data byte for byte: EC2 takes base64, up to 16 KB by its guide; Google's metadata is text, 512 KB in all.
//!   Boot an image on each with all 256 byte values; if Google's arrive changed, what is not UTF-8 is `Unsupported` there.
//! - How much of a console EC2 keeps, and how late: print 1 MB at boot and ask every second, also with `Latest`.
//! - Which of fixed surges Google refuses, and with which code: insert a group over three zones with a surge of 1.
//! - Whether EC2 and Auto Scaling filters by tag see a fresh tag at once: create, list, repeat.
//!
//! [run]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
//! [insert]: https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert
//! [describe]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
//! [all]: https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList
//! [end]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
//! [delete]: https://cloud.google.com/compute/docs/reference/rest/v1/instances/delete
//! [start]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StartInstances.html
//! [gstart]: https://cloud.google.com/compute/docs/reference/rest/v1/instances/start
//! [stop]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StopInstances.html
//! [gstop]: https://cloud.google.com/compute/docs/instances/instance-life-cycle
//! [reboot]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RebootInstances.html
//! [reset]: https://cloud.google.com/compute/docs/reference/rest/v1/instances/reset
//! [console]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
//! [serial]: https://cloud.google.com/compute/docs/reference/rest/v1/instances/getSerialPortOutput
//! [ami]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
//! [family]: https://cloud.google.com/compute/docs/reference/rest/v1/images/getFromFamily
//! [types]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html
//! [machines]: https://cloud.google.com/compute/docs/reference/rest/v1/machineTypes/aggregatedList
//! [offers]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
//! [az]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
//! [lt]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html
//! [asg]: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html
//! [mig]: https://cloud.google.com/compute/docs/reference/rest/v1/regionInstanceGroupManagers/insert
//! [asgs]: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
//! [migs]: https://cloud.google.com/compute/docs/reference/rest/v1/regionInstanceGroupManagers/list
//! [asgu]: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
//! [ltv]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html
//! [pref]: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html
//! [back]: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RollbackInstanceRefresh.html
//! [asgd]: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html
//! [members]: https://cloud.google.com/compute/docs/reference/rest/v1/regionInstanceGroupManagers/listManagedInstances

use std::fmt;

use crate::hook::ops;

/// CPU, memory, network and a server OS. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Vm: fmt::Debug + Send + Sync + 'static {}

ops! {
    Vm as "vm";
    calls {}
    streams {}
}

//! Vpc: private networking, everything closed until opened.
//!
//! ```text
//!              ┏━━━━━━━━━━━━━━ VPC 10.0.0.0/16 ━━━━━━━━━━━━━━┓
//!   internet ──╂─▶ public subnets ─[rule]─▶ private subnets  ┃
//!              ┃   load balancer, NAT       containers, data ┃
//!              ┗━━━ zone a, zone b ━━━━━━━━━━━━━━━━━━━━━━━━━━┛
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** nothing reaches anything until a rule says so.
//! - **Depends on** nothing.
//! - **Knobs** rules, egress. **Gauges** open-to-the-world findings.
//!
//! | operation | AWS: EC2 | Google Cloud: compute.v1 | limit | source |
//! |---|---|---|---|---|
//! | `create` | `CreateVpc` | `networks.insert` | Google name 63 | [vpc], [net] |
//! | … closed | | `firewalls.insert` of a denied egress | priority 0 to 65,535 | [fw] |
//! | `get` | `DescribeVpcs`, by tag | `networks.get` | | [vpcs], [gnet] |
//! | `list` | `DescribeVpcs`, by tags | `networks.list`, labels filtered here | pages of 1,000; 500 | [vpcs], [nets] |
//! | `delete` | `DeleteVpc` | `networks.delete` | in use is `Conflict` | [vpcd], [netd] |
//! | … its parts | `DetachInternetGateway`, `DeleteInternetGateway` | `firewalls.delete` of the denied egress | | [vpcd] |
//! | … who is in it | `DescribeNetworkInterfaces` | `instances.aggregatedList`, by network | pages of 1,000; 500 | [eni] |
//! | `create_subnet` | `CreateSubnet` | `subnetworks.insert`, of a region: a zone is a hint | AWS: /28 to /16 | [sub], [gsub] |
//! | … its routes | `CreateRouteTable`, `AssociateRouteTable` | none needed: routes are the network's | | [rt] |
//! | `subnets` | `DescribeSubnets` | `subnetworks.list` | pages of 1,000; 500 | [subs] |
//! | `delete_subnet` | `DeleteSubnet`, `DeleteRouteTable` | `subnetworks.delete` | in use is `Conflict` | [subd] |
//! | `create_security_group` | `CreateSecurityGroup` | `firewalls.insert` of a denial for its target tag | name 255; tag 63 | [sg], [fw] |
//! | … closed | `RevokeSecurityGroupEgress` | by that denial | | [rev] |
//! | `security_groups` | `DescribeSecurityGroups` | `firewalls.list` | pages of 1,000; 500 | [sgs] |
//! | `set_rules`, in | `AuthorizeSecurityGroupIngress` | `firewalls.insert`, `firewalls.update` | a rule a call on Google | [in], [fw] |
//! | … fewer | `RevokeSecurityGroupIngress` | `firewalls.delete` | | |
//! | `set_rules`, out | `AuthorizeSecurityGroupEgress` | `firewalls.insert`, `firewalls.update` | | [out], [fw] |
//! | … to a group | the same | `Unsupported`: egress takes ranges only, no tags | | [fw] |
//! | … as they are | `DescribeSecurityGroupRules` | `firewalls.list` | pages of 1,000; 500 | [sgr] |
//! | `delete_security_group` | `DeleteSecurityGroup` | `firewalls.delete` of all for its tag | in use is `Conflict` | [sgd] |
//! | `set_egress` `Nat` | `AllocateAddress`, `CreateNatGateway` | `routers.insert`, `routers.patch` | token 64 | [nat], [router] |
//! | `set_egress` `Direct` | `CreateInternetGateway`, `AttachInternetGateway` | `firewalls.delete` of the denied egress | | [igw] |
//! | … the route of both | `CreateRoute` | the network's own | | |
//! | `set_egress` `None` | `DeleteRoute`, `DeleteNatGateway`, `ReleaseAddress` | `routers.delete`, `firewalls.insert` | | [router] |
//! | `peer` | `CreateVpcPeeringConnection` | `networks.addPeering`, on both | CIDRs apart | [peer], [gpeer] |
//! | … takes effect | `AcceptVpcPeeringConnection`, `CreateRoute` | when both have it | | [acc] |
//! | `unpeer` | `DeleteVpcPeeringConnection`, `DeleteRoute` | `networks.removePeering`, on both | | [unp] |
//!
//! Networks, subnets, firewalls and routers have no labels on Google: name, stamp, labels and the network's CIDR are in the description.
//! A security group around Cloud SQL is `Unsupported` there: no firewall of ours stands in front of it.
//!
//! **Unique by** the tag `mvi-born` on AWS for VPCs, subnets, internet gateways, addresses, peerings (no token, the SDK's own retry off);
//! a token for route tables and NAT gateways; the name within its VPC for security groups. On Google by name, a peering in its network;
//! all of them take a `requestId`.
//!
//! Doubtful:
//!
//! - How late a filter by tag sees a fresh VPC, which is how long a race takes to settle: create, poll, a thousand times.
//! - Whether a second VPC peering of the same two is refused, or made beside the first: ask twice.
//! - Whether a subnet's CIDR decides a race before `mvi-born` has to: create one twice at once, expect one refusal.
//! - How late a rule takes effect: `set_rules`, then connect each 100 ms. Neither provider promises a time.
//! - Whether an existing connection survives its rule on both: hold one open over a revoke.
//! - What Google calls a network in use, and whether it names the user: delete one with a VM in it.
//! - Whether a denial at 65,534 stands below all rules of ours, and above what the network implies: trace one packet for each.
//!
//! [vpc]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html
//! [net]: https://cloud.google.com/compute/docs/reference/rest/v1/networks/insert
//! [fw]: https://cloud.google.com/compute/docs/reference/rest/v1/firewalls
//! [vpcs]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcs.html
//! [gnet]: https://cloud.google.com/compute/docs/reference/rest/v1/networks/get
//! [nets]: https://cloud.google.com/compute/docs/reference/rest/v1/networks/list
//! [vpcd]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html
//! [netd]: https://cloud.google.com/compute/docs/reference/rest/v1/networks/delete
//! [eni]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html
//! [sub]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html
//! [gsub]: https://cloud.google.com/compute/docs/reference/rest/v1/subnetworks/insert
//! [rt]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html
//! [subs]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html
//! [subd]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSubnet.html
//! [sg]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
//! [rev]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupEgress.html
//! [sgs]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html
//! [in]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html
//! [out]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupEgress.html
//! [sgr]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroupRules.html
//! [sgd]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
//! [nat]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html
//! [router]: https://cloud.google.com/compute/docs/reference/rest/v1/routers
//! [igw]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html
//! [peer]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcPeeringConnection.html
//! [gpeer]: https://cloud.google.com/compute/docs/reference/rest/v1/networks/addPeering
//! [acc]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AcceptVpcPeeringConnection.html
//! [unp]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpcPeeringConnection.html

use std::fmt;

use crate::hook::ops;

/// Private networking, everything closed until opened. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Vpc: fmt::Debug + Send + Sync + 'static {}

ops! {
    Vpc as "vpc";
    calls {}
    streams {}
}

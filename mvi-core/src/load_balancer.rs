//! Load balancer: one stable name in front of healthy containers.
//!
//! ```text
//!                 ┏━━━━━━━━━━━━━━━┓ ──▶ web 1   healthy
//!   users ─https─▶┃ LOAD BALANCER ┃ ──▶ web 2   healthy
//!                 ┗━━━━━━━━━━━━━━━┛  ✗  web 3   fails its check: no requests
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** no single container is a single point of failure.
//! - **Depends on** Vpc for its network, Container or Vm for its targets.
//! - **Knobs** health check, weights, drain. **Gauges** requests, errors, latency, healthy targets.
//!
//! | operation | AWS: `ELBv2` | Google Cloud: compute.v1 | limit | source |
//! |---|---|---|---|---|
//! | `create` | `CreateLoadBalancer` | `globalAddresses.insert`; for TCP `addresses.insert` | name 32; 63 | [create], [gcreate] |
//! | `get` | `DescribeLoadBalancers` | `globalAddresses.get`, `addresses.get` | | [get] |
//! | `list` | `DescribeLoadBalancers` | `globalAddresses.list`, `addresses.list` | pages of 400; 500 | [get], [addresses] |
//! | … its labels | `DescribeTags`, filtered here | in the description, filtered here | AWS: 20 a call | [tags] |
//! | `delete` | `DeleteLoadBalancer`, its listeners go along | `globalAddresses.delete`, `addresses.delete` | | [delete] |
//! | `create_pool` | `CreateTargetGroup` | `backendServices.insert`; TCP `regionBackendServices.insert` | name 32; 63 | [pool], [gpool] |
//! | … its VMs, addresses | | `networkEndpointGroups.insert` | | [neg] |
//! | … its containers | | `regionNetworkEndpointGroups.insert` | | [sneg] |
//! | … health check | part of it | `healthChecks.insert`, `regionHealthChecks.insert` | AWS: 5 to 300 s, 2 to 10 | [pool], [check] |
//! | … of containers | part of it | `Unsupported`: a serverless group must have none | | [gpool] |
//! | … drain | `ModifyTargetGroupAttributes` | part of the backend service | AWS: 0 to 3,600 s | [drain] |
//! | `pools` | `DescribeTargetGroups` | `backendServices.list`, `regionBackendServices.list` | pages of 400; 500 | [pools] |
//! | `delete_pool` | `DeleteTargetGroup` | `backendServices.delete`, then its groups and check | in use is `Conflict` | [drop] |
//! | `set_listener` | `CreateListener`, `ModifyListener` | `globalForwardingRules.insert`, before it | one a port | [listen], [glisten] |
//! | … HTTP | | `targetHttpProxies.insert`, `urlMaps.insert` | | [map] |
//! | … HTTPS | | `targetHttpsProxies.insert`, `urlMaps.insert` | | [https] |
//! | … routes | `CreateRule`, `ModifyRule`, `DeleteRule` | `urlMaps.update`, as a whole | priority 1 to 50,000 | [rule], [map] |
//! | … in order | `SetRulePriorities` | by the same | | |
//! | … weights | part of the rule | part of the map | 0 to 999; 0 to 1,000 | [weight], [map] |
//! | … TCP | | `forwardingRules.insert`, `regionTargetTcpProxies.insert` | | [tcp] |
//! | … TLS | | `globalForwardingRules.insert`, `targetSslProxies.insert` | | [tls] |
//! | … TCP, TLS to containers | | `Unsupported`: serverless groups speak HTTP only | | [sneg] |
//! | `listeners` | `DescribeListeners`, `DescribeRules` | `globalForwardingRules.list`, `urlMaps.get` | pages of 400; 500 | [listeners] |
//! | `remove_listener` | `DeleteListener` | `globalForwardingRules.delete`, then what it led to | | [unlisten] |
//! | `attach` | `RegisterTargets` | `networkEndpointGroups.attachNetworkEndpoints` | | [in], [gin] |
//! | `detach` | `DeregisterTargets` | `networkEndpointGroups.detachNetworkEndpoints` | | [out], [gout] |
//! | `targets` | `DescribeTargetHealth` | `backendServices.getHealth` | Google gives no reason | [health], [ghealth] |
//! | … without a check | | `networkEndpointGroups.listNetworkEndpoints` | | |
//! | `import_certificate` | ACM `ImportCertificate` | `sslCertificates.insert` | AWS: key 5 KiB, itself 32 KiB | [cert], [gcert] |
//! | … swaps | ACM `ImportCertificate` over the old | `targetHttpsProxies.setSslCertificates` | Google: a chain of 5 | [swap] |
//! | `certificates` | ACM `ListCertificates`, `ListTagsForCertificate` | `sslCertificates.list` | pages of 1,000; 500 | [certs] |
//! | `delete_certificate` | ACM `DeleteCertificate` | `sslCertificates.delete` | in use is `Conflict` | [uncert] |
//!
//! Containers join a pool by `Service.attach` only. Addresses and forwarding rules on Google take labels by a second call only, all other
//! parts none: name, stamp and labels are in the description. Certificates never change there: a swap makes the next, named by its hash.
//!
//! **Unique by** its name a load balancer and a target group on AWS, where the same again succeeds; a listener by its port, a rule by its
//! priority; a certificate by nothing: tag `mvi-born`, the SDK's own retry off. On Google each part by its name, with a `requestId`.
//!
//! Doubtful:
//!
//! - Whether tags are *settings* to `ELBv2`'s repeatable creates, or a second create with other tags succeeds and drops them: try.
//! - How long a target group is in use after its load balancer is gone: delete both in turn, count refusals.
//! - Whether importing over an old certificate drops a connection, and how late it is served: swap under load, read serial numbers.
//! - What Google's health says of a pool that no map uses yet, and of a serverless one: ask both.
//! - Whether a detached endpoint on Google finishes its requests as a removed VM does: detach under a slow request.
//! - How late a new URL map is in force everywhere (minutes, by experience): update, ask from two continents.
//!
//! [create]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
//! [gcreate]: https://cloud.google.com/compute/docs/reference/rest/v1/globalAddresses/insert
//! [get]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html
//! [addresses]: https://cloud.google.com/compute/docs/reference/rest/v1/globalAddresses/list
//! [tags]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html
//! [delete]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteLoadBalancer.html
//! [pool]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
//! [gpool]: https://cloud.google.com/compute/docs/reference/rest/v1/backendServices
//! [neg]: https://cloud.google.com/compute/docs/reference/rest/v1/networkEndpointGroups/insert
//! [sneg]: https://cloud.google.com/load-balancing/docs/negs/serverless-neg-concepts
//! [check]: https://cloud.google.com/compute/docs/reference/rest/v1/healthChecks
//! [drain]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
//! [pools]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetGroups.html
//! [drop]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteTargetGroup.html
//! [listen]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html
//! [glisten]: https://cloud.google.com/compute/docs/reference/rest/v1/globalForwardingRules
//! [map]: https://cloud.google.com/compute/docs/reference/rest/v1/urlMaps
//! [https]: https://cloud.google.com/compute/docs/reference/rest/v1/targetHttpsProxies
//! [rule]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
//! [weight]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html
//! [tcp]: https://cloud.google.com/compute/docs/reference/rest/v1/regionTargetTcpProxies
//! [tls]: https://cloud.google.com/compute/docs/reference/rest/v1/targetSslProxies
//! [listeners]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeListeners.html
//! [unlisten]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteListener.html
//! [in]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html
//! [gin]: https://cloud.google.com/compute/docs/reference/rest/v1/networkEndpointGroups/attachNetworkEndpoints
//! [out]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeregisterTargets.html
//! [gout]: https://cloud.google.com/compute/docs/reference/rest/v1/networkEndpointGroups/detachNetworkEndpoints
//! [health]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html
//! [ghealth]: https://cloud.google.com/compute/docs/reference/rest/v1/backendServices/getHealth
//! [cert]: https://docs.aws.amazon.com/acm/latest/APIReference/API_ImportCertificate.html
//! [gcert]: https://cloud.google.com/compute/docs/reference/rest/v1/sslCertificates
//! [swap]: https://cloud.google.com/compute/docs/reference/rest/v1/targetHttpsProxies/setSslCertificates
//! [certs]: https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html
//! [uncert]: https://docs.aws.amazon.com/acm/latest/APIReference/API_DeleteCertificate.html

use std::fmt;

use crate::hook::ops;

/// One stable name in front of healthy containers. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait LoadBalancer: fmt::Debug + Send + Sync + 'static {}

ops! {
    LoadBalancer as "load_balancer";
    calls {}
    streams {}
}

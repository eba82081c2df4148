//! Database: one host name that many containers use at once.
//!
//! ```text
//!   web ────┐                ┏━━━━━━━━━━┓ ··every write··▶ standby, in another zone
//!   web ────┼─ db.internal ─▶┃ DATABASE ┃
//!   worker ─┘                ┗━━━━━━━━━━┛ ··every night··▶ snapshots, restored under a new name
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** relational data outlives every container.
//! - **Depends on** Vpc, Crypto.
//! - **Knobs** size, standby, backups. **Gauges** connections, storage, replica lag.
//!
//! | operation | AWS: RDS | Google Cloud: sqladmin.v1 | limit | source |
//! |---|---|---|---|---|
//! | `create` | `CreateDBInstance` | `instances.insert` | AWS: name 63, backups 0 to 35 d | [create], [gcreate] |
//! | … in a network | `CreateDBSubnetGroup` | servicenetworking.v1 `services.connections.create`, once | name 255 | [subnets], [private] |
//! | … security groups | part of it | `Unsupported`: no firewall of ours stands before it | | [private] |
//! | `get` | `DescribeDBInstances` | `instances.get` | | [get], [gget] |
//! | `list` | `DescribeDBInstances`, labels filtered here | `instances.list`, by labels | AWS: pages of 20 to 100 | [get], [glist] |
//! | `update` | `ModifyDBInstance` | `instances.patch`, with the version it read | | [update], [patch] |
//! | `delete` | `DeleteDBInstance` | `instances.delete` | protected, or with replicas: `Conflict` | [delete], [gdelete] |
//! | `snapshot` | `CreateDBSnapshot` | `Backups.CreateBackup` | name 255; kept up to 365 d | [snap], [backup] |
//! | `snapshots` | `DescribeDBSnapshots` | `Backups.ListBackups`, by instance | | [snaps], [backups] |
//! | `delete_snapshot` | `DeleteDBSnapshot` | `Backups.DeleteBackup` | | [unsnap] |
//! | `restore` a snapshot | `RestoreDBInstanceFromDBSnapshot` | `instances.restoreBackup` into a new name | | [restore], [grestore] |
//! | … a moment | `RestoreDBInstanceToPointInTime` | `instances.clone` | | [point], [clone] |
//! | `failover` | `RebootDBInstance`, forced over | `instances.failover` | with a standby only | [over], [gover] |
//! | `add_replica` | `CreateDBInstanceReadReplica` | `instances.insert` that names its primary | | [replica], [gcreate] |
//! | `remove_replica` | `DeleteDBInstance` | `instances.delete` | | [delete], [gdelete] |
//! | `promote` | `PromoteReadReplica` | `instances.promoteReplica` | | [promote], [gpromote] |
//! | `rotate_password` | `ModifyDBInstance` | `users.update` | AWS: 8 to 128; `MySQL` 41 | [update], [user] |
//! | Ext `upgrade` | `ModifyDBInstance` | `instances.patch` | | [update], [patch] |
//! | … with a way back | `CreateBlueGreenDeployment` | `blueGreenDeployments.create` | AWS: name 60 | [blue], [gblue] |
//! | … then | `SwitchoverBlueGreenDeployment` | `blueGreenDeployments.switchover` | | [switch] |
//! | … is it done | `DescribeDBInstances` | `operations.get` of each change | | [ops] |
//!
//! The endpoint is a host name on AWS, an address on Google, which lists DNS names too (`dnsNames`) where they are set up.
//! A Google backup has no name or label of its own: both are in its description. To clone, and to promote, may restart the source there.
//!
//! **Unique by** name: instances on both, subnet groups and snapshots on AWS. A Google backup by nothing: each call makes one more, so
//! `mvi-born` stands in its description, and the SDK's own retry is off. Neither takes a token anywhere.
//!
//! Doubtful:
//!
//! - Whether a failover loses no acknowledged write, and how long it takes: write a counter every 10 ms, fail over, read it back.
//! - Whether Google's address stays over a failover and over `upgrade`: resolve before, during and after.
//! - How soon a name is free: Google's guide says at once, RDS says nothing. Delete and create, both ways, with other settings.
//! - Whether `Backups.ListBackups` shows a backup while it is being made, which is how long a race takes: create, list every 100 ms.
//! - How long a backup's description may be, and whether it stays as written: write 4 KiB, read it back.
//! - What a resize interrupts, said before it does: RDS shows `PendingModifiedValues` after, Google nothing. Measure each change once.
//! - Whether RDS filters by tag: its document names no such filter, so labels are filtered here. Nothing to settle but speed.
//!
//! [create]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
//! [gcreate]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/insert
//! [subnets]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html
//! [private]: https://cloud.google.com/sql/docs/postgres/private-ip
//! [get]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html
//! [gget]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/get
//! [glist]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/list
//! [update]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
//! [patch]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/patch
//! [delete]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html
//! [gdelete]: https://cloud.google.com/sql/docs/postgres/delete-instance
//! [snap]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html
//! [backup]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups/CreateBackup
//! [snaps]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshots.html
//! [backups]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups/ListBackups
//! [unsnap]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSnapshot.html
//! [restore]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceFromDBSnapshot.html
//! [grestore]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/restoreBackup
//! [point]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html
//! [clone]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/clone
//! [over]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RebootDBInstance.html
//! [gover]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/failover
//! [replica]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
//! [promote]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html
//! [gpromote]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/promoteReplica
//! [user]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/update
//! [blue]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateBlueGreenDeployment.html
//! [gblue]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/blueGreenDeployments
//! [switch]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_SwitchoverBlueGreenDeployment.html
//! [ops]: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/operations/get

use std::fmt;

use crate::hook::ops;

/// One host name that many containers use at once. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Database: fmt::Debug + Send + Sync + 'static {}

ops! {
    Database as "database";
    calls {}
    streams {}
}

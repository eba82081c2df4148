//! Container: many specialized process types on fewer homogeneous VMs.
//!
//! ```text
//!   load balancer ──▶ ┏━━━━━━━━━━━━━━━━ CONTAINERS ━━━━━━━━━━━━━━━━┓ ──▶ database, Kv, Blob
//!                     ┃ web web web │ worker worker │ nightly job  ┃ ──▶ logs, metrics
//!                     ┗━━━━━━━━━━ on VMs, from images ━━━━━━━━━━━━━┛
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** each process type scales and fails by itself.
//! - **Depends on** Image for what it runs, Vpc, `LoadBalancer`, Log.
//! - **Knobs** count, size, rollout. **Gauges** running and wanted count, restarts.
//!
//! | operation | AWS: ECS | Google Cloud: run.v2 | limit | source |
//! |---|---|---|---|---|
//! | `create` | `CreateCluster` once, `RegisterTaskDefinition` | | name 255 | [define] |
//! | … with a port | `CreateService` | `services.create` | token 36; name 49 | [create], [gcreate] |
//! | … without | `CreateService` | `workerPools.create` | name 49 | [create], [pool] |
//! | … `On` a VM group | `CreateCapacityProvider`, `PutClusterCapacityProviders` | `Unsupported`: no VMs of ours | | [provider] |
//! | `update` | `RegisterTaskDefinition`, `UpdateService` | `services.patch`, `workerPools.patch` | | [update], [patch] |
//! | … surge, least up | `UpdateService` | `Unsupported` but by default: a revision takes over whole | | [update] |
//! | … rolls back | the same: a circuit breaker | stays with the last revision that was ready | | [breaker] |
//! | `scale` | `UpdateService` | `services.patch`, `workerPools.patch`: a manual count | | [update], [patch] |
//! | `get` | `DescribeServices` | `services.get`, `workerPools.get` | AWS: 10 a call | [get], [gget] |
//! | `list` | `ListServices`, `DescribeServices` | `services.list`, `workerPools.list` | AWS: pages of 100 | [list], [glist] |
//! | `delete` | `DeleteService`, by force | `services.delete`, `workerPools.delete` | AWS: draining holds the name | [delete] |
//! | `revisions` | `ListServiceDeployments` | `revisions.list` | AWS: pages of 100 | [deploys], [revs] |
//! | … each | `DescribeServiceRevisions` | comes along | AWS: 20 a call | [rev] |
//! | `rollback` | `UpdateService` to the old definition | `services.patch` of the traffic | | [update], [patch] |
//! | … under way | `StopServiceDeployment` | `workerPools.patch` of the instance splits | | [halt], [split] |
//! | `run` | `RunTask` | `jobs.create` with an execution token, no retries | token 64; name and token 62 | [run], [job] |
//! | `task` | `DescribeTasks` | `executions.get`, `tasks.list` | AWS: the stopped for 1 h | [task], [exit] |
//! | `tasks`, one-offs | `ListTasks`, `DescribeTasks` | `jobs.list`, `executions.list`, `tasks.list` | AWS: 100 a page | [tasks], [exit] |
//! | `tasks` of a service | `ListTasks`, `DescribeTasks` | `Unsupported`: it does not show its instances | | [tasks] |
//! | `stop` | `StopTask` | `executions.cancel`; of a service: `Unsupported` | AWS: its tags go | [stop], [cancel] |
//! | `schedule` | Scheduler `CreateSchedule`, `UpdateSchedule` | `jobs.create`, then | name 64; 500 | [cron] |
//! | … | | cloudscheduler.v1 `jobs.create`, `jobs.patch` | | [gcron] |
//! | `schedules` | Scheduler `ListSchedules`, `GetSchedule` | cloudscheduler.v1 `jobs.list` | AWS: pages of 100 | [crons] |
//! | `unschedule` | Scheduler `DeleteSchedule` | cloudscheduler.v1 `jobs.delete`, run.v2 `jobs.delete` | | |
//! | `exec` | `ExecuteCommand` | `Unsupported`: the API has no such method | always interactive | [exec] |
//!
//! No list but `ListTasks` filters on the server: labels are filtered here. Schedules have none on both: theirs are in the description
//! (512 characters on AWS, 500 on Google). `StopTask` removes a task's tags, so a task is also known by its `startedBy`.
//!
//! **Unique by** its name in its cluster, and a token: a service on AWS. A task by its token. A schedule by its name, and a token. A task
//! definition by nothing: two alike do no harm. On Google all by name: services, pools, jobs; a one-off is a job of its own, so runs once.
//! No call of Google's takes a request id here.
//!
//! Doubtful:
//!
//! - How long `RunTask` knows a token, and what it answers once that task is gone: run twice, an hour and two days later.
//! - Whether a job that is created twice with one execution token runs once, also if the first answer was lost: cut, repeat, count.
//! - How long `DRAINING` holds a service's name, and whether `CreateService` then is `Conflict`: delete with a 10 min drain, create.
//! - Whether a schedule can fire twice or not at all, also at 02:30 of both DST days: Google says only that two never overlap.
//!   Schedule into each zone's next change on real accounts, and count.
//! - Whether a Cloud Run revision that fails its check gets no request at all, and says why: deploy one under load.
//! - How an exit code comes back from `ExecuteCommand`, whose session is another protocol: run `false`, read the stream to its end.
//! - Whether a manual count on Cloud Run is kept without requests, and how fast an instance that died is replaced: kill one, watch.
//!
//! [define]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
//! [create]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
//! [gcreate]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create
//! [pool]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.workerPools/create
//! [provider]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCapacityProvider.html
//! [update]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
//! [patch]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/patch
//! [breaker]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentCircuitBreaker.html
//! [get]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
//! [gget]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/get
//! [list]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html
//! [glist]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/list
//! [delete]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
//! [deploys]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
//! [revs]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services.revisions/list
//! [rev]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceRevisions.html
//! [halt]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopServiceDeployment.html
//! [split]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.workerPools
//! [run]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
//! [job]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs
//! [task]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
//! [exit]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs.executions.tasks
//! [tasks]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
//! [stop]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
//! [cancel]: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs.executions/cancel
//! [cron]: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
//! [gcron]: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
//! [crons]: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html
//! [exec]: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html

use std::fmt;

use crate::hook::ops;

/// Many specialized process types on fewer homogeneous VMs. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Container: fmt::Debug + Send + Sync + 'static {}

ops! {
    Container as "container";
    calls {}
    streams {}
}

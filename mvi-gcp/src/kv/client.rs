//! The calls that Firestore gets, each with its limits: `BatchGetDocuments`, `Commit`, `BatchWrite`, `RunQuery`.
//!
//! They go through the generated client of the `firestore` crate's connection, since its own methods can't say a
//! commit with a precondition a write.

use std::{fmt, time::Duration};

use firestore::{FirestoreDb, FirestoreDbOptions};
use gcloud_sdk::{
    GoogleAuthMiddleware, RequestTimeouts,
    google::firestore::v1::{
        BatchGetDocumentsRequest, BatchWriteRequest, BatchWriteResponse, CommitRequest,
        CommitResponse, Document, RunQueryRequest, StructuredQuery, Write,
        batch_get_documents_response::Result as Got, firestore_client::FirestoreClient,
        run_query_request::QueryType,
    },
    tonic::{Request, Response},
};
use mvi_core::{Applied, Error, ErrorKind, Result};
use tokio::time::{Instant, timeout};

use crate::{
    attempt::{Effect, send},
    config::{Config, Service},
    connection::Lazy,
    error,
};

/// One database of Firestore, connected at the first call.
pub(crate) struct Client {
    config: Config,
    database: String,
    connection: Lazy<FirestoreDb>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.database).finish()
    }
}

impl Client {
    pub(crate) fn new(config: Config) -> Self {
        let database = format!("projects/{}/databases/{}", config.project, config.database);
        Self { config, database, connection: Lazy::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The name of the document called `id` in `collection`.
    pub(crate) fn document(&self, collection: &str, id: &str) -> String {
        format!("{}/documents/{collection}/{id}", self.database)
    }

    /// When a call that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.config.limits.timeouts.operation
    }

    /// The SDK's client.
    pub(crate) async fn db(&self) -> Result<FirestoreDb> {
        let limit = self.config.limits.timeouts.connect;
        Ok(self.connection.get(limit, || self.connect()).await?.0)
    }

    async fn connect(&self) -> Result<FirestoreDb> {
        let limits = self.config.limits;
        let endpoint = self.config.endpoint(Service::Firestore).unwrap_or(GOOGLE);
        let options = FirestoreDbOptions::new(self.config.project.clone())
            .with_database_id(self.config.database.clone())
            .with_firebase_api_url(endpoint.to_owned())
            .with_max_retries(limits.retries.attempts.saturating_sub(1) as usize)
            .with_request_timeout(limits.timeouts.attempt);
        let connecting = FirestoreDb::with_options_auth(options, self.config.credentials());
        let failed =
            |kind| Error::new(kind, "no connection to the service").with_applied(Applied::No);
        match timeout(limits.timeouts.connect, connecting).await {
            Ok(Ok(db)) => Ok(db),
            // As text: its own source says the same again.
            Ok(Err(why)) => Err(failed(ErrorKind::Unavailable).with_source(why.to_string())),
            Err(_) => Err(failed(ErrorKind::Timeout)),
        }
    }

    /// Makes one call in attempts; one without an answer gives up its connection.
    async fn call<T, F>(
        &self,
        wire_op: &'static str,
        effect: Effect,
        deadline: Instant,
        attempt: impl Fn(Grpc, Duration) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let attempt = &attempt;
        let attempt = |limit| async move {
            let (db, _watch) = self.connection.get(limit, || self.connect()).await?;
            attempt(db.client().get(), limit).await
        };
        send(&self.config.limits, wire_op, effect, deadline, attempt).await
    }

    /// The documents of `names`, in the order of the names, as they were at one moment.
    pub(crate) async fn batch_get(
        &self,
        deadline: Instant,
        names: &[String],
    ) -> Result<Vec<Option<Document>>> {
        const OP: &str = "BatchGetDocuments";
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = |mut client: Grpc, limit| async move {
            let request = BatchGetDocumentsRequest {
                database: self.database.clone(),
                documents: names.to_vec(),
                mask: None,
                consistency_selector: None,
                request_options: None,
            };
            let mut found = vec![None; names.len()];
            let mut answered = 0;
            let answer = client.batch_get_documents(within(limit, request)).await;
            let mut answers = answer.map_err(|e| error::from_status(OP, e))?.into_inner();
            while let Some(answer) =
                answers.message().await.map_err(|e| error::from_status(OP, e))?
            {
                match answer.result {
                    Some(Got::Found(document)) => {
                        let place = names.iter().position(|name| *name == document.name);
                        found[place.ok_or_else(|| error::unread(OP))?] = Some(document);
                        answered += 1;
                    }
                    Some(Got::Missing(_)) => answered += 1,
                    None => {}
                }
            }
            // Each name is answered, as found or as missing; what is not, is not absent.
            if answered == names.len() { Ok(found) } else { Err(error::unread(OP)) }
        };
        self.call(OP, Effect::Read, deadline, attempt).await
    }

    /// Makes all of `writes`, or none.
    ///
    /// A precondition that does not hold is [`Conflict`](ErrorKind::Conflict), whatever Firestore calls it.
    pub(crate) async fn commit(
        &self,
        deadline: Instant,
        writes: &[Write],
    ) -> Result<CommitResponse> {
        let conditional = writes.iter().any(|write| write.current_document.is_some());
        let op = if conditional { error::CONDITIONAL_COMMIT } else { "Commit" };
        let attempt = |mut client: Grpc, limit| async move {
            let request = CommitRequest {
                database: self.database.clone(),
                writes: writes.to_vec(),
                transaction: Vec::new(),
                request_options: None,
            };
            let answer = client.commit(within(limit, request)).await;
            answer.map(Response::into_inner).map_err(|e| error::from_status(op, e))
        };
        self.call(op, Effect::Write, deadline, attempt).await
    }

    /// Makes `writes`, each by itself and each to another document, and says what became of each.
    pub(crate) async fn batch_write(
        &self,
        deadline: Instant,
        writes: &[Write],
    ) -> Result<Vec<Result<()>>> {
        const OP: &str = "BatchWrite";
        let attempt = |mut client: Grpc, limit| async move {
            let request = BatchWriteRequest {
                database: self.database.clone(),
                writes: writes.to_vec(),
                labels: [].into(),
                request_options: None,
            };
            let answer = client.batch_write(within(limit, request)).await;
            let BatchWriteResponse { write_results: _, status } =
                answer.map_err(|e| error::from_status(OP, e))?.into_inner();
            if status.len() == writes.len() { Ok(status) } else { Err(error::unread(OP)) }
        };
        let status = self.call(OP, Effect::Write, deadline, attempt).await?;
        Ok(status.iter().map(|it| error::from_rpc(OP, it)).collect())
    }

    /// One page of what `query` finds.
    pub(crate) async fn run_query(
        &self,
        deadline: Instant,
        query: &StructuredQuery,
    ) -> Result<Vec<Document>> {
        const OP: &str = "RunQuery";
        let attempt = |mut client: Grpc, limit| async move {
            let request = RunQueryRequest {
                parent: format!("{}/documents", self.database),
                explain_options: None,
                request_options: None,
                query_type: Some(QueryType::StructuredQuery(query.clone())),
                consistency_selector: None,
            };
            let answer = client.run_query(within(limit, request)).await;
            let mut answers = answer.map_err(|e| error::from_status(OP, e))?.into_inner();
            let mut page = Vec::new();
            while let Some(answer) =
                answers.message().await.map_err(|e| error::from_status(OP, e))?
            {
                page.extend(answer.document);
            }
            Ok(page)
        };
        self.call(OP, Effect::Read, deadline, attempt).await
    }
}

/// The generated client, which only sends.
type Grpc = FirestoreClient<GoogleAuthMiddleware>;

const GOOGLE: &str = "https://firestore.googleapis.com";

/// A request that Firestore is told to give up on after `limit`, as we do.
fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(RequestTimeouts::new().with_total(limit));
    request
}

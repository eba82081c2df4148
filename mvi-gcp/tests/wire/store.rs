//! A small Firestore in memory: commits with preconditions, batches, reads and ranges of one field. Faults are scripted.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use gcloud_sdk::{
    google::{
        firestore::v1::{
            BatchGetDocumentsRequest, BatchGetDocumentsResponse, BatchWriteRequest,
            BatchWriteResponse, CommitRequest, CommitResponse, Document, RunQueryRequest,
            RunQueryResponse, StructuredQuery, Value, Write, WriteResult,
            batch_get_documents_response::Result as Got,
            precondition::ConditionType,
            run_query_request::QueryType,
            structured_query::{Filter, field_filter::Operator, filter::FilterType},
            value::ValueType,
            write::Operation,
        },
        rpc::Status,
    },
    prost::Message,
    prost_types::Timestamp,
};

use crate::server::{Call, Reply, Server};

/// What befalls a call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It is applied, and the answer is lost with the connection.
    Lose,
    /// It is applied, and never answered.
    Swallow,
    /// It is not applied, and never answered.
    Ignore,
    /// It is not applied, and answered so.
    Refuse(i32),
    /// It is not applied, and answered so, with binary details.
    Explain(i32, Vec<u8>),
    /// Somebody else's write comes first.
    Before(Document),
    /// It is applied, somebody else's write comes after, and the answer is lost.
    LoseAfter(Document),
}

#[derive(Default)]
struct State {
    documents: BTreeMap<String, Document>,
    faults: HashMap<String, VecDeque<Fault>>,
    micros: i64,
}

/// The database behind a server.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<State>>);

impl Store {
    /// Serves it.
    pub(crate) async fn serve(&self) -> Server {
        let store = self.clone();
        Server::grpc(move |call| store.answer(call)).await
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets `faults` befall the next calls of `method`, one each.
    pub(crate) fn befall(&self, method: &str, faults: impl IntoIterator<Item = Fault>) {
        self.locked().faults.entry(method.to_owned()).or_default().extend(faults);
    }

    /// The documents whose name has `part` in it.
    pub(crate) fn documents(&self, part: &str) -> Vec<Document> {
        self.locked().documents.values().filter(|it| it.name.contains(part)).cloned().collect()
    }

    fn answer(&self, call: &Call) -> Reply {
        let mut state = self.locked();
        let fault =
            state.faults.get_mut(&call.method).and_then(VecDeque::pop_front).unwrap_or(Fault::None);
        match fault {
            Fault::None => state.apply(&call.method, &call.body),
            Fault::Lose => {
                state.apply(&call.method, &call.body);
                Reply::Close
            }
            Fault::Swallow => {
                state.apply(&call.method, &call.body);
                Reply::Never
            }
            Fault::Ignore => Reply::Never,
            Fault::Refuse(code) => Reply::Status(code, "refused", Vec::new()),
            Fault::Explain(code, details) => Reply::Status(code, "refused", details),
            Fault::Before(document) => {
                state.set(document);
                state.apply(&call.method, &call.body)
            }
            Fault::LoseAfter(document) => {
                state.apply(&call.method, &call.body);
                state.set(document);
                Reply::Close
            }
        }
    }
}

impl State {
    fn apply(&mut self, method: &str, body: &Bytes) -> Reply {
        let answers = match method {
            "Commit" => self.commit(&CommitRequest::decode(&**body).unwrap()),
            "BatchWrite" => Ok(self.batch_write(&BatchWriteRequest::decode(&**body).unwrap())),
            "BatchGetDocuments" => {
                Ok(self.batch_get(&BatchGetDocumentsRequest::decode(&**body).unwrap()))
            }
            "RunQuery" => {
                let request = RunQueryRequest::decode(&**body).unwrap();
                let Some(QueryType::StructuredQuery(query)) = request.query_type else {
                    panic!("no query");
                };
                Ok(self.query(&query))
            }
            other => panic!("{other} was asked"),
        };
        match answers {
            Ok(answers) => Reply::Messages(answers),
            Err(code) => Reply::Status(code, "a precondition does not hold", Vec::new()),
        }
    }

    fn tick(&mut self) -> Timestamp {
        self.micros += 1;
        let seconds = 1_800_000_000;
        Timestamp { seconds, nanos: i32::try_from(self.micros * 1_000).unwrap() }
    }

    fn set(&mut self, mut document: Document) {
        let now = self.tick();
        let old = self.documents.get(&document.name);
        document.create_time = old.map_or(Some(now), |it| it.create_time);
        document.update_time = Some(now);
        self.documents.insert(document.name.clone(), document);
    }

    fn check(&self, write: &Write) -> Result<(), i32> {
        let name = match write.operation.as_ref().unwrap() {
            Operation::Update(document) => &document.name,
            Operation::Delete(name) => name,
            Operation::Transform(_) => panic!("a transform"),
        };
        let found = self.documents.get(name);
        match write.current_document.and_then(|it| it.condition_type) {
            Some(ConditionType::Exists(false)) if found.is_some() => Err(6),
            Some(ConditionType::Exists(true)) if found.is_none() => Err(5),
            None | Some(ConditionType::Exists(_)) => Ok(()),
            Some(ConditionType::UpdateTime(time)) => {
                let fits = found.is_some_and(|it| it.update_time == Some(time));
                if fits { Ok(()) } else { Err(9) }
            }
        }
    }

    fn write(&mut self, write: &Write) -> WriteResult {
        match write.operation.clone().unwrap() {
            Operation::Update(document) => match &write.update_mask {
                None => self.set(document),
                // Changes nothing, so it is not a change.
                Some(mask) if mask.field_paths.is_empty() => {}
                Some(mask) => {
                    let mut whole = self.documents.get(&document.name).cloned().unwrap_or_default();
                    whole.name = document.name;
                    for path in &mask.field_paths {
                        whole.fields.insert(path.clone(), document.fields[path].clone());
                    }
                    self.set(whole);
                }
            },
            Operation::Delete(name) => {
                self.documents.remove(&name);
            }
            Operation::Transform(_) => panic!("a transform"),
        }
        WriteResult::default()
    }

    fn commit(&mut self, request: &CommitRequest) -> Result<Vec<Vec<u8>>, i32> {
        request.writes.iter().try_for_each(|write| self.check(write))?;
        let write_results = request.writes.iter().map(|write| self.write(write)).collect();
        let commit_time = Some(self.tick());
        Ok(vec![CommitResponse { write_results, commit_time }.encode_to_vec()])
    }

    fn batch_write(&mut self, request: &BatchWriteRequest) -> Vec<Vec<u8>> {
        let mut answer = BatchWriteResponse::default();
        for write in &request.writes {
            let code = self.check(write).err().unwrap_or_default();
            let code = match self.faults.get_mut("a write of a batch").and_then(VecDeque::pop_front)
            {
                Some(Fault::Refuse(code)) => code,
                _ => code,
            };
            if code == 0 {
                self.write(write);
            }
            answer.write_results.push(WriteResult::default());
            answer.status.push(Status { code, ..Status::default() });
        }
        vec![answer.encode_to_vec()]
    }

    fn batch_get(&self, request: &BatchGetDocumentsRequest) -> Vec<Vec<u8>> {
        // Firestore answers in any order.
        let answer = |name: &String| {
            let result = match self.documents.get(name) {
                Some(document) => Got::Found(document.clone()),
                None => Got::Missing(name.clone()),
            };
            let answer = BatchGetDocumentsResponse { result: Some(result), ..Default::default() };
            answer.encode_to_vec()
        };
        request.documents.iter().rev().map(answer).collect()
    }

    fn query(&self, query: &StructuredQuery) -> Vec<Vec<u8>> {
        let collection = format!("/{}/", query.from[0].collection_id);
        let path = query.order_by[0].field.as_ref().unwrap().field_path.clone();
        let descending = query.order_by[0].direction == 2;
        let after = query.start_at.as_ref().map(|it| sortable(&it.values[0]));
        let mut found: Vec<_> = self
            .documents
            .values()
            .filter(|it| it.name.contains(&collection))
            .filter(|it| query.r#where.as_ref().is_none_or(|filter| holds(filter, it)))
            .filter_map(|it| Some((sortable(&at(it, &path)?), it)))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        if descending {
            found.reverse();
        }
        let found = found.into_iter().filter(|(value, _)| {
            after
                .as_ref()
                .is_none_or(|after| if descending { value < after } else { value > after })
        });
        let answer = |document: &Document| {
            let document = Some(document.clone());
            RunQueryResponse { document, ..RunQueryResponse::default() }.encode_to_vec()
        };
        // An answer without a document, as Firestore gives where it only counted.
        let count = usize::try_from(query.limit.unwrap()).unwrap();
        let documents = found.take(count).map(|(_, it)| answer(it));
        [RunQueryResponse::default().encode_to_vec()].into_iter().chain(documents).collect()
    }
}

/// The value at `path`, which may be quoted.
fn at(document: &Document, path: &str) -> Option<Value> {
    if path == "__name__" {
        let name = ValueType::ReferenceValue(document.name.clone());
        return Some(Value { value_type: Some(name) });
    }
    let mut fields = &document.fields;
    let mut parts = path.split('.').map(|it| it.trim_matches('`')).peekable();
    while let Some(part) = parts.next() {
        let value = fields.get(part)?;
        if parts.peek().is_none() {
            return Some(value.clone());
        }
        let Some(ValueType::MapValue(map)) = &value.value_type else { return None };
        fields = &map.fields;
    }
    None
}

fn holds(filter: &Filter, document: &Document) -> bool {
    match filter.filter_type.as_ref().unwrap() {
        FilterType::CompositeFilter(all) => all.filters.iter().all(|it| holds(it, document)),
        FilterType::FieldFilter(one) => {
            let path = &one.field.as_ref().unwrap().field_path;
            let Some(found) = at(document, path) else { return false };
            let wanted = one.value.as_ref().unwrap();
            let (found, wanted) = (sortable(&found), sortable(wanted));
            match Operator::try_from(one.op).unwrap() {
                Operator::Equal => found == wanted,
                Operator::LessThan => found < wanted,
                Operator::LessThanOrEqual => found <= wanted,
                Operator::GreaterThan => found > wanted,
                Operator::GreaterThanOrEqual => found >= wanted,
                other => panic!("{other:?} was asked"),
            }
        }
        FilterType::UnaryFilter(_) => panic!("a unary filter"),
    }
}

/// A value as bytes that sort as it does, among those of its kind.
fn sortable(value: &Value) -> Vec<u8> {
    match value.value_type.as_ref().unwrap() {
        ValueType::ReferenceValue(text) | ValueType::StringValue(text) => text.clone().into_bytes(),
        ValueType::BytesValue(bytes) => bytes.clone(),
        other => format!("{other:?}").into_bytes(),
    }
}

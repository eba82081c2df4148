//! A small Cloud Storage in memory: objects with generations, preconditions, sessions of uploads, lists, joinings, copies and buckets, as
//! Google's documents say. Faults are scripted.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use gcloud_sdk::{
    google::storage::v2::{
        Bucket, ComposeObjectRequest, CreateBucketRequest, DeleteBucketRequest,
        DeleteObjectRequest, GetBucketRequest, GetObjectRequest, ListBucketsRequest,
        ListBucketsResponse, ListObjectsRequest, ListObjectsResponse, Object, ObjectChecksums,
        RewriteObjectRequest, RewriteResponse, UpdateBucketRequest,
    },
    prost::Message,
    prost_types::Timestamp,
};
use mvi_core::blob::Crc32c;

use crate::server::{Call, Reply, Server};

pub(super) const NOT_FOUND: i32 = 5;
pub(super) const ALREADY_EXISTS: i32 = 6;
pub(super) const FAILED_PRECONDITION: i32 = 9;
pub(super) const INVALID_ARGUMENT: i32 = 3;
pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
pub(super) const UNAVAILABLE: i32 = 14;

/// How many bytes a copy moves a call.
const MOVED: usize = 1 << 20;

/// What befalls a call.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It is applied, and the answer is lost with the connection.
    Lose,
    /// It is applied, and never answered.
    Swallow,
    /// It is not applied, and never answered.
    Ignore,
    /// It is not applied, and answered so: with a gRPC code, or an HTTP status.
    Refuse(i32),
    /// The same, with the reason that JSON has.
    Because(i32, &'static str),
    /// So many bytes are taken or given, then the connection breaks.
    Cut(usize),
    /// So many bytes are given, then nothing more comes.
    Stall(usize),
    /// The object is given with these bytes behind it.
    Longer(usize),
    /// One of its bytes is another.
    Flip,
    /// One of the bytes that arrive is another, and nobody notices.
    Garble,
    /// Somebody else's write to `key` comes first.
    Before,
    /// It is applied, somebody else's write comes after, and the answer is lost.
    LoseAfter,
}

/// An object with its bytes.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) object: Object,
    pub(super) bytes: Vec<u8>,
}

/// A resumable upload.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) object: Object,
    pub(super) wanted: Option<i64>,
    pub(super) checksum: Option<u32>,
    pub(super) bytes: Vec<u8>,
    pub(super) done: Option<Object>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Stored>,
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) sessions: HashMap<String, Session>,
    /// What a cache on the way has kept.
    pub(super) cached: HashMap<String, Stored>,
    faults: HashMap<String, VecDeque<Fault>>,
    generation: i64,
    /// How many objects a page has, and whether each is followed by an empty one.
    pub(super) page: Option<usize>,
    pub(super) empty_pages: bool,
}

/// The service, behind a server for each of its protocols.
#[derive(Clone, Default)]
pub(super) struct Cloud(Arc<Mutex<State>>);

impl Cloud {
    /// Serves gRPC.
    pub(super) async fn serve(&self) -> Server {
        let cloud = self.clone();
        Server::grpc(move |call| cloud.answer(call)).await
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets `faults` befall the next calls of `method`, one each.
    pub(super) fn befall(&self, method: &str, faults: impl IntoIterator<Item = Fault>) {
        self.locked().faults.entry(method.to_owned()).or_default().extend(faults);
    }

    /// The names of all objects, hidden ones too.
    pub(super) fn names(&self) -> Vec<String> {
        self.locked().objects.keys().cloned().collect()
    }

    pub(super) fn object(&self, name: &str) -> Option<Stored> {
        self.locked().objects.get(name).cloned()
    }

    /// Somebody else's write.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> i64 {
        self.locked().other(name, bytes)
    }

    fn answer(&self, call: &Call) -> Reply {
        let mut state = self.locked();
        match state.fault(&call.method) {
            Fault::Lose => {
                state.apply(call);
                Reply::Close
            }
            Fault::Swallow => {
                state.apply(call);
                Reply::Never
            }
            Fault::Ignore => Reply::Never,
            Fault::Refuse(code) => Reply::Status(code, "refused", Vec::new()),
            Fault::Before => {
                state.other("key", b"theirs");
                state.apply(call)
            }
            Fault::LoseAfter => {
                state.apply(call);
                state.other("key", b"theirs");
                Reply::Close
            }
            _ => state.apply(call),
        }
    }
}

type Answer<T> = Result<T, i32>;

impl State {
    pub(super) fn fault(&mut self, method: &str) -> Fault {
        let faults = self.faults.get_mut(method);
        faults.and_then(VecDeque::pop_front).unwrap_or(Fault::None)
    }

    pub(super) fn other(&mut self, name: &str, bytes: &[u8]) -> i64 {
        let object = Object { name: name.into(), content_type: "x/y".into(), ..Object::default() };
        self.store(object, bytes.to_vec()).generation
    }

    /// Writes an object under a fresh generation.
    pub(super) fn store(&mut self, mut object: Object, bytes: Vec<u8>) -> Object {
        self.generation += 1;
        object.bucket = "projects/_/buckets/acme-7f3-logs".into();
        object.generation = 1_700_000_000_000_000 + self.generation;
        object.metageneration = 1;
        object.size = i64::try_from(bytes.len()).unwrap();
        let crc32c = Some(Crc32c::of(&bytes).value());
        object.checksums = Some(ObjectChecksums { crc32c, ..ObjectChecksums::default() });
        object.create_time = Some(Timestamp { seconds: 1_700_000_000, nanos: 987_654_000 });
        if !object.kms_key.is_empty() {
            object.kms_key += "/cryptoKeyVersions/1";
        }
        self.objects.insert(object.name.clone(), Stored { object: object.clone(), bytes });
        object
    }

    /// Whether what is there fulfils a precondition.
    pub(super) fn fits(&self, name: &str, wanted: Option<i64>) -> bool {
        let found = self.objects.get(name).map_or(0, |it| it.object.generation);
        wanted.is_none_or(|it| it == found)
    }

    pub(super) fn find(&self, name: &str, generation: i64) -> Option<&Stored> {
        self.objects.get(name).filter(|it| generation == 0 || it.object.generation == generation)
    }

    fn apply(&mut self, call: &Call) -> Reply {
        fn read<T: Message + Default>(call: &Call) -> T {
            T::decode(&*call.body).unwrap()
        }
        fn reply<T: Message>(answer: Answer<T>) -> Reply {
            match answer {
                Ok(message) => Reply::Messages(vec![message.encode_to_vec()]),
                Err(code) => Reply::Status(code, "Not so.", Vec::new()),
            }
        }
        match call.method.as_str() {
            "GetObject" => reply(self.get_object(&read(call))),
            "DeleteObject" => reply(self.delete_object(&read(call))),
            "ListObjects" => reply(Ok(self.list_objects(&read(call)))),
            "ComposeObject" => reply(self.compose(read(call))),
            "RewriteObject" => reply(self.rewrite(read(call))),
            "CreateBucket" => reply(self.create_bucket(read(call))),
            "GetBucket" => {
                let GetBucketRequest { name, .. } = read(call);
                reply(self.buckets.get(&name).cloned().ok_or(NOT_FOUND))
            }
            "ListBuckets" => {
                let ListBucketsRequest { prefix, .. } = read(call);
                let name = |it: &&Bucket| it.bucket_id.starts_with(&prefix);
                let buckets = self.buckets.values().filter(name).cloned().collect();
                reply(Ok(ListBucketsResponse { buckets, ..ListBucketsResponse::default() }))
            }
            "UpdateBucket" => reply(self.update_bucket(read(call))),
            "DeleteBucket" => {
                let DeleteBucketRequest { name, .. } = read(call);
                let empty = self.objects.is_empty();
                reply(match self.buckets.contains_key(&name) {
                    false => Err(NOT_FOUND),
                    true if !empty => Err(FAILED_PRECONDITION),
                    true => {
                        self.buckets.remove(&name);
                        Ok(())
                    }
                })
            }
            other => panic!("{other} is not known here"),
        }
    }

    fn get_object(&self, asked: &GetObjectRequest) -> Answer<Object> {
        let found = self.find(&asked.object, asked.generation).ok_or(NOT_FOUND)?;
        let generation = found.object.generation;
        if asked.if_generation_match.is_some_and(|it| it != generation)
            || asked.if_generation_not_match == Some(generation)
        {
            return Err(FAILED_PRECONDITION);
        }
        Ok(found.object.clone())
    }

    fn delete_object(&mut self, asked: &DeleteObjectRequest) -> Answer<()> {
        if !self.fits(&asked.object, asked.if_generation_match) {
            return Err(FAILED_PRECONDITION);
        }
        self.find(&asked.object, asked.generation).ok_or(NOT_FOUND)?;
        self.objects.remove(&asked.object);
        Ok(())
    }

    fn list_objects(&self, asked: &ListObjectsRequest) -> ListObjectsResponse {
        let (token, empty) = match asked.page_token.strip_prefix("empty:") {
            Some(token) => (token, true),
            None => (asked.page_token.as_str(), false),
        };
        if empty {
            return ListObjectsResponse {
                next_page_token: token.to_owned(),
                ..ListObjectsResponse::default()
            };
        }
        let limit = match usize::try_from(asked.page_size).unwrap() {
            0 => self.page.unwrap_or(1_000),
            asked => asked.min(self.page.unwrap_or(asked)),
        };
        let mut answer = ListObjectsResponse::default();
        let fold = |name: &str| {
            let rest = &name[asked.prefix.len()..];
            let at = (!asked.delimiter.is_empty()).then(|| rest.find(&asked.delimiter)).flatten();
            at.map(|at| name[..asked.prefix.len() + at + asked.delimiter.len()].to_owned())
        };
        let mut last = String::new();
        for (name, stored) in &self.objects {
            let wanted = name.starts_with(&asked.prefix)
                && *name >= asked.lexicographic_start
                && (asked.lexicographic_end.is_empty() || *name < asked.lexicographic_end);
            let entry = if wanted { fold(name).unwrap_or_else(|| name.clone()) } else { continue };
            if entry.as_str() <= token || entry == last {
                continue;
            }
            if answer.objects.len() + answer.prefixes.len() == limit {
                answer.next_page_token = last;
                if self.empty_pages {
                    answer.next_page_token.insert_str(0, "empty:");
                }
                break;
            }
            if entry == *name {
                answer.objects.push(stored.object.clone());
            } else {
                answer.prefixes.push(entry.clone());
            }
            last = entry;
        }
        answer
    }

    fn compose(&mut self, asked: ComposeObjectRequest) -> Answer<Object> {
        let mut destination = asked.destination.unwrap();
        let mut bytes = Vec::new();
        if asked.source_objects.len() > 32 {
            return Err(INVALID_ARGUMENT);
        }
        for source in &asked.source_objects {
            let found = self.find(&source.name, source.generation).ok_or(NOT_FOUND)?;
            bytes.extend_from_slice(&found.bytes);
        }
        if !self.fits(&destination.name, asked.if_generation_match) {
            return Err(FAILED_PRECONDITION);
        }
        let wanted = asked.object_checksums.and_then(|it| it.crc32c);
        if wanted.is_some_and(|it| it != Crc32c::of(&bytes).value()) {
            return Err(INVALID_ARGUMENT);
        }
        destination.kms_key = asked.kms_key;
        Ok(self.store(destination, bytes))
    }

    fn rewrite(&mut self, asked: RewriteObjectRequest) -> Answer<RewriteResponse> {
        let found = self.find(&asked.source_object, asked.source_generation).ok_or(NOT_FOUND)?;
        let bytes = found.bytes.clone();
        let before: usize = asked.rewrite_token.parse().unwrap_or(0);
        let moved = (before + MOVED).min(bytes.len());
        let mut answer = RewriteResponse {
            total_bytes_rewritten: i64::try_from(moved).unwrap(),
            object_size: i64::try_from(bytes.len()).unwrap(),
            done: moved == bytes.len(),
            rewrite_token: moved.to_string(),
            resource: None,
        };
        if answer.done {
            if !self.fits(&asked.destination_name, asked.if_generation_match) {
                return Err(FAILED_PRECONDITION);
            }
            let mut object = asked.destination.unwrap();
            object.name = asked.destination_name;
            object.kms_key = asked.destination_kms_key;
            answer.resource = Some(self.store(object, bytes));
            answer.rewrite_token.clear();
        }
        Ok(answer)
    }

    fn create_bucket(&mut self, asked: CreateBucketRequest) -> Answer<Bucket> {
        let name = format!("projects/_/buckets/{}", asked.bucket_id);
        if self.buckets.contains_key(&name) {
            return Err(ALREADY_EXISTS);
        }
        let mut bucket = asked.bucket.unwrap();
        bucket.name.clone_from(&name);
        bucket.bucket_id = asked.bucket_id;
        bucket.metageneration = 1;
        bucket.create_time = Some(Timestamp { seconds: 1_700_000_000, nanos: 0 });
        self.buckets.insert(name, bucket.clone());
        Ok(bucket)
    }

    fn update_bucket(&mut self, asked: UpdateBucketRequest) -> Answer<Bucket> {
        let changed = asked.bucket.unwrap();
        let bucket = self.buckets.get_mut(&changed.name).ok_or(NOT_FOUND)?;
        if asked.if_metageneration_match.is_some_and(|it| it != bucket.metageneration) {
            return Err(FAILED_PRECONDITION);
        }
        for path in asked.update_mask.unwrap().paths {
            match path.as_str() {
                "versioning" => bucket.versioning = changed.versioning,
                "lifecycle" => bucket.lifecycle.clone_from(&changed.lifecycle),
                other => panic!("{other} is not known here"),
            }
        }
        bucket.metageneration += 1;
        Ok(bucket.clone())
    }
}

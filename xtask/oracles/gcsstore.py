"""What fake-gcs-server does not hold of Cloud Storage, held in front of it.

fake-gcs-server keeps the bytes, computes their checksums, gives each write its generation, refuses an
insert whose `ifGenerationMatch` does not hold, keeps the generations of a versioned bucket, lists names
in order and answers ranges. It drops or ignores the rest, which is here, after Google's documentation:

- all of a bucket but its name and whether it is versioned; metagenerations;
- every other precondition: on reads, deletes, composes, rewrites, updates, and on metagenerations;
- a checksum that the client sends: a wrong one is refused;
- compose and rewrite (fake-gcs-server gives a composed object the generation of the one it replaces):
  they are one read of each source and one insert, so that the insert's condition decides;
- the removal of a noncurrent generation; pages of a listing, and prefixes in them;
- `componentCount`, `kmsKeyName`, `contentEncoding`, `customTime`, and metadata that is changed later.

The data is Google's own messages, so that nothing can be said here that Cloud Storage could not say.

- https://cloud.google.com/storage/docs/request-preconditions
- https://cloud.google.com/storage/docs/object-versioning
- https://cloud.google.com/storage/docs/json_api/v1/status-codes
- https://github.com/googleapis/googleapis/blob/master/google/storage/v2/storage.proto
- https://github.com/googleapis/storage-testbench, where the documentation is silent
"""

import base64
import datetime
import hashlib
import http.client
import json
import re
import threading
import urllib.parse
from xml.sax.saxutils import escape

import google_crc32c
from google.cloud import _storage_v2 as storage
from google.protobuf import field_mask_pb2, timestamp_pb2

# An object's metadata comes as headers, of which Python takes a hundred.
http.client._MAXHEADERS = 10_000

# A rewrite of more than this takes several calls: production decides that by places and classes.
REWRITE_STEP = 4 << 20

# https://cloud.google.com/storage/quotas
MAX_COMPOSE_SOURCES = 32
MAX_NAME_BYTES = 1024
MAX_METADATA_BYTES = 8 << 10
MAX_PAGE = 1000
# https://cloud.google.com/storage/docs/soft-delete#retention-duration
SOFT_DELETE_SECONDS = 7 * 24 * 60 * 60

CONDITION = "At least one of the pre-conditions you specified did not hold."


# What the XML API calls what the JSON API has as a reason: https://cloud.google.com/storage/docs/xml-api/reference-status
XML_CODES = {
    "conditionNotMet": "PreconditionFailed",
    "expiredToken": "ExpiredToken",
    "forbidden": "AccessDenied",
    "invalid": "InvalidArgument",
    "methodNotAllowed": "MethodNotAllowed",
    "notFound": "NoSuchKey",
    "requestedRangeNotSatisfiable": "InvalidRange",
    "required": "InvalidArgument",
}


class Refused(Exception):
    """What Cloud Storage answers instead of a result, in all of its forms."""

    def __init__(self, code, reason, status, message, xml_code=None):
        super().__init__(message)
        self.code, self.reason, self.status, self.message = code, reason, status, message
        self.xml_code = xml_code or XML_CODES.get(reason, "InternalError")

    def xml(self):
        code, message = escape(self.xml_code), escape(self.message)
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return f"<?xml version='1.0' encoding='UTF-8'?>{error}"

    def body(self):
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [error]}}


def invalid(message, reason="invalid"):
    return Refused(400, reason, "INVALID_ARGUMENT", message)


def bad_digest(message):
    return Refused(400, "invalid", "INVALID_ARGUMENT", message, "BadDigest")


def no_bucket():
    return Refused(404, "notFound", "NOT_FOUND", "The specified bucket does not exist.", "NoSuchBucket")


def no_object(bucket, name):
    return Refused(404, "notFound", "NOT_FOUND", f"No such object: {bucket}/{name}")


def condition_not_met():
    return Refused(412, "conditionNotMet", "FAILED_PRECONDITION", CONDITION)


def now():
    """The time, as a message."""
    time = timestamp_pb2.Timestamp()
    time.FromDatetime(datetime.datetime.now(datetime.timezone.utc))
    return time


def copied(message):
    """A message is never changed once it was handed out: it may be on its way to a client."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def crc32c_text(number):
    """A CRC32C the way JSON and headers have it: big-endian, in base64."""
    return base64.b64encode(number.to_bytes(4, "big")).decode()


def etag(message):
    """Other for each generation and metageneration, and otherwise without meaning."""
    generation = getattr(message, "generation", 0)
    return base64.b64encode(f"{generation}/{message.metageneration}".encode()).decode()


class Conditions:
    """The four preconditions that a request may have on an object or a bucket."""

    NAMES = ("generation_match", "generation_not_match")
    META_NAMES = ("metageneration_match", "metageneration_not_match")

    def __init__(self, values):
        self.values = {name: value for name, value in values.items() if value is not None}

    @classmethod
    def of_message(cls, request, prefix="if_"):
        """From the optional fields of a gRPC request: `if_generation_match` and so on."""
        fields = request.DESCRIPTOR.fields_by_name
        return cls({
            name: getattr(request, prefix + name)
            for name in cls.NAMES + cls.META_NAMES
            if prefix + name in fields and request.HasField(prefix + name)
        })

    @classmethod
    def of_query(cls, query):
        """From the parameters of a JSON request: `ifGenerationMatch` and so on."""
        values = {}
        for name in cls.NAMES + cls.META_NAMES:
            text = query.get("if" + "".join(word.capitalize() for word in name.split("_")))
            if text is not None:
                if not re.fullmatch(r"-?\d+", text):
                    raise invalid(f"Invalid value for a precondition: {text}")
                values[name] = int(text)
        return cls(values)

    def check(self, found, reading=False):
        """Holds them against what is there, or nothing. A generation of 0 is that nothing is there."""
        for what, attribute in (("generation", "generation"), ("metageneration", "metageneration")):
            current = getattr(found, attribute, 0) if found is not None else 0
            wanted = self.values.get(f"{what}_match")
            if wanted is not None and wanted != current:
                raise condition_not_met()
            unwanted = self.values.get(f"{what}_not_match")
            if unwanted is not None and unwanted == current:
                if reading:
                    raise Refused(304, "notModified", "ABORTED", "Not Modified")
                raise condition_not_met()


class Upstream:
    """The part of fake-gcs-server's JSON API that is used."""

    def __init__(self, port):
        self.port = port

    def call(self, method, path, query=None, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        query = {name: value for name, value in (query or {}).items() if value is not None}
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data, answer.headers

    def json(self, method, path, query=None, body=None):
        """The answer, or nothing where there is none. Anything but those two is a bug in here."""
        raw = None if body is None else json.dumps(body).encode()
        status, data, _ = self.call(method, path, query, raw, {"content-type": "application/json"})
        if status == 404:
            return None
        if status == 412:
            raise condition_not_met()
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {data[:200]!r}")
        return json.loads(data or b"{}") or {}

    def insert(self, bucket, resource, data, if_generation_match):
        """Writes an object in one go."""
        boundary = "f2c9d1a7b3e84506"
        while boundary.encode() in data:
            boundary += "0"
        content_type = resource.get("contentType") or "application/octet-stream"
        body = b"".join([
            f"--{boundary}\r\ncontent-type: application/json\r\n\r\n".encode(),
            json.dumps(resource).encode(),
            f"\r\n--{boundary}\r\ncontent-type: {content_type}\r\n\r\n".encode(),
            data,
            f"\r\n--{boundary}--\r\n".encode(),
        ])
        query = {"uploadType": "multipart", "ifGenerationMatch": if_generation_match}
        headers = {"content-type": f"multipart/related; boundary={boundary}"}
        status, answer, _ = self.call("POST", f"/upload/storage/v1/b/{bucket}/o", query, body, headers)
        if status == 412:
            raise condition_not_met()
        if status != 200:
            raise RuntimeError(f"insert of {resource['name']!r}: {status} {answer[:200]!r}")
        return json.loads(answer)


class Bucket:
    """A bucket: its message, and what is known of its objects."""

    def __init__(self, message, upstream_name):
        self.message = message
        # A name of its own each time: fake-gcs-server can't remove noncurrent generations, and a
        # bucket that is made again must not have them.
        self.path = f"/storage/v1/b/{upstream_name}"
        self.upstream_name = upstream_name
        self.objects = {}  # (name, generation) -> message
        self.listed = {}  # (prefix, versions) -> keys, until something changes
        self.removed = set()  # (name, generation) that fake-gcs-server still has


class Store:
    """Buckets and objects. Every call holds the one lock: what it checks is so when it acts."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.lock = threading.RLock()
        self.buckets = {}
        self.made = 0
        self.rewrites = {}  # token -> (key of the rewrite, bytes done)

    def reset(self):
        with self.lock:
            for bucket in self.buckets.values():
                self.upstream.call("DELETE", bucket.path)
            self.buckets.clear()
            self.rewrites.clear()

    # ---- buckets ---------------------------------------------------------------------------

    def bucket(self, name):
        found = self.buckets.get(name)
        if found is None:
            raise no_bucket()
        return found

    def create_bucket(self, name, project, asked):
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", name) or "goog" in name[:4]:
            raise invalid(f"Invalid bucket name: '{name}'")
        with self.lock:
            there = self.buckets.get(name)
            if there is not None:
                message = "The requested bucket name is not available. Please select a different name."
                if there.message.project == project:
                    message = "Your previous request to create the named bucket succeeded and you already own it."
                raise Refused(409, "conflict", "ALREADY_EXISTS", message)
            message = copied(asked)
            message.name, message.bucket_id = f"projects/_/buckets/{name}", name
            message.project, message.metageneration = project, 1
            message.location = (asked.location or "US").upper()
            multi = message.location in ("US", "EU", "ASIA")
            message.location_type = "multi-region" if multi else "region"
            message.storage_class = asked.storage_class or "STANDARD"
            message.create_time.CopyFrom(now())
            message.update_time.CopyFrom(message.create_time)
            if not asked.HasField("soft_delete_policy"):
                message.soft_delete_policy.retention_duration.seconds = SOFT_DELETE_SECONDS
                message.soft_delete_policy.effective_time.CopyFrom(message.create_time)
            if not message.iam_config.public_access_prevention:
                message.iam_config.public_access_prevention = "inherited"
            message.etag = etag(message)
            self.made += 1
            made = Bucket(message, f"bridged-{self.made}")
            versioning = {"enabled": message.versioning.enabled}
            body = {"name": made.upstream_name, "versioning": versioning}
            self.upstream.json("POST", "/storage/v1/b", {"project": "bridge"}, body)
            self.buckets[name] = made
            return message

    def get_bucket(self, name, conditions):
        with self.lock:
            message = self.bucket(name).message
            conditions.check(message, reading=True)
            return message

    def list_buckets(self, project, prefix, size, token):
        with self.lock:
            names = sorted(name for name, it in self.buckets.items() if it.message.project == project)
            names = [name for name in names if name.startswith(prefix) and name > token]
            size = min(size or MAX_PAGE, MAX_PAGE)
            page = [self.buckets[name].message for name in names[:size]]
            return page, names[size - 1] if len(names) > size else ""

    def update_bucket(self, asked, mask, conditions):
        with self.lock:
            bucket = self.bucket(asked.name.removeprefix("projects/_/buckets/"))
            conditions.check(bucket.message)
            changed = copied(bucket.message)
            merge(asked, changed, mask, ("labels",))
            changed.metageneration += 1
            changed.update_time.CopyFrom(now())
            changed.etag = etag(changed)
            if changed.versioning.enabled != bucket.message.versioning.enabled:
                body = {"versioning": {"enabled": changed.versioning.enabled}}
                self.upstream.json("PATCH", bucket.path, None, body)
            bucket.message = changed
            return changed

    def delete_bucket(self, name, conditions):
        with self.lock:
            bucket = self.bucket(name)
            conditions.check(bucket.message)
            if self.generations(bucket, "", versions=True):
                message = "The bucket you tried to delete is not empty."
                raise Refused(409, "conflict", "FAILED_PRECONDITION", message)
            del self.buckets[name]
            # It may refuse, for generations that were removed here alone.
            self.upstream.call("DELETE", bucket.path)

    # ---- objects ---------------------------------------------------------------------------

    def generations(self, bucket, prefix, versions):
        """The messages of what is there, in the order in which fake-gcs-server lists them."""
        # fake-gcs-server goes through the whole bucket for each page.
        keys = bucket.listed.get((prefix, versions))
        if keys is None:
            keys = bucket.listed[prefix, versions] = list(self.keys(bucket, prefix, versions))
        return [bucket.objects[key] for key in keys]

    def keys(self, bucket, prefix, versions):
        token = None
        while True:
            query = {"prefix": prefix, "pageToken": token, "versions": "true" if versions else None}
            page = self.upstream.json("GET", f"{bucket.path}/o", query)
            for item in page.get("items", []):
                key = (item["name"], int(item["generation"]))
                if key not in bucket.removed:
                    yield key
            token = page.get("nextPageToken")
            if not token:
                return

    def live(self, bucket, name):
        """The live object, or nothing."""
        quoted = urllib.parse.quote(name, safe="")
        found = self.upstream.json("GET", f"{bucket.path}/o/{quoted}")
        return None if found is None else bucket.objects[name, int(found["generation"])]

    def find(self, bucket, name, generation):
        """A generation, or the live one where none is named; or nothing."""
        if not generation:
            return self.live(bucket, name)
        key = (name, generation)
        if key in bucket.removed or key not in bucket.objects:
            return None
        quoted = urllib.parse.quote(name, safe="")
        query = {"generation": generation}
        found = self.upstream.json("GET", f"{bucket.path}/o/{quoted}", query)
        return None if found is None else bucket.objects[key]

    def get(self, bucket_name, name, generation, conditions):
        with self.lock:
            bucket = self.bucket(bucket_name)
            found = self.find(bucket, name, generation)
            if found is None:
                raise no_object(bucket_name, name)
            conditions.check(found, reading=True)
            return found

    def read(self, bucket_name, name, generation, conditions, byte_range=None):
        """The message, and the status, body and headers of fake-gcs-server's answer."""
        with self.lock:
            found = self.get(bucket_name, name, generation, conditions)
            bucket = self.bucket(bucket_name)
            quoted = urllib.parse.quote(name, safe="")
            query = {"alt": "media", "generation": found.generation}
            headers = {"range": byte_range} if byte_range else {}
            answer = self.upstream.call("GET", f"{bucket.path}/o/{quoted}", query, None, headers)
            return found, answer

    def insert(self, asked, data, conditions, md5=True):
        """Writes `data` with the settings of the message `asked`, under the conditions."""
        bucket_name = asked.bucket.removeprefix("projects/_/buckets/")
        check_name(asked.name)
        size = sum(len(key.encode()) + len(value.encode()) for key, value in asked.metadata.items())
        if size > MAX_METADATA_BYTES:
            raise invalid(f"Metadata part is too large: {size} bytes.")
        check_checksums(asked.checksums, data)
        with self.lock:
            bucket = self.bucket(bucket_name)
            there = self.live(bucket, asked.name)
            conditions.check(there)
            resource = {
                "name": asked.name,
                "contentType": asked.content_type,
                "cacheControl": asked.cache_control,
                "contentDisposition": asked.content_disposition,
                "contentLanguage": asked.content_language,
                "metadata": dict(asked.metadata),
            }
            resource = {field: value for field, value in resource.items() if value}
            # It would hold this one too, so it has to: it is the one that races depend on.
            condition = conditions.values.get("generation_match")
            made = self.upstream.insert(bucket.upstream_name, resource, data, condition)
            message = copied(asked)
            message.ClearField("checksums")
            message.bucket = f"projects/_/buckets/{bucket_name}"
            message.generation, message.metageneration = int(made["generation"]), 1
            message.size = int(made["size"])
            message.content_type = made.get("contentType", "")
            message.cache_control = made.get("cacheControl", "")
            message.content_disposition = made.get("contentDisposition", "")
            message.content_language = made.get("contentLanguage", "")
            message.metadata.clear()
            message.metadata.update(made.get("metadata") or {})
            message.storage_class = asked.storage_class or bucket.message.storage_class
            message.checksums.crc32c = int.from_bytes(base64.b64decode(made["crc32c"]), "big")
            if md5:
                message.checksums.md5_hash = base64.b64decode(made["md5Hash"])
            message.create_time.CopyFrom(now())
            message.update_time.CopyFrom(message.create_time)
            message.finalize_time.CopyFrom(message.create_time)
            message.update_storage_class_time.CopyFrom(message.create_time)
            message.etag = etag(message)
            if there is not None:
                self.bury(bucket, there)
            bucket.objects[message.name, message.generation] = message
            bucket.listed.clear()
            return message

    def delete(self, bucket_name, name, generation, conditions):
        with self.lock:
            bucket = self.bucket(bucket_name)
            found = self.find(bucket, name, generation)
            # What is not there is missed before any condition is looked at, as in Google's testbench.
            if found is None:
                raise no_object(bucket_name, name)
            conditions.check(found)
            if not found.HasField("delete_time"):
                quoted = urllib.parse.quote(name, safe="")
                self.upstream.json("DELETE", f"{bucket.path}/o/{quoted}")
                self.bury(bucket, found)
            if generation:
                bucket.removed.add((name, generation))
            bucket.listed.clear()

    def bury(self, bucket, message):
        """What was live is noncurrent, where the bucket keeps it, and else gone."""
        key = (message.name, message.generation)
        if bucket.message.versioning.enabled:
            bucket.objects[key] = copied(message)
            bucket.objects[key].delete_time.CopyFrom(now())
        else:
            del bucket.objects[key]

    def update(self, asked, mask, conditions):
        with self.lock:
            bucket_name = asked.bucket.removeprefix("projects/_/buckets/")
            bucket = self.bucket(bucket_name)
            found = self.find(bucket, asked.name, asked.generation)
            if found is None:
                raise no_object(bucket_name, asked.name)
            conditions.check(found)
            changed = copied(found)
            merge(asked, changed, mask, ("metadata",))
            changed.metageneration += 1
            changed.update_time.CopyFrom(now())
            changed.etag = etag(changed)
            bucket.objects[found.name, found.generation] = changed
            return changed

    def list(self, bucket_name, prefix, delimiter, start, end, versions, size, token):
        """One page: messages, prefixes, and the token of the next."""
        with self.lock:
            found = self.generations(self.bucket(bucket_name), prefix, versions)
        entries = {}  # a key that sorts as the listing does -> a message, or a prefix as text
        for message in found:
            name = message.name
            if name.encode() < start.encode() or (end and name.encode() >= end.encode()):
                continue
            at = name.find(delimiter, len(prefix)) if delimiter else -1
            if at >= 0:
                folded = name[: at + len(delimiter)]
                entries[folded.encode(), 0] = folded
            else:
                entries[name.encode(), message.generation] = message
        keys = sorted(entries)
        if token:
            keys = [key for key in keys if key > decode_token(token)]
        size = min(size or MAX_PAGE, MAX_PAGE)
        page = [entries[key] for key in keys[:size]]
        items = [entry for entry in page if not isinstance(entry, str)]
        prefixes = [entry for entry in page if isinstance(entry, str)]
        return items, prefixes, encode_token(keys[size - 1]) if len(keys) > size else ""

    def compose(self, request, conditions):
        destination = request.destination
        bucket_name = destination.bucket.removeprefix("projects/_/buckets/")
        count = len(request.source_objects)
        if count == 0:
            raise invalid("You must provide at least one source component.", "required")
        if count > MAX_COMPOSE_SOURCES:
            raise invalid(f"The number of source components provided ({count} > 32)")
        if request.delete_source_objects:
            raise Refused(501, "notImplemented", "UNIMPLEMENTED", "delete_source_objects")
        with self.lock:
            data, components = [], 0
            for source in request.source_objects:
                wanted = Conditions.of_message(source.object_preconditions)
                found = self.find(self.bucket(bucket_name), source.name, source.generation)
                if found is None:
                    raise no_object(bucket_name, source.name)
                wanted.check(found)
                _, (_, part, _) = self.read(bucket_name, source.name, found.generation, Conditions({}))
                data.append(part)
                components += found.component_count or 1
            asked = copied(destination)
            asked.checksums.CopyFrom(request.object_checksums)
            asked.component_count, asked.kms_key = components, request.kms_key
            # A composed object has no MD5, only a CRC32C.
            return self.insert(asked, b"".join(data), conditions, md5=False)

    def rewrite(self, request, conditions, source_conditions):
        """The bytes done so far, the size, and the message once it is done, with the next token."""
        source_bucket = request.source_bucket.removeprefix("projects/_/buckets/")
        with self.lock:
            source = self.find(
                self.bucket(source_bucket), request.source_object, request.source_generation
            )
            if source is None:
                raise no_object(source_bucket, request.source_object)
            source_conditions.check(source)
            bucket_name = request.destination_bucket.removeprefix("projects/_/buckets/")
            conditions.check(self.live(self.bucket(bucket_name), request.destination_name))
            key = (bucket_name, request.destination_name, source_bucket, source.name, source.generation)
            done = 0
            if request.rewrite_token:
                known, done = self.rewrites.pop(request.rewrite_token, (None, 0))
                if known != key:
                    raise invalid("Invalid rewrite token.")
            done += min(request.max_bytes_rewritten_per_call or REWRITE_STEP, REWRITE_STEP)
            if done < source.size:
                token = f"rewrite-{len(self.rewrites)}-{now().ToNanoseconds()}"
                self.rewrites[token] = (key, done)
                return done, source.size, None, token
            # With a body, the body alone is what the copy has; without, it has the source's.
            asked = copied(request.destination if request.HasField("destination") else source)
            for field in ("checksums", "delete_time", "kms_key"):
                asked.ClearField(field)
            asked.checksums.CopyFrom(request.object_checksums)
            asked.name, asked.bucket = request.destination_name, request.destination_bucket
            asked.component_count, asked.kms_key = source.component_count, request.destination_kms_key
            _, (_, data, _) = self.read(source_bucket, source.name, source.generation, Conditions({}))
            made = self.insert(asked, data, conditions, md5=bool(source.checksums.md5_hash))
            return source.size, source.size, made, ""


def check_name(name):
    """https://cloud.google.com/storage/docs/objects#naming"""
    size = len(name.encode())
    if size == 0:
        raise invalid("Required", "required")
    if size > MAX_NAME_BYTES:
        raise invalid(f"The maximum object length is 1024 characters, but got a name with {size} characters.")
    if "\r" in name or "\n" in name or name in (".", ".."):
        raise invalid("Disallowed unicode characters present in object name")


def check_checksums(checksums, data):
    """Refuses what was damaged on the way."""
    if checksums.HasField("crc32c"):
        found = crc32c_text(google_crc32c.value(data))
        given = crc32c_text(checksums.crc32c)
        if given != found:
            raise bad_digest(f'Provided CRC32C "{given}" doesn\'t match calculated CRC32C "{found}".')
    if checksums.md5_hash:
        given = base64.b64encode(checksums.md5_hash).decode()
        found = base64.b64encode(hashlib.md5(data).digest()).decode()
        if given != found:
            raise bad_digest(f'Provided MD5 hash "{given}" doesn\'t match calculated MD5 hash "{found}".')


def merge(asked, found, mask, maps):
    """Sets what the mask names. A path into a map names one entry, which it sets or removes."""
    if not mask.paths:
        raise invalid("The update mask is empty.", "required")
    entries = [path.split(".", 1) for path in mask.paths if path.split(".", 1)[0] in maps and "." in path]
    fields = field_mask_pb2.FieldMask()
    fields.paths.extend(path for path in mask.paths if path.split(".", 1) not in entries)
    if not fields.IsValidForDescriptor(found.DESCRIPTOR):
        raise invalid(f"Invalid update mask: {fields.ToJsonString()}")
    fields.MergeMessage(asked, found, True, True)
    for field, entry in entries:
        target, source = getattr(found, field), getattr(asked, field)
        if entry in source:
            target[entry] = source[entry]
        else:
            target.pop(entry, None)


def encode_token(key):
    name, generation = key
    return base64.urlsafe_b64encode(json.dumps([name.decode(), generation]).encode()).decode()


def decode_token(token):
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token))
        return name.encode(), generation
    except (ValueError, TypeError) as error:
        raise invalid("Invalid page token.") from error

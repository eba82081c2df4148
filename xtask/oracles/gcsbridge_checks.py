#!/usr/bin/env python3
"""What Cloud Storage's stand-in does, asked by Google's own Python clients.

    gcsbridge_checks.py PORT            runs all; a line a check: its name, a tab, `ok` or what was wrong
    gcsbridge_checks.py --list          their names

A check's name is what it holds. Each has a bucket of its own, which it leaves empty.
"""

import http.client
import json
import sys
import threading
import traceback
import urllib.parse
import xml.etree.ElementTree

import google_crc32c
import grpc
from google.api_core import exceptions
from google.cloud import _storage_v2 as storage
from google.cloud._storage_v2.services.storage.transports import StorageGrpcTransport

BUCKETS = "projects/_/buckets/"
# Everything that a name may hold and that something on the way may take for its own.
ODD_NAMES = [
    "é/ü 漢字", "a//b", "/lead", "trail/", "100%", "100%25", "a+b", "a b", "a?b=c&d", "a#b", "a;b:c@d",
    "\U0010fffd/x", "x" * 1024, "!$&'()*,=~\\\"<>|^`{}[]",
]

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def expect(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: wanted {wanted!r}, found {found!r}")


def refused(error, call, *arguments, **words):
    try:
        found = call(*arguments, **words)
    except exceptions.GoogleAPICallError as failure:
        expect(type(failure), error, "the refusal")
    else:
        raise AssertionError(f"wanted {error.__name__}, got {str(found)[:200]}")


class Bench:
    """A bucket, and both clients."""

    def __init__(self, port, name):
        self.port, self.name, self.path = port, name, BUCKETS + name
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.control = storage.StorageClient(transport=StorageGrpcTransport(channel=channel))

    def create(self, **settings):
        bucket = storage.Bucket(project="projects/checks", **settings)
        request = storage.CreateBucketRequest(parent="projects/_", bucket=bucket, bucket_id=self.name)
        return self.control.create_bucket(request)

    def drop(self):
        try:
            for item in list(self.control.list_objects({"parent": self.path, "versions": True})):
                self.delete(item.name, generation=item.generation)
            self.control.delete_bucket(name=self.path)
        except exceptions.NotFound:
            pass

    def http(self, method, target, query=None, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        target += "?" + urllib.parse.urlencode(query) if query else ""
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()

    def insert(self, name, data, fields=None, query=None, trailer=None):
        """An upload in one request; its status and JSON."""
        parts = [json.dumps(fields or {}).encode(), data]
        parts += [json.dumps(trailer).encode()] if trailer else []
        body = b"".join(b"--cut\r\n\r\n" + part + b"\r\n" for part in parts) + b"--cut--\r\n"
        query = {"uploadType": "multipart", "name": name, **(query or {})}
        headers = {"content-type": "multipart/related; boundary=cut"}
        status, _, answer = self.http("POST", f"/upload/storage/v1/b/{self.name}/o", query, body, headers)
        return status, json.loads(answer)

    def put(self, name, data=b"data", **words):
        status, answer = self.insert(name, data, **words)
        expect(status, 200, f"the status of an upload ({answer})")
        return int(answer["generation"])

    def read(self, name, query=None, headers=None):
        quoted = urllib.parse.quote(name, safe="")
        query = {"alt": "media", **(query or {})}
        return self.http("GET", f"/storage/v1/b/{self.name}/o/{quoted}", query, None, headers)

    def xml(self, method, name, body=None, query=None, headers=None):
        """A call of the XML API, as whoever has a token."""
        target = f"/{self.name}/" + urllib.parse.quote(name, safe="/")
        return self.http(method, target, query, body, {"authorization": "Bearer token", **(headers or {})})

    def get(self, name, **words):
        return self.control.get_object({"bucket": self.path, "object_": name, **words})

    def delete(self, name, **words):
        self.control.delete_object({"bucket": self.path, "object_": name, **words})

    def names(self, **words):
        return [item.name for item in self.control.list_objects({"parent": self.path, **words})]

    def pages(self, **words):
        """Each page's names and prefixes."""
        pager = self.control.list_objects({"parent": self.path, **words})
        return [[item.name for item in page.objects] + list(page.prefixes) for page in pager.pages]

    def compose(self, name, sources, **words):
        sources = [{"name": it} if isinstance(it, str) else it for it in sources]
        destination = {"bucket": self.path, "name": name, **words.pop("destination", {})}
        request = {"destination": destination, "source_objects": sources, **words}
        return self.control.compose_object(storage.ComposeObjectRequest(request))

    def rewrite(self, source, name, **words):
        """All calls of a rewrite; the object and how many they were."""
        request = {"source_bucket": self.path, "source_object": source, **words}
        request |= {"destination_bucket": self.path, "destination_name": name}
        calls, token = 0, ""
        while True:
            answer = self.control.rewrite_object({**request, "rewrite_token": token})
            calls, token = calls + 1, answer.rewrite_token
            if answer.done:
                return answer.resource, calls

    def start(self, name, fields=None, query=None):
        query = {"uploadType": "resumable", "name": name, **(query or {})}
        target, body = f"/upload/storage/v1/b/{self.name}/o", json.dumps(fields or {}).encode()
        status, headers, _ = self.http("POST", target, query, body)
        expect(status, 200, "the start of a resumable upload")
        url = urllib.parse.urlsplit(headers["location"])
        expect(url.netloc, f"127.0.0.1:{self.port}", "the host that goes on with it")
        return f"{url.path}?{url.query}"

    def part(self, session, data, place, headers=None):
        return self.http("PUT", session, None, data, {"content-range": place, **(headers or {})})


# ---- buckets -----------------------------------------------------------------------------------


@check
def a_bucket_keeps_what_it_was_made_with(bench):
    bench.drop()
    rule = {"action": {"type_": "Delete"}, "condition": {"age_days": 3, "matches_prefix": ["logs/"]}}
    bench.create(
        location="europe-west1",
        labels={"mvi-made": "1", "team": "a"},
        iam_config={
            "uniform_bucket_level_access": {"enabled": True},
            "public_access_prevention": "enforced",
        },
        versioning={"enabled": True},
        lifecycle={"rule": [rule]},
    )
    found = bench.control.get_bucket(name=bench.path)
    expect(dict(found.labels), {"mvi-made": "1", "team": "a"}, "its labels")
    expect(found.iam_config.uniform_bucket_level_access.enabled, True, "uniform access")
    expect(found.iam_config.public_access_prevention, "enforced", "public access")
    expect(found.versioning.enabled, True, "versioning")
    expect(found.lifecycle.rule[0].condition.age_days, 3, "its lifecycle")
    expect((found.location, found.metageneration), ("EUROPE-WEST1", 1), "place, metageneration")
    listed = bench.control.list_buckets({"parent": "projects/checks", "prefix": bench.name})
    expect([it.labels["team"] for it in listed], ["a"], "the labels in the list")


@check
def a_bucket_that_is_there_already_exists(bench):
    refused(exceptions.AlreadyExists, bench.create)


@check
def a_bucket_that_is_not_there_is_not_found(bench):
    none = BUCKETS + "mvi-there-is-none"
    refused(exceptions.NotFound, bench.control.get_bucket, name=none)
    refused(exceptions.NotFound, bench.control.delete_bucket, name=none)
    refused(exceptions.NotFound, bench.control.list_objects, parent=none)


@check
def a_bucket_that_is_not_empty_is_a_failed_precondition(bench):
    bench.put("a")
    refused(exceptions.FailedPrecondition, bench.control.delete_bucket, name=bench.path)


@check
def an_update_changes_what_its_mask_names(bench):
    def update(bucket, *paths, **words):
        bucket = {"name": bench.path, **bucket}
        request = {"bucket": bucket, "update_mask": {"paths": paths}, **words}
        return bench.control.update_bucket(storage.UpdateBucketRequest(request))

    update({"labels": {"a": "1", "b": "2"}}, "labels")
    found = update({"labels": {"a": "3"}, "versioning": {"enabled": True}}, "labels.a")
    expect((dict(found.labels), found.versioning.enabled), ({"a": "3", "b": "2"}, False), "one label")
    found = update({}, "labels.a", "lifecycle")
    expect(dict(found.labels), {"b": "2"}, "a label that was taken away")
    refused(exceptions.InvalidArgument, update, {"labels": {}})
    refused(exceptions.InvalidArgument, update, {}, "nonsense")
    stale = found.metageneration - 1
    refused(exceptions.FailedPrecondition, update, {}, "labels", if_metageneration_match=stale)


# ---- uploads and downloads ---------------------------------------------------------------------


@check
def an_object_is_read_as_it_was_written(bench):
    fields = {"contentType": "text/x", "cacheControl": "no-store", "contentDisposition": "attachment",
              "contentLanguage": "de", "metadata": {"a": "1"}, "storageClass": "NEARLINE"}
    generation = bench.put("a", b"hello", fields=fields)
    status, headers, data = bench.read("a")
    expect((status, data), (200, b"hello"), "the answer")
    wanted = {"content-type": "text/x", "cache-control": "no-store", "content-length": "5",
              "content-disposition": "attachment", "x-goog-generation": str(generation),
              "x-goog-metageneration": "1", "x-goog-stored-content-length": "5",
              "x-goog-storage-class": "NEARLINE", "x-goog-meta-a": "1",
              "x-goog-hash": "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="}
    expect({name: headers.get(name) for name in wanted}, wanted, "the headers")
    found = bench.get("a")
    expect((found.content_type, dict(found.metadata)), ("text/x", {"a": "1"}), "the metadata")
    expect(found.checksums.crc32c, google_crc32c.value(b"hello"), "the checksum")


@check
def what_is_not_there_is_not_found(bench):
    status, _, body = bench.read("none")
    error = json.loads(body)["error"]
    expect((status, error["code"], error["errors"][0]["reason"]), (404, 404, "notFound"), "the error")
    refused(exceptions.NotFound, bench.get, "none")
    refused(exceptions.NotFound, bench.delete, "none")
    bench.put("one")
    refused(exceptions.NotFound, bench.get, "one", generation=7)


@check
def a_range_is_a_part(bench):
    bench.put("a", b"0123456789")
    for asked, wanted in [("2-4", b"234"), ("7-", b"789"), ("-3", b"789"), ("5-99", b"56789")]:
        status, headers, data = bench.read("a", headers={"range": f"bytes={asked}"})
        expect((status, data), (206, wanted), asked)
        expect(headers["content-range"].endswith("/10"), True, headers["content-range"])
    expect(bench.read("a", headers={"range": "bytes=10-"})[0], 416, "a range behind the end")


@check
def a_wrong_checksum_is_refused(bench):
    wrong = {"crc32c": "AAAAAA=="}
    for words in [{"fields": wrong}, {"trailer": wrong}, {"fields": {"md5Hash": "A" * 22 + "=="}}]:
        status, answer = bench.insert("a", b"hello", **words)
        expect((status, answer["error"]["errors"][0]["reason"]), (400, "invalid"), "the refusal")
    session = bench.start("a")
    status, _, _ = bench.part(session, b"hello", "bytes 0-4/5", {"x-goog-hash": "crc32c=AAAAAA=="})
    expect(status, 400, "a wrong one on a resumable upload")
    refused(exceptions.NotFound, bench.get, "a")
    bench.put("a", b"hello", fields={"crc32c": "mnG7TA=="})


@check
def an_upload_is_conditional(bench):
    first = bench.put("a", query={"ifGenerationMatch": 0})
    for query in [{"ifGenerationMatch": 0}, {"ifGenerationMatch": first - 1}, {"ifMetagenerationMatch": 9},
                  {"ifGenerationNotMatch": first}]:
        status, answer = bench.insert("a", b"new", query=query)
        expect((status, answer["error"]["errors"][0]["reason"]), (412, "conditionNotMet"), str(query))
        session = bench.start("a", query=query)
        expect(bench.part(session, b"new", "bytes 0-2/3")[0], 412, f"resumable, {query}")
    second = bench.put("a", query={"ifGenerationMatch": first})
    expect(second > first, True, "a generation that grows")
    expect(bench.insert("none", b"", query={"ifGenerationMatch": first})[0], 412, "of what is absent")


@check
def one_of_many_writers_wins(bench):
    def race(write):
        won = []
        threads = [threading.Thread(target=lambda n=n: won.append(write(n))) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return won.count(200), won.count(412)

    absent = {"ifGenerationMatch": 0}
    expect(race(lambda n: bench.insert("a", b"%d" % n, query=absent)[0]), (1, 15), "winners in one request")
    sessions = [bench.start("b", query=absent) for _ in range(16)]
    won = race(lambda n: bench.part(sessions[n], b"%02d" % n, "bytes 0-1/2")[0])
    expect(won, (1, 15), "winners of resumable uploads")
    for n in range(2):
        bench.put(f"source-{n}", b"%d" % n)

    def compose(n):
        try:
            bench.compose("c", [f"source-{n % 2}"], if_generation_match=0)
            return 200
        except exceptions.FailedPrecondition:
            return 412

    expect(race(compose), (1, 15), "winners of a compose")


@check
def a_resumable_upload_goes_on_where_it_was(bench):
    session = bench.start("a", {"contentType": "text/r", "metadata": {"a": "1"}})
    expect(bench.part(session, b"", "bytes */*")[0], 308, "nothing has arrived")
    first, rest = b"a" * (256 << 10), b"b" * 10
    # What is no multiple of 256 KiB is kept only up to one.
    status, headers, _ = bench.part(session, first + b"lost", f"bytes 0-{len(first) + 3}/*")
    expect((status, headers["range"]), (308, "bytes=0-262143"), "the first part")
    status, headers, _ = bench.part(session, b"", "bytes */*")
    expect((status, headers["range"]), (308, "bytes=0-262143"), "what has arrived")
    expect(bench.part(session, b"x", "bytes 300000-300000/*")[0], 400, "a gap")
    refused(exceptions.NotFound, bench.get, "a")
    place = f"bytes {len(first)}-{len(first) + 9}/{len(first) + 10}"
    status, _, answer = bench.part(session, rest, place)
    expect((status, json.loads(answer)["size"]), (200, str(len(first) + 10)), "the last part")
    status, _, again = bench.part(session, b"", "bytes */*")
    expect((status, again), (200, answer), "the answer, asked for again")
    expect(bench.read("a")[2], first + rest, "what is there")
    expect(dict(bench.get("a").metadata), {"a": "1"}, "its metadata")
    expect(bench.part(bench.start("b"), b"", "bytes */0")[0], 200, "no bytes at all")
    session = bench.start("c")
    expect(bench.part(session, b"unknown length", "bytes 0-*/*")[0], 200, "a length that is not known")


@check
def a_cancelled_upload_is_gone(bench):
    session = bench.start("a")
    expect(bench.http("DELETE", session)[0], 499, "the answer")
    expect(bench.part(session, b"x", "bytes 0-0/1")[0], 404, "a part of it")
    refused(exceptions.NotFound, bench.get, "a")


@check
def odd_names_are_kept_apart(bench):
    for name in ODD_NAMES:
        bench.put(name, name.encode())
    for name in ODD_NAMES:
        expect(bench.read(name)[2], name.encode(), name)
        expect(bench.get(name).name, name, "the name")
    expect(bench.names(), sorted(ODD_NAMES, key=str.encode), "the list")
    copied, _ = bench.rewrite("a?b=c&d", "copy of a?b")
    expect(copied.size, 7, "the size of a copy")
    for bad in ["", "x" * 1025, "line\nend", ".."]:
        expect(bench.insert(bad, b"")[0], 400, f"the status of {bad[:9]!r}")


# ---- listing -----------------------------------------------------------------------------------


def listing(bench):
    names = ["A", "a", "a/1", "a/2", "a/b/3", "b", "b/1", "c/1", "z", "é", "\uffee", "\U0010fffd/p"]
    for name in names:
        bench.put(name)
    return names


@check
def a_list_is_sorted_by_bytes_and_paged(bench):
    names = listing(bench)
    for size in (1, 2, 3, 12, 13):
        pages = bench.pages(page_size=size)
        expect([name for page in pages for name in page], names, f"pages of {size}")
        expect(max(map(len, pages)), min(size, 12), f"the most in a page of {size}")
    expect(bench.names(prefix="a/"), ["a/1", "a/2", "a/b/3"], "a prefix")


@check
def a_delimiter_folds_and_prefixes_count(bench):
    listing(bench)
    folded = ["A", "a", "a/", "b", "b/", "c/", "z", "é", "\uffee", "\U0010fffd/"]
    for size in (1, 2, 3, 100):
        pages = bench.pages(page_size=size, delimiter="/")
        found = sorted((name for page in pages for name in page), key=str.encode)
        expect(found, folded, f"pages of {size}")
        expect(max(map(len, pages)), min(size, 10), f"the most in a page of {size}")
    expect(bench.pages(prefix="a/", delimiter="/"), [["a/1", "a/2", "a/b/"]], "below a prefix")


@check
def a_list_starts_and_ends_where_it_is_told(bench):
    listing(bench)
    expect(bench.names(lexicographic_start="a/2", lexicographic_end="b/1"), ["a/2", "a/b/3", "b"], "between")
    found = bench.pages(lexicographic_start="a/2", lexicographic_end="b/1", delimiter="/")
    expect(found, [["b", "a/"]], "folded: the prefix of what is in between")


# ---- versions ----------------------------------------------------------------------------------


@check
def a_versioned_bucket_keeps_generations(bench):
    bench.drop()
    bench.create(versioning={"enabled": True})
    first, second = bench.put("a", b"1"), bench.put("a", b"2")
    bench.delete("a")
    refused(exceptions.NotFound, bench.get, "a")
    expect(bench.names(), [], "what is live")
    found = bench.control.list_objects({"parent": bench.path, "versions": True})
    found = [(item.generation, "delete_time" in item) for item in found]
    expect(found, [(first, True), (second, True)], "the generations")
    expect(bench.read("a", {"generation": first})[2], b"1", "an old one")
    third = bench.put("a", b"3", query={"ifGenerationMatch": 0})
    restored, _ = bench.rewrite("a", "a", source_generation=first, if_generation_match=third)
    expect(bench.read("a")[2], b"1", "an old one that was copied over the live one")
    bench.delete("a", generation=first)
    refused(exceptions.NotFound, bench.get, "a", generation=first)
    refused(exceptions.NotFound, bench.delete, "a", generation=first)
    bench.delete("a", generation=restored.generation)
    refused(exceptions.NotFound, bench.get, "a")
    refused(exceptions.FailedPrecondition, bench.control.delete_bucket, name=bench.path)


@check
def a_bucket_without_versions_keeps_none(bench):
    first = bench.put("a", b"1")
    bench.put("a", b"2")
    refused(exceptions.NotFound, bench.get, "a", generation=first)
    expect(len(bench.names(versions=True)), 1, "the generations")


# ---- the XML API -------------------------------------------------------------------------------


def xml_code(answer):
    status, headers, body = answer
    expect(headers["content-type"].startswith("application/xml"), True, "the form of a refusal")
    error = xml.etree.ElementTree.fromstring(body)
    expect((error.tag, bool(error.findtext("Message"))), ("Error", True), "what the refusal has")
    return status, error.findtext("Code")


@check
def the_xml_api_says_all_in_headers(bench):
    sent = {"content-type": "text/x", "content-disposition": "inline", "x-goog-meta-a": "1",
            "x-goog-hash": "crc32c=mnG7TA==", "x-goog-encryption-kms-key-name": "key"}
    status, made, body = bench.xml("PUT", "a", b"hello", headers=sent)
    expect((status, body), (200, b""), "the answer to a write")
    found = bench.get("a")
    wanted = {"x-goog-generation": str(found.generation), "x-goog-metageneration": "1",
              "x-goog-stored-content-length": "5", "x-goog-stored-content-encoding": "identity",
              "x-goog-hash": "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="}
    expect({name: made.get(name) for name in wanted}, wanted, "the headers of a write")
    expect((found.content_type, dict(found.metadata), found.kms_key), ("text/x", {"a": "1"}, "key"), "it")
    status, headers, data = bench.xml("GET", "a")
    expect((status, data), (200, b"hello"), "the answer to a read")
    # How to cache it is said also where nobody has said it; with which key it is encrypted is not.
    wanted |= {"content-type": "text/x", "content-disposition": "inline", "x-goog-meta-a": "1",
               "cache-control": "private, max-age=0", "x-goog-encryption-kms-key-name": None}
    expect({name: headers.get(name) for name in wanted}, wanted, "the headers of a read")
    expect(headers["last-modified"].endswith(" GMT"), True, headers["last-modified"])
    status, headers, data = bench.xml("GET", "a", headers={"range": "bytes=1-3"})
    expect((status, data, headers["content-range"]), (206, b"ell", "bytes 1-3/5"), "a range")
    expect(headers["x-goog-stored-content-length"], "5", "how much there is of it")
    bench.xml("PUT", "a", b"", headers={"cache-control": "no-store"})
    expect(bench.xml("GET", "a")[1]["cache-control"], "no-store", "how it is to be cached")


@check
def the_xml_api_is_conditional(bench):
    first = {"x-goog-if-generation-match": "0"}
    status, made, _ = bench.xml("PUT", "a", b"one", headers=first)
    expect(status, 200, "the first")
    failed = (412, "PreconditionFailed")
    expect(xml_code(bench.xml("PUT", "a", b"two", headers=first)), failed, "a second")
    same = {"x-goog-if-generation-match": made["x-goog-generation"]}
    expect(bench.xml("GET", "a", headers=same)[0], 200, "a read of the same")
    expect(bench.xml("GET", "a", query={"generation": made["x-goog-generation"]})[0], 200, "of a generation")
    expect(bench.xml("PUT", "a", b"two", headers=same)[0], 200, "a write over the same")
    expect(xml_code(bench.xml("GET", "a", headers=same)), failed, "a read of another")
    gone = bench.xml("GET", "a", query={"generation": made["x-goog-generation"]})
    expect(xml_code(gone), (404, "NoSuchKey"), "of a generation that is gone")


@check
def the_xml_api_refuses_in_xml(bench):
    expect(xml_code(bench.xml("GET", "none")), (404, "NoSuchKey"), "no object")
    wrong = bench.xml("PUT", "a", b"hello", headers={"x-goog-hash": "crc32c=AAAAAA=="})
    expect(xml_code(wrong), (400, "BadDigest"), "another checksum")
    refused(exceptions.NotFound, bench.get, "a")
    bench.xml("PUT", "a", b"hello")
    behind = bench.xml("GET", "a", headers={"range": "bytes=5-"})
    expect(xml_code(behind), (416, "InvalidRange"), "a range behind the end")
    expect(xml_code(bench.http("GET", f"/{bench.name}/a")), (403, "AccessDenied"), "as nobody")
    bench.name += "-none"
    expect(xml_code(bench.xml("GET", "a")), (404, "NoSuchBucket"), "no bucket")
    bench.name = bench.name.removesuffix("-none")


@check
def the_xml_api_takes_names_as_they_are(bench):
    for number, name in enumerate(ODD_NAMES):
        expect(bench.xml("PUT", name, b"%d" % number)[0], 200, name)
        expect(bench.xml("GET", name)[2], b"%d" % number, name)
        expect(bench.read(name)[2], b"%d" % number, f"{name} by the JSON API")
    expect(sorted(bench.names()), sorted(ODD_NAMES), "what there is")


# ---- deletes, copies, composes -----------------------------------------------------------------


@check
def a_delete_and_a_read_are_conditional(bench):
    generation = bench.put("a")
    refused(exceptions.FailedPrecondition, bench.delete, "a", if_generation_match=generation - 1)
    refused(exceptions.FailedPrecondition, bench.get, "a", if_generation_match=generation - 1)
    expect(bench.read("a", {"ifGenerationMatch": generation - 1})[0], 412, "a read of another")
    expect(bench.read("a", {"ifGenerationNotMatch": generation})[0], 304, "a read of the same")
    bench.delete("a", if_generation_match=generation)
    refused(exceptions.NotFound, bench.delete, "a", if_generation_match=generation)


@check
def a_compose_joins_its_sources(bench):
    first = bench.put("1", b"one,")
    bench.put("2", b"two")
    destination = {"content_type": "text/c", "metadata": {"k": "v"}, "cache_control": "no-store"}
    made = bench.compose("c", ["1", "2"], destination=destination, if_generation_match=0, kms_key="key")
    expect(bench.read("c")[2], b"one,two", "what is there")
    expect(made.checksums.crc32c, google_crc32c.value(b"one,two"), "its checksum")
    expect((made.checksums.md5_hash, made.component_count), (b"", 2), "no MD5, two components")
    expect((made.content_type, dict(made.metadata), made.kms_key), ("text/c", {"k": "v"}, "key"), "settings")
    refused(exceptions.FailedPrecondition, bench.compose, "c", ["2"], if_generation_match=0)
    stale = {"name": "1", "object_preconditions": {"if_generation_match": first - 1}}
    refused(exceptions.FailedPrecondition, bench.compose, "c", [stale])
    refused(exceptions.NotFound, bench.compose, "c", ["1", "none"])
    refused(exceptions.InvalidArgument, bench.compose, "c", ["1"] * 33)
    refused(exceptions.InvalidArgument, bench.compose, "c", ["1"], object_checksums={"crc32c": 1})
    expect(bench.read("c")[2], b"one,two", "what is there after refusals")
    again = bench.compose("c", ["c", "1"], if_generation_match=made.generation)
    expect(again.generation > made.generation, True, "a generation that grows")
    expect((bench.compose("w", ["1"] * 32).size, again.component_count), (128, 3), "32 sources")


@check
def a_rewrite_copies_in_steps(bench):
    data = b"0123456789abcdef" * (600 << 10)
    generation = bench.put("a", data, fields={"contentType": "text/a", "metadata": {"a": "1"}})
    made, calls = bench.rewrite("a", "b", if_generation_match=0, if_source_generation_match=generation)
    expect((made.size, calls), (len(data), 3), "size and calls")
    expect((made.content_type, dict(made.metadata)), ("text/a", {"a": "1"}), "the source's settings")
    expect(made.checksums.crc32c, google_crc32c.value(data), "the checksum")
    made, _ = bench.rewrite("a", "b", destination={"content_type": "text/b"})
    expect((made.content_type, dict(made.metadata)), ("text/b", {}), "settings of its own")
    refused(exceptions.FailedPrecondition, bench.rewrite, "a", "b", if_generation_match=0)
    refused(exceptions.FailedPrecondition, bench.rewrite, "a", "b", if_source_generation_match=1)
    refused(exceptions.NotFound, bench.rewrite, "none", "b")


@check
def metadata_changes_without_a_new_generation(bench):
    generation = bench.put("a", fields={"metadata": {"a": "1", "b": "2"}})
    changed = {"bucket": bench.path, "name": "a", "metadata": {"a": "3"}, "content_type": "text/u"}
    mask = {"paths": ["metadata.a", "metadata.b", "content_type"]}
    found = bench.control.update_object(
        storage.UpdateObjectRequest({"object_": changed, "update_mask": mask})
    )
    expect((found.generation, found.metageneration), (generation, 2), "generation, metageneration")
    expect((dict(bench.get("a").metadata), found.content_type), ({"a": "3"}, "text/u"), "what it is now")


@check
def a_signed_url_has_its_time(bench):
    def url(date, **more):
        return {"X-Goog-Algorithm": "GOOG4-RSA-SHA256", "X-Goog-Date": date, "X-Goog-Expires": "600",
                "X-Goog-Signature": "00", **more}

    fresh, old = url("29990101T000000Z"), url("20200101T000000Z")
    target = f"/{bench.name}/" + urllib.parse.quote("dir/a b%.txt")
    status, _, _ = bench.http("PUT", target, fresh, b"signed", {"content-type": "text/s"})
    expect(status, 200, "a put")
    status, headers, data = bench.http("GET", target, fresh)
    expect((status, data, headers["content-type"]), (200, b"signed", "text/s"), "a get")
    expect(bench.read("dir/a b%.txt")[2], b"signed", "the same object")
    expect(bench.http("GET", target, old)[0], 400, "one that has expired")
    expect(bench.http("GET", target, url("29990101T000000Z", **{"X-Goog-Expires": "604801"}))[0], 400, "over 7 days")
    expect(bench.http("GET", target)[0], 403, "no signature")


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(function.__name__ for function in CHECKS))
        return
    if len(sys.argv) < 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    chosen = [it for it in CHECKS if it.__name__ in sys.argv[2:] or len(sys.argv) == 2]
    for number, function in enumerate(chosen):
        bench = Bench(int(sys.argv[1]), f"mvi-check-{number}")
        try:
            bench.drop()
            bench.create()
            function(bench)
            result = "ok"
        except Exception as error:  # a check that breaks is one that failed
            place = traceback.extract_tb(error.__traceback__)[-1]
            result = f"{type(error).__name__}: {error} (line {place.lineno})".replace("\n", " ")
        bench.drop()
        print(f"{function.__name__}\t{result}", flush=True)


if __name__ == "__main__":
    main()

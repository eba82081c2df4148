#!/usr/bin/env python3
"""A Google Cloud REST server driven by Google's own API description.

    discofake.py PORT=DOCUMENT          for example 9101=firestore.v1

Every request is held against the discovery document that google-api-python-client ships: verb,
path, query parameters, and the body's fields, types, formats, enums and required fields. What does
not fit is answered with 400 (404 where no method has that path) and listed at `GET /_violations`,
so that a test can assert that there was nothing. Answers are held against the same document. So
the shapes are Google's; the behaviour is ours, one function a method, after Google's documentation:

- https://firebase.google.com/docs/firestore/reference/rest/v1/projects.databases.collectionGroups.fields
- https://google.aip.dev/151 (long-running operations)

`POST /_reset` forgets all resources and violations.
"""

import base64
import datetime
import json
import os
import re
import sys
import threading
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import googleapiclient

DOCUMENTS = os.path.join(
    os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents"
)

# How many times an operation is polled before it is done.
POLLS = int(os.environ.get("DISCOFAKE_POLLS", "2"))

# System parameters that every Google API takes and the documents do not list:
# https://google.aip.dev/client-libraries/4236 and the numeric form of enums in JSON.
SYSTEM_PARAMETERS = {"$apiVersion"}

INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


def now():
    """The time, the way Google writes it."""
    time = datetime.datetime.now(datetime.timezone.utc)
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


class ApiError(Exception):
    """What a Google API answers instead of a result."""

    def __init__(self, code, status, message):
        super().__init__(message)
        self.code, self.status, self.message = code, status, message

    def body(self):
        error = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": error}


def not_found(what):
    return ApiError(404, "NOT_FOUND", f"{what} was not found")


# ---- the document ------------------------------------------------------------------------------


class Document:
    """A discovery document: finds the method of a request and says what is wrong with it."""

    def __init__(self, name):
        with open(os.path.join(DOCUMENTS, f"{name}.json"), encoding="utf-8") as file:
            self.json = json.load(file)
        self.id = self.json["id"]
        self.routes = []
        self._collect(self.json)
        # The most literal path first: `:commit` before a name that could be anything.
        self.routes.sort(key=lambda route: -len(re.sub(r"\{[^}]*\}", "", route[2]["path"])))

    def _collect(self, node):
        for method in node.get("methods", {}).values():
            pattern = re.compile(f"^{self._pattern(method)}$")
            self.routes.append((method["httpMethod"], pattern, method))
        for resource in node.get("resources", {}).values():
            self._collect(resource)

    def _pattern(self, method):
        """`v1/{+name}:commit` as a regular expression, with each variable's own pattern."""
        path, pattern = self.json["servicePath"] + method["path"], ""
        for part in re.split(r"(\{\+?[^}]+\})", path):
            if not part.startswith("{"):
                pattern += re.escape(part)
                continue
            variable = part.strip("{}+")
            own = method["parameters"][variable].get("pattern", "").strip("^$")
            plain = ".+" if part.startswith("{+") else "[^/:]+"
            pattern += f"(?P<{re.sub(r'[^A-Za-z0-9]', '_', variable)}>{own or plain})"
        return pattern

    def find(self, verb, path):
        """The method of a request and the variables of its path, or nothing."""
        for method_verb, pattern, method in self.routes:
            match = pattern.match(path.lstrip("/")) if method_verb == verb else None
            if match:
                return method, match.groupdict()
        return None, {}

    def check_request(self, method, query, body):
        """What is wrong with a request, and how many enum numbers could not be checked."""
        # Google's newer clients send enums as numbers, and the documents have names only.
        numbers = any("enum-encoding=int" in value for value in query.get("$alt", []))
        check = Check(self.json["schemas"], method["id"], numbers)
        known = {**self.json.get("parameters", {}), **method.get("parameters", {})}
        for name, values in query.items():
            plain = name.lstrip("$")
            if name in SYSTEM_PARAMETERS or (plain == "alt" and values[0].startswith("json")):
                continue
            schema = known.get(name, known.get(plain))
            if schema is None or schema["location"] != "query":
                check.add(f"query {name}", f"{method['id']} has no such parameter")
                continue
            if len(values) > 1 and not schema.get("repeated"):
                check.add(f"query {name}", "given more than once")
            for value in values:
                check.parameter(schema, value, f"query {name}")
        for name, schema in method.get("parameters", {}).items():
            required = schema.get("required") or says_required(schema)
            if schema["location"] == "query" and required and name not in query:
                check.add(f"query {name}", f"required by {method['id']}")
        if "request" in method:
            check.value(method["request"], body if body is not None else {}, "body")
        elif body not in (None, {}):
            check.add("body", f"{method['id']} takes none")
        return check.problems, check.unchecked

    def check_answer(self, method, answer):
        """What is wrong with an answer of ours."""
        check = Check(self.json["schemas"], None, False)
        check.value(method["response"], answer, "answer")
        return check.problems


def says_required(schema):
    return schema.get("description", "").startswith("Required.")


class Check:
    """One pass over a value with its schema in hand."""

    def __init__(self, schemas, method_id, numbers):
        self.schemas, self.method_id, self.numbers = schemas, method_id, numbers
        self.problems, self.unchecked = [], 0

    def add(self, where, problem):
        self.problems.append(f"{where}: {problem}")

    def value(self, schema, value, where):
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"]]
        kind = schema.get("type")
        if value is None:
            self.add(where, "null")
        elif kind == "object":
            self._object(schema, value, where)
        elif kind == "array":
            if not isinstance(value, list):
                return self.add(where, "wanted a list")
            for index, item in enumerate(value):
                self.value(schema["items"], item, f"{where}[{index}]")
        elif kind != "any":
            self._scalar(schema, value, where)

    def _object(self, schema, value, where):
        if not isinstance(value, dict):
            return self.add(where, "wanted an object")
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            if name in fields:
                self.value(fields[name], item, f"{where}.{name}")
            elif others is not None:
                self.value(others, item, f"{where}[{name}]")
            else:
                self.add(f"{where}.{name}", f"{schema.get('id', 'the object')} has no such field")
        for name, field in fields.items():
            if name not in value and self._requires(field):
                self.add(f"{where}.{name}", f"required by {self.method_id}")

    def _requires(self, field):
        if self.method_id is None:
            return False
        if self.method_id in field.get("annotations", {}).get("required", []):
            return True
        # A patch sends what changes, so only a whole resource has to have all its fields.
        whole = self.method_id.rsplit(".", 1)[-1] not in ("patch", "update")
        return whole and says_required(field) and not field.get("readOnly")

    def parameter(self, schema, text, where):
        """A query parameter: always text, of whichever type."""
        readers = {
            "integer": int,
            "number": float,
            "boolean": {"true": True, "false": False}.__getitem__,
        }
        reader = readers.get(schema.get("type"))
        try:
            value = reader(text) if reader else text
        except (ValueError, KeyError):
            return self.add(where, f"{text!r} is no {schema['type']}")
        if self.numbers and "enum" in schema and text.isdigit():
            value = int(text)
        self._scalar(schema, value, where, is_parameter=True)

    def _scalar(self, schema, value, where, is_parameter=False):
        kind, form = schema.get("type"), schema.get("format")
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if self.numbers and "enum" in schema and is_integer:
            self.unchecked += 1
        elif form in INTEGERS:
            # 64-bit numbers travel as text: JSON's own do not hold them.
            if not (is_integer or (kind == "string" and isinstance(value, str))):
                return self.add(where, f"{value!r} is no {form}")
            low, high = INTEGERS[form]
            try:
                fits = low <= int(value) <= high
            except ValueError:
                fits = False
            if not fits:
                self.add(where, f"{value!r} is no {form}")
        elif kind == "string":
            self._text(schema, value, where, is_parameter)
        elif kind == "boolean" and not isinstance(value, bool):
            self.add(where, f"{value!r} is no boolean")
        elif kind == "integer" and not is_integer:
            self.add(where, f"{value!r} is no integer")
        elif kind == "number" and not (is_integer or isinstance(value, float)):
            self.add(where, f"{value!r} is no number")

    def _text(self, schema, value, where, is_parameter):
        form = schema.get("format")
        if not isinstance(value, str):
            self.add(where, f"{value!r} is no text")
        elif "enum" in schema and value not in schema["enum"]:
            self.add(where, f"{value!r} is not one of {', '.join(schema['enum'])}")
        elif "pattern" in schema and not is_parameter and not re.search(schema["pattern"], value):
            self.add(where, f"{value!r} does not match {schema['pattern']}")
        elif form == "byte" and not is_base64(value):
            self.add(where, "no base64")
        elif form == "google-datetime" and not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value):
            self.add(where, f"{value!r} is no time")
        elif form == "google-duration" and not re.fullmatch(r"-?\d+(\.\d{1,9})?s", value):
            self.add(where, f"{value!r} is no duration")
        elif form == "google-fieldmask" and not re.fullmatch(r"[\w.,`*]*", value):
            self.add(where, f"{value!r} is no field mask")


def is_base64(text):
    try:
        base64.b64decode(text, altchars=b"-_" if re.search("[-_]", text) else None, validate=True)
    except ValueError:
        return False
    return True


# ---- the behaviour -----------------------------------------------------------------------------


class Firestore:
    """The part of the Firestore Admin API that a time-to-live policy needs."""

    TYPES = "type.googleapis.com/google.firestore.admin.v1."

    def __init__(self):
        self.fields = {}  # name of the field -> what was set of it
        self.operations = {}  # name -> [polls left, answer while it runs, answer when done]
        self.methods = {
            "firestore.projects.databases.get": self.get_database,
            "firestore.projects.databases.collectionGroups.fields.get": self.get_field,
            "firestore.projects.databases.collectionGroups.fields.list": self.list_fields,
            "firestore.projects.databases.collectionGroups.fields.patch": self.patch_field,
            "firestore.projects.databases.operations.get": self.get_operation,
        }

    def get_database(self, path, _query, _body):
        """Every project has its default database, and no other."""
        name = path["name"]
        if not name.endswith("/databases/(default)"):
            raise not_found(name)
        return {"name": name, "type": "FIRESTORE_NATIVE", "locationId": "us-east1"}

    def get_field(self, path, _query, _body):
        return self.fields.get(path["name"]) or self.unset(path["name"])

    def list_fields(self, path, query, _body):
        """Only fields that differ from the default, as the one filter there is asks for."""
        parent = path["parent"] + "/fields/"
        found = [field for name, field in sorted(self.fields.items()) if name.startswith(parent)]
        if "ttlConfig:*" in query.get("filter", [""])[0]:
            found = [field for field in found if "ttlConfig" in field]
        return {"fields": found} if found else {}

    def patch_field(self, path, query, body):
        """Sets what the mask names. A policy is `CREATING` until its operation is done."""
        name, body = path["name"], body or {}
        mask = query.get("updateMask", [",".join(sorted(body.keys() - {"name"}))])[0].split(",")
        unknown = set(mask) - {"ttlConfig", "indexConfig"}
        if unknown:
            raise ApiError(400, "INVALID_ARGUMENT", f"cannot update {', '.join(sorted(unknown))}")
        if body.get("name", name) != name:
            raise ApiError(400, "INVALID_ARGUMENT", f"{body['name']} is not {name}")
        field = dict(self.fields.get(name) or self.unset(name))
        metadata = {"@type": self.TYPES + "FieldOperationMetadata", "field": name, "startTime": now()}
        if "ttlConfig" in mask:
            had = field.pop("ttlConfig", None) is not None
            if "ttlConfig" in body:
                field["ttlConfig"] = {**body["ttlConfig"], "state": "CREATING"}
            if had != ("ttlConfig" in body):
                metadata["ttlConfigDelta"] = {"changeType": "REMOVE" if had else "ADD"}
        if "indexConfig" in mask:
            field["indexConfig"] = body.get("indexConfig", {"usesAncestorConfig": True})
        self.fields[name] = field
        finished = dict(field)
        if "ttlConfig" in finished:
            finished["ttlConfig"] = {**finished["ttlConfig"], "state": "ACTIVE"}

        def finish():
            self.fields[name] = finished

        database = name.split("/collectionGroups/")[0]
        return self.start(database, metadata, finished, "Field", finish)

    def unset(self, name):
        return {"name": name, "indexConfig": {"usesAncestorConfig": True}}

    def start(self, database, metadata, result, kind, finish):
        name = f"{database}/operations/{uuid.uuid4().hex}"
        running = {"name": name, "metadata": {**metadata, "state": "PROCESSING"}}
        done = {
            "name": name,
            "done": True,
            "metadata": {**metadata, "state": "SUCCESSFUL", "endTime": now()},
            "response": {"@type": self.TYPES + kind, **result},
        }
        self.operations[name] = [POLLS, running, done, finish]
        return running

    def get_operation(self, path, _query, _body):
        operation = self.operations.get(path["name"])
        if operation is None:
            raise not_found(path["name"])
        left, running, done, finish = operation
        if left > 0:
            operation[0] -= 1
            return running
        if left == 0:
            operation[0] = -1
            finish()
        return done


BEHAVIOURS = {"firestore:v1": Firestore}

# ---- the server --------------------------------------------------------------------------------


class Server:
    """One document, its behaviour, and what was asked of it."""

    def __init__(self, document):
        self.document = document
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        self.behaviour = BEHAVIOURS[self.document.id]()
        self.violations, self.calls, self.unchecked = [], [], 0

    def report(self):
        return {
            "document": self.document.id,
            "revision": self.document.json["revision"],
            "violations": self.violations,
            "unchecked_enum_numbers": self.unchecked,
            "calls": self.calls,
        }

    def answer(self, verb, target, raw):
        """The status and the JSON of the answer."""
        url = urllib.parse.urlsplit(target)
        path = urllib.parse.unquote(url.path)
        with self.lock:
            if (verb, path) == ("GET", "/_violations"):
                return 200, self.report()
            if (verb, path) == ("POST", "/_reset"):
                self.reset()
                return 200, {}
            query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
            try:
                return 200, self.call(verb, path, query, raw)
            except ApiError as error:
                return error.code, error.body()

    def call(self, verb, path, query, raw):
        method, variables = self.document.find(verb, path)
        self.calls.append(f"{verb} {path} -> {method['id'] if method else 'nothing'}")
        if method is None:
            raise self.violation(404, "NOT_FOUND", f"{self.document.id} has no {verb} {path}")
        try:
            body = json.loads(raw) if raw else None
        except ValueError as error:
            raise self.violation(400, "INVALID_ARGUMENT", f"body: no JSON: {error}") from error
        problems, unchecked = self.document.check_request(method, query, body)
        self.unchecked += unchecked
        if problems:
            raise self.violation(400, "INVALID_ARGUMENT", *problems)
        behaviour = self.behaviour.methods.get(method["id"])
        if behaviour is None:
            message = f"the request is good, but there is no behaviour for {method['id']}"
            raise ApiError(501, "UNIMPLEMENTED", message)
        answer = behaviour(variables, query, body)
        problems = self.document.check_answer(method, answer)
        if problems:
            raise self.violation(500, "INTERNAL", *problems)
        return answer

    def violation(self, code, status, *problems):
        self.violations += problems
        return ApiError(code, status, "; ".join(problems))


def handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without this a small answer waits for the acknowledgement of its headers.
        disable_nagle_algorithm = True

        def log_message(self, *_arguments):
            """Quiet: `/_violations` lists the calls."""

        def answer(self):
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = server.answer(self.command, self.path, raw)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json; charset=UTF-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    return Handler


def main():
    if len(sys.argv) != 2 or "=" not in sys.argv[1]:
        sys.exit(__doc__)
    port, name = sys.argv[1].split("=", 1)
    server = Server(Document(name))
    listener = ThreadingHTTPServer(("127.0.0.1", int(port)), handler(server))
    print(f"{server.document.id} on 127.0.0.1:{port}", flush=True)
    listener.serve_forever()


if __name__ == "__main__":
    main()

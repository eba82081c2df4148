#!/usr/bin/env python3
"""Holds the tables on the rooms' module pages against a provider's own API description.

    calls.py aws|google PAGE...         for example aws mvi-core/src/vm.rs

Every call that a table names in the provider's column, as code, has to exist: on AWS as an operation
in botocore's models of the service that the column's head names, on Google as a method in the
discovery documents that google-api-python-client ships. A cell may name another service before the
call, as in "ACM `ImportCertificate`" or "logging.v2 `entries.list`".

Prints what does not exist, then how many calls were held; exits with 1 where one does not, or where a
page has none.
"""

import functools
import gzip
import json
import os
import re
import sys

# How the pages call what botocore has as a folder.
SERVICES = {
    "ACM": "acm",
    "Auto Scaling": "autoscaling",
    "CloudTrail": "cloudtrail",
    "CloudWatch": "cloudwatch",
    "CloudWatch Logs": "logs",
    "DynamoDB": "dynamodb",
    "EC2": "ec2",
    "ECR": "ecr",
    "ECS": "ecs",
    "ELBv2": "elbv2",
    "KMS": "kms",
    "RDS": "rds",
    "S3": "s3",
    "Scheduler": "scheduler",
}

# A call looks like one; what else is code in these columns are values.
AWS_CALL = re.compile(r"(?:[A-Z][a-z]+|DB)+[A-Z]\w*$")
GOOGLE_CALL = re.compile(r"[a-z]\w+(?:\.[a-z]\w+)+$")


@functools.cache
def operations(service):
    """The operations of an AWS service."""
    import botocore

    folder = os.path.join(os.path.dirname(botocore.__file__), "data", SERVICES[service])
    path = os.path.join(folder, max(os.listdir(folder)), "service-2.json.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return frozenset(json.load(file)["operations"])


@functools.cache
def methods(api):
    """The methods of a Google API, as `resource.method`, with every outer resource before."""
    import googleapiclient

    folder = os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents")
    with open(os.path.join(folder, f"{api}.json"), encoding="utf-8") as file:
        document = json.load(file)

    def walk(resource, path):
        for name in resource.get("methods", {}):
            yield ".".join([*path, name])
        for name, inner in resource.get("resources", {}).items():
            yield from walk(inner, [*path, name])

    return frozenset(walk(document, []))


def is_operation(service, call):
    return call in operations(service)


def is_method(api, call):
    return any(it == call or it.endswith(f".{call}") for it in methods(api))


def is_document(word):
    """Whether a word names a discovery document, as `logging.v2` does."""
    return re.fullmatch(r"[a-z]+\.v\d+\w*", word) is not None


# Which column, which words are calls, which words before them name a service, and whether one has the call.
PROVIDERS = {
    "aws": (1, "AWS: ", AWS_CALL, SERVICES.__contains__, is_operation),
    "google": (2, "Google Cloud: ", GOOGLE_CALL, is_document, is_method),
}


def rows(page):
    """The rows of the tables in a page's comments, each with its table's head."""
    head = None
    with open(page, encoding="utf-8") as file:
        for line in file:
            line = line.removeprefix("//!").strip()
            if not line.startswith("|"):
                head = None
                continue
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if head is None:
                head = cells
            elif not set(line) <= set("|-: "):
                yield head, cells


def calls(cell, service, is_call, is_service):
    """The calls in a cell, each with its service: the head's, or the one that is named last before it."""
    for code, plain in re.findall(r"`([^`]+)`|([\w.]+)", cell):
        word = code or plain
        if is_service(word):
            service = word
        elif code and is_call.fullmatch(code):
            yield service, code


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in PROVIDERS:
        sys.exit(__doc__)
    column, start, is_call, is_service, has = PROVIDERS[sys.argv[1]]
    held, wrong = 0, 0
    for page in sys.argv[2:]:
        before = held
        for head, cells in rows(page):
            if len(head) <= column or not head[column].startswith(start):
                continue
            service = head[column].removeprefix(start).strip("`")
            for where, call in calls(cells[column], service, is_call, is_service):
                held += 1
                if not has(where, call):
                    wrong += 1
                    print(f"{page}: no {call} in {where}")
        if held == before:
            wrong += 1
            print(f"{page}: no call is named")
    print(f"{held} calls, {wrong} of them wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

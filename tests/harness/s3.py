"""Real stores that speak S3, on ports of their own: SeaweedFS, and moto for what it does not know."""

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from . import log
from .program import ROOT
from .server import free_port, merged
from .wait import until

REGION = "us-east-1"
# What the documentation says that the server asks for.
PERMITTED = {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
PERMITTED |= {"ListMultipartUploads", "AbortMultipartUpload"}


class Identity:
    """Who may do something in a store."""

    def __init__(self, name: str, *actions: str):
        self.name, self.actions = name, list(actions)
        self.access, self.secret = f"AK{name.upper()}{secrets.token_hex(4)}", secrets.token_hex(20)

    @property
    def json(self) -> dict:
        credentials = [{"accessKey": self.access, "secretKey": self.secret}]
        return {"name": self.name, "credentials": credentials, "actions": self.actions}


class SeaweedFS:
    """One `weed server`; it may be stopped and started again with what it holds."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="auditssh-s3-"))
        self.process: subprocess.Popen | None = None
        names = ("master", "volume", "filer", "s3")
        self.ports = {f"{name}.{kind}": free_port() for name in names for kind in ("port", "port.grpc")}
        self.admin = Identity("admin", "Admin", "Read", "Write", "List", "Tagging")
        # May do what the policy of a bucket allows it, and nothing else.
        self.writer = Identity("writer", "Write:elsewhere")
        self.reader = Identity("reader", "Read", "List")
        self.anywhere = Identity("anywhere", "Write")
        self.made = 0
        identities = [one.json for one in (self.admin, self.writer, self.reader, self.anywhere)]
        (self.directory / "s3.json").write_text(json.dumps({"identities": identities}))

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.ports["s3.port"]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port']}"

    def start(self) -> "SeaweedFS":
        """Starts it and waits until it serves."""
        command = [Path(sys.executable).parent / "weed", "server", f"-dir={self.directory}", "-s3"]
        command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={self.directory / 's3.json'}"]
        command += ["-volume.max=2000", "-master.volumeSizeLimitMB=512", "-master.telemetry=false"]
        command += ["-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        command += [f"-filer.localSocket={self.directory / 'f'}", f"-s3.localSocket={self.directory / 's'}"]
        command += [f"-{name}={port}" for name, port in self.ports.items()]
        # One volume a bucket is enough; by default there would be seven.
        environment = {**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
            )
        until(self.serves, timeout=90, what=f"SeaweedFS serves; see {self.directory / 'output'}")
        return self

    def serves(self) -> bool:
        """Whether an object can be written."""
        assert self.process.poll() is None, (self.directory / "output").read_text()[-3000:]
        time.sleep(0.2)
        probe = self.client()
        try:
            if refused(probe.head_bucket, "404", Bucket="probe"):
                probe.create_bucket(Bucket="probe")
            probe.put_object(Bucket="probe", Key="probe", Body=b"x")
        except (ClientError, BotoCoreError, AssertionError):
            return False
        return True

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(30)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, identity: Identity | None = None):
        return client(self.endpoint, identity or self.admin)

    def new_bucket(self, made: bool = True, **options) -> "Bucket":
        """A bucket that nobody else uses; with `made` unset only its name."""
        name = bucket_name(self.made)
        self.made += 1
        bucket = Bucket(self, name)
        if made:
            bucket.create(**options)
        return bucket


class Moto:
    """moto: it heeds ACLs and keeps what encryption was asked for, and checks no signature."""

    def __init__(self):
        self.port = free_port()
        self.admin = self.writer = Identity("anybody")
        self.made = 0
        command = [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self.serves, timeout=90, what="moto serves")

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serves(self) -> bool:
        assert self.process.poll() is None, "moto has ended"
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def client(self, identity: Identity | None = None):
        return client(self.endpoint, identity or self.admin)

    def new_bucket(self, **options) -> "Bucket":
        name = bucket_name(self.made)
        self.made += 1
        bucket = Bucket(self, name)
        self.client().create_bucket(Bucket=name, **options)
        return bucket


class Bucket:
    """What a bucket holds, as its owner sees it."""

    def __init__(self, store, name: str):
        self.store, self.name, self.client = store, name, store.client()

    def create(self, **options) -> None:
        """Makes it, and lets the writer do what the documentation says it needs."""
        self.client.create_bucket(Bucket=self.name, **options)
        text = json.dumps(policy(self.name, f"arn:aws:iam::000000000000:user/{self.store.writer.name}"))
        self.client.put_bucket_policy(Bucket=self.name, Policy=text)
        probe = self.store.client(self.store.writer)
        until(lambda: not refused(probe.list_multipart_uploads, Bucket=self.name), what="the policy holds")

    def keys(self) -> list[str]:
        """All keys, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(one["Key"] for page in pages for one in page.get("Contents", []))

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def digest(self, key: str) -> str:
        """SHA-256 of an object, without holding all of it."""
        digest = hashlib.sha256()
        for chunk in self.client.get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def head(self, key: str) -> dict:
        return self.client.head_object(Bucket=self.name, Key=key)

    def uploads(self) -> list[dict]:
        """Multipart uploads that nobody has completed or aborted."""
        return self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])

    def wait(self, count: int, timeout: float = 60) -> list[str]:
        """The keys, once there are so many."""
        return until(lambda: len(keys := self.keys()) >= count and keys, timeout, f"{count} objects")

    def download(self, folder: Path) -> list[Path]:
        """Every object, as a file of the last part of its key."""
        folder.mkdir(mode=0o700, exist_ok=True)
        files = []
        for key in self.keys():
            file = folder / key.rpartition("/")[2]
            self.client.download_file(self.name, key, str(file))
            files.append(file)
        return files

    def logs(self, folder: Path, count: int = 1, timeout: float = 60, read=log.finished) -> list[log.Log]:
        """Every log, once there are so many; `read` looks whether each is as it should be."""
        self.wait(count, timeout)
        logs = [read(file) for file in self.download(folder)]
        assert len(logs) == count, f"{len(logs)} logs instead of {count}"
        return sorted(logs, key=lambda one: one.messages[0].time)


def settings(bucket: Bucket, endpoint: str, local: Path, identity: Identity | None = None, **changes) -> dict:
    """`audit.s3` for a bucket, which is reached at an endpoint."""
    identity = identity or bucket.store.writer
    made = {
        "local": str(local),
        "bucket": bucket.name,
        "endpoint": endpoint,
        "region": REGION,
        "accessKey": identity.access,
        "secretKey": identity.secret,
    }
    return merged(made, changes)


def policy(bucket: str, principal: str) -> dict:
    """The minimal policy as docs/s3.md gives it, for somebody."""
    text = (ROOT / "docs" / "s3.md").read_text()
    given = re.search(r"```json\n(\{.*?\n\})\n```", text, re.S)[1].replace("BUCKET", bucket)
    made = json.loads(given)
    for statement in made["Statement"]:
        statement["Principal"] = {"AWS": principal}
    return made


def bucket_name(number: int) -> str:
    return f"audit-{number:02}"


def client(endpoint: str, identity: Identity):
    """The field's own client."""
    style = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}, connect_timeout=5)
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=identity.access,
        aws_secret_access_key=identity.secret,
        config=style,
        verify=False,
    )


def refused(call, *codes: str, **arguments) -> bool:
    """Whether a store refuses a call with one of some codes."""
    try:
        call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert not codes or code in codes, code
        return True
    return False

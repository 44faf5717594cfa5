"""The proxy that harms requests to S3, driven by the field's own client."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from harness import s3
from harness.faults import FAULTS, Dice, Proxy, name_of

PART = b"p" * (5 << 20)


@pytest.fixture
def harmful(seaweed):
    proxy = Proxy(seaweed.address, hole_time=600)
    yield proxy
    proxy.close()


def once(proxy, bucket, patience: float = 60):
    """A client that tries once and waits so many seconds for an answer."""
    style = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=patience)
    writer = bucket.store.writer
    return boto3.client(
        "s3",
        endpoint_url=proxy.endpoint,
        region_name=s3.REGION,
        aws_access_key_id=writer.access,
        aws_secret_access_key=writer.secret,
        config=style,
    )


class Upload:
    """A multipart upload of two parts, each call of which is named as AWS names it."""

    def __init__(self, client, bucket):
        self.client, self.place = client, {"Bucket": bucket.name, "Key": "multi"}
        self.etags = []

    def CreateMultipartUpload(self):
        made = self.client.create_multipart_upload(**self.place)
        self.place["UploadId"] = made["UploadId"]

    def UploadPart(self, body=PART):
        number = len(self.etags) + 1
        answer = self.client.upload_part(**self.place, PartNumber=number, Body=body)
        self.etags.append({"PartNumber": number, "ETag": answer["ETag"]})

    def CompleteMultipartUpload(self):
        self.client.complete_multipart_upload(**self.place, MultipartUpload={"Parts": self.etags})


def harmed(call) -> str:
    """What the client makes of it."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    except (BotoCoreError, ConnectionError) as error:
        return type(error).__name__
    return "done"


def test_each_fault_is_what_it_is_called(harmful, bucket):
    patient, impatient = once(harmful, bucket), once(harmful, bucket, 1)
    expected = {
        "500": ("InternalError", False),
        "503": ("SlowDown", False),
        "429": ("TooManyRequests", False),
        "500 after": ("InternalError", True),
        "reset before": ("ConnectionClosedError", False),
        "reset after": ("ConnectionClosedError", True),
        "cut body": ("ConnectionClosedError", False),
        "flipped bit": ("BadDigest", False),
        "hole before": ("ReadTimeoutError", False),
        "hole after": ("ReadTimeoutError", True),
        "slow": ("done", True),
        "expired": ("ExpiredToken", False),
        "denied": ("AccessDenied", False),
    }
    assert set(expected) == {kind for kind, names in FAULTS.items() if "PutObject" in names}
    for kind, (code, arrives) in expected.items():
        harmful.fault = lambda operation, kind=kind: kind
        key = kind.replace(" ", "-")
        client = impatient if "hole" in kind else patient
        assert harmed(lambda: client.put_object(Bucket=bucket.name, Key=key, Body=b"b" * 1000)) == code, kind
        assert (key in bucket.keys()) == arrives, kind
    assert harmful.asked() == {"PutObject": len(expected)}


def test_faults_of_uploads_in_parts(harmful, bucket):
    client = once(harmful, bucket)
    for kind, at, code in [
        ("error in 200", "CompleteMultipartUpload", "InternalError"),
        ("lost part", "UploadPart", "InvalidPart"),
        ("wrong etag", "UploadPart", "InvalidPart"),
    ]:
        upload = Upload(client, bucket)
        harmful.fault = lambda operation: kind if operation.name == at and operation.part != 2 else None
        upload.CreateMultipartUpload()
        upload.UploadPart()
        upload.UploadPart(b"the end")
        assert harmed(upload.CompleteMultipartUpload) == code, kind
        assert bucket.keys() == []
        harmful.fault = lambda operation: None
        client.abort_multipart_upload(**upload.place)
    assert bucket.uploads() == []


def test_a_request_is_held_until_it_is_let_go(harmful, bucket):
    client, impatient = once(harmful, bucket), once(harmful, bucket, 1)
    held = harmful.hold("PutObject", "before", nth=2)
    client.put_object(Bucket=bucket.name, Key="a", Body=b"")
    assert harmed(lambda: impatient.put_object(Bucket=bucket.name, Key="b", Body=b"")) == "ReadTimeoutError"
    assert held.wait().key == "b" and bucket.keys() == ["a"]
    held.drop()
    held = harmful.hold("PutObject", "after")
    assert harmed(lambda: impatient.put_object(Bucket=bucket.name, Key="c", Body=b"")) == "ReadTimeoutError"
    assert held.wait().status == 200 and bucket.keys() == ["a", "c"]
    held.release()


def test_a_way_that_is_down_and_a_clock_that_is_off(harmful, bucket):
    client, impatient = once(harmful, bucket), once(harmful, bucket, 1)
    for down, seen in (("reset", "Connection"), ("hole", "ReadTimeoutError")):
        harmful.down = down
        harmful.cut()
        assert seen in harmed(lambda: impatient.put_object(Bucket=bucket.name, Key="a", Body=b""))
        harmful.down = None
    harmful.cut()
    harmful.clock = 20 * 60
    assert harmed(lambda: client.put_object(Bucket=bucket.name, Key="a", Body=b"")) == "RequestTimeTooSkewed"
    harmful.clock = 10 * 60
    assert harmed(lambda: client.put_object(Bucket=bucket.name, Key="a", Body=b"")) == "done"


def test_the_same_seed_throws_the_same_faults(harmful, bucket):
    client = once(harmful, bucket)
    client.put_object(Bucket=bucket.name, Key="a", Body=b"")
    (operation,) = harmful.operations
    one, other = Dice(7), Dice(7)
    thrown = [one(operation) for _ in range(1000)]
    assert thrown == [other(operation) for _ in range(1000)]
    assert 200 < sum(kind is not None for kind in thrown) < 400
    assert set(thrown) - {None} <= {kind for kind, names in FAULTS.items() if "PutObject" in names}


@pytest.mark.parametrize(
    ("method", "key", "query", "name"),
    [
        ("PUT", "k", {"x-id": "PutObject"}, "PutObject"),
        ("PUT", "k", {"partNumber": "1", "uploadId": "u"}, "UploadPart"),
        ("GET", "", {"uploads": ""}, "ListMultipartUploads"),
        ("GET", "k", {"uploadId": "u"}, "ListParts"),
        ("GET", "", {"list-type": "2"}, "ListObjects"),
        ("HEAD", "k", {}, "HeadObject"),
        ("HEAD", "", {}, "HeadBucket"),
        ("GET", "k", {}, "GetObject"),
        ("DELETE", "k", {}, "DELETE object"),
        ("PUT", "k", {"tagging": ""}, "PUT object tagging"),
    ],
)
def test_requests_have_the_names_that_aws_gives_them(method, key, query, name):
    assert name_of(method, key, query, {}) == name

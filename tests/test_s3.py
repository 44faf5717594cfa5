"""Logs in a bucket: a real server and real sessions against a real store."""

import base64
import datetime
import hashlib
import ipaddress
import json
import os
import signal
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness import program, s3
from harness.faults import Proxy
from harness.log import CONNECT, STDOUT, whole
from harness.wait import until

AUDIT = "application/vnd.containerssh.auditlog"
PART = 5 << 20


def session(server, command: str) -> subprocess.Popen:
    """A session that says `ready`, then does something; it ends with its standard input."""
    line = [*server.ssh(), f"echo ready; {command}"]
    client = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout.readline() == b"ready\n"
    return client


def random_bytes(count: int) -> str:
    """A command that prints so many bytes that do not shrink."""
    return f"head -c {count} /dev/urandom"


def staged(server) -> list[str]:
    """What is left in the local directory, but for the lock."""
    return sorted(f.name for f in server.audit.iterdir() if "lock" not in f.name)


def answered(proxy, name: str) -> list:
    """The requests of a name that the store has done."""
    return [operation for operation in proxy.of(name) if operation.answered in (200, 204)]


def test_a_small_log_is_put_at_once(make_s3_server, bucket, proxy, tmp_path):
    server = make_s3_server(bucket, proxy.endpoint, settings={"metadata": {"username": True, "ip": True}}).start()
    assert server.run("echo hello").stdout == b"hello\n"
    (log,) = bucket.logs(tmp_path / "logs")
    assert log.io(STDOUT) == b"hello\n" and log.user == "alice"
    until(lambda: not staged(server), what="the log is gone from the disk")
    (put,) = proxy.of("PutObject")
    assert set(proxy.asked()) <= {"PutObject", "ListMultipartUploads"}, proxy.asked()
    assert put.headers["if-none-match"] == "*" and "x-amz-acl" not in put.headers
    whole = hashlib.sha256(bucket.get(log.file.name)).digest()
    assert base64.b64decode(put.headers["x-amz-checksum-sha256"]) == whole
    head = bucket.head(log.file.name)
    assert head["ContentType"] == AUDIT
    connected = str(log.only(CONNECT).time // 10**9)
    facts = {"timestamp": connected, "authenticated": "true", "country": "XX", "username": "alice"}
    assert head["Metadata"] == {**facts, "ip": "127.0.0.1"}


def test_who_does_not_log_in_is_recorded_too(make_s3_server, bucket, proxy, tmp_path):
    server = make_s3_server(bucket, proxy.endpoint, settings={"metadata": {"username": True}}).start()
    assert server.run("true", user="mallory").returncode == 255
    (log,) = bucket.logs(tmp_path / "logs")
    metadata = bucket.head(log.file.name)["Metadata"]
    assert metadata.pop("timestamp").isdigit()
    assert metadata == {"authenticated": "false", "country": "XX"}


def test_a_large_log_goes_up_in_parts_while_its_session_runs(make_s3_server, bucket, proxy, tmp_path):
    server = make_s3_server(bucket, proxy.endpoint, settings={"metadata": {"username": True}}).start()
    client = session(server, f"{random_bytes(12 << 20)}; exec cat")
    seen = client.stdout.read(12 << 20)
    until(lambda: len(answered(proxy, "UploadPart")) == 2, timeout=60, what="two parts while it runs")
    assert client.poll() is None and bucket.keys() == []
    client.communicate(timeout=60)
    (log,) = bucket.logs(tmp_path / "logs")
    assert log.io(STDOUT) == b"ready\n" + seen
    until(lambda: not staged(server), what="the log is gone from the disk")
    parts = answered(proxy, "UploadPart")
    assert [part.part for part in parts] == [1, 2, 3]
    assert all(part.size >= PART for part in parts[:2]), "streamed whole"
    assert bucket.head(log.file.name)["ContentLength"] == log.file.stat().st_size
    head = bucket.head(log.file.name)
    assert head["ContentType"] == AUDIT and head["Metadata"]["username"] == "alice"
    assert head["Metadata"]["authenticated"] == "true"
    asked = proxy.asked()
    assert (asked["CreateMultipartUpload"], asked["CompleteMultipartUpload"]) == (1, 1)
    assert bucket.uploads() == []


def test_a_restart_resumes_without_sending_parts_again(make_s3_server, bucket, proxy, tmp_path):
    server = make_s3_server(bucket, proxy.endpoint).start()
    client = session(server, f"{random_bytes(12 << 20)}; exec cat")
    seen = client.stdout.read(12 << 20)
    until(lambda: len(answered(proxy, "UploadPart")) == 2, timeout=60, what="two parts")
    # The manifest is written after the answer: the next thing that is asked for comes after it.
    until(lambda: manifest(server).count(b'"etag"') == 2, what="both parts in the manifest")
    held = proxy.hold("UploadPart")
    server.kill()
    client.communicate(timeout=60)
    server.start()
    until(held.reached.is_set, timeout=60, what="the upload goes on")
    assert held.operation.part == 3
    held.release()
    (log,) = bucket.logs(tmp_path / "logs", read=whole)
    assert log.io(STDOUT) == b"ready\n" + seen
    assert [part.part for part in answered(proxy, "UploadPart")] == [1, 2, 3]
    assert proxy.asked()["CreateMultipartUpload"] == 1
    until(lambda: not staged(server) and not bucket.uploads(), what="nothing is left")


def manifest(server) -> bytes:
    """The manifest of the only upload."""
    files = [f for f in server.audit.iterdir() if f.name.endswith(".upload")]
    try:
        return files[0].read_bytes() if files else b""
    except FileNotFoundError:
        return b""


def test_a_store_that_is_down_keeps_nobody_out(make_s3_server, bucket, proxy, tmp_path):
    proxy.down = "reset"
    server = make_s3_server(bucket, proxy.endpoint).start()
    for number in range(3):
        assert server.run(f"echo {number}").stdout == b"%d\n" % number
    until(lambda: len(server.files()) == 3 and not server.open_logs(), what="three logs wait")
    assert server.stop() == 0
    server.start()
    assert server.run("echo 3").stdout == b"3\n"
    proxy.down = None
    logs = bucket.logs(tmp_path / "logs", 4)
    assert sorted(log.io(STDOUT) for log in logs) == [b"0\n", b"1\n", b"2\n", b"3\n"]
    until(lambda: not staged(server), what="nothing is left")


def test_a_bucket_that_is_made_later_gets_the_logs(make_s3_server, seaweed, proxy, tmp_path):
    bucket = seaweed.new_bucket(made=False)
    server = make_s3_server(bucket, proxy.endpoint, seaweed.anywhere).start()
    assert server.run("echo waits").stdout == b"waits\n"
    until(lambda: "no such bucket" in server.said().lower() or "NoSuchBucket" in server.said(), what="an alert")
    assert len(server.files()) == 1
    bucket.create()
    (log,) = bucket.logs(tmp_path / "logs")
    assert log.io(STDOUT) == b"waits\n"


def test_new_credentials_are_taken_without_a_restart(make_s3_server, bucket, proxy, tmp_path):
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("a secret that is no good any more\n")
    mended = {"secretKey": None, "secretKeyFile": str(secret)}
    server = make_s3_server(bucket, proxy.endpoint, settings=mended).start()
    assert server.run("echo waits").stdout == b"waits\n"
    until(lambda: "ERROR" in server.said() and "SignatureDoesNotMatch" in server.said(), what="an alert")
    assert len(server.files()) == 1
    secret.write_text(f"{bucket.store.writer.secret}\n")
    (log,) = bucket.logs(tmp_path / "logs")
    assert log.io(STDOUT) == b"waits\n"
    assert bucket.store.writer.secret not in server.said()


def test_credentials_may_come_from_the_environment(make_s3_server, bucket, proxy, tmp_path):
    server = make_s3_server(bucket, proxy.endpoint, settings={"accessKey": None, "secretKey": None})
    writer = bucket.store.writer
    server.environment |= {"AWS_ACCESS_KEY_ID": writer.access, "AWS_SECRET_ACCESS_KEY": writer.secret}
    server.start()
    assert server.run("echo hello").stdout == b"hello\n"
    (log,) = bucket.logs(tmp_path / "logs")
    assert log.io(STDOUT) == b"hello\n"


def test_a_store_that_is_busy_is_left_alone_for_as_long_as_it_says(make_s3_server, bucket, proxy):
    proxy.retry_after = 4
    proxy.fault = lambda operation: "503" if len(proxy.of("PutObject")) == 1 else None
    server = make_s3_server(bucket, proxy.endpoint).start()
    assert server.run("true").returncode == 0
    bucket.wait(1)
    first, second = proxy.of("PutObject")
    assert second.began - first.began >= 4


def test_a_second_instance_is_refused(make_s3_server, bucket, proxy):
    server = make_s3_server(bucket, proxy.endpoint).start()
    second = make_s3_server(bucket, proxy.endpoint)
    second.config["audit"]["s3"]["local"] = str(server.audit)
    second.start(wait=False)
    assert second.process.wait(30) == 3
    assert str(server.audit) in second.said()
    upload = program.run("upload", "--config", server.config_file, check=False)
    assert upload.returncode == 3 and str(server.audit) in upload.stderr.decode()


def test_what_is_left_is_uploaded_by_a_command(make_s3_server, bucket, proxy, tmp_path):
    proxy.down = "reset"
    server = make_s3_server(bucket, proxy.endpoint).start()
    client = session(server, f"{random_bytes(6 << 20)}; exec cat")
    seen = client.stdout.read(6 << 20)
    assert server.run("echo small").stdout == b"small\n"
    server.kill()  # one log is left open
    client.communicate(timeout=60)
    left = program.run("upload", "--config", server.config_file, "--timeout", "1s", check=False)
    assert left.returncode == 1 and len(server.files()) == 2, left
    proxy.down = None
    proxy.cut()
    done = program.run("upload", "--config", server.config_file)
    assert b"2 uploaded, 0 left, 0 set aside" in done.stdout
    assert staged(server) == []
    logs = bucket.logs(tmp_path / "logs", 2, read=whole)
    assert sorted((log.io(STDOUT) for log in logs), key=len) == [b"small\n", b"ready\n" + seen]


def test_the_end_does_not_wait_for_a_store_that_does_not_answer(make_s3_server, bucket, proxy, tmp_path):
    held = proxy.hold("PutObject")
    server = make_s3_server(bucket, proxy.endpoint, settings={"shutdownTimeout": "1s"}).start()
    assert server.run("echo late").stdout == b"late\n"
    held.wait()
    assert server.stop() == 0
    held.drop()
    assert len(server.files()) == 1
    server.start()
    (log,) = bucket.logs(tmp_path / "logs")
    assert log.io(STDOUT) == b"late\n"


def test_the_end_waits_for_what_is_under_way(make_s3_server, bucket, proxy):
    held = proxy.hold("PutObject")
    server = make_s3_server(bucket, proxy.endpoint).start()
    assert server.run("echo late").stdout == b"late\n"
    held.wait()
    server.process.send_signal(signal.SIGTERM)
    until(lambda: "ending" in server.said(), what="it ends")
    assert server.process.poll() is None
    held.release()
    assert server.process.wait(60) == 0
    assert len(bucket.keys()) == 1 and staged(server) == []


def test_an_object_of_somebody_else_is_never_overwritten(make_s3_server, bucket, proxy):
    proxy.permitted.add("HeadObject")  # the one case in which it is tried; here it is refused
    held = proxy.hold("PutObject")
    server = make_s3_server(bucket, proxy.endpoint).start()
    assert server.run("echo mine").stdout == b"mine\n"
    key = held.wait().key
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"theirs")
    held.release()
    until(lambda: any(put.status == 412 for put in proxy.of("PutObject")), what="a refusal")
    until(lambda: any(look.status == 403 for look in proxy.of("HeadObject")), what="a look at it")
    until(lambda: "PreconditionFailed" in server.said(), what="it is told")
    assert bucket.get(key) == b"theirs"
    assert any(key in file.name for file in server.audit.rglob("*")), "the log is kept"


def test_logs_in_a_bucket_are_listed_and_read(make_s3_server, bucket, proxy, seaweed):
    server = make_s3_server(bucket, proxy.endpoint, settings={"prefix": "logs/%Y/%u/%i"}).start()
    assert server.run("echo one").stdout == b"one\n"
    assert server.run("echo two").stdout == b"two\n"
    keys = bucket.wait(2)
    year = datetime.datetime.now(datetime.UTC).year
    assert all(key.startswith(f"logs/{year}/alice/") for key in keys), keys
    server.stop()
    options = ("--config", as_reader(server, seaweed))
    lines = program.run("list", "--json", *options, f"s3://{bucket.name}/logs/").stdout.decode().splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["id"] for row in rows} == {key.rpartition("/")[2] for key in keys}
    assert all(row["user"] == "alice" for row in rows), rows
    table = program.run("list", *options, f"s3://{bucket.name}").stdout.decode()
    assert table.count("alice") == 2
    printed = b""
    for key in keys:
        verified = program.run("verify", *options, f"s3://{bucket.name}/{key}").stdout.decode()
        assert "intact" in verified
        text = program.run("decode", *options, f"s3://{bucket.name}/{key}").stdout.decode()
        messages = [json.loads(line) for line in text.splitlines()]
        assert messages[0]["typeId"] == "connect" and messages[-1]["typeId"] == "disconnect"
        data = (m["payload"]["data"] for m in messages if m["typeId"] == "io")
        printed += b"".join(base64.b64decode(one) for one in data)
    assert sorted(printed.split()) == [b"one", b"two"]
    missing = program.run("decode", *options, f"s3://{bucket.name}/missing", check=False)
    assert missing.returncode == 1 and b"missing" in missing.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate of an authority, and a TLS front's certificate that it signed."""
    folder = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.UTC)

    def made(name: str, key, issuer, signer, *extensions):
        builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=10))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = made("the test's own", root, "the test's own", root, (x509.BasicConstraints(True, None), True))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = made("store", leaf, "the test's own", root, (names, False))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "front.pem").write_bytes(certificate + leaf.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "front.pem")
    return ca.decode(), context


def test_a_certificate_is_trusted_only_if_it_is_given(make_s3_server, bucket, seaweed, authority, tmp_path):
    cacert, context = authority
    front = Proxy(seaweed.address, tls=context)
    try:
        server = make_s3_server(bucket, front.endpoint).start()
        assert server.run("echo secret").stdout == b"secret\n"
        until(lambda: "certificate" in server.said(), timeout=60, what="the certificate is refused")
        assert front.operations == [] and len(server.files()) == 1
        server.stop()
        server.config["audit"]["s3"]["cacert"] = cacert
        server.start()
        (log,) = bucket.logs(tmp_path / "logs")
        assert log.io(STDOUT) == b"secret\n"
        server.kill()
    finally:
        front.close()


def test_lists_of_access_and_encryption_are_asked_for(make_s3_server, moto, tmp_path):
    bucket, front = moto.new_bucket(), Proxy(moto.address)
    asked = {"acl": "public-read", "serverSideEncryption": "aws:kms", "kmsKeyId": "alias/audit"}
    asked |= {"storageClass": "STANDARD_IA", "tags": {"kept": "for ever = yes", "by": "us"}}
    try:
        server = make_s3_server(bucket, front.endpoint, settings=asked).start()
        client = session(server, f"{random_bytes(6 << 20)}; exec cat")
        client.stdout.read(6 << 20)
        client.communicate(timeout=60)
        assert server.run("echo small").stdout == b"small\n"
        bucket.logs(tmp_path / "logs", 2)
        assert front.asked()["CreateMultipartUpload"] == 1
        for key in bucket.keys():
            grants = bucket.client.get_object_acl(Bucket=bucket.name, Key=key)["Grants"]
            public = [grant for grant in grants if grant["Grantee"].get("URI", "").endswith("AllUsers")]
            assert [grant["Permission"] for grant in public] == ["READ"], grants
            head = bucket.head(key)
            assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/audit")
            assert head["StorageClass"] == "STANDARD_IA"
            tags = bucket.client.get_object_tagging(Bucket=bucket.name, Key=key)["TagSet"]
            assert {tag["Key"]: tag["Value"] for tag in tags} == asked["tags"]
        server.kill()
    finally:
        front.close()


@pytest.mark.parametrize("checksum", ["crc64nvme", "none"])
def test_stores_that_know_no_sha256(make_s3_server, moto, checksum, tmp_path):
    bucket, front = moto.new_bucket(), Proxy(moto.address)
    try:
        server = make_s3_server(bucket, front.endpoint, settings={"checksum": checksum}).start()
        assert server.run("echo small").stdout == b"small\n"
        bucket.logs(tmp_path / "logs")
        (put,) = front.of("PutObject")
        sums = {name for name in put.headers if name.startswith("x-amz-checksum-")}
        assert sums == ({"x-amz-checksum-crc64nvme"} if checksum == "crc64nvme" else set())
        server.kill()
    finally:
        front.close()


def test_objects_are_locked(make_s3_server, seaweed, tmp_path):
    bucket = seaweed.new_bucket(ObjectLockEnabledForBucket=True)
    lock = {"objectLock": {"mode": "COMPLIANCE", "days": 2, "legalHold": True}}
    server = make_s3_server(bucket, seaweed.endpoint, seaweed.admin, settings=lock).start()
    client = session(server, f"{random_bytes(6 << 20)}; exec cat")
    client.stdout.read(6 << 20)
    client.communicate(timeout=60)
    assert server.run("echo small").stdout == b"small\n"
    bucket.logs(tmp_path / "logs", 2)
    for key in bucket.keys():
        place = {"Bucket": bucket.name, "Key": key}
        kept = bucket.client.get_object_retention(**place)["Retention"]
        assert kept["Mode"] == "COMPLIANCE"
        left = kept["RetainUntilDate"] - datetime.datetime.now(datetime.UTC)
        assert datetime.timedelta(days=1, hours=23) < left <= datetime.timedelta(days=2, minutes=1)
        assert bucket.client.get_object_legal_hold(**place)["LegalHold"]["Status"] == "ON"
        version = bucket.head(key)["VersionId"]
        assert s3.refused(bucket.client.delete_object, **place, VersionId=version)


def test_secrets_show_nowhere(make_s3_server, bucket, proxy, tmp_path):
    """With a session token too; the store does not know it, and refuses."""
    secret, token = "canary" + os.urandom(20).hex(), "token" + os.urandom(20).hex()
    settings = {"secretKey": secret, "sessionToken": token}
    server = make_s3_server(bucket, proxy.endpoint, settings=settings)
    server.environment["AUDITSSH_LOG"] = "trace"
    server.start()
    assert server.run("echo waits").stdout == b"waits\n"
    until(lambda: proxy.of("PutObject"), what="a request")
    until(lambda: "ERROR" in server.said(), what="an alert")
    server.stop()
    server.environment["AUDITSSH_LOG"] = "info"
    said = [server.said().encode()]
    said += [f.read_bytes() for f in server.audit.rglob("*") if f.is_file()]
    for arguments in (("config", "check", server.config_file), ("list", server.audit)):
        done = program.run(*arguments)
        said += [done.stdout, done.stderr]
    upload = program.run("upload", "--config", server.config_file, "--timeout", "1s", check=False)
    said += [upload.stdout, upload.stderr]
    for canary in (secret, token):
        forms = {canary.encode(), base64.b64encode(canary.encode()).rstrip(b"="), canary.encode().hex().encode()}
        for text in said:
            assert not any(form in text for form in forms)


def test_a_clock_that_is_off_costs_no_log(make_s3_server, moto, tmp_path):
    """The store's clock is 20 minutes ahead; moto checks no signature, the proxy looks at the time."""
    bucket, front = moto.new_bucket(), Proxy(moto.address)
    front.clock = 20 * 60
    try:
        server = make_s3_server(bucket, front.endpoint).start()
        assert server.run("echo late").stdout == b"late\n"
        until(lambda: any(one.fault == "skewed" for one in front.operations), what="a refusal")
        until(lambda: bucket.keys() or "clock" in server.said(), timeout=60, what="it adjusts or tells")
        front.clock = 0
        (log,) = bucket.logs(tmp_path / "logs")
        assert log.io(STDOUT) == b"late\n"
        server.kill()
    finally:
        front.close()


def test_a_damaged_log_is_uploaded_as_it_is_and_told(make_s3_server, bucket, proxy, seaweed):
    proxy.down = "reset"
    server = make_s3_server(bucket, proxy.endpoint, settings={"metadata": {"username": True}}).start()
    client = session(server, f"{random_bytes(2 << 20)}; exec cat")
    client.stdout.read(2 << 20)
    until(lambda: server.files()[0].stat().st_size > 1 << 20, what="a good part is sealed")
    server.kill()
    client.communicate(timeout=60)
    (log,) = server.files()
    damaged = bytearray(log.read_bytes())
    damaged[200_000] ^= 1
    log.write_bytes(damaged)
    tails = sorted(f.read_bytes() for f in server.audit.iterdir() if ".tail" in f.name)
    proxy.down = None
    server.start()
    until(lambda: not staged(server), timeout=60, what="nothing is left on the machine")
    assert "ERROR" in server.said() and "a log is damaged" in server.said()
    assert bucket.get(log.name) == damaged
    aside = [f"{log.name}.damaged{number}" for number in range(len(tails))]
    assert bucket.keys() == [log.name, *aside] and sorted(bucket.get(key) for key in aside) == tails
    for key in aside:
        head = bucket.head(key)
        assert head["ContentType"] == "application/octet-stream" and head["Metadata"]["username"] == "alice"
    server.process.send_signal(signal.SIGUSR1)
    until(lambda: "damaged=1" in server.said() and f"damaged={len(tails)}" in server.said(), what="it is counted")
    server.stop()
    options = ("--config", as_reader(server, seaweed))
    (row,) = program.run("list", "--json", *options, f"s3://{bucket.name}").stdout.decode().splitlines()
    row = json.loads(row)
    assert (row["id"], row["state"], len(row["setAside"])) == (log.name, "altered", len(tails))
    verified = program.run("verify", *options, f"s3://{bucket.name}/{log.name}", check=False)
    assert verified.returncode == 2 and b"damaged0" in verified.stdout


def test_a_session_that_goes_on_in_another_log_keeps_its_name(make_s3_server, bucket, proxy, seaweed):
    """Every sync fails for a while: what the log holds is not trusted any more."""
    settings = {"metadata": {"username": True, "ip": True}}
    server = make_s3_server(bucket, proxy.endpoint, settings=settings)
    server.config["audit"] |= {"sync": "always", "onFailure": "continue"}
    server.start()
    client = session(server, "exec cat")
    command = ["strace", "-f", "-qq", "-p", str(server.process.pid), "-o", "/dev/null"]
    command += ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # One that is echoed before strace is attached is none the worse.
        until(lambda: echo(client, b"lost\n") and "unrecorded" in server.said(), timeout=60, what="a sync fails")
    finally:
        tracer.terminate()
        tracer.wait(30)
    until(lambda: "a session goes on in another log" in server.said(), timeout=60, what="another log")
    assert echo(client, b"kept\n")
    client.communicate(timeout=60)
    first, second = bucket.wait(2)
    metadata = bucket.head(first)["Metadata"]
    assert metadata == bucket.head(second)["Metadata"]
    assert (metadata["authenticated"], metadata["username"], metadata["ip"]) == ("true", "alice", "127.0.0.1")
    server.stop()
    options = ("--config", as_reader(server, seaweed))
    rows = program.run("list", "--json", *options, f"s3://{bucket.name}").stdout.decode().splitlines()
    assert [json.loads(row)["user"] for row in rows] == ["alice"] * 2


def echo(client: subprocess.Popen, line: bytes) -> bool:
    """Whether a line comes back."""
    client.stdin.write(line)
    client.stdin.flush()
    return client.stdout.readline() == line


def as_reader(server, seaweed):
    """The server's configuration, with credentials that may read."""
    server.config["audit"]["s3"] |= {
        "accessKey": seaweed.reader.access,
        "secretKey": seaweed.reader.secret,
        "endpoint": seaweed.endpoint,
    }
    server.config_file.write_text(json.dumps(server.config))
    return server.config_file


@pytest.mark.timeout(300)
def test_one_log_that_is_refused_does_not_hold_up_others(make_s3_server, bucket, proxy, tmp_path):
    """It is set aside after five refusals, which takes a while, and tried again on request."""
    refused = []

    def fault(operation):
        if operation.name != "PutObject":
            return None
        refused[:] = refused or [operation.key]
        return "denied" if operation.key == refused[0] else None

    proxy.fault = fault
    server = make_s3_server(bucket, proxy.endpoint).start()
    assert server.run("echo bad").stdout == b"bad\n"
    until(lambda: refused, what="the first try")
    aside = server.audit / "quarantine"
    others = 0

    def is_aside() -> bool:
        """Looks after another session: only what others do not suffer from is a log's own fault."""
        nonlocal others
        assert server.run(f"echo {others}").returncode == 0
        others += 1
        bucket.wait(others)
        time.sleep(1)
        return (aside / refused[0]).exists()

    until(is_aside, timeout=110, what="the log is set aside")
    listed = program.run("list", "--json", server.audit).stdout.decode()
    assert refused[0] in listed and "quarantined" in listed and "AccessDenied" in listed
    server.stop()
    proxy.fault = lambda operation: None
    done = program.run("upload", "--config", server.config_file)
    assert b"1 uploaded, 0 left, 0 set aside" in done.stdout
    printed = {log.io(STDOUT) for log in bucket.logs(tmp_path / "logs", others + 1)}
    assert printed == {b"bad\n", *(b"%d\n" % number for number in range(others))}

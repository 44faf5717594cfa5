"""`ssh.ciphers`, `kex`, `macs`, `hostKeyAlgorithms`: what is not listed is not spoken."""

import json
import signal

from harness import keys, program
from harness.log import HANDSHAKE_FAILED, HANDSHAKE_OK
from harness.wait import until

CHOSEN = {
    "ciphers": ["aes256-ctr", "aes128-gcm@openssh.com"],
    "kex": ["curve25519-sha256", "ecdh-sha2-nistp256"],
    "macs": ["hmac-sha2-256-etm@openssh.com"],
}
LISTED = [
    "Ciphers=aes128-gcm@openssh.com", "KexAlgorithms=ecdh-sha2-nistp256", "MACs=hmac-sha2-256-etm@openssh.com",
]
MISSING = [
    ("Ciphers=aes256-gcm@openssh.com", "Cipher"), ("KexAlgorithms=diffie-hellman-group16-sha512", "Kex"),
    ("MACs=hmac-sha2-512", "Mac"), ("HostKeyAlgorithms=ecdsa-sha2-nistp256", "Key"),
]  # fmt: skip


def options(*algorithms: str) -> list[str]:
    """A MAC has a say only beside a cipher without one of its own."""
    beside = ["Ciphers=aes256-ctr"] if algorithms[0].startswith("MACs") else []
    return [word for one in (*algorithms, *beside) for word in ("-o", one)]


def test_what_is_listed_is_spoken_and_nothing_else(make_server, tmp_path):
    other = keys.generate(tmp_path, "other", "ecdsa")
    server = make_server(ssh=CHOSEN)
    server.config["ssh"]["hostkeys"].append(str(other.file))
    server.config["ssh"]["hostKeyAlgorithms"] = ["ssh-ed25519"]
    server.start()
    for algorithm in LISTED:
        done = server.run("echo fine", *options(algorithm))
        assert done.stdout == b"fine\n", (algorithm, done.stderr)
        assert algorithm.partition("=")[2] in str(server.log().only(HANDSHAKE_OK).payload)
    for algorithm, what in MISSING:
        done = server.run("true", *options(algorithm))
        # Whoever finds out first hangs up: only the log tells it in any case.
        assert done.returncode == 255
        assert server.log().only(HANDSHAKE_FAILED)["reason"].startswith(f"No common {what} algorithm")


def test_a_user_may_sign_by_what_no_host_key_is_of(make_server, tmp_path):
    rsa = keys.generate(tmp_path, "rsa", "rsa", "-b", "2048")
    server = make_server(ssh={"hostKeyAlgorithms": ["ssh-ed25519"]}, users={"bob": {"authorizedKeys": [rsa.public]}})
    server.start()
    done = server.run("echo fine", "-o", "BatchMode=yes", "-i", str(rsa.file), user="bob", key=False)
    assert done.stdout == b"fine\n", done.stderr


def test_new_connections_follow_a_reload(make_server):
    server = make_server().start()
    algorithm = options("Ciphers=aes128-ctr")
    assert server.run("echo fine", *algorithm).stdout == b"fine\n"
    server.config["ssh"]["ciphers"] = ["aes256-ctr"]
    server.config_file.write_text(json.dumps(server.config))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in server.said(), what="the reload")
    assert server.run("true", *algorithm).returncode == 255
    assert server.run("echo fine", *options("Ciphers=aes256-ctr")).stdout == b"fine\n"


def test_a_choice_that_shows_no_host_key_is_refused(make_server):
    server = make_server(ssh={"hostKeyAlgorithms": ["ecdsa-sha2-nistp256"]}).start(wait=False)
    assert server.process.wait(30) == 1
    checked = program.run("config", "check", server.config_file, check=False)
    for said in (server.said(), checked.stderr.decode()):
        assert "no key of `ssh.hostkeys` is of an algorithm that stands in `ssh.hostKeyAlgorithms`" in said

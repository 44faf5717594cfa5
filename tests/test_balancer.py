"""Several servers behind a balancer: HAProxy, which tells where clients are."""

import socket
import subprocess

import pytest

from harness.balancer import Balancer
from harness.log import CONNECT, STDOUT
from harness.server import free_port
from harness.wait import until


@pytest.fixture
def make_balancer(tmp_path):
    balancers = []

    def make(*args, **changes) -> Balancer:
        balancers.append(Balancer(tmp_path, *args, **changes))
        return balancers[-1]

    yield make
    for balancer in balancers:
        balancer.end()


def run(command: list[str]) -> bytes:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"])
def test_the_log_has_the_address_of_the_client(make_server, make_balancer, send):
    server = make_server(ssh={"proxyProtocol": "127.0.0.1"}).start()
    balancer = make_balancer([server], send=send)
    seen = run([*balancer.ssh(server, "-b", "127.0.0.3"), "echo $SSH_CONNECTION"]).split()
    assert seen[0] == b"127.0.0.3" and seen[2:] == [b"127.0.0.1", str(balancer.port).encode()]
    log = server.log()
    assert log.only(CONNECT)["remoteAddr"] == "127.0.0.3"


def test_who_is_no_balancer_is_not_believed(make_server):
    server = make_server(ssh={"proxyProtocol": ["127.0.0.1"]}).start()
    with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.9", 0)) as liar:
        liar.sendall(b"PROXY TCP4 192.0.2.7 203.0.113.5 50000 22\r\nSSH-2.0-liar\r\n")
        liar.recv(1000)
    assert server.log().only(CONNECT)["remoteAddr"] == "127.0.0.9"
    direct = server.ssh("-b", "127.0.0.9")
    assert run([*direct, "echo direct"]) == b"direct\n"


def test_a_balancer_that_tells_nothing_is_refused_and_costs_no_log(make_server):
    server = make_server(ssh={"proxyProtocol": "127.0.0.0/8"}).start()
    socket.create_connection(("127.0.0.1", server.port)).close()  # a check whether it is there
    assert server.run("echo x").returncode == 255
    until(lambda: "is the balancer set up to send it? (ssh.proxyProtocol; " in server.said())
    assert server.said().count("a balancer's connection was refused") == 1
    assert server.files() == []


def test_servers_share_a_bucket_and_one_can_leave(make_s3_server, make_balancer, bucket, proxy, tmp_path):
    def make(**changes):
        return make_s3_server(
            bucket,
            proxy.endpoint,
            health={"enable": True, "listen": f"127.0.0.1:{free_port()}"},
            ssh={"proxyProtocol": "127.0.0.1", **changes},
            limits={"shutdownGrace": "100s"},
        )

    first = make()
    second = make(hostkeys=[str(first.host_key.file)])
    second.config["users"] = first.config["users"]
    for server in (first, second):
        server.start()
    balancer = make_balancer([first, second])
    until(lambda: list(balancer.state().values()).count("UP") == 2, what="both are found to be ready")
    for number in range(6):
        assert run([*balancer.ssh(first), f"echo {number}"]) == b"%d\n" % number
    staying = subprocess.Popen(
        [*balancer.ssh(first), "echo here; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert staying.stdout.readline() == b"here\n"
    served = [len(server.open_logs()) for server in (first, second)]
    leaver = first if served[0] else second

    leaver.process.terminate()  # whoever is there has its time; who comes now gets to the other
    until(lambda: "DOWN" in " ".join(balancer.state().values()), what="the balancer knows")
    assert run([*balancer.ssh(first), "echo late"]) == b"late\n"
    assert staying.communicate(b"still\n", timeout=60)[0] == b"still\n"
    assert leaver.process.wait(60) == 0
    logs = bucket.logs(tmp_path / "objects", 8)
    shown = sorted(log.io(STDOUT) for log in logs)
    assert shown == sorted([b"%d\n" % number for number in range(6)] + [b"here\nstill\n", b"late\n"])

"""The country of a connection, from databases that each test writes."""

import signal

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from harness import program
from harness.log import CONNECT
from harness.wait import until


def database(file, kind="GeoLite2-Country", **countries):
    """A database in which each country has some networks."""
    writer = MMDBWriter(6, kind, languages=["en"], ipv4_compatible=True)
    for code, networks in countries.items():
        writer.insert_network(IPSet(networks), {"country": {"iso_code": code, "names": {"en": code}}})
    writer.to_db_file(str(file))
    return file


def located(file) -> dict:
    return {"provider": "maxmind", "maxmind-geoip2-file": str(file)}


def country(server) -> str:
    assert server.run("true").returncode == 0
    return server.log().only(CONNECT)["country"]


def test_the_country_of_a_connection_is_recorded(make_server, tmp_path):
    file = database(tmp_path / "x.mmdb", DE=["127.0.0.0/8"], FR=["192.0.2.0/24"])
    server = make_server(geoip=located(file)).start()
    assert country(server) == "DE"

    # A newer one takes its place; a broken one does not.
    database(file, FR=["127.0.0.1/32"])
    assert country(server) == "DE", "it is read when it is told to be"
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.said().count("reloaded:") == 1, what="the reload")
    assert country(server) == "FR"
    file.write_bytes(file.read_bytes()[:-100])
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "not reloaded" in server.said(), what="the refusal")
    assert country(server) == "FR"


@pytest.mark.parametrize("countries", [{"DE": ["192.0.2.0/24"]}, {"nowhere": ["127.0.0.0/8"]}, {}])
def test_where_no_country_is_known_it_is_xx(make_server, tmp_path, countries):
    file = database(tmp_path / "x.mmdb", **(countries or {"DE": ["192.0.2.0/24"]}))
    server = make_server(geoip=located(file) if countries else {"provider": "dummy"}).start()
    assert country(server) == "XX"


def test_a_database_that_cannot_be_used_keeps_the_server_from_starting(make_server, tmp_path):
    def refused(file) -> str:
        server = make_server(geoip=located(file)).start(wait=False)
        assert server.process.wait(30) == 1
        checked = program.run("config", "check", server.config_file, check=False)
        assert checked.returncode == 1 and str(file) in checked.stderr.decode()
        return server.said()

    assert "missing.mmdb: No such file" in refused(tmp_path / "missing.mmdb")
    assert "holds no countries" in refused(database(tmp_path / "as.mmdb", "GeoLite2-ASN", DE=["10.0.0.0/8"]))
    (tmp_path / "text.mmdb").write_text("no database")
    assert "no database of MaxMind's format" in refused(tmp_path / "text.mmdb")


def test_a_default_that_is_missing_is_told_where_it_was_asked_for(tmp_path):
    file = tmp_path / "auditssh.yaml"
    file.write_text("geoip:\n  provider: maxmind\n")
    checked = program.run("config", "check", file, check=False)
    assert checked.returncode == 1
    told = checked.stderr.decode()
    assert f"{file}:2:13: `geoip.provider`" in told and "/var/lib/GeoIP/" in told, told

"""The judge of tests/reliability finds what it is there to find: a byte, in either direction."""

import sys
from copy import deepcopy
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "reliability"))

from judge import Evidence, backend_losses, losses  # noqa: E402
from load import Witness  # noqa: E402


@pytest.fixture
def witnessed(server, tmp_path):
    """A session and all that its log holds, with what its client and its program saw of it."""
    witness = Witness("both", "token", tmp_path)
    command = f"cat > {witness.file}; echo out; echo err >&2; exit 7"
    done = server.run(command, "-o", "SetEnv=LC_TOKEN=token", input=b"typed\n")
    witness.started = 0.0
    witness.saw("stdout", done.stdout)
    witness.saw("stderr", done.stderr)
    witness.exits.append((0.0, done.returncode))
    server.log()
    return witness, Evidence(server.audit)


def test_what_is_recorded_is_found(witnessed):
    witness, evidence = witnessed
    assert bytes(witness.seen["stdout"]) == b"out\n" and witness.backend() == b"typed\n"
    assert losses(witness, evidence) == [] and backend_losses(witness, evidence) == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("seen", [b"oUt\n", b"out\n\0", b"xout\n", b"outt\n", b"ut\n"])
def test_a_byte_that_a_client_saw_and_no_log_holds_is_a_loss(witnessed, stream, seen):
    witness, evidence = witnessed
    witness.seen[stream] = bytearray(seen)
    (loss,) = losses(witness, evidence)
    assert stream in loss


def test_a_byte_that_a_log_lost_is_a_loss(witnessed):
    witness, evidence = witnessed
    for stream, found in (("stdout", losses), ("stderr", losses), ("stdin", backend_losses)):
        for place in range(3):
            without = deepcopy(evidence)
            del without.streams["token"][stream][place]
            assert len(found(witness, without)) == 1, (stream, place)


@pytest.mark.parametrize("received", [b"typeD\n", b"typed\nx", b"yped\n"])
def test_a_byte_that_a_program_received_and_no_log_holds_is_a_loss(witnessed, received):
    witness, evidence = witnessed
    witness.file.write_bytes(received)
    (loss,) = backend_losses(witness, evidence)
    assert "stdin" in loss


def test_a_command_that_ran_unrecorded_is_a_loss(witnessed):
    witness, evidence = witnessed
    witness.kind = "shell"
    witness.file.write_bytes(b"1\n11\n")
    evidence.streams["token"]["stdin"] = bytearray(b"echo 11 | tee -a f\n")
    assert backend_losses(witness, evidence) == ["token: 1 commands ran unrecorded"]


def test_an_end_or_a_start_that_is_not_recorded_is_a_loss(witnessed):
    witness, evidence = witnessed
    for exits in ([], [6], [7]):
        evidence.exits["token"] = exits
        assert len(losses(witness, evidence)) == (exits != [7])
    evidence.started.clear()
    assert len(losses(witness, evidence)) == 1


def test_what_was_seen_after_the_moment_is_not_asked_for(witnessed):
    witness, evidence = witnessed
    witness.marks["stdout"] = [(1.0, 2), (2.0, 4)]
    del evidence.streams["token"]["stdout"][2:]
    assert losses(witness, evidence, moment=1.5) == []
    assert len(losses(witness, evidence, moment=2.0)) == 1

"""What ARCHITECTURE.md and CONTRIBUTING.md say of the source tree itself."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from harness.program import ROOT

SOURCES = sorted(ROOT.glob("crates/*/src/**/*.rs"))
LEVEL = {"auditssh-log": 0, "auditssh-archive": 1, "auditssh-view": 1, "auditssh-gateway": 2,
         "auditssh-s3": 2, "auditssh-search": 2, "auditssh-monitor": 3, "auditssh-web": 3, "auditssh-webhook": 3, "auditssh-docker": 3, "auditssh-kubernetes": 3,
         "auditssh": 4}


def documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split()]


def test_dependencies_point_down_only():
    for manifest in ROOT.glob("crates/*/Cargo.toml"):
        crate = tomllib.loads(manifest.read_text())
        own = LEVEL[crate["package"]["name"]]
        for name in crate.get("dependencies", {}):
            assert name not in LEVEL or LEVEL[name] < own, f"{crate['package']['name']} depends on {name}"


def test_the_log_crate_is_pure():
    crate = tomllib.loads((ROOT / "crates/auditssh-log/Cargo.toml").read_text())
    assert not {"tokio", "russh", "rustix", "nix"} & set(crate["dependencies"])


def test_one_module_names_the_ssh_library():
    naming = re.compile(r"(?<!crate::)(?<!self::)(?<!super::)(?<!\w)russh::")
    code = {f: "\n".join(line for line in f.read_text().splitlines() if "//" not in line) for f in SOURCES}
    users = {f for f, text in code.items() if naming.search(text)}
    module = ROOT / "crates/auditssh-gateway/src/russh"
    assert module.with_suffix(".rs") in users
    assert {f for f in users if module not in f.parents} == {module.with_suffix(".rs")}


def test_one_module_names_the_client_of_the_object_store():
    module = ROOT / "crates/auditssh-s3/src/aws"
    users = {f for f in SOURCES if re.search(r"\baws_(sdk|config|smithy|credential)\w*::", f.read_text())}
    assert module / "client.rs" in users
    assert {f for f in users if module not in f.parents} == {module.with_suffix(".rs")}


def test_only_the_reader_of_all_members_is_used():
    """`GzDecoder` stops after the first member of a log, without an error."""
    for file in (f for f in SOURCES if "tests" not in f.parts):
        assert not re.search(r"(?<!Multi)GzDecoder", file.read_text()), file


def test_files_stay_readable():
    sizes = sorted((len(f.read_text().splitlines()), f) for f in SOURCES)
    assert sizes[-1][0] <= 600, sizes[-1]
    assert sizes[len(sizes) // 2][0] <= 150
    assert sizes[len(sizes) * 9 // 10][0] <= 400


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_the_promises_name_tests_that_exist():
    for name in re.findall(r"`((?:tests|crates)/[^`]+)`", (ROOT / "README.md").read_text()):
        assert (ROOT / name).exists(), name

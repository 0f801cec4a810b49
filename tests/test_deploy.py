"""What goes to the public: workflows run what exists, the mirror holds what a Space needs, docs/deploy.md is true."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def lines(workflow: str) -> str:
    """What the one job of a workflow runs."""
    (job,) = WORKFLOWS[workflow]["jobs"].values()
    return "\n".join(step.get("run", "") for step in job["steps"])


def triggers(workflow: str) -> dict[str, Any]:
    return WORKFLOWS[workflow][True]  # YAML reads "on" as true


def test_the_public_tests_are_the_same_script() -> None:
    assert lines("test").strip() == "bash .ci/run"
    assert "pull_request" in triggers("test")


def test_only_what_passed_is_mirrored_and_no_secret_is_stored() -> None:
    (job,) = WORKFLOWS["space"]["jobs"].values()
    assert triggers("space")["workflow_run"]["workflows"] == [WORKFLOWS["test"]["name"]]
    assert "conclusion == 'success'" in job["if"] and WORKFLOWS["space"]["permissions"]["id-token"] == "write"
    assert "secrets." not in str(WORKFLOWS)


def test_the_options_of_the_upload_exist() -> None:
    hub = Path(sys.executable).parent / "hf"
    help_text = subprocess.run([hub, "upload", "--help"], capture_output=True, text=True, check=True).stdout
    used = set(re.findall(r"(--[a-z-]+)", lines("space") + DEPLOY.split("```")[1]))
    assert {"--repo-type", "--delete"} <= used
    assert all(option in help_text for option in used - {"--checkpoint"}), used


def test_the_mirror_holds_what_a_space_reads() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for path in ("README.md", "requirements.txt", "app.py", "LICENSE", "NOTICE", "MODEL_CARD.md"):
        assert path in tracked
    assert any(path.startswith("emo_toolkit/assets/mini/") for path in tracked)


def test_deploy_names_only_what_exists() -> None:
    for path in re.findall(r"`([\w/]+\.(?:py|md|txt|yml))`", DEPLOY):
        assert (ROOT / path).is_file() or (ROOT / ".github" / "workflows" / path).is_file(), path
    assert "def gpu_seconds" in (ROOT / "emo_toolkit" / "ui" / "desk.py").read_text()

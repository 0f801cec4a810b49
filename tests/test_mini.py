"""The checkpoint that users meet: assembled from its parts, started again without a network, asked about a photo."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from emo_toolkit.checkpoints import Checkpoint, load, resolve
from emo_toolkit.checkpoints.mini import ADAPTER_FILE, ASSETS
from emo_toolkit.cli import main
from emo_toolkit.evaluation import evaluate
from emo_toolkit.labels import LABELS
from emo_toolkit.pipeline import EmoPipeline

FERPLUS = Path(__file__).parents[2] / "shared" / "data" / "ferplus.tar.xz"
ORDER = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


@pytest.fixture(scope="module")
def mini(parts: dict[str, Path]) -> Checkpoint:
    return load("mini")


@pytest.fixture(scope="module")
def pipeline(mini: Checkpoint) -> EmoPipeline:
    return EmoPipeline(mini)


def test_adapter_is_two_small_files() -> None:
    assert (ASSETS / ADAPTER_FILE).stat().st_size <= 12 * 2**20
    assert json.loads((ASSETS / "adapter_config.json").read_text())["base_model_name_or_path"] == "mini-base"


def test_second_start_needs_no_network_and_no_parts(mini: Checkpoint) -> None:
    script = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from emo_toolkit.checkpoints import resolve\n"
        "sys.stdout.write(str(resolve('mini')))"
    )
    environment = os.environ | {"EMO_TOOLKIT_PARTS": "/nowhere", "PIP_NO_INDEX": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == str(mini.folder)


def test_assembled_folder_is_ordinary(mini: Checkpoint) -> None:
    assert resolve(str(mini.folder)) == mini.folder
    assert mini.model.config.tokens_per_frame == mini.processor.tokens_per_frame
    assert float(mini.model.face_info_mining.clue_gates.abs().min()) > 0.01  # training opened the gates


def test_smiling_astronaut(pipeline: EmoPipeline, astronaut: Path) -> None:
    prediction = pipeline.predict(astronaut)
    assert prediction.status == "ok"
    assert max(prediction.scores, key=prediction.scores.__getitem__) == prediction.label == "happiness"
    assert prediction.scores["happiness"] > 0.5
    assert "happiness" in prediction.text
    assert abs(sum(prediction.scores.values()) - 1) < 1e-5


def test_estimated_attributes_reach_the_prompt(pipeline: EmoPipeline, astronaut: Path) -> None:
    prediction = pipeline.predict(astronaut, estimate=True)
    assert (prediction.attributes.gender, prediction.attributes.race) == ("female", None)
    assert f"female aged {prediction.attributes.age}" in prediction.prompt
    assert prediction.label == "happiness"


def test_command_line_answers(
    mini: Checkpoint, astronaut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a photo")
    assert main(["predict", str(broken), str(astronaut), "--format", "json"]) == 1
    bad, good = json.loads(capsys.readouterr().out)
    assert bad["status"] == "error" and bad["message"]
    assert good["label"] == "happiness"


@pytest.mark.slow
@pytest.mark.skipif(not FERPLUS.is_file(), reason="the FERPlus archive is not here; it is never shipped")
def test_real_faces(pipeline: EmoPipeline, tmp_path: Path) -> None:
    """150 FERPlus valid faces: far above the majority class (0.37), whatever the draw."""
    truth, predicted = [], []
    with tarfile.open(FERPLUS) as archive:
        votes = {}
        for member in archive:
            if member.name.endswith("FER2013Valid/label.csv"):
                for line in archive.extractfile(member).read().decode().splitlines():
                    name, _, rest = line.partition(',"(0, 0, 48, 48)",')
                    votes[Path(name).stem] = [float(vote) for vote in rest.split(",")[:8]]
        archive.members = []
    with tarfile.open(FERPLUS) as archive:
        for member in archive:
            stem = Path(member.name).stem
            if "FER2013Valid" in member.name and sum(votes.get(stem, ())) and len(truth) < 150:
                path = tmp_path / f"{stem}.png"
                Image.open(io.BytesIO(archive.extractfile(member).read())).convert("L").save(path)
                truth.append(ORDER[max(range(8), key=votes[stem].__getitem__)])
                predicted.append(pipeline.predict(path, box=(0, 0, 48, 48)).label)
    report = evaluate(truth, predicted, labels=LABELS["ferplus"], dataset="ferplus", split="valid")
    assert report.war > 0.65

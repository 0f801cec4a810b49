"""One file gets one answer: from the library (as in the notebooks), the command line, the page and its endpoint."""

import json
from pathlib import Path

import pytest
from gradio_client import Client, handle_file

from emo_toolkit.cli import main
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import Desk
from emo_toolkit.ui.recognise import FaceReader
from emo_toolkit.ui.run_record import Wishes

ASSETS = Path(__file__).parents[2] / "emo_toolkit" / "assets" / "examples"
SAME = ("label", "text", "prompt")


@pytest.fixture(scope="module")
def saved(talker: EmoPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The served checkpoint as a folder, which the command line loads anew."""
    folder = tmp_path_factory.mktemp("checkpoint") / "talker"
    talker.model.save_pretrained(folder)
    talker.processor.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["astronaut.jpg", "drawn_contempt.jpg", "drawn_clip_disgust.mp4"])
def test_the_same_answer_everywhere(
    name: str, talker: EmoPipeline, saved: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    path, wish = ASSETS / name, "clip" if name.endswith("mp4") else "photo"
    assert main(["predict", str(path), "--checkpoint", str(saved), "--format", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    files = {"photo": None, "clip": None} | {wish: str(path)}
    *_, shown = FaceReader(Desk(talker)).read(*files.values(), Wishes())
    sent = client.predict(**{wish: handle_file(str(path))}, api_name="/read_face")
    known = talker.predict(path)
    assert known.text and known.label
    for other in (told, shown.record, sent):
        assert {key: other[key] for key in SAME} == {key: getattr(known, key) for key in SAME}
        assert other["scores"] == pytest.approx(known.scores, abs=1e-5)
        assert [frame["time"] for frame in other["frames"]] == [frame["time"] for frame in told["frames"]]

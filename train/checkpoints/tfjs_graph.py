"""TensorFlow.js model files -> torch modules that `torch.onnx.export` can trace, without TensorFlow.

Only the operations of the four graphs and the one weights-only net of the face bundle are known. All maps are NCHW.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FACE_API_MEAN = (122.782, 117.001, 104.298)  # RGB; the net's own normalisation, source: face-api's NetInput


def read_weights(manifest: list[dict[str, Any]], folder: Path) -> dict[str, np.ndarray]:
    """Every array of a weights manifest by name, dequantised (float16 or affine uint8) to its nominal type.

    Raises:
        ValueError: when a shard is longer or shorter than its manifest says.
    """
    arrays: dict[str, np.ndarray] = {}
    for group in manifest:
        data = b"".join((folder / name).read_bytes() for name in group["paths"])
        offset = 0
        for entry in group["weights"]:
            quantised = entry.get("quantization", {})
            stored = np.dtype(quantised.get("dtype", entry["dtype"]))
            count = int(np.prod(entry["shape"], dtype=int))
            array = np.frombuffer(data, stored, count, offset).reshape(entry["shape"]).astype(entry["dtype"])
            offset += count * stored.itemsize
            if "scale" in quantised:
                array = (array * quantised["scale"] + quantised["min"]).astype(entry["dtype"])
            arrays[entry["name"]] = array
        if offset != len(data):
            raise ValueError(f"{group['paths']} holds {len(data)} bytes, its manifest describes {offset}")
    return arrays


def pad_same(maps: Tensor, kernel: Sequence[int], stride: Sequence[int], value: float = 0.0) -> Tensor:
    """TensorFlow's SAME padding of (N, C, H, W): the odd pixel goes to the right and the bottom."""
    margins: list[int] = []
    for axis in (1, 0):
        size = int(maps.shape[2 + axis])  # a number also while tracing: ONNX divides towards zero
        total = max((-(-size // stride[axis]) - 1) * stride[axis] + kernel[axis] - size, 0)
        margins += [total // 2, total - total // 2]
    return F.pad(maps, margins, value=value) if any(margins) else maps


class TfjsGraph(nn.Module):
    """A TensorFlow.js graph model as a torch module: (N, C, H, W) float32 -> one tensor per name in `outputs`.

    Maps come out as (N, C, H, W); what the graph itself reshapes keeps TensorFlow's order.
    """

    def __init__(self, path: Path, outputs: Sequence[str]) -> None:
        super().__init__()
        document = json.loads(path.read_text())
        self.nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
        self.arrays = read_weights(document["weightsManifest"], path.parent)
        self.outputs = tuple(outputs)

    def forward(self, maps: Tensor) -> tuple[Tensor, ...]:
        """Evaluate the outputs; nodes that they do not need are never computed."""
        done: dict[str, Tensor] = {}
        pending = list(reversed(self.outputs))
        while pending:
            node = self.nodes[pending[-1]]
            inputs = [name for name in node.get("input", []) if self.nodes[name]["op"] != "Const"]
            missing = [name for name in inputs if name not in done]
            if missing:
                pending += missing
                continue
            done[pending.pop()] = maps if node["op"] == "Placeholder" else self._apply(node, done)
        return tuple(done[name] for name in self.outputs)

    def _apply(self, node: dict[str, Any], done: dict[str, Tensor]) -> Tensor:
        first, *rest = node["input"]
        maps, attributes = done[first], node.get("attr", {})
        match node["op"]:
            case "Conv2D" | "_FusedConv2D" | "DepthwiseConv2dNative":
                return self._convolve(maps, node)
            case "AddV2" | "Add":
                return maps + self._operand(rest[0], done)
            case "Mul":
                return maps * self._operand(rest[0], done)
            case "Minimum":
                return maps.clamp(max=float(self.arrays[rest[0]]))
            case "Maximum":
                return maps.clamp(min=float(self.arrays[rest[0]]))
            case "Relu":
                return F.relu(maps)
            case "Prelu":
                return self._prelu(maps, rest[0])
            case "MaxPool":
                kernel, stride = (_ints(attributes[key])[1:3] for key in ("ksize", "strides"))
                same = _text(attributes["padding"]) == "SAME"
                return F.max_pool2d(pad_same(maps, kernel, stride, -torch.inf) if same else maps, kernel, stride)
            case "Pad":
                _, rows, columns, channels = self.arrays[rest[0]].tolist()
                return F.pad(maps, [*columns, *rows, *channels])
            case "Reshape":
                return maps.permute(0, 2, 3, 1).reshape(-1, *self.arrays[rest[0]].tolist()[1:])
            case "Mean":
                return maps.mean((2, 3))
            case "Softmax":
                return maps.softmax(-1)
            case "Sigmoid":
                return maps.sigmoid()
            case "Identity":
                return maps
            case operation:
                raise ValueError(f"no rule for the operation {operation} of {node['name']}")

    def _convolve(self, maps: Tensor, node: dict[str, Any]) -> Tensor:
        _, kernel_name, *extras = node["input"]
        kernel = torch.from_numpy(self.arrays[kernel_name])  # (H, W, in, out or multiplier)
        depthwise = node["op"].startswith("Depthwise")
        kernel = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
        stride = _ints(node["attr"]["strides"])[1:3]
        if _text(node["attr"]["padding"]) == "SAME":
            maps = pad_same(maps, kernel.shape[2:], stride)
        fused = [_decode(name) for name in node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])]
        bias = torch.from_numpy(self.arrays[extras[0]]) if "BiasAdd" in fused else None
        maps = F.conv2d(maps, kernel.contiguous(), bias, stride, groups=maps.shape[1] if depthwise else 1)
        if "Relu" in fused:
            return F.relu(maps)
        return self._prelu(maps, extras[-1]) if "Prelu" in fused else maps

    def _prelu(self, maps: Tensor, slope: str) -> Tensor:
        return F.prelu(maps, torch.from_numpy(self.arrays[slope]).flatten())

    def _operand(self, name: str, done: dict[str, Tensor]) -> Tensor:
        """A map, or a per-channel constant in its NCHW place."""
        return done[name] if name in done else torch.from_numpy(self.arrays[name]).reshape(-1, 1, 1)


class FaceApiExpression(nn.Module):
    """face-api's tiny Xception for expressions: (N, 3, 112, 112) RGB 0..255 -> map (N, 256, 7, 7), logits (N, 7).

    The package holds weights without a graph; the layout is read off their names. Order of the classes: neutral,
    happy, sad, angry, fearful, disgusted, surprised.
    """

    def __init__(self, manifest: Path) -> None:
        super().__init__()
        groups = json.loads(manifest.read_text())
        for group in groups:
            group["paths"] = [manifest.name.replace("-weights_manifest.json", ".bin")]
        self.arrays = {name: torch.from_numpy(array) for name, array in read_weights(groups, manifest.parent).items()}

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        maps = (pixels - torch.tensor(FACE_API_MEAN).reshape(3, 1, 1)) / 255
        for block in range(4):
            first = F.relu(self._separable(maps, f"dense{block}/conv0", stride=2))
            second = self._separable(first, f"dense{block}/conv1")
            third = self._separable(F.relu(first + second), f"dense{block}/conv2")
            fourth = self._separable(F.relu(first + second + third), f"dense{block}/conv3")
            maps = F.relu(first + second + third + fourth)
        return maps, maps.mean((2, 3)) @ self.arrays["fc/weights"] + self.arrays["fc/bias"]

    def _separable(self, maps: Tensor, name: str, stride: int = 1) -> Tensor:
        maps = pad_same(maps, (3, 3), (stride, stride))
        bias = self.arrays[f"{name}/bias"]
        if f"{name}/filters" in self.arrays:  # the very first layer is a plain convolution
            return F.conv2d(maps, self.arrays[f"{name}/filters"].permute(3, 2, 0, 1).contiguous(), bias, stride)
        depthwise = self.arrays[f"{name}/depthwise_filter"].permute(2, 3, 0, 1).contiguous()
        maps = F.conv2d(maps, depthwise, None, stride, groups=maps.shape[1])
        return F.conv2d(maps, self.arrays[f"{name}/pointwise_filter"].permute(3, 2, 0, 1).contiguous(), bias)


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()


def _text(attribute: dict[str, Any]) -> str:
    return _decode(attribute["s"])


def _ints(attribute: dict[str, Any]) -> list[int]:
    return [int(value) for value in attribute["list"]["i"]]

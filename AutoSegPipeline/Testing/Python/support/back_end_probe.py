"""Tiny networks by torch and by OpenVINO, in one process; it needs nnunetv2 and openvino.

``python back_end_probe.py FOLDER SCENE ...`` makes the models below ``FOLDER`` and prints a line of JSON for
each scene: what :mod:`...back_ends.choice` chose and said, how much of the labels is torch's, and how often
a network was converted.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

if __name__ == "__main__":  # its folder's names would hide others
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    sys.path.insert(1, str(Path(__file__).resolve().parents[3]))

import torch
from AutoSegPipelineLib.core.errors import Cancelled
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.processing.engines.networks.back_ends import (
    choice,
    compiled,
    kept,
    pairs,
    wanted,
    windows,
)
from AutoSegPipelineLib.processing.engines.networks.pool import Weights
from AutoSegPipelineLib.processing.engines.networks.predictor import new_predictor
from AutoSegPipelineLib.processing.engines.networks.progress import Course

from support import tiny_models

SIZE = (21, 33, 29)
KINDS = ("fullres", "slices", "regions", "channels", "ensemble")


class Log(SilentReport):
    """Keeps its lines, and stops the case at the ``stop``-th question; 0: never."""

    def __init__(self, stop: int = 0) -> None:
        self.lines: list[str] = []
        self.asked, self._stop = 0, stop

    def log(self, text: str, level: str = "info") -> None:
        self.lines.append(text)

    def check(self) -> None:
        self.asked += 1
        if self.asked == self._stop:
            raise Cancelled()


class Probe:
    """The scenes, with the models and conversions of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.conversions = 0
        self._convert = compiled.convert
        compiled.convert = self._counted  # type: ignore[assignment]
        for name in KINDS:
            tiny_models.make(folder / "results", tiny_models.BY_NAME[name])

    def _counted(self, *given: Any) -> Any:
        model = self._convert(*given)
        self.conversions += model is not None
        return model

    def predictor(self, name: str, word: str = "auto", log: Log | None = None) -> Any:
        os.environ["AUTOSEG_BACK_END"] = word
        kind = tiny_models.BY_NAME[name]
        (place,) = (self._folder / "results" / kind.dataset).iterdir()
        weights = Weights(str(place), tuple(int(fold) for fold in kind.folds))
        made = new_predictor(torch.device("cpu"), weights.give_to, weights.title)
        made.course = Course(log or Log(), [1.0], "probe")
        return made

    def labels(self, made: Any) -> torch.Tensor:
        channels = len(made.dataset_json["channel_names"])
        data = windows.smooth_noise((1, channels, *SIZE))[0]
        scores = made.logits(data)
        return scores > 0 if made.label_manager.has_regions else scores.float().argmax(0)

    def scene(
        self, name: str, word: str = "auto", mirror: bool = False, complete: bool = False
    ) -> dict[str, Any]:
        """A new predictor with torch and another with the setting ``word``.

        ``complete``: OpenVINO also computes the last layer.
        """
        plain = self.predictor(name, "torch")
        plain.use_mirroring = mirror
        expected = self.labels(plain)
        before = self.conversions
        other = self.predictor(name, word, log := Log())
        other.use_mirroring = mirror
        other.head = None if complete else other.head
        found = self.labels(other)
        return {
            "note": other.chosen.note, "warning": other.chosen.warning, "log": log.lines,
            "same": float((found == expected).double().mean()), "classes": len(expected.unique()),
            "conversions": self.conversions - before, "told": other.course.network_warnings,
        }  # fmt: skip

    def all(self) -> dict[str, Any]:
        """Every kind of network, each twice: the second time without a conversion."""
        return {name: [self.scene(name), self.scene(name)] for name in KINDS}

    def mirrored(self) -> list[dict[str, Any]]:
        """With the last layer by torch, and with all of the network by OpenVINO."""
        return [self.scene("fullres", mirror=True), self.scene("fullres", mirror=True, complete=True)]

    def settings(self) -> dict[str, Any]:
        words = ("torch", "openvino", "openvino-f32", "openvino-bf16")
        found = {word: self.scene("fullres", word) for word in words}
        version, wanted.openvino_version = wanted.openvino_version, lambda: ""
        try:
            found["missing"] = self.scene("fullres", "openvino")
        finally:
            wanted.openvino_version = version
        found["several folds"] = self.scene("ensemble", "openvino")
        return {**found, "bf16": compiled.has_bf16()}

    def damaged(self) -> list[dict[str, Any]]:
        """What was kept is cut short, then emptied."""
        found = [self.scene("fullres")]
        for damage in (_cut, _empty):
            for path in kept.folder().glob("*/network.bin"):
                damage(path)
            found.append(self.scene("fullres"))
        return [*found, self.scene("fullres")]

    def wrong(self) -> list[dict[str, Any]]:
        """OpenVINO gets a network with other numbers; afterwards the right one, which is not tried again."""
        right, self._convert = self._convert, self._scaled
        with self._elsewhere("wrong") as data:
            first = self.scene("fullres")
            self._convert = right
            again = self.scene("fullres")
            files = sorted(path.name for path in data.rglob("*") if path.is_file())
        return [{**first, "files": files}, again]

    def _scaled(self, network: Any, shape: Any, cut: Any, precision: str) -> Any:
        first = next(one for one in network.modules() if isinstance(one, torch.nn.InstanceNorm3d))
        with torch.no_grad():
            first.weight[0] *= 3
            try:
                # Through a file: what was converted shares its numbers with torch's network.
                path = self._folder / "scaled.xml"
                model = Probe._plain(network, shape, cut, precision)
                if model is None:
                    return None
                compiled.save(model, path)
                return wanted.openvino().Core().read_model(path)
            finally:
                first.weight[0] /= 3

    _plain: Callable[..., Any] = staticmethod(compiled.convert)

    def pairs(self) -> dict[str, Any]:
        """With bf16x2 for every layer, whatever the processor; ``wrong``: it loses its precision."""
        before = pairs.LEAST_CHANNELS, choice._has_tiles
        pairs.LEAST_CHANNELS, choice._has_tiles = 1, lambda: True  # type: ignore[assignment]
        try:
            with self._elsewhere("pairs"):
                found: dict[str, Any] = {name: [self.scene(name), self.scene(name)] for name in KINDS[:4]}
                found["f32"] = self.scene("fullres", "openvino-f32")
            right, self._convert = self._convert, self._scaled_pairs
            with self._elsewhere("wrong pairs"):
                found["wrong"] = [self.scene("fullres"), self.scene("fullres")]
            self._convert = self._no_pairs
            with self._elsewhere("no pairs"):
                found["unable"] = self.scene("fullres")
            self._convert = right
        finally:
            pairs.LEAST_CHANNELS, choice._has_tiles = before  # type: ignore[assignment]
        return {**found, "layers": self._layers(), "bf16": compiled.has_bf16()}

    def _scaled_pairs(self, network: Any, shape: Any, cut: Any, precision: str) -> Any:
        convert = self._scaled if precision == wanted.BF16X2 else Probe._plain
        return convert(network, shape, cut, precision)

    def _no_pairs(self, network: Any, shape: Any, cut: Any, precision: str) -> Any:
        if precision == wanted.BF16X2:
            raise RuntimeError("no such mark")
        return Probe._plain(network, shape, cut, precision)

    def _layers(self) -> dict[str, float]:
        """How far a convolution behind a norm is from double precision, as a part of what it computes."""
        torch.manual_seed(3)
        layers: list[torch.nn.Module] = []
        for _ in range(2):
            layers += [torch.nn.Conv3d(32, 32, 3, padding=1), torch.nn.InstanceNorm3d(32, affine=True)]
        network = torch.nn.Sequential(*layers, torch.nn.LeakyReLU(0.01)).eval()
        x = windows.smooth_noise((1, 32, 16, 16, 16))
        with torch.no_grad():
            right = network.double()(x.double())
            network.float()
        found = {}
        for precision in (wanted.F32, wanted.BF16X2, wanted.BF16):
            model = self._convert(network, x.shape, None, precision)
            computed = compiled.Compiled(model, precision, 2)(x, lambda: None)
            found[precision] = float((computed.double() - right).std() / right.std())
        return found

    def unable(self) -> dict[str, Any]:
        def refuse(*_: Any) -> Any:
            raise RuntimeError("no such layer")

        right, self._convert = self._convert, refuse
        with self._elsewhere("unable"):
            found = self.scene("fullres")
        self._convert = right
        return found

    @contextmanager
    def _elsewhere(self, name: str) -> Iterator[Path]:
        """Conversions are kept in a folder of their own."""
        before, data = kept.folder, self._folder / name
        kept.folder = lambda: data  # type: ignore[assignment]
        try:
            yield data
        finally:
            kept.folder = before

    def cancelled(self) -> dict[str, Any]:
        """Each question in turn is answered by a cancel; the next case finds everything in order."""
        compiled._LOOK_MS = 0
        expected = self.labels(self.predictor("fullres", "torch"))
        self.labels(self.predictor("fullres"))
        begun, within = 0, []
        for stop in (1, 2, 5, 9):
            made = self.predictor("fullres", log=Log(stop))
            try:
                self.labels(made)
            except Cancelled:
                begun += 1
            made.course = Course(log := Log(), [1.0], "probe")
            within.append(bool(torch.equal(self.labels(made), expected)))
            asked = log.asked
        return {"cancelled": begun, "same": within, "asked": asked}

    def batch(self) -> dict[str, Any]:
        made = self.predictor("fullres")
        self.labels(made)
        pair = windows.smooth_noise((2, 1, *made.configuration_manager.patch_size))
        with torch.inference_mode():
            both = made.network(pair)
            one = [made.network(window[None]) for window in pair]
        try:
            made.network(pair[:, :, 2:])
        except ValueError as error:
            return {"same": bool(torch.equal(both, torch.cat(one))), "refused": str(error)}
        return {}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _empty(path: Path) -> None:
    (path.parent / "record.json").write_text("")


if __name__ == "__main__":
    probe = Probe(Path(sys.argv[1]))
    for word in sys.argv[2:]:
        print(json.dumps(getattr(probe, word)()), flush=True)

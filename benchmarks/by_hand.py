"""CPU time per inference of two artifacts of the digits CNN, timed by hand: onnxruntime int8 against PyTorch fp32 eager.

paredown apply "quantize_static() @ onnxruntime(threads=1)" examples/digits.yaml --study runs/digits --out runs/int8
python benchmarks/by_hand.py runs/int8 BASELINE      # BASELINE: `against` in what `paredown measure runs/int8 --against runs/digits` prints

One inference is raw image to label, batch 1, each side at the thread count in its artifact.json. Windows of one second, A B, B A, ...
"""

import json
import os
import sys
import time
from pathlib import Path
from statistics import mean

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reports to its maker from its import on

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file

from paredown.modelkit.nets import digits_cnn


def open_int8(folder: Path, threads: int):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"input": image})[0]


def open_eager(folder: Path, threads: int):
    torch.set_num_threads(threads)
    module = digits_cnn().eval()
    module.load_state_dict(load_file(folder / "model.safetensors"))

    def run(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(image)).numpy()

    return run


def cpu_s(run, card: dict, images: np.ndarray, seconds: float) -> float:
    gain, labels, done = np.float32(card["encode"]["scale"]), card["labels"], 0
    until, before = time.perf_counter() + seconds, time.process_time()
    while time.perf_counter() < until:
        labels[run((images[done % len(images)].astype(np.float32) * gain).reshape(1, 1, 8, 8)).argmax()]
        done += 1
    return (time.process_time() - before) / done


folders = [Path(word) for word in sys.argv[1:3]]
cards = [json.loads((folder / "artifact.json").read_text()) for folder in folders]
runs = [make(folder, card["graphs"][0]["placement"]["threads"]) for make, folder, card in zip((open_int8, open_eager), folders, cards)]
images = np.asarray(json.loads((Path(sys.argv[1]) / "probe.json").read_text())["inputs"])
found = [], []
for number in range(int(sys.argv[3]) if len(sys.argv) > 3 else 31):
    for side in (0, 1) if number % 2 else (1, 0):
        found[side].append(cpu_s(runs[side], cards[side], images, 1.0))
int8_s, eager_s = (mean(times[1:]) for times in found)  # the first round is warm-up
print(f"int8 {int8_s * 1e6:.2f} us, eager {eager_s * 1e6:.2f} us: {eager_s / int8_s:.2f} times less CPU time")

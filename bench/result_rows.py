"""The rows of bench/results/latest.jsonl: one per figure, the newest last."""
import datetime
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def commit():
    """The commit that is measured; CAA_COMMIT where the files lie without their repository."""
    found = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return os.environ.get("CAA_COMMIT") or found.stdout.strip()


def append(figures, device):
    """Appends (name, value, ratio) figures measured on a device; a ratio is our rate over the rival's in the same run, or None."""
    path = ROOT / "bench" / "results" / "latest.jsonl"
    path.parent.mkdir(exist_ok=True)
    with open(path, "a") as log:
        for name, value, ratio in figures:
            row = {"name": name, "value": value, "ratio": ratio and round(ratio, 3), "commit": commit(), "device": device,
                   "date": str(datetime.date.today())}
            log.write(json.dumps(row) + "\n")

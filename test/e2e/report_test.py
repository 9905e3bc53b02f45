"""TensorBoard's own reader on our event files, and an HTML parser on the report."""
import html.parser
import json
import math
import random
import struct
import unittest
import xml.etree.ElementTree

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from programs import SEED, FolderTest, run


class Page(html.parser.HTMLParser):
    """Checks nesting; collects tags, addresses and text."""
    VOID = {"meta", "br", "link", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], ""
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


class ReportTest(FolderTest):
    def test_tensorboard_reads_our_events(self):
        rng = random.Random(SEED)
        rows = [{"tag": tag, "step": step, "value": rng.gauss(0, 10.0 ** rng.randint(-20, 20))}
                for step in [0, 1, 2, 127, 128, 300, 2**31, 2**40] for tag in ["train/loss", "val/größe"]]
        rows.append({"tag": "sample", "step": 5, "text": "In the beginning\n" * 50})
        run("write_log", self.folder, input="".join(json.dumps(row) + "\n" for row in rows))
        events = EventAccumulator(str(self.folder), size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()
        for tag in ["train/loss", "val/größe"]:
            due = [(r["step"], struct.unpack("f", struct.pack("f", r["value"]))[0]) for r in rows if r["tag"] == tag]
            self.assertEqual([(e.step, e.value) for e in events.Scalars(tag)], due)
            self.assertEqual([e.wall_time for e in events.Scalars(tag)], [1e9 + step for step, _ in due])
        self.assertEqual(events.Tensors("sample")[0].tensor_proto.string_val[0].decode(), rows[-1]["text"])
        self.assertEqual([json.loads(line)["step"] for line in open(self.folder / "log.jsonl")], [r["step"] for r in rows])

    def test_the_report_of_several_runs_is_one_page_that_needs_nothing_else(self):
        for name in ["first", "second"]:
            (self.folder / name).mkdir()
            with open(self.folder / name / "log.jsonl", "w") as log:
                for step in range(1, 501):
                    log.write(json.dumps({"step": step, "loss": 3 + math.exp(-step / 50), "lr": 1e-3, "gate/mean": 0.5}) + "\n")
                log.write(json.dumps({"step": 500, "val_loss": 3.1415, "val_bpb": 1.25, "sample": f"words of the {name} <run>"}))
                log.write("\n{\"step\": 501, \"lo")  # still being written
        out = self.folder / "report.html"
        run("caa-run", "report", self.folder / "first", self.folder / "second", "-o", out)
        text = out.read_text()
        page = Page(text)
        self.assertEqual(page.addresses, [])
        self.assertNotIn("http", text.replace("http-equiv", ""))
        for due in ["first", "second", "3.142", "1.25", "validation loss", "gate/mean", "words of the second <run>"]:
            self.assertIn(due, page.text)
        charts = [xml.etree.ElementTree.fromstring(part.split("</svg>")[0].join(["<svg", "</svg>"]))
                  for part in text.split("<svg")[1:]]
        self.assertEqual([c.get("aria-label") for c in charts],
                         ["Loss (nats per token; validation dashed)", "validation bits per byte", "learning rate", "gate/mean"])
        self.assertGreaterEqual(len(charts[0].findall("path")), 4)  # two runs, raw and smoothed

    def test_what_is_no_run_is_named(self):
        self.assertIn("log.jsonl", run("caa-run", "report", self.folder, "-o", self.folder / "r.html", status=1).stderr)
        (self.folder / "log.jsonl").write_text("")
        self.assertIn("no figures", run("caa-run", "report", self.folder, "-o", self.folder / "r.html", status=1).stderr)
        run("caa-run", "report", self.folder, status=2)


if __name__ == "__main__":
    unittest.main()

"""What `caa-run inspect` tells without running a file: counts, memory linear in the context, scores visited."""
import json
import unittest

from harness import ModelTest
from programs import run

EXPORT = {"q": "8x64", "k": "8x64", "v": "8x64"}


class Inspection(ModelTest):
    def inspect(self, library):
        return json.loads(run("caa-run", "inspect", library, "--json").stdout)

    def test_the_dense_model_has_the_published_number_of_parameters(self):
        facts = self.inspect(self.compile("qwen_dense"))
        self.assertEqual(facts["matrix_parameters_outside_embedding"], 134_217_728)
        self.assertEqual(facts["parameters_in_all"], 212_046_336)

    def test_attention_adds_at_most_four_times_its_inputs_and_outputs_at_16k_and_grows_linearly(self):
        for model, name, vectors in (("qwen_dense", "dense", EXPORT), ("qwen_caa", "caa", EXPORT | {"x": "1x512"})):
            added = {}
            for length in (16384, 32768):
                library = self.compile(model, ["layers=1", "vocab=64", f"context={length}"], [(name, vectors)])
                for entry in self.inspect(library)["entries"]:
                    if entry["name"] == f"{name}.gradient":
                        tensors = sum(v["bytes"] for v in entry["values"] if v["name"].removeprefix("d_") in ("q", "k", "v", "out"))
                        added[length] = entry["arena_bytes"] + entry["scratch_bytes_per_thread"]
                        # The output itself is not among a gradient's values.
                        self.assertLessEqual(added[length], 4 * (tensors + length * 8 * 64 * 4), model)
            self.assertLess(added[32768], 2.1 * added[16384], model)

    def test_a_window_of_512_visits_at_most_9_percent_of_the_causal_scores_at_16k(self):
        attends = self.inspect(self.compile("qwen_local", ["layers=2", "vocab=64"]))["analysis"]["attends"]
        self.assertEqual([(a["location"].rsplit("/")[-1].split(":")[0], a["calls"]) for a in attends], [("qwen_local.mdl", 2)])
        row = {row["length"]: row for row in attends[0]["visited"]}[16384]
        self.assertEqual(row["causal"], 16384 * 16385 // 2)
        self.assertLessEqual(row["scores"], 0.09 * row["causal"])
        self.assertGreaterEqual(row["scores"], 512 * 16384 - 512 * 511 // 2)  # no fewer than belong to the window


if __name__ == "__main__":
    unittest.main()

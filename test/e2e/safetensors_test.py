"""Our safetensors files and the public library's: each reads what the other writes."""
import json
import unittest

import ml_dtypes
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from programs import SEED, FolderTest, run

DTYPES = [np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.float16, np.uint32, np.int32, np.float32, np.uint64,
          np.int64, np.float64, ml_dtypes.bfloat16]


def random_tensors(rng):
    tensors = {}
    for number, dtype in enumerate(DTYPES):
        for shape in [(), (1,), (0, 3), (3, 5), (2, 1, 7)]:
            raw = rng.integers(0, 256, size=int(np.prod(shape)) * np.dtype(dtype).itemsize, dtype=np.uint8)
            if dtype == np.bool_:
                raw &= 1
            tensors[f"layer.{number}.größe {len(shape)}.{shape}"] = raw.view(dtype).reshape(shape)
    return tensors


class SafetensorsTest(FolderTest):
    def test_a_copy_by_our_reader_and_writer_holds_the_same_bits(self):
        tensors = random_tensors(np.random.default_rng(SEED))
        metadata = {"format": "pt", "note": "a \"quoted\" line\nand ü"}
        save_file(tensors, self.folder / "theirs.safetensors", metadata=metadata)
        run("safetensors_copy", self.folder / "theirs.safetensors", self.folder / "ours.safetensors")
        ours = load_file(self.folder / "ours.safetensors")
        self.assertEqual(set(ours), set(tensors))
        for name, tensor in tensors.items():
            self.assertEqual(ours[name].dtype, tensor.dtype, name)
            self.assertEqual(ours[name].shape, tensor.shape, name)
            self.assertEqual(ours[name].tobytes(), tensor.tobytes(), name)
        with safe_open(self.folder / "ours.safetensors", framework="numpy") as file:
            self.assertEqual(file.metadata(), metadata)

    def test_shards_with_an_index_are_read_as_one(self):
        rng = np.random.default_rng(SEED)
        shards = {f"model-0000{i}-of-00003.safetensors": {f"t{i}.{j}": rng.standard_normal((i, j)).astype(np.float32)
                                                          for j in range(1, 5)} for i in range(1, 4)}
        for name, tensors in shards.items():
            save_file(tensors, self.folder / name)
        index = {"metadata": {"total_size": 1}, "weight_map": {t: s for s, ts in shards.items() for t in ts}}
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(index))
        run("safetensors_copy", self.folder, self.folder / "all.safetensors")
        ours = load_file(self.folder / "all.safetensors")
        for tensors in shards.values():
            for name, tensor in tensors.items():
                np.testing.assert_array_equal(ours.pop(name), tensor)
        self.assertEqual(ours, {})

    def test_what_the_public_library_refuses_is_refused(self):
        save_file({"a": np.arange(6, dtype=np.float32)}, self.folder / "good.safetensors")
        good = (self.folder / "good.safetensors").read_bytes()
        bad = self.folder / "bad.safetensors"
        for damaged in [good[:-1], good[:20], good + b"\0", good.replace(b"[6]", b"[7]"), good.replace(b"F32", b"F33"),
                        b"\xff" + good[1:]]:
            bad.write_bytes(damaged)
            with self.assertRaises(Exception):
                load_file(bad)
            done = run("safetensors_copy", bad, self.folder / "out.safetensors", status=1)
            self.assertIn(str(bad), done.stderr)
        self.assertFalse((self.folder / "out.safetensors").exists())


if __name__ == "__main__":
    unittest.main()

"""The source tree itself: no file of ours is longer than 1,000 lines, and what the documents link to or name by its path exists.

tree_test.py SOURCE
"""
import pathlib
import re
import sys
import unittest

SOURCE = pathlib.Path(sys.argv.pop())
ENDINGS = "cpp h inc td g4 mdl mlir py sh txt cmake json cases md".split()


def files():
    """Every file of ours: whatever is not hidden, built or data."""
    for path in sorted(SOURCE.rglob("*")):
        parts = path.relative_to(SOURCE).parts
        if path.is_file() and path.suffix[1:] in ENDINGS and not parts[0].startswith("build") and not any(p.startswith(".") for p in parts):
            yield path


class Tree(unittest.TestCase):
    def test_no_file_is_longer_than_a_thousand_lines(self):
        lengths = {str(path.relative_to(SOURCE)): path.read_text().count("\n") for path in files()}
        self.assertGreater(len(lengths), 300)
        self.assertEqual({name: n for name, n in lengths.items() if n > 1000}, {})

    def test_documents_name_files_that_exist(self):
        missing = []
        for document in (path for path in files() if path.suffix == ".md"):
            text = document.read_text()
            links = [(document.parent, target) for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
            paths = [(SOURCE, target) for target in re.findall(rf"`((?:\w+/)+[\w.-]+\.(?:{'|'.join(ENDINGS)}))`", text)]
            missing += [f"{document.relative_to(SOURCE)}: {target}" for base, target in links + paths if not (base / target).exists()]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()

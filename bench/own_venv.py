"""A benchmark's own Python environment, made on first use."""
import os
import pathlib
import subprocess
import sys
import venv


def run_in(folder, packages):
    """Starts the running script again with the Python of the virtual environment `folder`, which has `packages`."""
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        print(f"installing {', '.join(packages)} into {folder} (once)", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        (folder / "ready").touch()
    os.execv(python, [str(python), *sys.argv])

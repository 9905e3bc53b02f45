"""make_venv.py FOLDER REQUIREMENTS: a virtual environment with the packages, installed once.

A stamp inside the folder holds the requirements that were installed, and this text; while they agree this returns at once. NVIDIA's programs, which
their packages keep apart, are linked into the environment's bin.
"""
import fcntl
import pathlib
import subprocess
import sys
import venv


def main():
    folder, requirements = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    wanted = requirements.read_text() + pathlib.Path(__file__).read_text()
    stamp = folder / "installed.txt"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "-r", requirements], check=True)
        for program in folder.glob("lib/python*/site-packages/nvidia/*/bin/*"):
            if program.name in ("ptxas", "nvdisasm"):
                program.chmod(0o755)
                (folder / "bin" / program.name).symlink_to(program.resolve())
        stamp.write_text(wanted)


main()

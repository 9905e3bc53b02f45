"""Checks what an assembler made of wgmma kernels. usage: check_sass.py FILE.cubin...  (exit status 1: something is wrong)

wgmma runs beside the instructions after it: until it has been waited for, nothing may write its registers or read its sums. ptxas is to
see to that, but has been seen not to: loop-invariant operands of one product and the packed operands of another got the same
registers, without a word. So every kernel's code is read: between a product and the wait that covers it no instruction may write a
register that the product reads or adds to, or read one that it adds to.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)\s*(.*?)\s*;")
REGISTER = re.compile(r"\bR(\d+)\b")
# Instructions without a destination, or whose first operand is none.
NO_RESULT = ("ST", "RED", "BAR", "BRA", "EXIT", "WARPSYNC", "WARPGROUP", "SYNCS.ARRIVE", "UTMA", "UBLKCP", "FENCE", "MEMBAR", "NOP",
             "BSSY", "BSYNC", "LDGSTS", "DEPBAR", "LDGDEPBAR", "ARRIVES", "CALL", "RET", "USETMAXREG", "CCTL", "ERRBAR", "NANOSLEEP")


def find_nvdisasm():
    places = [shutil.which("nvdisasm"), "/usr/local/cuda/bin/nvdisasm"]
    places += glob.glob(os.path.join(sys.prefix, "lib/python3*/site-packages/nvidia/**/bin/nvdisasm"), recursive=True)
    for place in places:
        if place and os.access(place, os.X_OK):
            return place
    sys.exit("check_sass.py: nvdisasm is missing (PyPI: nvidia-cuda-nvdisasm)")


def width(opcode):
    """How many registers the first operand of an instruction stands for."""
    if opcode.startswith("HGMMA"):
        return int(re.search(r"64x(\d+)x16", opcode).group(1)) // 2
    if ".128" in opcode or ".x4" in opcode or opcode.endswith(".M88.4") or "LDSM.16.M88.4" in opcode or "LDSM.16.MT88.4" in opcode:
        return 4
    if ".64" in opcode or ".WIDE" in opcode:
        return 2
    return 1


def registers(first, count):
    return set(range(first, first + count))


def check(text):
    """Yields what is wrong in the code of a kernel."""
    flying = []  # groups: [operands, sums, committed]
    for line in text.splitlines():
        match = INSTRUCTION.match(line)
        if not match:
            continue
        opcode, operands = match.groups()
        numbers = [int(n) for n in REGISTER.findall(operands)]
        if opcode.startswith("HGMMA"):
            parts = [part.strip() for part in operands.split(",")]
            sums = registers(int(parts[0][1:]), width(opcode))
            inputs = registers(int(parts[1][1:]), 4) if re.fullmatch(r"R\d+", parts[1]) else set()
            for group in flying:
                if (group["sums"] & inputs) or (group["inputs"] & sums):
                    yield f"a product uses registers of another one in flight: {line.strip()}"
            if not flying or flying[-1]["committed"]:
                flying.append({"inputs": set(), "sums": set(), "committed": False})
            flying[-1]["inputs"] |= inputs
            flying[-1]["sums"] |= sums
            flying[-1]["committed"] = "gsb0" in operands
            continue
        if opcode.startswith("WARPGROUP.DEPBAR"):
            keep = int(operands.split(",")[-1].strip(), 16)
            flying = flying[len(flying) - keep:] if keep < len(flying) else flying
            if keep == 0:
                flying = []
            continue
        if flying:
            reads, writes = set(numbers), set()
            if numbers and operands.startswith("R") and not opcode.startswith(NO_RESULT):
                writes = registers(numbers[0], width(opcode))
                reads = set(numbers[1:])
            for group in flying:
                if writes & (group["inputs"] | group["sums"]):
                    yield f"writes a register of a product in flight: {line.strip()}"
                elif reads & group["sums"]:
                    yield f"reads a sum in flight: {line.strip()}"
        if opcode in ("BRA", "EXIT", "RET") and "@" not in line.split("*/")[1]:
            flying = []  # what follows is reached from elsewhere


def main():
    tool, wrong, products = find_nvdisasm(), 0, 0
    for path in sys.argv[1:]:
        text = subprocess.run([tool, "-c", path], check=True, capture_output=True, text=True).stdout
        products += text.count("HGMMA")
        for message in check(text):
            print(f"{path}: {message}")
            wrong += 1
    if not products:
        sys.exit("check_sass.py: no file has a product")
    print(f"{products} products, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""Checks what an assembler made of wgmma kernels. usage: check_sass.py FILE.sass... (what `nvdisasm -c` prints of a cubin)

wgmma runs beside the instructions after it: until it has been waited for, nothing may write its registers or read its sums. ptxas is to
see to that, but has been seen not to: loop-invariant operands of one product and the packed operands of another got the same
registers, without a word. So every way through every kernel is followed, around loops too: between a product and the wait that covers
it no instruction may write a register that the product reads or adds to, or read one that it adds to.

Exit status 1: something is wrong, or there is no product at all.
"""
import pathlib
import re
import sys

INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]+\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;")
LABEL = re.compile(r"^(\.?[\w$.]+):")
SECTION = re.compile(r"^\s*\.section\s+\.text\.([\w$]+)")
TARGET = re.compile(r"`\(([^)]+)\)")
REGISTER = re.compile(r"(?<![\w$])R(\d+)((?:\.reuse)?\.64)?\b")
# The second operand is the result: the first one is a predicate.
RESULT_BEHIND_PREDICATE = ("SHFL", "ATOM", "MATCH")
# Instructions whose first operand is an address, or a value that they read.
NO_RESULT = ("ST", "RED.", "REDG", "LDGSTS", "SYNCS", "UTMA", "UBLKCP", "ARRIVES", "CCTL", "R2UR", "R2P", "WARPSYNC", "BAR", "NANOSLEEP", "USETMAXREG", "RET",
             "BRX", "CALL", "DEPBAR", "WARPGROUP")
MOST_GROUPS = 8


def mask(first, count):
    """Registers as bits of a number."""
    return ((1 << count) - 1) << first


def width_of_result(opcode):
    """How many registers an instruction writes; a store: how many it reads."""
    if opcode.startswith("HMMA") or re.search(r"\.(128|M88\.4|MT88\.4)\b", opcode):
        return 4
    if opcode.startswith(("DADD", "DMUL", "DFMA", "F2F.F64", "I2F.F64")) or opcode == "CS2R":
        return 2
    return 2 if re.search(r"\.(64|WIDE|M88\.2|MT88\.2)\b", opcode) or re.match(r"F2I(\.FTZ)?\.[US]64", opcode) else 1


def widths_of_sources(opcode, count):
    """How many registers each of an instruction's source registers begins, but for addresses."""
    if opcode.startswith("ST"):
        return [1] * (count - 1) + [width_of_result(opcode)]
    if opcode.startswith("HMMA"):
        return [4, 2, 4]
    if opcode.startswith(("DADD", "DMUL", "DFMA", "DSETP", "F2F.F32.F64", "I2F.U64", "I2F.S64", "I2F.F64.S64", "I2F.F64.U64")) or re.match(r"F2I\S*\.F64", opcode):
        return [2] * count
    if ".WIDE" in opcode and count == 3:
        return [1, 1, 2]
    return [1] * count


class Instruction:
    """One instruction: which registers it writes and reads, and where it may go on."""

    def __init__(self, text, predicate, opcode, operands):
        self.text, self.opcode, self.operands = text, opcode, operands
        self.conditional = predicate is not None or opcode not in ("BRA", "EXIT") and not opcode.startswith("RET") or operands.startswith(("P", "!P", "U"))
        target = TARGET.search(operands)
        self.target = target.group(1) if target and opcode.startswith(("BRA", "CALL")) else None
        self.inputs = self.sums = self.writes = self.reads = 0
        if opcode.startswith("HGMMA"):
            parts = [part.strip() for part in operands.split(",")]
            self.sums = mask(int(parts[0][1:]), int(re.search(r"64x(\d+)x", opcode).group(1)) // 2)
            if held := REGISTER.fullmatch(parts[1].removesuffix(".reuse")):
                self.inputs = mask(int(held.group(1)), 4)
            return
        found = [(int(number), bool(wide)) for number, wide in REGISTER.findall(operands)]
        first = operands.split(",")[1 if opcode.startswith(RESULT_BEHIND_PREDICATE) and re.match(r"!?U?P", operands) else 0].strip() if operands else ""
        if re.match(r"R\d", first) and not opcode.startswith(NO_RESULT):
            self.writes = mask(found.pop(0)[0], width_of_result(opcode))
        for (number, wide), width in zip(found, widths_of_sources(opcode, len(found))):
            self.reads |= mask(number, 2 if wide else width)


def kernels(text):
    """The kernels of a listing: name, instructions and the number of the instruction behind each label."""
    name, code, labels = None, [], {}
    for line in text.splitlines():
        if section := SECTION.match(line):
            if code:
                yield name, code, labels
            name, code, labels = section.group(1), [], {}
        elif label := LABEL.match(line):
            labels[label.group(1)] = len(code)
        elif match := INSTRUCTION.match(line):
            code.append(Instruction(line.strip(), *match.groups()))
    if code:
        yield name, code, labels


def after(flying, instruction):
    """The products in flight behind an instruction: groups (operands, sums, whether it is complete), the oldest first."""
    if instruction.opcode.startswith("HGMMA"):
        if flying and not flying[-1][2]:
            inputs, sums, _ = flying[-1]
            flying = flying[:-1]
        else:
            inputs = sums = 0
        flying = (*flying, (inputs | instruction.inputs, sums | instruction.sums, "gsb0" in instruction.operands))
        if len(flying) > MOST_GROUPS:  # a loop without a wait: it ends here, and the two oldest become one
            (inputs, sums, _), (more_inputs, more_sums, complete) = flying[:2]
            flying = ((inputs | more_inputs, sums | more_sums, complete), *flying[2:])
        return flying
    if instruction.opcode.startswith("WARPGROUP.DEPBAR"):
        keep = int(instruction.operands.split(",")[-1].strip(), 16)
        return flying[max(len(flying) - keep, 0):]
    return flying


def faults(flying, instruction):
    """What an instruction does wrong while products are in flight."""
    for inputs, sums, _ in flying:
        if instruction.opcode.startswith("HGMMA"):
            if sums & instruction.inputs or inputs & instruction.sums:
                yield "a product uses registers of another one in flight"
        elif instruction.writes & (inputs | sums):
            yield "writes a register of a product in flight"
        elif instruction.reads & sums:
            yield "reads a sum in flight"


def check(text):
    """What is wrong in the kernels of a listing, a line for each instruction at fault."""
    wrong = []
    for name, code, labels in kernels(text):
        seen, todo, found = set(), [(0, ())], {}
        while todo:
            at, flying = todo.pop()
            while at < len(code) and (at, flying) not in seen:
                seen.add((at, flying))
                instruction = code[at]
                for fault in faults(flying, instruction):
                    found.setdefault(at, f"{name}: {fault}: {instruction.text}")
                flying = after(flying, instruction)
                if instruction.target:
                    todo.append((labels[instruction.target], flying))
                if not instruction.conditional:
                    break
                at += 1
        wrong += [found[at] for at in sorted(found)]
    return wrong


def count_products(text):
    return len(re.findall(r"^\s*/\*[0-9a-f]+\*/.*\bHGMMA\.", text, re.M))


def main():
    texts = [pathlib.Path(path).read_text() for path in sys.argv[1:]]
    wrong, products = [line for text in texts for line in check(text)], sum(map(count_products, texts))
    print(*wrong, f"{products} products, {len(wrong)} wrong", sep="\n")
    sys.exit(1 if wrong or not products else 0)


if __name__ == "__main__":
    main()

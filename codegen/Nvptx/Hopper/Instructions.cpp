// See Instructions.h. Everything with an effect is volatile and clobbers memory, so that neither LLVM nor ptxas reorders it.
#include "codegen/Nvptx/Hopper/Instructions.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace caa::nvptx::hopper {

//===-- Barriers ----------------------------------------------------------------------------------------------------===//

void initBarrier(ThreadCode &code, Value barrier, int64_t arrivals) {
  code.assembly("mbarrier.init.shared::cta.b64 [$0], $1;", "r,r,~{memory}", {barrier, code.word(arrivals)});
}

void fenceBarriers(ThreadCode &code) { code.assembly("fence.mbarrier_init.release.cluster;", "~{memory}", {}); }

void waitBarrier(ThreadCode &code, Value barrier, Value parity) {
  code.assembly("{\n.reg .pred P1;\nLAB_WAIT:\nmbarrier.try_wait.parity.shared::cta.b64 P1, [$0], $1;\n@P1 bra DONE;\n"
                "bra LAB_WAIT;\nDONE:\n}",
                "r,r,~{memory}", {barrier, parity});
}

void arriveBarrier(ThreadCode &code, Value barrier, Value predicate) { arriveBarriers(code, barrier, predicate); }

void arriveBarriers(ThreadCode &code, ArrayRef<Value> barriers, Value predicate) {
  std::string text, constraints = "b";
  SmallVector<Value> operands{predicate};
  for (Value barrier : barriers) {
    text += "@$0 mbarrier.arrive.shared::cta.b64 _, [$" + std::to_string(operands.size()) + "];\n";
    constraints += ",r";
    operands.push_back(barrier);
  }
  code.assembly(text, constraints + ",~{memory}", operands);
}

void arriveExpecting(ThreadCode &code, Value barrier, Value bytes, Value predicate) {
  code.assembly("@$2 mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r,b,~{memory}", {barrier, bytes, predicate});
}

void arriveAfterCopies(ThreadCode &code, Value barrier) {
  code.assembly("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [$0];", "r,~{memory}", {barrier});
}

void syncNamed(ThreadCode &code, Value id, int64_t threads) {
  code.assembly("bar.sync $0, " + std::to_string(threads) + ";", "r,~{memory}", {id});
}

void arriveNamed(ThreadCode &code, Value id, int64_t threads) {
  code.assembly("bar.arrive $0, " + std::to_string(threads) + ";", "r,~{memory}", {id});
}

//===-- Copies ------------------------------------------------------------------------------------------------------===//

void loadBox(ThreadCode &code, Value target, Value map, ArrayRef<Value> coordinates, Value barrier, Value predicate) {
  SmallVector<Value> operands{target, map};
  llvm::append_range(operands, coordinates);
  operands.append({barrier, predicate});
  code.assembly("@$7 cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1, {$2, $3, $4, $5}], [$6];",
                "r,l,r,r,r,r,r,b,~{memory}", operands);
}

void storeBox(ThreadCode &code, Value source, Value map, ArrayRef<Value> coordinates, Value predicate) {
  SmallVector<Value> operands{source, map};
  llvm::append_range(operands, coordinates);
  operands.push_back(predicate);
  code.assembly("@$6 cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [$1, {$2, $3, $4, $5}], [$0];", "r,l,r,r,r,r,b,~{memory}",
                operands);
}

void commitStores(ThreadCode &code, Value predicate) {
  code.assembly("@$0 cp.async.bulk.commit_group;", "b,~{memory}", {predicate});
}

void waitStores(ThreadCode &code, Value predicate, bool done) {
  code.assembly(done ? "{\n@!$0 bra DONE;\ncp.async.bulk.wait_group 0;\nDONE:\n}" : "{\n@!$0 bra DONE;\ncp.async.bulk.wait_group.read 0;\nDONE:\n}",
                "b,~{memory}", {predicate});
}

void copyWord(ThreadCode &code, Value target, Value source, Value present) {
  Value bytes = code.select(present, code.word(4), code.word(0));
  code.assembly("cp.async.ca.shared.global [$0], [$1], 4, $2;", "r,l,r,~{memory}", {target, source, bytes});
}

void fenceShared(ThreadCode &code) { code.assembly("fence.proxy.async.shared::cta;", "~{memory}", {}); }

//===-- Products ----------------------------------------------------------------------------------------------------===//

static std::string list(int64_t first, int64_t count) {
  std::string text = "{";
  for (int64_t n = 0; n < count; ++n)
    text += (n ? ", $" : "$") + std::to_string(first + n);
  return text + "}";
}

static void repeat(std::string &constraints, llvm::StringRef constraint, int64_t count) {
  for (int64_t n = 0; n < count; ++n)
    constraints += (constraints.empty() ? "" : ",") + constraint.str();
}

/// Ties operand n of `count` to output n.
static void tie(std::string &constraints, int64_t count) {
  for (int64_t n = 0; n < count; ++n)
    constraints += (constraints.empty() ? "" : ",") + std::to_string(n);
}

Matrix matrixAt(ThreadCode &code, Value sixteenths, int64_t blockBytes) {
  int64_t leading = blockBytes ? blockBytes / 16 : 1;
  return {code.add(sixteenths, code.word(leading << 16)), (1024 >> 4) | (int64_t(1) << 30)};
}

Matrix plainMatrixAt(ThreadCode &code, Value sixteenths, int64_t leadingBytes, int64_t strideBytes) {
  return {code.add(sixteenths, code.word(leadingBytes / 16 << 16)), strideBytes / 16};
}

static Value descriptor(ThreadCode &code, Matrix matrix, int64_t offset) {
  Value low = code.add(matrix.low, code.word(offset));
  Value wide = LLVM::ZExtOp::create(code.builder, code.loc, code.i64, low);
  return code.bitOr(wide, code.index(matrix.high << 32));
}

static std::string shape(int64_t columns) {
  return "wgmma.mma_async.sync.aligned.m64n" + std::to_string(columns) + "k16.f32.bf16.bf16 ";
}

SmallVector<Value> multiplyHeld(ThreadCode &code, Matrix a, Matrix b, int64_t columns, int64_t depth, int64_t rowsA, int64_t rowsB,
                                const ExtraStep *extra) {
  int64_t sums = columns / 2, whole = depth / 16, steps = whole + (extra ? 1 : 0);
  std::string text = "wgmma.fence.sync.aligned;\n", constraints;
  SmallVector<Value> operands;
  for (int64_t k = 0; k < steps; ++k) {
    operands.push_back(k == whole ? descriptor(code, extra->a, 0) : descriptor(code, a, k / 4 * (rowsA * 128 / 16) + 2 * (k % 4)));
    operands.push_back(k == whole ? descriptor(code, extra->b, 0) : descriptor(code, b, k / 4 * (rowsB * 128 / 16) + 2 * (k % 4)));
    text += shape(columns) + list(0, sums) + ", $" + std::to_string(sums + 2 * k) + ", $" + std::to_string(sums + 2 * k + 1) +
            (k ? ", 1" : ", 0") + ", 1, 1, 0, 0;\n";
  }
  text += "wgmma.commit_group.sync.aligned;";
  repeat(constraints, "=f", sums);
  repeat(constraints, "l", 2 * steps);
  return code.assembly(text, constraints, SmallVector<Type>(sums, code.f32), operands);
}

SmallVector<Value> multiplyPacked(ThreadCode &code, ValueRange sums, ValueRange packed, Matrix b, int64_t columns, int64_t depth) {
  int64_t count = columns / 2, steps = depth / 16, registers = 4 * steps;
  std::string text = "wgmma.fence.sync.aligned;\n", constraints;
  SmallVector<Value> operands(packed);
  for (int64_t k = 0; k < steps; ++k) {
    operands.push_back(descriptor(code, b, 128 * k));
    text += shape(columns) + list(0, count) + ", " + list(count + 4 * k, 4) + ", $" + std::to_string(count + registers + k) +
            (k || !sums.empty() ? ", 1" : ", 0") + ", 1, 1, 1;\n";
  }
  text += "wgmma.commit_group.sync.aligned;";
  llvm::append_range(operands, sums);
  repeat(constraints, "=f", count);
  repeat(constraints, "r", registers);
  repeat(constraints, "l", steps);
  tie(constraints, int64_t(sums.size()));
  return code.assembly(text, constraints, SmallVector<Type>(count, code.f32), operands);
}

SmallVector<Value> waitProducts(ThreadCode &code, int64_t pending, ValueRange tied) {
  std::string text = "wgmma.wait_group.sync.aligned " + std::to_string(pending) + ";", constraints;
  if (tied.empty()) {
    code.assembly(text, "~{memory}", {});
    return {};
  }
  repeat(constraints, "=f", int64_t(tied.size()));
  tie(constraints, int64_t(tied.size()));
  return code.assembly(text, constraints + ",~{memory}", SmallVector<Type>(tied.size(), code.f32), tied);
}

Value packPair(ThreadCode &code, Value low, Value high) {
  return code.assembly("cvt.rn.bf16x2.f32 $0, $1, $2;", "=r,f,f", code.i32, {high, low});
}

void storeMatrices(ThreadCode &code, Value address, ArrayRef<Value> packed) {
  SmallVector<Value> operands{address};
  llvm::append_range(operands, packed);
  code.assembly("stmatrix.sync.aligned.m8n8.x4.shared.b16 [$0], {$1, $2, $3, $4};", "r,r,r,r,r,~{memory}", operands);
}

Value opaque(ThreadCode &code, Value word) { return code.assembly("mov.b32 $0, $1;", "=r,r", code.i32, {word}); }

void setRegisters(ThreadCode &code, int64_t count, bool more) {
  std::string text = more ? "setmaxnreg.inc" : "setmaxnreg.dec";
  text += ".sync.aligned.u32 " + std::to_string(count) + ";";
  code.assembly(text, "~{memory}", {});
}

} // namespace caa::nvptx::hopper

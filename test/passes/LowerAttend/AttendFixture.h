// Attends of a file and their kernels on fresh inputs, against the definition of attend in float64.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "passes/Lower/Attend/LowerAttend.h"
#include "test/tile/NaiveAttend.h"
#include "test/tile/ScalarOps.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace caa::test {

using namespace mlir;

/// A fresh input: `what` says of which kind.
inline Buffer fill(StringRef what, Type type, int64_t batch, int64_t length, std::mt19937 &random) {
  Buffer buffer{shapeAt(type, batch, length), {}};
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> unit(0, 1);
  std::uniform_int_distribution<int> grid(-32, 32);
  int64_t perToken = shapeOf(type).heads * shapeOf(type).width;
  for (int64_t n = 0, size = buffer.size(); n < size; ++n) {
    int64_t token = n / perToken % length;
    double x = what == "normal"   ? normal(random)
               : what == "grid"   ? grid(random) / 32.0 // scores are exact, so that thresholds are not a matter of rounding
               : what == "unit"   ? unit(random)
               : what == "width"  ? 1 + 20 * unit(random)
               : what == "lse"    ? 1 + unit(random)
               : what == "never"  ? 1e9
               : what == "truth"  ? double(unit(random) < 0.8)
               : what == "count"  ? double(token % 7 == 3 ? 0 : token % 11 == 5 ? length + 1 : std::ceil(std::sqrt(token + 1.0)))
               : what == "document" ? double(token / 13)
                                    : NAN;
    EXPECT_FALSE(std::isnan(x)) << what.str();
    buffer.data.push_back(roundTo(elementOf(type), x));
  }
  return buffer;
}

struct Tiles {
  int64_t queries, keys;
  bool keysAsRows = false;
  int64_t held = 0, swept = 0;
};

class AttendFixture : public ::testing::Test {
protected:
  AttendFixture() {
    DialectRegistry registry;
    registry.insert<CaaDialect, tile::TileDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect, memref::MemRefDialect,
                    scf::SCFDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    tensors = parseSourceFile<ModuleOp>(CAA_TEST_ATTENDS, &context);
  }

  /// Makes rows bf16, and what is reduced to rows where a kernel has it whole.
  void roundRows() {
    for (auto function : tensors->getOps<func::FuncOp>()) {
      AttendOp attend = *function.getOps<AttendOp>().begin();
      auto round = [&](Value value) {
        auto type = cast<RankedTensorType>(value.getType());
        value.setType(RankedTensorType::get(type.getShape(), BFloat16Type::get(&context)));
      };
      for (auto [n, operand] : llvm::enumerate(attend->getOperands()))
        if (shapeOf(operand).width > 1) {
          if (elementOf(operand).isF32())
            round(operand);
          attend.getBody().getArgument(2 + n).setType(pairArgumentType(operand.getType()));
        }
      for (auto row : attend.getBody().getOps<UnitRowOp>())
        row.getResult().setType(cast<VectorType>(row.getRow().getType()));
      SmallVector<ReductionAttr> reductions = attend.getReductionList();
      bool oneAxis = llvm::all_of(reductions, [&](ReductionAttr r) { return r.getAxis() == reductions[0].getAxis(); });
      for (auto [r, reduction] : llvm::enumerate(reductions)) {
        Value result = attend.getResult(attend.getFirstResult(r));
        if (oneAxis && shapeOf(result).width > 1 && shapeOf(result).heads == attend.getNumHeads())
          round(result);
      }
      SmallVector<Type> results(function.front().getTerminator()->getOperandTypes());
      function.setFunctionType(FunctionType::get(&context, function.front().getArgumentTypes(), results));
    }
  }

  OwningOpRef<ModuleOp> lower(Tiles tiles) {
    OwningOpRef<ModuleOp> module = tensors->clone();
    PassManager manager(&context);
    attend::LowerAttendOptions options;
    options.tileQueries = tiles.queries;
    options.tileKeys = tiles.keys;
    options.keysAsRows = tiles.keysAsRows;
    options.held = tiles.held;
    options.swept = tiles.swept;
    manager.addPass(attend::createLowerAttend(options));
    EXPECT_TRUE(succeeded(manager.run(*module)));
    return module;
  }

  /// Runs one function both ways on fresh inputs and compares every output, relative to its largest element.
  Counts check(ModuleOp lowered, StringRef name, int64_t length, unsigned seed, const std::string &trace) {
    SCOPED_TRACE(name.str() + ", length " + std::to_string(length) + ", " + trace);
    const int64_t batch = 2;
    std::mt19937 random(seed);
    auto function = tensors->lookupSymbol<func::FuncOp>(name);
    AttendOp attend = *function.getOps<AttendOp>().begin();
    std::vector<Buffer> inputs;
    auto fills = function->getAttrOfType<ArrayAttr>("caa.fill");
    for (auto [type, what] : llvm::zip(function.getArgumentTypes(), fills))
      inputs.push_back(fill(cast<StringAttr>(what).getValue(), type, batch, length, random));
    std::vector<Buffer *> operands, buffers;
    for (Buffer &input : inputs)
      buffers.push_back(&input);
    for (Value operand : attend->getOperands())
      operands.push_back(&inputs[cast<BlockArgument>(operand).getArgNumber()]);
    std::vector<Buffer> expected = naiveAttend(attend, operands, batch, length);
    std::vector<Buffer> actual;
    for (Type type : function.getResultTypes()) {
      actual.push_back({shapeAt(type, batch, length), {}});
      actual.back().data.assign(actual.back().size(), NAN);
    }
    for (Buffer &output : actual)
      buffers.push_back(&output);
    Counts counts = runKernel(lowered.lookupSymbol<func::FuncOp>(name), buffers, {batch, length}, seed % 2);
    // Weights of bf16 rows are rounded to 8 bits, each by its own: 2^-9 of the largest is common, 2^-6 is not.
    bool rounds = llvm::any_of(attend->getOperandTypes(), [](Type type) { return elementOf(type).isBF16(); });
    for (auto [n, value] : llvm::enumerate(function.front().getTerminator()->getOperands()))
      compare(actual[n], expected[cast<OpResult>(value).getResultNumber()], n, rounds ? 1.0 / 64 : 1e-5);
    return counts;
  }

  void compare(const Buffer &actual, const Buffer &expected, unsigned number, double tolerance = 1e-5) {
    double largest = 1e-3;
    for (double x : expected.data)
      largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : largest;
    for (size_t n = 0; n < expected.data.size(); ++n) {
      if (std::isinf(expected.data[n]))
        ASSERT_EQ(actual.data[n], expected.data[n]) << "output " << number << " at " << n;
      else
        ASSERT_NEAR(actual.data[n], expected.data[n], tolerance * largest) << "output " << number << " at " << n;
    }
  }


  MLIRContext context;
  OwningOpRef<ModuleOp> tensors;
};

} // namespace caa::test

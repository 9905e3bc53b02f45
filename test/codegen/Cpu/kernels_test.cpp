// Small kernels, one op or one pattern each, against the tile interpreter at sizes that fill no tile.
#include "test/codegen/Cpu/KernelRunner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace mlir;

namespace caa::test {
namespace {

constexpr const char *kernels =
#include "test/codegen/Cpu/kernels.inc"
    ;

class Kernels : public ::testing::Test {
protected:
  static void SetUpTestSuite() {
    context = makeKernelContext().release();
    runner = new KernelRunner(*context, kernels, runnableTargets());
  }
  static void TearDownTestSuite() {
    delete runner;
    delete context;
  }

  /// Runs a kernel on random inputs for every target, compares each output with the interpreter's, relative to its largest element.
  /// The last `outputs` buffers are outputs; they start as NaN, or as numbers if the kernel adds to them.
  void check(StringRef name, const Extents &extents, unsigned outputs = 1, double tolerance = 2e-6, bool accumulates = false) {
    SCOPED_TRACE(name.str() + ", batch " + std::to_string(extents.batch) + ", length " + std::to_string(extents.length) + ", rows " +
                 std::to_string(extents.rows));
    func::FuncOp kernel = runner->kernel(name);
    std::vector<Buffer> inputs;
    std::normal_distribution<double> normal;
    unsigned count = kernel.getNumArguments();
    for (unsigned n = 0; n < count; ++n) {
      Buffer buffer{shapeOfArgument(kernel, n, extents), {}};
      Type element = cast<MemRefType>(kernel.getArgument(n).getType()).getElementType();
      bool isOutput = n >= count - outputs;
      for (int64_t m = 0, size = buffer.size(); m < size; ++m) {
        double value = element.isInteger(1) || element.isInteger(8) ? double(random() % 2) : isa<IntegerType>(element) ? double(random() % 23) : normal(random);
        if (isOutput && !accumulates)
          value = isa<FloatType>(element) ? NAN : 7;
        buffer.data.push_back(element.isF32() ? double(float(value)) : value);
      }
      inputs.push_back(buffer);
    }
    std::vector<Buffer> expected = inputs;
    std::vector<Buffer *> pointers;
    for (Buffer &buffer : expected)
      pointers.push_back(&buffer);
    runKernel(kernel, pointers, extents);
    for (const cpu::CpuTarget &target : runnableTargets())
      for (int64_t pieces : {1, 3}) {
        std::vector<Buffer> actual = inputs;
        runner->run(name, target, actual, extents, pieces);
        for (unsigned n = 0; n < count; ++n)
          compare(expected[n], actual[n], tolerance, target.suffix + ", buffer " + std::to_string(n));
      }
  }

  static void compare(const Buffer &expected, const Buffer &actual, double tolerance, const std::string &where) {
    double largest = 0;
    for (double value : expected.data)
      if (std::isfinite(value))
        largest = std::max(largest, std::abs(value));
    ASSERT_EQ(expected.data.size(), actual.data.size());
    for (size_t n = 0; n < expected.data.size(); ++n) {
      double want = expected.data[n], got = actual.data[n];
      if (std::isnan(want) || std::isinf(want))
        ASSERT_TRUE((std::isnan(want) && std::isnan(got)) || want == got) << where << ", element " << n << ": " << got << ", not " << want;
      else
        ASSERT_NEAR(want, got, tolerance * largest + 1e-30) << where << ", element " << n;
    }
  }

  std::mt19937 random{20240611};
  static MLIRContext *context;
  static KernelRunner *runner;
};
MLIRContext *Kernels::context = nullptr;
KernelRunner *Kernels::runner = nullptr;

TEST_F(Kernels, MapsReadTokensInRaggedTiles) {
  for (int64_t length : {1, 7, 16, 17, 40})
    check("scale", {2, length, 2 * length});
}

TEST_F(Kernels, AWidthThatFillsNoVectorIsReadExactly) {
  for (int64_t rows : {1, 8, 11})
    check("narrow", {1, rows, rows});
}

TEST_F(Kernels, ReductionsAlongBothAxesShareAPass) {
  for (int64_t rows : {5, 8, 19})
    check("both_axes", {1, rows, rows}, 3);
}

TEST_F(Kernels, NormsRunInTwoPasses) {
  for (int64_t rows : {1, 4, 9})
    check("rms_norm", {1, rows, rows});
}

TEST_F(Kernels, ColumnsOfSeveralHeadsAreGathered) {
  for (int64_t length : {3, 16, 33})
    check("column", {2, length, 2 * length});
}

TEST_F(Kernels, HalvesAreRotatedInPlace) {
  for (int64_t length : {3, 16, 33})
    check("rope", {2, length, 2 * length});
}

TEST_F(Kernels, AColumnOfAWiderTileIsReadAsOne) {
  for (int64_t rows : {8, 21})
    check("columns", {1, rows, rows}, 3);
}
TEST_F(Kernels, ConcatenationsFeedProducts) { check("concat_dot", {1, 8, 8}); }

TEST_F(Kernels, ProductsTakeEveryTransposition) {
  for (int64_t length : {5, 24, 40})
    check("dots", {1, length, length}, 4);
}

TEST_F(Kernels, ProductsOfOddShapes) { check("odd_dot", {1, 13, 13}); }

TEST_F(Kernels, SweepsCarryTilesAndScalars) {
  for (int64_t length : {1, 16, 50})
    check("sweep", {2, length, 2 * length}, 2);
}

TEST_F(Kernels, VisitsChooseBodies) {
  for (int64_t length : {1, 16, 90})
    check("bodies", {1, length, length});
}

TEST_F(Kernels, LoopsAndBranchesCarryTiles) {
  for (int64_t rows : {1, 9, 30})
    check("structured", {1, rows, rows});
}

TEST_F(Kernels, StoresAdd) {
  for (int64_t rows : {1, 9, 30})
    check("accumulate", {1, rows, rows}, 2, 2e-6, true);
}

TEST_F(Kernels, RowsOfTablesAreGatheredAndScattered) {
  for (int64_t rows : {1, 9, 30})
    check("table", {1, rows, rows}, 2, 2e-6, true);
}

TEST_F(Kernels, WideNumbersAndTruthValues) {
  for (int64_t length : {1, 9, 30})
    check("wide", {2, length, 2 * length}, 3, 1e-6);
}

TEST_F(Kernels, HeadsOfOneTokenAreRows) { check("heads", {1, 9, 9}); }

TEST_F(Kernels, PartialSumsHaveOneRowPerChunk) { check("partials", {1, 21, 21}); }

TEST_F(Kernels, BuffersReadAndWrittenKeepTheirOrder) { check("in_place", {1, 12, 12}, 1, 2e-6, true); }

} // namespace
} // namespace caa::test

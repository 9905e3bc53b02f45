// caa-kernel-check FILE: lowers the token-wise kernels of a module and compares each, run by the tile interpreter in
// both orders of its work items, with the naive reading of its ops, on random inputs at several batches and lengths.
// Prints how many agree.
#include "codegen/Driver/Pipelines.h"
#include "passes/Kernels/Passes.h"
#include "test/passes/Kernels/NaiveTokens.h"
#include "test/seed.h"
#include "test/tile/ScalarOps.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <random>

using namespace mlir;
using namespace caa;
using namespace caa::test;

namespace {

/// Of a tensor's norm: the tile side rounds to float32. Where that loses more, four times what a plain float32
/// evaluation loses.
constexpr double tolerance = 1e-5;
/// Where results are rounded to bf16, a number between two of bf16 may go either way: a few of them, each off by 2^-8. Not to round
/// at all would be off by 1.5e-3 of the norm.
constexpr double roundedTolerance = 1e-4;

double distance(const std::vector<double> &a, const std::vector<double> &b) {
  double sum = 0;
  for (auto [x, y] : llvm::zip(a, b))
    sum += (x - y) * (x - y);
  return std::sqrt(sum);
}

double normOf(const std::vector<double> &a) { return distance(a, std::vector<double>(a.size(), 0.0)); }

class Check {
public:
  Check(func::FuncOp tensors, func::FuncOp tiles, unsigned seed) : tensors(tensors), tiles(tiles), random(seed) {}

  /// Empty if all agree.
  std::string at(int64_t batch, int64_t length, int64_t firstRow, int64_t rows) {
    Extents extents{batch, length, rows, firstRow};
    std::vector<Buffer> inputs;
    for (BlockArgument argument : tensors.getArguments())
      inputs.push_back(fill(argument, extents));
    std::vector<Buffer *> pointers;
    for (Buffer &input : inputs)
      pointers.push_back(&input);
    std::vector<Buffer> expected = naiveTokens(tensors, pointers, extents);
    rounded = naiveTokens(tensors, pointers, extents, true);
    std::string first = compare(inputs, expected, extents, false);
    return first.empty() ? compare(inputs, expected, extents, true) : first;
  }

private:
  std::string compare(std::vector<Buffer> inputs, const std::vector<Buffer> &expected, const Extents &extents,
                      bool backwards) {
    std::vector<Buffer> outputs = expected;
    std::vector<std::vector<double>> before;
    std::vector<Buffer *> buffers;
    std::vector<Buffer *> results;
    for (auto [argument, input] : llvm::zip(tensors.getArguments(), inputs))
      buffers.push_back(asMemory(input, cast<MemRefType>(tiles.getArgumentTypes()[argument.getArgNumber()])));
    for (auto [number, output] : llvm::enumerate(outputs)) {
      bool accumulates = tensors.getResultAttr(number, "caa.accumulates") != nullptr;
      for (double &value : output.data) // what was there before must not matter, unless it is added to
        value = accumulates ? double(float(normal(random))) : -1e30;
      if (output.shape.back() == 5 && accumulates && expected[number].data.size() == 5)
        output.data = random() % 2 ? std::vector<double>{0, 0, 0, 0, 0} : std::vector<double>{3, 1, 2, -9, 0.5};
      before.push_back(accumulates ? output.data : std::vector<double>(output.data.size(), 0.0));
      if (auto inPlace = tensors.getResultAttrOfType<IntegerAttr>(number, "caa.in_place")) {
        results.push_back(buffers[inPlace.getInt()]);
        continue;
      }
      buffers.push_back(asMemory(output, cast<MemRefType>(tiles.getArgumentTypes()[buffers.size()])));
      results.push_back(buffers.back());
    }
    runKernel(tiles, buffers, extents, backwards);
    for (auto [number, output] : llvm::enumerate(expected)) {
      std::vector<double> wanted = output.data;
      if (isReportSum(number))
        wanted = combined(before[number], wanted);
      else
        for (auto [value, old] : llvm::zip(wanted, before[number]))
          value += old;
      double error = distance(wanted, results[number]->data), norm = normOf(wanted);
      bool rounds = llvm::any_of(tensors.getResultTypes(), [](Type type) { return elementOf(type).isBF16(); });
      double allowed = std::max((rounds ? roundedTolerance : tolerance) * norm + 1e-12, 4 * distance(expected[number].data, rounded[number].data));
      if (!(error <= allowed))
        return ("output " + Twine(number) + " is off by " + std::to_string(error) + " of " + std::to_string(norm))
            .str();
    }
    return "";
  }

  bool isReportSum(unsigned number) {
    auto op = tensors.getBody().front().getTerminator()->getOperand(number).getDefiningOp();
    return isa<CombineReportsOp>(op) || (isa<ReportPartialsOp>(op) && tensors.getResultAttr(number, "caa.accumulates"));
  }
  static std::vector<double> combined(std::vector<double> old, const std::vector<double> &more) {
    bool isEmpty = old[0] == 0;
    std::vector<double> result = {old[0] + more[0], old[1] + more[1], old[2] + more[2], std::min(old[3], more[3]),
                                  std::max(old[4], more[4])};
    if (isEmpty)
      result[3] = more[3], result[4] = more[4];
    return result;
  }

  /// The same numbers in the shape that the tile kernel gives its buffer.
  Buffer *asMemory(const Buffer &buffer, MemRefType type) {
    auto copy = std::make_unique<Buffer>(buffer);
    std::vector<int64_t> shape(type.getShape());
    int64_t rest = 1, dynamic = 0;
    for (int64_t extent : shape)
      (extent < 0 ? dynamic += 1 : rest *= extent);
    if (dynamic == 1)
      shape[0] = buffer.size() / rest;
    else if (dynamic == 2)
      std::copy_n(buffer.shape.begin(), 2, shape.begin());
    copy->shape = shape;
    kept.push_back(std::move(copy));
    return kept.back().get();
  }

  Buffer fill(BlockArgument argument, Extents extents) {
    auto type = cast<RankedTensorType>(argument.getType());
    bool isWhole =
        isTokenwise(type) && type.getElementType().isInteger(32); // tokens and the like are read beyond the chunk
    if (isWhole)
      extents.rows = extents.batch * extents.length;
    int64_t chunk = 64;
    Buffer buffer{shapeOfValue(argument, extents, chunk), {}};
    buffer.data.resize(buffer.size());
    // One number per head is often a norm that is divided by: it keeps away from 0.
    bool isPositive = isTokenwise(type) && shapeOf(type).width == 1;
    bool isReport = type.getRank() == 3 && type.getDimSize(2) == 5 && type.getElementType().isF64();
    for (double &value : buffer.data)
      value = type.getElementType().isInteger(1)        ? double(random() % 2)
              : isa<IntegerType>(type.getElementType()) ? double(int64_t(random() % 40) - 3)
              : isReport                                ? 1 + double(random() % 7)
              : isPositive                              ? roundTo(type.getElementType(), 0.5 + std::fabs(normal(random)))
                                                        : roundTo(type.getElementType(), normal(random));
    return buffer;
  }

  func::FuncOp tensors, tiles;
  std::mt19937 random;
  std::normal_distribution<double> normal;
  std::vector<Buffer> rounded;
  std::vector<std::unique_ptr<Buffer>> kept;
};

} // namespace

int main(int argc, char **argv) {
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(argc > 1 ? argv[1] : "-", &context);
  if (!module)
    return 1;
  OwningOpRef<ModuleOp> lowered = module->clone();
  PassManager passes(&context);
  passes.addPass(createLowerTokenwise());
  if (failed(passes.run(*lowered)))
    return 1;
  unsigned agree = 0, wrong = 0, seed = testSeed();
  SymbolTable symbols(*lowered);
  for (auto kernel : module->getOps<func::FuncOp>()) {
    if (!kernel->hasAttr("caa.kernel") || isa<AttendOp>(kernel.getBody().front().front()))
      continue;
    Check check(kernel, symbols.lookup<func::FuncOp>(kernel.getSymName()), seed);
    std::string problem;
    for (auto [batch, length] : {std::pair(1, 1), std::pair(1, 2), std::pair(3, 37), std::pair(2, 64)})
      if (problem.empty())
        problem = check.at(batch, length, 0, batch * length);
    if (problem.empty() && isa<HeadLossRowsOp>(kernel.getBody().front().front()))
      problem = check.at(3, 37, 30, 50); // a chunk over the ends of two rows
    if (problem.empty()) {
      ++agree;
      continue;
    }
    ++wrong;
    llvm::outs() << kernel.getSymName() << ": " << problem << "\n";
  }
  llvm::outs() << agree << " kernels agree, " << wrong << " differ (seed " << seed << ")\n";
  return wrong > 0;
}

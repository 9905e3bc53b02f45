// Scalar functions of kernels, f32 against the C library in float64 over all of f32's range, special values included.
#include "test/codegen/Cpu/KernelRunner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

using namespace mlir;

namespace caa::test {
namespace {

struct Function {
  const char *name, *op;
  std::function<double(double)> exact;
  double ulps;
};

const Function functions[] = {
    {"exp", "math.exp", [](double x) { return std::exp(x); }, 2},
    {"exp2", "math.exp2", [](double x) { return std::exp2(x); }, 2},
    {"expm1", "math.expm1", [](double x) { return std::expm1(x); }, 2},
    {"log", "math.log", [](double x) { return std::log(x); }, 2},
    {"log2", "math.log2", [](double x) { return std::log2(x); }, 3},
    {"log1p", "math.log1p", [](double x) { return std::log1p(x); }, 2},
    {"tanh", "math.tanh", [](double x) { return std::tanh(x); }, 3},
    {"erf", "math.erf", [](double x) { return std::erf(x); }, 4},
    {"sigmoid", "caa.sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }, 3},
    {"softplus", "caa.softplus", [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }, 3},
    {"clip", "caa.clip", [](double x) { return std::isnan(x) ? x : std::min(std::max(x, 0.0), 1.0); }, 0},
    {"sqrt", "math.sqrt", [](double x) { return std::sqrt(x); }, 0.5},
    {"rsqrt", "math.rsqrt", [](double x) { return 1 / std::sqrt(x); }, 1.5},
    {"abs", "math.absf", [](double x) { return std::abs(x); }, 0},
    {"floor", "math.floor", [](double x) { return std::floor(x); }, 0},
    {"ceil", "math.ceil", [](double x) { return std::ceil(x); }, 0},
    {"sin", "math.sin", [](double x) { return std::sin(x); }, 1},
    {"cos", "math.cos", [](double x) { return std::cos(x); }, 1},
};

std::string kernelText(const Function &function) {
  std::string name = function.name, op = function.op;
  return "func.func @" + name + R"((%x: memref<?x1x40xf32>, %y: memref<?x1x40xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1>]} {
  %c0 = arith.constant 0 : index
  %row = tile.item
  %a = tile.load %x[%row, %c0, %c0] : memref<?x1x40xf32> -> <1x40xf32>
  %r = tile.map(%a) : (!tile.tile<1x40xf32>) -> !tile.tile<1x40xf32> {
  ^bb0(%p: f32):
    %m = )" + op + R"( %p : f32
    tile.yield %m : f32
  }
  tile.store %r, %y[%row, %c0, %c0] : !tile.tile<1x40xf32>, memref<?x1x40xf32>
  return
}
)";
}

// All magnitudes, the range where functions bend, and special values.
std::vector<double> arguments() {
  std::mt19937 random(5);
  std::vector<double> values{0.0,    -0.0,   1.0,    -1.0,   HUGE_VAL, -HUGE_VAL, NAN,    88.72, 88.73,  -87.3, -87.4, -103.9,
                             -104.5, 127.99, 128.0,  -126.0, -149.5,   -151,      0.5,    2.0,   1e-45,  -1e-45, 1e-40, -1e-40,
                             1e-38,  3e38,   -3e38,  1e-8,   -1e-8,    -0.9999999, 9.01,  3.92,  -3.92,  0.99999994, 1.0000001};
  std::uniform_int_distribution<uint32_t> bits;
  for (int n = 0; n < 20000; ++n) {
    uint32_t pattern = bits(random);
    float value;
    std::memcpy(&value, &pattern, 4);
    values.push_back(value);
  }
  std::normal_distribution<double> normal;
  for (int n = 0; n < 60000; ++n)
    values.push_back(float(normal(random) * std::exp2(double(n % 14) - 7)));
  while (values.size() % 40)
    values.push_back(1);
  for (double &value : values)
    value = float(value);
  return values;
}

// The distance in units in the last place of the exact value (of the least normal number below that).
double distance(double actual, double exact) {
  float rounded = float(exact);
  if (std::isnan(exact) || std::isinf(rounded))
    return (std::isnan(exact) && std::isnan(actual)) || actual == rounded ||
                   (std::isinf(rounded) && std::abs(actual) >= 3.4028e38 && std::signbit(actual) == std::signbit(rounded))
               ? 0
               : HUGE_VAL;
  int exponent;
  std::frexp(exact, &exponent);
  return std::abs(actual - exact) / std::ldexp(1.0, std::max(exponent, -125) - 24);
}

TEST(Math, FunctionsAreWithinTheirUnitsInTheLastPlace) {
  auto context = makeKernelContext();
  std::string text;
  for (const Function &function : functions)
    text += kernelText(function);
  KernelRunner runner(*context, text, runnableTargets());
  std::vector<double> values = arguments();
  int64_t rows = int64_t(values.size()) / 40;
  for (const Function &function : functions)
    for (const cpu::CpuTarget &target : runnableTargets()) {
      std::vector<Buffer> buffers{{{rows, 1, 40}, values}, {{rows, 1, 40}, std::vector<double>(values.size(), 7)}};
      runner.run(function.name, target, buffers, {1, rows, rows});
      double worst = 0, where = 0;
      for (size_t n = 0; n < values.size(); ++n) {
        double error = distance(buffers[1].data[n], function.exact(values[n]));
        if (!(error <= worst))
          worst = error, where = values[n];
      }
      EXPECT_LE(worst, function.ulps) << function.name << target.suffix << " at " << where;
      RecordProperty(std::string(function.name) + target.suffix, std::to_string(worst));
    }
}

TEST(Math, ExtremaCarryNaN) {
  auto context = makeKernelContext();
  std::string text = R"(func.func @extrema(%x: memref<?x1x4xf32>, %y: memref<?x1x4xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1>]} {
  %c0 = arith.constant 0 : index
  %row = tile.item
  %a = tile.load %x[%row, %c0, %c0] : memref<?x1x4xf32> -> <1x1xf32>
  %c1 = arith.constant 1 : index
  %b = tile.load %x[%row, %c0, %c1] : memref<?x1x4xf32> -> <1x1xf32>
  %r:4 = tile.map(%a, %b) : (!tile.tile<1x1xf32>, !tile.tile<1x1xf32>) -> (!tile.tile<1x1xf32>, !tile.tile<1x1xf32>, !tile.tile<1x1xf32>, !tile.tile<1x1xf32>) {
  ^bb0(%p: f32, %q: f32):
    %zero = arith.constant 0.0 : f32
    %m0 = arith.maximumf %p, %q : f32
    %m1 = arith.minimumf %p, %q : f32
    %m2 = arith.maximumf %p, %zero : f32
    %m3 = arith.maxnumf %p, %q : f32
    tile.yield %m0, %m1, %m2, %m3 : f32, f32, f32, f32
  }
  %all = tile.concat %r#0, %r#1, %r#2, %r#3 : (!tile.tile<1x1xf32>, !tile.tile<1x1xf32>, !tile.tile<1x1xf32>, !tile.tile<1x1xf32>) -> !tile.tile<1x4xf32>
  tile.store %all, %y[%row, %c0, %c0] : !tile.tile<1x4xf32>, memref<?x1x4xf32>
  return
})";
  KernelRunner runner(*context, text, runnableTargets());
  for (const cpu::CpuTarget &target : runnableTargets()) {
    std::vector<Buffer> buffers{{{3, 1, 4}, {NAN, 1, 0, 0, 2, NAN, 0, 0, -3, 4, 0, 0}}, {{3, 1, 4}, std::vector<double>(12, 7)}};
    runner.run("extrema", target, buffers, {1, 3, 3});
    const std::vector<double> &y = buffers[1].data;
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]) && std::isnan(y[2]) && y[3] == 1);
    EXPECT_TRUE(std::isnan(y[4]) && std::isnan(y[5]) && y[6] == 2 && y[7] == 2);
    EXPECT_TRUE(y[8] == 4 && y[9] == -3 && y[10] == 0 && y[11] == 4);
  }
}

} // namespace
} // namespace caa::test

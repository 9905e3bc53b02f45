// Every derivative rule of the oracle against central differences in float64, on fresh random inputs.
#include "runtime/reference/interpreter.h"

#include "test/seed.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace caa;
using namespace caa::reference;
using nlohmann::json;

namespace {

json tokenType(int64_t heads, int64_t width, const char *element = "f32") {
  return {{"shape", {-1, -1, heads, width}}, {"elt", element}};
}
json matrixType(std::vector<int64_t> shape) { return {{"shape", shape}, {"elt", "f32"}}; }

/// A program of one function under construction.
struct Builder {
  json function = {{"name", "f"}, {"export", true}, {"inputs", json::array()}, {"ops", json::array()}, {"results", json::array()}};
  int next = 0;

  int input(const std::string &name, const json &type) {
    function["inputs"].push_back({{"id", next}, {"name", name}, {"type", type}});
    return next++;
  }
  int op(const std::string &name, std::vector<int> in, const json &type, json attrs = json::object(), json body = {}) {
    json node = {{"op", name}, {"in", in}, {"out", {next}}, {"types", {type}}, {"attrs", attrs}, {"loc", "test:1:1"}};
    if (!body.is_null())
      node["body"] = body;
    function["ops"].push_back(node);
    return next++;
  }
  Program finish(int result) {
    function["results"].push_back({{"id", result}, {"name", "out"}});
    auto program = parsePlainForm(json{{"version", 1}, {"parameters", json::array()}, {"functions", {function}}}.dump());
    EXPECT_TRUE(program) << (program ? "" : program.error().message);
    return *program;
  }
};

/// Compares the gradients of random inputs with central differences of <out, random>.
void checkGradients(const Program &program, int64_t batch, int64_t length, std::map<std::string, std::vector<double>> fixed = {},
                    double low = -1, double high = 1) {
  std::mt19937_64 random(testSeed());
  std::uniform_real_distribution<double> uniform(low, high), direction(-1, 1);
  Request request;
  request.function = "f", request.batch = batch, request.length = length;
  for (const Named &input : program.functions[0].inputs) {
    std::vector<int64_t> shape = input.type.shape;
    if (input.type.perToken())
      shape[0] = batch, shape[1] = length;
    Tensor tensor(shape);
    for (size_t n = 0; n < tensor.data.size(); ++n)
      tensor.data[n] = fixed.count(input.name) ? fixed[input.name][n % fixed[input.name].size()] : uniform(random);
    request.inputs[input.name] = tensor;
  }
  auto forward = interpret(program, request);
  ASSERT_TRUE(forward) << forward.error().message;
  Tensor weights(forward->outputs.at("out").shape);
  for (double &w : weights.data)
    w = direction(random);
  auto objective = [&](const Request &at) {
    auto response = interpret(program, at);
    double sum = 0;
    for (size_t n = 0; n < weights.data.size(); ++n)
      sum += weights.data[n] * response->outputs.at("out").data[n];
    return sum;
  };
  Request withGradients = request;
  withGradients.gradients = true;
  withGradients.outputGradients["out"] = weights;
  auto response = interpret(program, withGradients);
  ASSERT_TRUE(response) << response.error().message;
  for (auto &[name, gradient] : response->inputGradients)
    for (size_t n = 0; n < gradient.data.size(); ++n) {
      const double step = 1e-6;
      Request up = request, down = request;
      up.inputs[name].data[n] += step, down.inputs[name].data[n] -= step;
      double expected = (objective(up) - objective(down)) / (2 * step);
      EXPECT_NEAR(gradient.data[n], expected, 2e-8 + 1e-6 * std::fabs(expected)) << name << "[" << n << "]";
    }
}

json scalarOp(const std::string &name, std::vector<int> in, int out, json attrs = json::object(), const char *type = "f32") {
  return {{"op", name}, {"in", in}, {"out", {out}}, {"types", {type}}, {"attrs", attrs}};
}

} // namespace

struct UnaryCase {
  const char *op;
  double low, high;
};
class UnaryRule : public testing::TestWithParam<UnaryCase> {};
TEST_P(UnaryRule, MatchesFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(2, 3));
  json body = {{"args", {10}}, {"arg_types", {"f32"}}, {"ops", {scalarOp(GetParam().op, {10}, 11)}}, {"yield", {11}}};
  checkGradients(b.finish(b.op("caa.map", {x}, tokenType(2, 3), json::object(), body)), 1, 2, {}, GetParam().low, GetParam().high);
}
INSTANTIATE_TEST_SUITE_P(Scalars, UnaryRule,
                         testing::Values(UnaryCase{"arith.negf", -2, 2}, UnaryCase{"math.exp", -2, 2}, UnaryCase{"math.exp2", -2, 2},
                                         UnaryCase{"math.log", .5, 2}, UnaryCase{"math.log2", .5, 2}, UnaryCase{"math.sqrt", .5, 2},
                                         UnaryCase{"math.rsqrt", .5, 2}, UnaryCase{"math.tanh", -2, 2}, UnaryCase{"math.absf", .1, 2},
                                         UnaryCase{"math.absf", -2, -.1}, UnaryCase{"math.erf", -2, 2}, UnaryCase{"math.sin", -2, 2},
                                         UnaryCase{"math.cos", -2, 2}, UnaryCase{"caa.sigmoid", -30, 30}, UnaryCase{"caa.softplus", -30, 30},
                                         UnaryCase{"caa.clip", .1, .9}, UnaryCase{"caa.clip", 1.1, 2}, UnaryCase{"math.floor", .1, .9},
                                         UnaryCase{"math.ceil", .1, .9}));

class BinaryRule : public testing::TestWithParam<const char *> {};
TEST_P(BinaryRule, MatchesFiniteDifferencesWithBroadcasting) {
  Builder b;
  int x = b.input("x", tokenType(4, 3)), y = b.input("y", tokenType(2, 1));
  json body = {{"args", {10, 11}}, {"arg_types", {"f32", "f32"}}, {"ops", {scalarOp(GetParam(), {10, 11}, 12)}}, {"yield", {12}}};
  checkGradients(b.finish(b.op("caa.map", {x, y}, tokenType(4, 3), json::object(), body)), 2, 2, {}, .5, 2);
}
INSTANTIATE_TEST_SUITE_P(Scalars, BinaryRule,
                         testing::Values("arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.maximumf", "arith.minimumf",
                                         "math.powf"));

TEST(TokenRules, LinearMatchesFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(2, 3)), w = b.input("w", matrixType({8, 6})), bias = b.input("b", matrixType({8}));
  checkGradients(b.finish(b.op("caa.linear", {x, w, bias}, tokenType(2, 4))), 2, 3);
}
TEST(TokenRules, EmbedMatchesFiniteDifferences) {
  Builder b;
  int index = b.input("tokens", tokenType(1, 1, "i32")), table = b.input("table", matrixType({5, 3}));
  checkGradients(b.finish(b.op("caa.embed", {index, table}, tokenType(1, 3))), 1, 4, {{"tokens", {2, 0, 2, 4}}});
}
TEST(TokenRules, RmsNormMatchesFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(2, 5)), w = b.input("w", matrixType({5}));
  checkGradients(b.finish(b.op("caa.rms_norm", {x, w}, tokenType(2, 5), {{"eps", 1e-6}})), 2, 2);
}
TEST(TokenRules, LayerNormMatchesFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(1, 5)), w = b.input("w", matrixType({5})), bias = b.input("b", matrixType({5}));
  checkGradients(b.finish(b.op("caa.layer_norm", {x, w, bias}, tokenType(1, 5), {{"eps", 1e-5}})), 2, 2);
}
TEST(TokenRules, RopeMatchesFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(2, 6)), position = b.input("position", tokenType(1, 1, "i32"));
  int table = b.op("caa.rope_table", {position}, tokenType(1, 6), {{"theta", 100.0}});
  checkGradients(b.finish(b.op("caa.rope", {x, table}, tokenType(2, 6))), 1, 3, {{"position", {0, 1, 7}}});
}
TEST(TokenRules, ShapesMatchFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(2, 6));
  int slice = b.op("caa.slice", {x}, tokenType(2, 4), {{"start", 1}});
  int both = b.op("caa.concat", {slice, x}, tokenType(2, 10));
  int shape = b.op("caa.reshape", {both}, tokenType(4, 5));
  int heads = b.op("caa.reduce_heads", {shape}, tokenType(2, 5));
  int wide = b.op("caa.broadcast", {heads}, tokenType(4, 5));
  checkGradients(b.finish(b.op("caa.reduce_width", {wide}, tokenType(4, 1))), 2, 2);
}
TEST(TokenRules, RunningSumsOfSeveralRowsMatchFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(2, 3));
  checkGradients(b.finish(b.op("caa.cumsum", {x}, tokenType(2, 3))), 2, 5);
}
TEST(TokenRules, ShiftsAndHoldsMatchFiniteDifferences) {
  Builder b;
  int x = b.input("x", tokenType(2, 3));
  int shifted = b.op("caa.shift", {x}, tokenType(2, 3), {{"by", 2}});
  int both = b.op("caa.concat", {x, shifted}, tokenType(2, 6));
  checkGradients(b.finish(b.op("caa.hold", {both}, tokenType(2, 6), {{"block", 3}})), 2, 8);
}
TEST(TokenRules, CrossEntropyMatchesFiniteDifferences) {
  Builder b;
  int logits = b.input("logits", tokenType(1, 7)), tokens = b.input("tokens", tokenType(1, 1, "i32"));
  checkGradients(b.finish(b.op("caa.cross_entropy", {logits, tokens}, tokenType(1, 1))), 2, 4, {{"tokens", {2, 0, 6, 4, 1}}});
}

namespace {
/// An attention with grouped queries and a soft window of learned width: softmax(s over window) @ v, or another reduction.
Program attention(const json &reductions, bool weightIsValue) {
  Builder b;
  int q = b.input("q", tokenType(4, 3)), w = b.input("w", tokenType(4, 1)), k = b.input("k", tokenType(2, 3)),
      v = b.input("v", tokenType(2, 2));
  json ops = {scalarOp("caa.dot", {22, 24}, 30),
              scalarOp("arith.subi", {20, 21}, 31, json::object(), "i64"),
              scalarOp("arith.sitofp", {31}, 32),
              scalarOp("arith.subf", {23, 32}, 33),
              scalarOp("arith.constant", {}, 34, {{"value", 4.0}}),
              scalarOp("arith.divf", {33, 34}, 35),
              scalarOp("caa.clip", {35}, 36),
              scalarOp("arith.cmpi", {21, 20}, 37, {{"predicate", "sle"}}, "i1"),
              scalarOp("arith.constant", {}, 38, {{"value", 0.0}}),
              scalarOp("arith.select", {37, 36, 38}, 39)};
  json yield = weightIsValue ? json{40} : json{30, 39};
  if (weightIsValue)
    ops.push_back(scalarOp("arith.mulf", {30, 39}, 40));
  json body = {{"args", {20, 21, 22, 23, 24, 25}},
               {"arg_types", {"i64", "i64", "vector<3xf32>", "f32", "vector<3xf32>", "vector<2xf32>"}},
               {"ops", ops}, {"yield", yield}};
  bool softmaxWithValue = reductions[0]["kind"] == "softmax" && reductions[0]["value"] == 1;
  int64_t width = reductions[0]["value"] == 1 ? 2 : 1;
  json node = {{"op", "caa.attend"}, {"in", {q, w, k, v}}, {"attrs", {{"segments", {2, 2, 0}}, {"reductions", reductions}}},
               {"body", body}, {"loc", "test:1:1"}};
  node["out"] = softmaxWithValue ? json{50, 51} : json{50};
  node["types"] = softmaxWithValue ? json{tokenType(4, width), tokenType(4, 1)} : json{tokenType(4, width)};
  b.function["ops"].push_back(node);
  b.next = 52;
  // The log-sum-exp takes part in the result too.
  if (!softmaxWithValue)
    return b.finish(50);
  json add = {{"args", {60, 61}}, {"arg_types", {"f32", "f32"}}, {"ops", {scalarOp("arith.mulf", {60, 61}, 62)}}, {"yield", {62}}};
  return b.finish(b.op("caa.map", {50, 51}, tokenType(4, 2), json::object(), add));
}
std::map<std::string, std::vector<double>> widths() { return {{"w", {3.3, 2.6, 5.7, 1.4, 4.9, 6.2, 3.8}}}; }
json reduction(const char *kind, int value) { return {{{"kind", kind}, {"axis", "keys"}, {"value", value}, {"count", -1}}}; }
} // namespace

TEST(AttendRules, SoftmaxWithSoftWindowMatchesFiniteDifferences) { checkGradients(attention(reduction("softmax", 1), false), 2, 6, widths()); }
TEST(AttendRules, LogSumExpMatchesFiniteDifferences) { checkGradients(attention(reduction("softmax", -1), false), 1, 6, widths()); }
TEST(AttendRules, SumWithValueMatchesFiniteDifferences) { checkGradients(attention(reduction("sum", 1), true), 1, 6, widths()); }
TEST(AttendRules, SumMatchesFiniteDifferences) { checkGradients(attention(reduction("sum", -1), true), 1, 6, widths()); }
TEST(AttendRules, MaxMatchesFiniteDifferences) { checkGradients(attention(reduction("max", -1), false), 1, 6, widths()); }

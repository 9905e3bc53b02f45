// The table of token-wise ops: each forward and backward, by name.
#include "runtime/reference/token_ops.h"

#include <cmath>

namespace caa::reference {
namespace {

//===-- Pointwise ---------------------------------------------------------------------------------------------------===//

/// Calls `visit` with the place of every component of a map's results: token, head, column.
template <typename Visit> void forEachComponent(const Tensor &result, Visit visit) {
  for (int64_t t = 0; t < result.tokens(); ++t)
    for (int64_t h = 0; h < result.heads(); ++h)
      for (int64_t c = 0; c < result.width(); ++c)
        visit(t, h, c);
}

/// The component of an operand that a result's (token, head, column) reads: fewer heads and width 1 repeat.
double &component(Tensor &operand, const Tensor &result, int64_t t, int64_t h, int64_t c) {
  return operand.row(t, h * operand.heads() / result.heads())[operand.width() == 1 ? 0 : c];
}

Status runMap(Context &context, const Op &op) {
  CAA_TRY(ScalarProgram program, ScalarProgram::compile(*op.body));
  for (size_t n = 0; n < op.out.size(); ++n)
    context.values[op.out[n]] = context.make(op.types[n]);
  std::vector<double> registers(program.registers());
  Tensor &shape = context.values[op.out[0]];
  forEachComponent(shape, [&](int64_t t, int64_t h, int64_t c) {
    for (size_t n = 0; n < op.in.size(); ++n)
      registers[n] = component(context.values[op.in[n]], shape, t, h, c);
    program.run(registers.data(), nullptr);
    for (size_t n = 0; n < op.out.size(); ++n)
      context.values[op.out[n]].row(t, h)[c] = registers[program.yielded(n)];
  });
  return {};
}

Status reverseMap(Context &context, const Op &op) {
  CAA_TRY(ScalarProgram program, ScalarProgram::compile(*op.body));
  std::vector<double> registers(program.registers()), adjoints;
  Tensor &shape = context.values[op.out[0]];
  for (int id : op.in)
    context.gradient(id);
  forEachComponent(shape, [&](int64_t t, int64_t h, int64_t c) {
    adjoints.assign(program.registers(), 0);
    for (size_t n = 0; n < op.in.size(); ++n)
      registers[n] = component(context.values[op.in[n]], shape, t, h, c);
    program.run(registers.data(), nullptr);
    for (size_t n = 0; n < op.out.size(); ++n)
      if (context.hasGradient(op.out[n]))
        adjoints[program.yielded(n)] += context.gradients[op.out[n]].row(t, h)[c];
    program.reverse(registers.data(), nullptr, adjoints.data(), nullptr);
    for (size_t n = 0; n < op.in.size(); ++n)
      component(context.gradients[op.in[n]], shape, t, h, c) += adjoints[n];
  });
  return {};
}

//===-- Sources -----------------------------------------------------------------------------------------------------===//

Status runParam(Context &context, const Op &op) {
  std::string name = op.attributes.at("name").get<std::string>();
  auto found = context.parameters.find(name);
  if (found == context.parameters.end())
    return inputError("parameter `" + name + "` is missing");
  context.values[op.out[0]] = found->second;
  return {};
}

Status reverseParam(Context &context, const Op &op) {
  Tensor &gradient = context.gradients[op.out[0]];
  Tensor &total = context.parameterGradients[op.attributes.at("name").get<std::string>()];
  if (total.empty())
    total = Tensor(gradient.shape);
  for (size_t n = 0; n < gradient.data.size(); ++n)
    total.data[n] += gradient.data[n];
  return {};
}

Status runConstant(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  size_t n = 0;
  for (const auto &row : op.attributes.at("value"))
    for (const auto &number : row)
      result.data[n++] = plainNumber(number);
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status runIndex(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  for (int64_t t = 0; t < result.tokens(); ++t)
    result.row(t, 0)[0] = double(t % context.length);
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status runHasNext(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  for (int64_t t = 0; t < result.tokens(); ++t)
    result.row(t, 0)[0] = t % context.length != context.length - 1;
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status runRopeTable(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  int64_t half = result.width() / 2;
  double theta = plainNumber(op.attributes.at("theta"));
  for (int64_t t = 0; t < result.tokens(); ++t)
    for (int64_t c = 0; c < half; ++c) {
      double angle = context.in(op, 0).row(t, 0)[0] * std::pow(theta, -2.0 * double(c) / double(2 * half));
      result.row(t, 0)[c] = std::cos(angle);
      result.row(t, 0)[half + c] = std::sin(angle);
    }
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status nothing(Context &, const Op &) { return {}; }

//===-- Losses and what leaves a model ------------------------------------------------------------------------------===//

Status runCrossEntropy(Context &context, const Op &op) {
  const Tensor &logits = context.in(op, 0), &tokens = context.in(op, 1);
  Tensor result = context.make(op.types[0]);
  for (int64_t t = 0; t < result.tokens(); ++t)
    if (t % context.length != context.length - 1)
      result.row(t, 0)[0] = logSumExp(logits, t) - logits.row(t, 0)[int64_t(tokens.row(t + 1, 0)[0])];
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseCrossEntropy(Context &context, const Op &op) {
  const Tensor &logits = context.in(op, 0), &tokens = context.in(op, 1);
  Tensor &dLogits = context.gradient(op.in[0]);
  for (int64_t t = 0; t < logits.tokens(); ++t) {
    double g = context.gradients[op.out[0]].row(t, 0)[0];
    if (t % context.length == context.length - 1 || g == 0)
      continue;
    double lse = logSumExp(logits, t);
    for (int64_t c = 0; c < logits.width(); ++c)
      dLogits.row(t, 0)[c] += g * std::exp(logits.row(t, 0)[c] - lse);
    dLogits.row(t, 0)[int64_t(tokens.row(t + 1, 0)[0])] -= g;
  }
  return {};
}

bool counted(const Context &context, const Op &op, int64_t token) {
  return !context.has(op, 1) || context.in(op, 1).row(token, 0)[0] != 0;
}

int64_t countOf(const Context &context, const Op &op) {
  int64_t count = 0;
  for (int64_t t = 0; t < context.in(op, 0).tokens(); ++t)
    count += counted(context, op, t) ? context.in(op, 0).heads() : 0;
  return count;
}

Status runLoss(Context &context, const Op &op) {
  const Tensor &value = context.in(op, 0);
  double sum = 0;
  for (int64_t t = 0; t < value.tokens(); ++t)
    for (int64_t h = 0; h < value.heads(); ++h)
      sum += counted(context, op, t) ? value.row(t, h)[0] : 0;
  int64_t count = countOf(context, op);
  context.losses[op.attributes.at("name").get<std::string>()] += count ? sum / double(count) : 0;
  return {};
}

Status reverseLoss(Context &context, const Op &op) {
  auto seed = context.lossSeeds.find(op.attributes.at("name").get<std::string>());
  int64_t count = countOf(context, op);
  if (seed == context.lossSeeds.end() || count == 0)
    return {};
  Tensor &gradient = context.gradient(op.in[0]);
  for (int64_t t = 0; t < gradient.tokens(); ++t)
    for (int64_t h = 0; h < gradient.heads(); ++h)
      gradient.row(t, h)[0] += counted(context, op, t) ? seed->second / double(count) : 0;
  return {};
}

Status runLogits(Context &context, const Op &op) {
  context.logits = op.in[0];
  return {};
}

struct Rule {
  Status (*run)(Context &, const Op &);
  Status (*reverse)(Context &, const Op &);
};

const std::map<std::string, Rule> &rules() {
  static const std::map<std::string, Rule> table = {
      {"caa.map", {runMap, reverseMap}},
      {"caa.param", {runParam, reverseParam}},
      {"caa.constant", {runConstant, nothing}},
      {"caa.index", {runIndex, nothing}},
      {"caa.has_next", {runHasNext, nothing}},
      {"caa.rope_table", {runRopeTable, nothing}},
      {"caa.stop", {runCopy, nothing}},
      {"caa.round", {runCopy, reverseCopy}},
      {"caa.reshape", {runCopy, reverseCopy}},
      {"caa.as_head", {runCopy, reverseCopy}},
      {"caa.linear", {runLinear, reverseLinear}},
      {"caa.embed", {runEmbed, reverseEmbed}},
      {"caa.rms_norm", {runNorm, reverseNorm}},
      {"caa.layer_norm", {runNorm, reverseNorm}},
      {"caa.rope", {runRope, reverseRope}},
      {"caa.slice", {runSlice, reverseSlice}},
      {"caa.concat", {runConcat, reverseConcat}},
      {"caa.reduce_width", {runReduce, reverseReduce}},
      {"caa.reduce_heads", {runReduce, reverseReduce}},
      {"caa.cumsum", {runCumsum, reverseCumsum}},
      {"caa.shift", {runShift, reverseShift}},
      {"caa.hold", {runHold, reverseHold}},
      {"caa.pool", {runPool, nothing}},
      {"caa.broadcast", {runBroadcast, reverseBroadcast}},
      {"caa.cross_entropy", {runCrossEntropy, reverseCrossEntropy}},
      {"caa.loss", {runLoss, reverseLoss}},
      {"caa.report", {nothing, nothing}},
      {"caa.logits", {runLogits, nothing}}};
  return table;
}

} // namespace

double logSumExp(const Tensor &logits, int64_t token) {
  const double *row = logits.row(token, 0);
  double most = row[0], sum = 0;
  for (int64_t c = 1; c < logits.width(); ++c)
    most = std::fmax(most, row[c]);
  for (int64_t c = 0; c < logits.width(); ++c)
    sum += std::exp(row[c] - most);
  return most + std::log(sum);
}

static Status apply(Context &context, const Op &op, Status (*Rule::*direction)(Context &, const Op &)) {
  auto found = rules().find(op.name);
  if (found == rules().end())
    return internalError("oracle: " + op.name + " is not known (" + op.location + ")");
  try {
    return (found->second.*direction)(context, op);
  } catch (const nlohmann::json::exception &error) {
    return inputError("plain form: " + op.name + ": " + error.what());
  }
}

Status runTokenOp(Context &context, const Op &op) { return apply(context, op, &Rule::run); }
Status reverseTokenOp(Context &context, const Op &op) { return apply(context, op, &Rule::reverse); }

} // namespace caa::reference

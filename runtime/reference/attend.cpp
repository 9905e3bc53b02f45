// Attention in float64: for each batch row, head and query, every key in order; then the same backwards.
// A row of scores is held at a time, never all pairs.
#include "runtime/reference/context.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace caa::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Reduction {
  std::string kind;
  int value, count; // operand numbers, -1 for none
  size_t firstYield, firstResult;
};

/// An attend op, prepared: its program and its operands.
struct Attend {
  const Op &op;
  ScalarProgram program;
  std::vector<Reduction> reductions;
  size_t queries, keys, heads; // operands of each segment
  int64_t numHeads = 1;

  static Result<Attend> prepare(const Context &context, const Op &op);
  /// Which token operand n is read at.
  int64_t token(size_t n, int64_t row, int64_t i, int64_t j) const { return row + (n < queries ? i : j); }
  int64_t head(const Tensor &tensor, int64_t h) const { return h * tensor.heads() / numHeads; }
};

Result<Attend> Attend::prepare(const Context &context, const Op &op) {
  CAA_TRY(ScalarProgram program, ScalarProgram::compile(*op.body));
  auto segments = op.attributes.at("segments").get<std::vector<size_t>>();
  Attend attend{op, std::move(program), {}, segments[0], segments[1], segments[2]};
  for (int id : op.in)
    attend.numHeads = std::max(attend.numHeads, context.values[id].heads());
  size_t yield = 0, result = 0;
  for (const auto &node : op.attributes.at("reductions")) {
    Reduction reduction{node.at("kind").get<std::string>(), node.at("value").get<int>(), node.at("count").get<int>(), yield, result};
    if (node.at("axis").get<std::string>() != "keys")
      return internalError("oracle: reductions over queries do not occur before autodiff");
    if (reduction.value >= 0)
      reduction.value += int(attend.queries);
    yield += reduction.kind == "sum" ? 1 : 2;
    result += reduction.kind == "softmax" && reduction.value >= 0 ? 2 : 1;
    attend.reductions.push_back(reduction);
  }
  return attend;
}

/// One query's pass over all keys: its registers per key.
struct Row {
  std::vector<double> registers; // [T][registers]
  std::vector<const double *> rows;

  /// Points the vector arguments and scalar arguments at the pairs (i, j) and runs the program: for all keys up to an op that looks at
  /// several of them, then on.
  void run(const Context &context, const Attend &attend, int64_t first, int64_t h, int64_t i) {
    size_t count = attend.program.registers(), from = 0;
    registers.assign(context.length * count, 0);
    auto upTo = [&](size_t to) {
      for (int64_t j = 0; j < context.length; ++j) {
        double *r = &registers[j * count];
        setArguments(context, attend, first, h, i, j, r);
        attend.program.run(r, rows.data(), from, to);
      }
      from = to;
    };
    for (const ScalarProgram::UnitOp &op : attend.program.unitOps()) {
      upTo(op.before);
      if (op.kind != ScalarProgram::UnitOp::Row)
        reduceUnits(op, context.length, count);
    }
    upTo(attend.program.instructions());
  }

  /// What the members of each unit give, to all of its keys.
  void reduceUnits(const ScalarProgram::UnitOp &op, int64_t length, size_t count) {
    for (int64_t start = 0; start < length; start += op.unit) {
      int64_t end = std::min(length, start + op.unit);
      double most = -kInfinity, sum = 0, members = 0;
      for (int64_t j = start; j < end; ++j) {
        const double *r = &registers[j * count];
        if (r[op.member] == 0)
          continue;
        most = std::fmax(most, r[op.score]), sum += r[op.score], members += 1;
      }
      using Unit = ScalarProgram::UnitOp;
      double value = op.kind == Unit::Any ? members > 0 : op.kind == Unit::Max ? most : op.kind == Unit::Sum ? sum : sum / members;
      for (int64_t j = start; j < end; ++j)
        registers[j * count + op.out] = value;
    }
  }

  void setArguments(const Context &context, const Attend &attend, int64_t first, int64_t h, int64_t i, int64_t j, double *r) {
    rows.assign(attend.program.registers(), nullptr);
    r[0] = double(i), r[1] = double(j);
    for (size_t n = 0; n < attend.op.in.size(); ++n) {
      const Tensor &tensor = context.in(attend.op, n);
      const double *row = tensor.row(attend.token(n, first, i, j), attend.head(tensor, h));
      if (attend.program.isVector(2 + n))
        rows[2 + n] = row;
      else
        r[2 + n] = row[0];
    }
    for (const ScalarProgram::UnitOp &op : attend.program.unitOps())
      if (op.kind == ScalarProgram::UnitOp::Row) {
        const Tensor &tensor = context.in(attend.op, op.score - 2);
        rows[op.out] = tensor.row(attend.token(op.score - 2, first, i, j - j % op.unit), attend.head(tensor, h));
      }
  }
};

/// The k-th largest of the members' scores: every score is a candidate, ties count.
double kthLargest(std::vector<double> members, double k) {
  if (k < 1)
    return kInfinity;
  if (double(members.size()) < k)
    return -kInfinity;
  std::nth_element(members.begin(), members.begin() + int64_t(k) - 1, members.end(), std::greater<>());
  return members[int64_t(k) - 1];
}

/// Log of the sum of m e^s, and the largest member's score.
double logSumExp(const Context &context, const double *registers, size_t count, int s, int m) {
  double most = -kInfinity, sum = 0;
  for (int64_t j = 0; j < context.length; ++j)
    if (registers[j * count + m] > 0)
      most = std::max(most, registers[j * count + s]);
  if (most == -kInfinity)
    return -kInfinity;
  for (int64_t j = 0; j < context.length; ++j)
    if (registers[j * count + m] > 0)
      sum += registers[j * count + m] * std::exp(registers[j * count + s] - most);
  return most + std::log(sum);
}

/// e^(s - lse) m, 0 for what is not a member.
double probability(double s, double m, double lse) { return m > 0 ? m * std::exp(s - lse) : 0; }

void reduceRow(Context &context, const Attend &attend, const Reduction &reduction, const Row &row, int64_t first, int64_t h, int64_t i) {
  size_t count = attend.program.registers();
  const double *r = row.registers.data();
  int s = attend.program.yielded(reduction.firstYield);
  int m = reduction.kind == "sum" ? s : attend.program.yielded(reduction.firstYield + 1);
  Tensor &result = context.values[attend.op.out[reduction.firstResult]];
  int64_t resultHead = h * result.heads() / attend.numHeads;
  double *out = result.row(first + i, resultHead);
  const Tensor *value = reduction.value >= 0 ? &context.in(attend.op, reduction.value) : nullptr;
  if (reduction.kind == "kth") {
    std::vector<double> members;
    for (int64_t j = 0; j < context.length; ++j)
      if (r[j * count + m] > 0)
        members.push_back(r[j * count + s]);
    const Tensor &k = context.in(attend.op, reduction.count);
    out[0] = kthLargest(std::move(members), k.row(first + i, attend.head(k, h))[0]);
  } else if (reduction.kind == "max") {
    bool found = false;
    for (int64_t j = 0; j < context.length; ++j)
      if (r[j * count + m] > 0 && (!found || r[j * count + s] > out[0]))
        out[0] = r[j * count + s], found = true;
  } else {
    bool softmax = reduction.kind == "softmax";
    double lse = softmax ? logSumExp(context, r, count, s, m) : 0;
    if (softmax)
      context.values[attend.op.out[reduction.firstResult + (value ? 1 : 0)]].row(first + i, h)[0] = lse;
    if (softmax && !value)
      return;
    for (int64_t j = 0; j < context.length; ++j) {
      double w = softmax ? probability(r[j * count + s], r[j * count + m], lse) : r[j * count + s];
      if (w == 0)
        continue;
      for (int64_t c = 0; c < (value ? value->width() : 1); ++c)
        out[c] += w * (value ? value->row(first + j, attend.head(*value, h))[c] : 1);
    }
  }
}

/// Gradients of one reduction for one query: sets the yields' adjoints per key, and adds to the value's gradient.
void reverseRow(Context &context, const Attend &attend, const Reduction &reduction, const Row &row, std::vector<double> &adjoints,
                int64_t first, int64_t h, int64_t i) {
  if (reduction.kind == "kth")
    return;
  bool softmax = reduction.kind == "softmax", hasValue = reduction.value >= 0;
  int outId = attend.op.out[reduction.firstResult];
  int lseId = softmax ? attend.op.out[reduction.firstResult + (hasValue ? 1 : 0)] : -1;
  bool outGradient = (hasValue || !softmax) && context.hasGradient(outId);
  double dLse = softmax && context.hasGradient(lseId) ? context.gradients[lseId].row(first + i, h)[0] : 0;
  if (!outGradient && dLse == 0)
    return;
  size_t count = attend.program.registers();
  const double *r = row.registers.data();
  int s = attend.program.yielded(reduction.firstYield);
  int m = reduction.kind == "sum" ? s : attend.program.yielded(reduction.firstYield + 1);
  Tensor &out = context.values[outId];
  int64_t outHead = h * out.heads() / attend.numHeads;
  const double *dOut = outGradient ? context.gradients[outId].row(first + i, outHead) : nullptr;
  const Tensor *value = hasValue ? &context.in(attend.op, reduction.value) : nullptr;
  double lse = softmax ? context.values[lseId].row(first + i, h)[0] : 0;
  if (reduction.kind == "max") {
    for (int64_t j = 0; j < context.length; ++j)
      if (r[j * count + m] > 0 && r[j * count + s] == out.row(first + i, outHead)[0]) {
        adjoints[j * count + s] += dOut[0];
        return; // the first index wins
      }
    return;
  }
  double delta = 0; // <dO, O>
  if (softmax && dOut)
    for (int64_t c = 0; c < value->width(); ++c)
      delta += dOut[c] * out.row(first + i, outHead)[c];
  for (int64_t j = 0; j < context.length; ++j) {
    double member = r[j * count + m];
    if (softmax && (member <= 0 || lse == -kInfinity))
      continue;
    double w = softmax ? probability(r[j * count + s], member, lse) : r[j * count + s];
    double dW = 0; // gradient of the weight before normalisation's own part
    if (dOut && value) {
      const double *v = value->row(first + j, attend.head(*value, h));
      double *dV = context.gradient(attend.op.in[reduction.value]).row(first + j, attend.head(*value, h));
      for (int64_t c = 0; c < value->width(); ++c)
        dW += dOut[c] * v[c], dV[c] += w * dOut[c];
    } else if (dOut) {
      dW = dOut[0];
    }
    if (softmax) {
      double t = dW - delta + dLse;
      adjoints[j * count + s] += w * t;
      adjoints[j * count + m] += std::exp(r[j * count + s] - lse) * t;
    } else {
      adjoints[j * count + s] += dW;
    }
  }
}

} // namespace

Status runAttend(Context &context, const Op &op) {
  CAA_TRY(Attend attend, Attend::prepare(context, op));
  for (size_t n = 0; n < op.out.size(); ++n)
    context.values[op.out[n]] = context.make(op.types[n]);
  Row row;
  for (int64_t b = 0; b < context.batch; ++b)
    for (int64_t h = 0; h < attend.numHeads; ++h)
      for (int64_t i = 0; i < context.length; ++i) {
        row.run(context, attend, b * context.length, h, i);
        for (const Reduction &reduction : attend.reductions)
          reduceRow(context, attend, reduction, row, b * context.length, h, i);
      }
  return {};
}

Status reverseAttend(Context &context, const Op &op) {
  CAA_TRY(Attend attend, Attend::prepare(context, op));
  size_t count = attend.program.registers();
  Row row;
  std::vector<double> adjoints;
  std::vector<double *> rowAdjoints(attend.program.registers(), nullptr);
  for (int64_t b = 0; b < context.batch; ++b)
    for (int64_t h = 0; h < attend.numHeads; ++h)
      for (int64_t i = 0; i < context.length; ++i) {
        int64_t first = b * context.length;
        row.run(context, attend, first, h, i);
        adjoints.assign(context.length * count, 0);
        for (const Reduction &reduction : attend.reductions)
          reverseRow(context, attend, reduction, row, adjoints, first, h, i);
        for (int64_t j = 0; j < context.length; ++j) {
          double *r = &row.registers[j * count], *d = &adjoints[j * count];
          row.setArguments(context, attend, first, h, i, j, r);
          for (size_t n = 0; n < op.in.size(); ++n)
            if (attend.program.isVector(2 + n))
              rowAdjoints[2 + n] = context.gradient(op.in[n]).row(attend.token(n, first, i, j), attend.head(context.in(op, n), h));
          attend.program.reverse(r, row.rows.data(), d, rowAdjoints.data());
          for (size_t n = 0; n < op.in.size(); ++n)
            if (!attend.program.isVector(2 + n) && d[2 + n] != 0)
              context.gradient(op.in[n]).row(attend.token(n, first, i, j), attend.head(context.in(op, n), h))[0] += d[2 + n];
        }
      }
  return {};
}

} // namespace caa::reference

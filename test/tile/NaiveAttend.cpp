// Two loops over tokens inside two over batch rows and heads.
#include "test/tile/NaiveAttend.h"

#include "test/tile/ScalarOps.h"

#include "llvm/ADT/DenseMap.h"

#include <cmath>
#include <limits>
#include <map>
#include <tuple>

using namespace mlir;

namespace caa::test {

std::vector<int64_t> shapeAt(Type type, int64_t batch, int64_t length) {
  Shape shape = shapeOf(type);
  return isPerHead(type) ? std::vector<int64_t>{shape.heads, shape.width} : std::vector<int64_t>{batch, length, shape.heads, shape.width};
}

namespace {

/// One member of a reduction: what was yielded for it, and where its value lies.
struct Member {
  double first, second;
  int64_t token;
};

class Naive {
public:
  Naive(AttendOp attend, const std::vector<Buffer *> &operands, int64_t batch, int64_t length)
      : attend(attend), operands(operands), batches(batch), length(length), heads(attend.getNumHeads()) {}

  std::vector<Buffer> run() {
    for (Value result : attend.getResults()) {
      results.push_back({shapeAt(result.getType(), batches, length), {}});
      results.back().data.assign(results.back().size(), 0);
    }
    for (b = 0; b < batches; ++b)
      for (h = 0; h < heads; ++h)
        head();
    return std::move(results);
  }

private:
  /// Where a value of one token starts, in a buffer with as many heads as `type` says.
  int64_t offset(Type type, int64_t token) {
    Shape shape = shapeOf(type);
    int64_t head = h * shape.heads / heads;
    return isPerHead(type) ? head * shape.width : ((b * length + token) * shape.heads + head) * shape.width;
  }

  using Scalars = llvm::DenseMap<Value, double>;

  /// What an op gives that looks at all keys of j's unit: of the scores of its members, or whether there are any.
  double ofUnit(Operation *op, int64_t i, int64_t j) {
    auto reduce = dyn_cast<UnitReduceOp>(op);
    Value member = reduce ? reduce.getMember() : cast<UnitAnyOp>(op).getMember();
    int64_t unit = attend.getUnit(), start = j - j % unit;
    auto [known, isNew] = ofUnits.try_emplace({op, i, start});
    if (!isNew)
      return known->second;
    double most = -std::numeric_limits<double>::infinity(), sum = 0, count = 0;
    for (int64_t other = start; other < std::min(start + unit, length); ++other) {
      Scalars scalars = evaluate(i, other, op);
      if (scalars.lookup(member) == 0)
        continue;
      count += 1;
      if (reduce)
        most = std::max(most, scalars.lookup(reduce.getScore())), sum += scalars.lookup(reduce.getScore());
    }
    UnitReduction kind = reduce ? reduce.getKind() : UnitReduction::Max;
    return ofUnits[{op, i, start}] = !reduce                       ? double(count > 0)
                                     : kind == UnitReduction::Max ? most
                                     : kind == UnitReduction::Sum ? sum
                                                                  : sum / count;
  }

  /// The region's scalars for a pair, up to an op (null: all).
  Scalars evaluate(int64_t i, int64_t j, Operation *until) {
    Block &block = attend.getBody().front();
    Scalars scalars;
    scalars[block.getArgument(0)] = double(i);
    scalars[block.getArgument(1)] = double(j);
    auto data = [&](Value row) {
      auto unit = row.getDefiningOp<UnitRowOp>();
      unsigned number = cast<BlockArgument>(unit ? unit.getRow() : row).getArgNumber() - 2;
      bool key = number >= attend.getQueries().size();
      int64_t token = unit ? j - j % int64_t(unit.getUnit()) : key ? j : i;
      return operands[number]->data.data() + offset(attend->getOperand(number).getType(), token);
    };
    for (BlockArgument argument : block.getArguments().drop_front(2))
      if (!isa<VectorType>(argument.getType()))
        scalars[argument] = *data(argument);
    for (Operation &op : block.without_terminator()) {
      if (&op == until)
        break;
      if (isa<UnitRowOp>(op))
        continue;
      if (auto start = dyn_cast<UnitStartOp>(op)) {
        scalars[start] = double(j - j % int64_t(start.getUnit()));
        continue;
      }
      if (isa<UnitReduceOp, UnitAnyOp>(op)) {
        scalars[op.getResult(0)] = ofUnit(&op, i, j);
        continue;
      }
      if (auto dot = dyn_cast<DotOp>(op)) {
        double sum = 0;
        for (int64_t n = 0, width = cast<VectorType>(dot.getQuery().getType()).getDimSize(0); n < width; ++n)
          sum += data(dot.getQuery())[n] * data(dot.getKey())[n];
        scalars[dot] = sum;
        continue;
      }
      std::vector<double> x;
      for (Value operand : op.getOperands())
        x.push_back(scalars.lookup(operand));
      scalars[op.getResult(0)] = scalarOp(&op, x, /*rounded=*/false);
    }
    return scalars;
  }

  /// What the region yields for a pair.
  std::vector<double> pair(int64_t i, int64_t j) {
    Scalars scalars = evaluate(i, j, nullptr);
    std::vector<double> yields;
    for (Value yielded : attend.getBody().front().getTerminator()->getOperands())
      yields.push_back(scalars.lookup(yielded));
    return yields;
  }

  void head() {
    ofUnits.clear();
    SmallVector<ReductionAttr> reductions = attend.getReductionList();
    std::vector<std::vector<std::vector<Member>>> members(reductions.size(), std::vector<std::vector<Member>>(length));
    for (int64_t i = 0; i < length; ++i)
      for (int64_t j = 0; j < length; ++j) {
        std::vector<double> yields = pair(i, j);
        unsigned next = 0;
        for (auto [r, reduction] : llvm::enumerate(reductions)) {
          bool keys = reduction.getAxis() == Axis::Keys, sum = reduction.getKind() == ReductionKind::Sum;
          if (sum || yields[next + 1] > 0)
            members[r][keys ? i : j].push_back({yields[next], sum ? 1 : yields[next + 1], keys ? j : i});
          next += AttendOp::countYields(reduction);
        }
      }
    for (auto [r, reduction] : llvm::enumerate(reductions))
      for (int64_t token = 0; token < length; ++token)
        reduce(r, reduction, token, members[r][token]);
  }

  void reduce(unsigned r, ReductionAttr reduction, int64_t token, std::vector<Member> &members) {
    unsigned first = attend.getFirstResult(r);
    auto place = [&](unsigned n) { return &results[n].data[offset(attend.getResult(n).getType(), token)]; };
    double *out = place(first), infinity = std::numeric_limits<double>::infinity();
    unsigned valueNumber = reduction.getValue() + (reduction.getAxis() == Axis::Keys ? attend.getQueries().size() : 0);
    int64_t width = reduction.getValue() < 0 ? 0 : shapeOf(attend->getOperand(valueNumber)).width;
    auto value = [&](const Member &member, int64_t n) {
      return operands[valueNumber]->data[offset(attend->getOperand(valueNumber).getType(), member.token) + n];
    };
    switch (reduction.getKind()) {
    case ReductionKind::Softmax: {
      double highest = -infinity, sum = 0;
      for (const Member &member : members)
        highest = std::max(highest, member.first);
      for (const Member &member : members)
        sum += member.second * std::exp(member.first - highest);
      for (const Member &member : members)
        for (int64_t n = 0; n < width; ++n)
          out[n] += member.second * std::exp(member.first - highest) / sum * value(member, n);
      *place(first + (width ? 1 : 0)) = members.empty() ? -infinity : highest + std::log(sum);
      return;
    }
    case ReductionKind::Sum:
      for (const Member &member : members) {
        if (!width)
          *out += member.first;
        for (int64_t n = 0; n < width; ++n)
          out[n] += member.first * value(member, n);
      }
      return;
    case ReductionKind::Max:
      for (const Member &member : members)
        *out = &member == &members.front() ? member.first : std::max(*out, member.first);
      return;
    case ReductionKind::Kth: {
      unsigned counts = reduction.getCount();
      double k = operands[counts]->data[offset(attend->getOperand(counts).getType(), token)];
      std::sort(members.begin(), members.end(), [](const Member &a, const Member &b) { return a.first > b.first; });
      *out = k < 1 ? infinity : k > double(members.size()) ? -infinity : members[size_t(k) - 1].first;
      return;
    }
    }
  }

  AttendOp attend;
  const std::vector<Buffer *> &operands;
  int64_t batches, length, heads, b = 0, h = 0;
  std::vector<Buffer> results;
  std::map<std::tuple<Operation *, int64_t, int64_t>, double> ofUnits; // of the present head: by op, query and first key
};

} // namespace

std::vector<Buffer> naiveAttend(AttendOp attend, const std::vector<Buffer *> &operands, int64_t batch, int64_t length) {
  return Naive(attend, operands, batch, length).run();
}

} // namespace caa::test

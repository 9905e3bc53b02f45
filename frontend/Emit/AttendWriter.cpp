// From a graph over (i, j) to operands and a region.
#include "frontend/Emit/AttendWriter.h"
#include <limits>
#include <utility>

namespace caa {

using namespace mlir;
using MValue = mlir::Value;
using Op = PairNode::Op;

int64_t AttendWriter::operand(Side side, MValue tensor) {
  auto &segment = segments[side];
  auto found = std::find(segment.begin(), segment.end(), tensor);
  if (found == segment.end())
    return segment.push_back(tensor), static_cast<int64_t>(segment.size()) - 1;
  return found - segment.begin();
}

bool AttendWriter::place(const PairNode *key, int argument, Side side, const Value &value, bool product) {
  MValue tensor = product ? e.productOperand(value, loc) : e.ir(value, loc);
  if (!tensor)
    return false; // refused earlier
  places[{key, argument}] = {side, operand(side, tensor)};
  return true;
}

// The tokens of what a `top` chooses; 0: blocks that are no units.
static int64_t tokensPerUnit(const PairNode &top) {
  SequenceAxis axis = top.args[1]->keys.value_or(SequenceAxis{});
  if (axis.isTokens())
    return top.unit;
  return axis.block == axis.stride && (top.unit == 0 || top.unit == axis.block) ? axis.block : 0;
}

// Single keys, none of them forced: a score that reaches the threshold says it all.
static bool isPlainTop(const PairNode &top) { return tokensPerUnit(top) == 1 && !top.always; }

// Whether an expression is evidently the same for all tokens j of a unit of n.
static bool isOfUnit(const PairNode &node, int64_t n) {
  if (!node.usesJ)
    return true;
  auto isMultiple = [&](const PairRef &p) {
    const Number *number = p->op == Op::Constant ? p->leaf.constant.number() : nullptr;
    return number && number->isWhole() && number->asInteger() % n == 0 && number->asInteger() > 0;
  };
  if (node.op != Op::Apply)
    return false;
  bool ofKey = node.args[0]->op == Op::J && node.args.size() == 2 && isMultiple(node.args[1]);
  if (ofKey && (node.fn == Fn::FloorDiv || node.fn == Fn::Lt || node.fn == Fn::Ge))
    return true;
  return llvm::all_of(node.args, [&](const PairRef &arg) { return isOfUnit(*arg, n); });
}

// A block's position is its last token's. Units of tokens are read at their first one if the score and the set are the same for all of
// them, and `causal` then asks whether any is visible.
AttendWriter::Reading AttendWriter::readingOf(const PairNode &top) const {
  if (!top.args[1]->keys.value_or(SequenceAxis{}).isTokens())
    return AtUnitEnd;
  int64_t n = tokensPerUnit(top);
  bool same = n > 1 && top.reduce != "sum" && isOfUnit(*top.args[1], n) && (!top.domain || isOfUnit(*top.domain, n)) &&
              top.visible && top.visible->op == Op::Causal;
  return same ? AtUnitStart : AtToken;
}

bool AttendWriter::collectAs(Reading as, const PairRef &node) {
  Reading before = std::exchange(reading, as);
  bool good = collect(node);
  reading = before;
  return good;
}

bool AttendWriter::collectRank(const PairRef &top) {
  int64_t n = tokensPerUnit(*top);
  if (n == 0)
    return e.refuse(top->location, "`top` over blocks that are no units"), false;
  if (n > 1 && unit > 1 && unit != n)
    return e.refuse(top->location, "an attention that chooses blocks of two sizes"), false;
  unit = std::max(unit, n);
  isCausal |= top->visible && impliesCausal(*top->visible);
  Reading as = readingOf(*top);
  return collectAs(as, top->args[1]) && collectAs(as, top->domain) && collectAs(as, top->visible) &&
         (!top->always || (collectAs(AtToken, top->always) && collectAs(AtToken, top->visible)));
}

AttendWriter::Rank AttendWriter::rank(const PairRef &top) {
  Scalars here(*inner, top->location);
  IntegerAttr size = inner->getI64IntegerAttr(unit);
  bool isUnit = tokensPerUnit(*top) > 1;
  Reading as = readingOf(*top), before = std::exchange(reading, as);
  Rank result{score(top->args[1]), hardMembership({top->domain, top->visible})};
  reading = AtToken;
  if (isUnit && as == AtToken) {
    result.score = UnitReduceOp::create(*inner, top->location, inner->getF32Type(), *symbolizeUnitReduction(top->reduce), result.score,
                                        result.member, uint64_t(unit));
    result.member = UnitAnyOp::create(*inner, top->location, inner->getI1Type(), result.member, size);
  }
  if (top->always) { // before all others: above any score, yet below the threshold that keeps everything out
    MValue meets = hardMembership({top->always, top->visible});
    if (isUnit)
      meets = UnitAnyOp::create(*inner, top->location, inner->getI1Type(), meets, size);
    result.score = arith::SelectOp::create(*inner, top->location, meets, here.number(Number::of(std::numeric_limits<float>::max()), inner->getF32Type()),
                                           result.score);
    result.member = arith::OrIOp::create(*inner, top->location, result.member, meets);
  }
  reading = before;
  return result;
}

MValue AttendWriter::oncePerUnit(MValue member) {
  if (unit == 1)
    return member;
  MValue j = region->front().getArgument(1);
  MValue start = UnitStartOp::create(*inner, loc, inner->getI64Type(), j, inner->getI64IntegerAttr(unit));
  MValue first = arith::CmpIOp::create(*inner, loc, arith::CmpIPredicate::eq, j, start);
  return arith::AndIOp::create(*inner, loc, member, first);
}

bool AttendWriter::collect(const PairRef &node) {
  if (!node || !collected[reading].insert(node.get()).second)
    return true;
  for (const std::optional<SequenceAxis> &axis : {node->queries, node->keys})
    if (axis && !axis->isTokens() && !(reading == AtUnitEnd && axis == node->keys))
      return e.refuse(node->location, "a score over blocks"), false;
  switch (node->op) {
  case Op::Constant:
  case Op::I:
  case Op::J:
  case Op::Causal:
    return true;
  case Op::PerHead:
  case Op::AtI:
  case Op::AtJ:
    if (node->width != 1)
      return e.refuse(node->location, "a vector in a pair expression, outside `dot`,"), false;
    if (node->op == Op::AtJ && reading != AtToken)
      return e.refuse(node->location, "a number of the key's where blocks are ranked"), false;
    return place(node.get(), -1, node->op == Op::AtI ? Query : node->op == Op::AtJ ? Key : Head, node->leaf, false);
  case Op::Apply:
    if (node->fn == Fn::Stop)
      return collect(e.stopped(node->args[0]));
    [[fallthrough]];
  case Op::Window:
    if (node->width != 1)
      return e.refuse(node->location, "a vector in a pair expression, outside `dot`,"), false;
    break;
  case Op::Dot:
    return collectDot(node);
  case Op::Top: {
    if (reading != AtToken)
      return e.refuse(node->location, "`top` inside what ranks blocks"), false;
    MValue tau = e.threshold(node);
    if (!tau)
      return false;
    places[{node.get(), -1}] = {Query, operand(Query, tau)};
    if (isPlainTop(*node))
      return collect(node->args[1]) && collect(node->domain);
    return collectRank(node);
  }
  case Op::Pick:
    return e.refuse(node->location, "`pick` by positions"), false;
  case Op::SumHeads:
    return e.refuse(node->location, "`sum_heads` of a pair value"), false;
  case Op::MeanHeads:
    return e.refuse(node->location, "`mean_heads` of a pair value"), false;
  case Op::Mass:
    return e.refuse(node->location, "`mass`"), false;
  case Op::Softmax:
    return e.refuse(node->location, "a softmax inside another pair expression"), false;
  case Op::Normalize:
    return e.refuse(node->location, "`normalize` inside another pair expression"), false;
  }
  return llvm::all_of(node->args, [&](const PairRef &arg) { return collect(arg); });
}

// The two rows of a dot are vectors, rounded as a product's operands. What is no plain `x[i]` is computed at its token
// first, if it depends on one token only.
bool AttendWriter::collectDot(const PairRef &node) {
  if (node->args[0]->width != node->args[1]->width)
    return e.refuse(node->location, "`dot` of different widths"), false;
  bool isOfPair = node->usesI && node->usesJ;
  bool hasHead = llvm::any_of(node->args, [](const PairRef &arg) { return !arg->usesI && !arg->usesJ; });
  if (!isOfPair && !hasHead) { // of two vectors of one token: a number of that token
    if (node->usesJ && reading != AtToken)
      return e.refuse(node->location, "a number of the key's where blocks are ranked"), false;
    std::optional<Value> lifted = e.lift(node, /*query=*/node->usesI);
    if (!lifted)
      return e.refuse(node->location, "a product of what one token computes from pairs"), false;
    return place(node.get(), -1, node->usesI ? Query : Key, *lifted, false);
  }
  for (int k : {0, 1}) {
    const PairRef &arg = node->args[k];
    if (arg->width == 1 && arg->op != Op::AtI && arg->op != Op::AtJ && arg->op != Op::PerHead) {
      if (!collect(arg))
        return false;
      continue;
    }
    Side side = arg->op == Op::PerHead ? Head : arg->usesJ ? Key : Query;
    Value value = arg->leaf;
    if (arg->op != Op::AtI && arg->op != Op::AtJ && arg->op != Op::PerHead) {
      std::optional<Value> lifted = e.lift(arg, side == Query);
      if (!lifted)
        return e.refuse(arg->location, "a vector that depends on both tokens"), false;
      value = *lifted;
    }
    if (!place(node.get(), k, side, value, /*product=*/true))
      return false;
  }
  return true;
}

void AttendWriter::open() {
  if (segments[Query].empty() && segments[Key].empty())
    operand(Query, e.input("position")); // something must tell batch and length
  region = std::make_unique<Region>();
  auto *block = new Block();
  region->push_back(block);
  inner = std::make_unique<OpBuilder>(&e.context);
  inner->setInsertionPointToEnd(block);
  Type index = inner->getI64Type();
  block->addArguments({index, index}, {loc, loc});
  for (const auto &segment : segments)
    for (MValue tensor : segment)
      block->addArgument(pairArgumentType(tensor.getType()), loc);
  scalars = std::make_unique<Scalars>(*inner, loc);
}

MValue AttendWriter::at(const PairNode *key, int argument) {
  Place p = places.at({key, argument});
  int64_t before = 2;
  for (int side = 0; side < p.side; ++side)
    before += static_cast<int64_t>(segments[side].size());
  return region->front().getArgument(before + p.index);
}

MValue AttendWriter::scalar(const PairRef &node) {
  auto found = written[reading].find(node.get());
  if (found != written[reading].end())
    return found->second;
  MValue value = write(node);
  written[reading][node.get()] = value;
  return value;
}

MValue AttendWriter::score(const PairRef &node) { return scalars->convert(scalar(node), inner->getF32Type()); }

MValue AttendWriter::write(const PairRef &node) {
  Block &block = region->front();
  MValue i = block.getArgument(0), j = block.getArgument(1);
  if (reading != AtToken) {
    IntegerAttr size = inner->getI64IntegerAttr(unit);
    j = UnitStartOp::create(*inner, node->location, inner->getI64Type(), j, size);
    if (reading == AtUnitEnd)
      j = arith::AddIOp::create(*inner, node->location, j, number(Number(unit - 1)));
  }
  Scalars here(*inner, node->location);
  auto operandOf = [&](const PairRef &arg) -> Scalars::Operand {
    if (arg->op == Op::Constant) {
      const Constant &c = arg->leaf.constant;
      return {{}, c.truth() ? Number(*c.truth() ? 1 : 0) : *c.number()};
    }
    return {scalar(arg), std::nullopt};
  };
  auto causal = [&] { return here.apply(Fn::Le, {{j, {}}, {i, {}}}, Elem::Bool); };
  switch (node->op) {
  case Op::Constant: {
    const Constant &c = node->leaf.constant;
    return here.number(c.truth() ? Number(*c.truth() ? 1 : 0) : *c.number(), Scalars::type(&e.context, node->elem));
  }
  case Op::I:
    return i;
  case Op::J:
    return j;
  case Op::Causal:
    return causal();
  case Op::PerHead:
  case Op::AtI:
  case Op::AtJ:
    return here.convert(at(node.get(), -1), Scalars::type(&e.context, node->elem));
  case Op::Apply: {
    if (node->fn == Fn::Stop)
      return scalar(e.stopped(node->args[0]));
    SmallVector<Scalars::Operand> operands;
    for (const PairRef &arg : node->args)
      operands.push_back(operandOf(arg));
    return here.apply(node->fn, operands, node->elem);
  }
  case Op::Dot: {
    if (places.count({node.get(), -1}))
      return here.convert(at(node.get(), -1), inner->getF32Type());
    MValue rows[2];
    for (int k : {0, 1}) {
      rows[k] = places.count({node.get(), k}) ? at(node.get(), k) : score(node->args[k]);
      if (node->args[k]->usesJ && reading == AtUnitEnd && isa<VectorType>(rows[k].getType()))
        rows[k] = UnitRowOp::create(*inner, node->location, rows[k].getType(), rows[k], inner->getI64IntegerAttr(unit));
    }
    if (!isa<VectorType>(rows[0].getType()))
      return arith::MulFOp::create(*inner, node->location, rows[0], rows[1]);
    return DotOp::create(*inner, node->location, inner->getF32Type(), rows[0], rows[1]);
  }
  case Op::Window: {
    // Hard: i - j < w. Soft: clip((w - (i - j)) / ramp). Both for j <= i.
    MValue distance = here.apply(Fn::Sub, {{i, {}}, {j, {}}}, Elem::Int);
    Scalars::Operand w = operandOf(node->args[0]);
    if (node->args.size() == 1) {
      MValue inside = here.apply(Fn::Lt, {{distance, {}}, w}, Elem::Bool);
      return isCausal ? inside : here.meet(causal(), inside);
    }
    MValue left = here.apply(Fn::Sub, {w, {distance, {}}}, Elem::Real);
    MValue ratio = here.apply(Fn::Div, {{left, {}}, operandOf(node->args[1])}, Elem::Real);
    MValue weight = here.apply(Fn::Clip, {{ratio, {}}}, Elem::Real);
    return isCausal ? weight : here.meet(causal(), weight);
  }
  case Op::Top: {
    if (!isPlainTop(*node)) {
      Rank ranked = rank(node);
      MValue reached = here.apply(Fn::Ge, {{ranked.score, {}}, {at(node.get(), -1), {}}}, Elem::Bool);
      return here.meet(ranked.member, reached);
    }
    MValue reached = here.apply(Fn::Ge, {{score(node->args[1]), {}}, {at(node.get(), -1), {}}}, Elem::Bool);
    return here.meet(node->domain ? hardMembership({node->domain, nullptr}) : MValue(), reached);
  }
  default:
    llvm_unreachable("refused by collect");
  }
}

MValue AttendWriter::membership(const Set &set) {
  MValue result;
  for (const PairRef &part : {set.visible, set.domain})
    if (part)
      result = scalars->meet(result, scalar(part));
  return result ? result : scalars->number(Number(1), inner->getI1Type());
}

MValue AttendWriter::hardMembership(const Set &set) {
  MValue m = membership(set);
  if (m.getType().isInteger(1))
    return m;
  return scalars->apply(Fn::Gt, {{m, {}}, {{}, Number(0)}}, Elem::Bool);
}

MValue AttendWriter::masked(MValue weight, MValue m) {
  if (!m.getType().isInteger(1))
    return arith::MulFOp::create(*inner, loc, weight, m);
  return arith::SelectOp::create(*inner, loc, m, weight, scalars->number(Number(0), weight.getType()));
}

SmallVector<MValue> AttendWriter::close(ArrayRef<ReductionAttr> reductions, ArrayRef<MValue> yields, ArrayRef<Result> results) {
  YieldOp::create(*inner, loc, yields);
  int64_t heads = 1;
  for (const auto &segment : segments)
    for (MValue tensor : segment)
      heads = std::max(heads, shapeOf(tensor).heads);
  SmallVector<Type> types;
  for (const Result &result : results)
    types.push_back(tokenwiseType(heads, result.width, result.counts ? Type(inner->getI64Type()) : Type(inner->getF32Type())));
  SmallVector<Attribute> attributes(reductions.begin(), reductions.end());
  auto op = AttendOp::create(e.builder, loc, types, segments[Query], segments[Key], segments[Head],
                             e.builder.getArrayAttr(attributes));
  op.getBody().takeBody(*region);
  return SmallVector<MValue>(op.getResults());
}

} // namespace caa

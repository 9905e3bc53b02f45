// Reductions of pair values as attends. Each softmax under an `@` becomes one attend; passes merge those that share
// operands. Weights that are sums of softmaxes are taken apart: (a - c b) @ v is a @ v - c (b @ v).
#include "frontend/Emit/AttendWriter.h"

namespace caa {

using namespace mlir;
using MValue = mlir::Value;
using Val = caa::Value;
using Op = PairNode::Op;

namespace {

ReductionAttr reduction(MLIRContext *context, ReductionKind kind, int64_t value = -1, int64_t count = -1) {
  return ReductionAttr::get(context, kind, caa::Axis::Keys, value, count);
}

Val token(int64_t heads, int64_t width, Elem elem, MValue ir) {
  Val v;
  v.kind = Val::Kind::Token;
  v.heads = heads;
  v.width = width;
  v.elem = elem;
  v.ir = ir;
  return v;
}

Val tokenOf(MValue ir, Elem elem = Elem::Real) {
  return ir ? token(shapeOf(ir).heads, shapeOf(ir).width, elem, ir) : token(1, 1, elem, ir);
}

} // namespace

MValue Emitter::index(Location loc) {
  return IndexOp::create(builder, loc, tokenwiseType(1, 1, builder.getI64Type()), input("position"));
}

PairRef Emitter::stopped(const PairRef &node) {
  if (!node || node->op == Op::Top || node->op == Op::Mass) // constant
    return node;
  PairRef &known = stops[node.get()];
  if (known)
    return known;
  auto copy = std::make_shared<PairNode>(*node);
  if (copy->leaf.elem == Elem::Real && copy->leaf.isVector())
    if (mlir::Value value = ir(copy->leaf, node->location))
      copy->leaf.ir = StopOp::create(builder, node->location, value.getType(), value);
  for (PairRef &arg : copy->args)
    arg = stopped(arg);
  for (PairRef &domain : copy->domains)
    domain = stopped(domain);
  copy->domain = stopped(copy->domain);
  copy->sink = stopped(copy->sink);
  return stops[node.get()] = copy;
}

std::optional<Val> Emitter::lift(const PairRef &node, bool query) {
  if (!enabled)
    return std::nullopt;
  switch (node->op) {
  case Op::Constant:
  case Op::PerHead:
    return node->leaf;
  case Op::AtI:
  case Op::AtJ:
    return (node->op == Op::AtI) == query ? std::optional<Val>(node->leaf) : std::nullopt;
  case Op::I:
  case Op::J:
    if ((node->op == Op::I) != query)
      return std::nullopt;
    return token(1, 1, Elem::Int, index(node->location));
  case Op::Apply:
  case Op::Dot: {
    std::vector<Val> operands;
    bool perHead = true;
    for (const PairRef &arg : node->args) {
      std::optional<Val> operand = lift(arg, query);
      if (!operand)
        return std::nullopt;
      perHead &= operand->isConstant() || operand->kind == Val::Kind::PerHead;
      operands.push_back(*operand);
    }
    Val result = token(node->heads, node->width, node->elem == Elem::Weight ? Elem::Real : node->elem, {});
    if (perHead)
      result.kind = Val::Kind::PerHead;
    if (node->op == Op::Dot) {
      Val product = result;
      product.width = std::max(node->args[0]->width, node->args[1]->width);
      product.ir = map(Fn::Mul, operands, product, node->location);
      result.ir = product.ir ? sumWidth(product, result, node->location) : MValue();
    } else {
      result.ir = map(node->fn, operands, result, node->location);
    }
    return result;
  }
  default:
    return std::nullopt;
  }
}

MValue Emitter::countOperand(const Val &k, Location loc) {
  Type i64 = builder.getI64Type();
  Val count = token(k.isConstant() ? 1 : k.heads, 1, Elem::Int, {});
  if (k.isConstant()) {
    double least = std::clamp(std::ceil(k.constant.number()->asReal()), -1.0, 1e15);
    auto type = perHeadType(1, 1, i64);
    MValue one = ConstantOp::create(builder, loc, DenseElementsAttr::get(type, builder.getI64IntegerAttr(int64_t(least))));
    return spread(one, count, loc);
  }
  MValue value = ir(k, loc);
  if (!value)
    return {};
  if (!elementOf(value).isInteger(64)) {
    // ceil, kept within what an integer holds
    count.kind = k.kind;
    Type type = k.kind == Val::Kind::PerHead ? Type(perHeadType(count.heads, 1, i64)) : Type(tokenwiseType(count.heads, 1, i64));
    auto op = MapOp::create(builder, loc, TypeRange{type}, ValueRange{value});
    OpBuilder::InsertionGuard guard(builder);
    Block *block = builder.createBlock(&op.getBody());
    MValue x = block->addArgument(elementOf(value), loc);
    Scalars scalars(builder, loc);
    if (isa<FloatType>(x.getType())) {
      x = scalars.convert(x, builder.getF64Type());
      x = scalars.apply(Fn::Min, {{x, {}}, {{}, Number(int64_t(1) << 40)}}, Elem::Float);
      x = scalars.apply(Fn::Max, {{x, {}}, {{}, Number(-1)}}, Elem::Float);
      x = math::CeilOp::create(builder, loc, x);
    }
    YieldOp::create(builder, loc, scalars.convert(x, i64));
    value = op.getResult(0);
  }
  return spread(value, count, loc);
}

MValue Emitter::threshold(const PairRef &top) {
  MValue &known = thresholds[top.get()];
  if (known)
    return known;
  std::optional<Val> k = lift(top->args[0], /*query=*/true);
  if (!k)
    return refuse(top->location, "a `top` whose number is no value at the query");
  MValue count = countOperand(*k, top->location);
  if (!count)
    return {};
  AttendWriter writer(*this, top->location);
  if (!writer.collectRank(top))
    return {};
  int64_t place = writer.operand(AttendWriter::Query, count);
  writer.open();
  AttendWriter::Rank rank = writer.rank(top);
  return known = writer.close({reduction(&context, ReductionKind::Kth, -1, place)}, {rank.score, writer.oncePerUnit(rank.member)}, {{1}})[0];
}

// One softmax or normalisation under an `@`.
MValue Emitter::weighOne(const PairRef &weights, const Val &values, const Val &result, Location loc) {
  if (weights->args.size() != 1)
    return refuse(weights->location, "`++`");
  AttendWriter writer(*this, weights->location);
  AttendWriter::Set set{weights->domains[0], weights->visible};
  MValue v = productOperand(values, loc);
  if (!writer.collect(weights->args[0]) || !writer.collect(set) || !v)
    return {};
  int64_t place = writer.operand(AttendWriter::Key, v);
  writer.open();
  MValue score = writer.score(weights->args[0]), member = writer.membership(set);
  if (weights->op == Op::Softmax) {
    auto results = writer.close({reduction(&context, ReductionKind::Softmax, place)}, {score, member}, {{result.width}, {1}});
    if (!weights->sink)
      return results[0];
    // A sink takes its share: out e^lse / (e^z + e^lse) = out sigmoid(lse - z).
    std::optional<Val> z = lift(weights->sink, /*query=*/true);
    if (!z)
      return refuse(weights->location, "a sink that is no value at the query");
    Val out = tokenOf(results[0]), lse = tokenOf(results[1]), share = lse;
    share.heads = std::max(lse.heads, z->isConstant() ? 1 : z->heads);
    Val scaled = out;
    scaled.heads = std::max(out.heads, share.heads);
    share.ir = map(Fn::Sub, {lse, *z}, share, loc);
    share.ir = map(Fn::Sigmoid, {share}, share, loc);
    return map(Fn::Mul, {out, share}, scaled, loc);
  }
  MValue w = writer.masked(score, member);
  auto results = writer.close({reduction(&context, ReductionKind::Sum, place), reduction(&context, ReductionKind::Sum)}, {w, w},
                              {{result.width}, {1}});
  // 0 / 0 is 0: an empty row divides by 1.
  Val sum = tokenOf(results[0]), total = tokenOf(results[1]), isZero = total, divisor = total;
  isZero.elem = Elem::Bool;
  isZero.ir = map(Fn::Eq, {total, Val::of(Constant(Number(0)))}, isZero, loc);
  divisor.ir = map(Fn::Where, {isZero, Val::of(Constant(Number(1))), total}, divisor, loc);
  return map(Fn::Div, {sum, divisor}, sum, loc);
}

namespace {

// c p, where p is a softmax or normalised weight.
struct Term {
  PairRef weights;
  std::vector<std::pair<PairRef, bool>> factors; // true: divided by
  bool negative = false;
};

// Takes a sum apart; false if it is not linear in its weights.
bool takeApart(const PairRef &node, std::vector<Term> &terms, llvm::function_ref<PairRef(const PairRef &)> stop) {
  if (node->op == Op::Apply && node->fn == Fn::Stop)
    return takeApart(stop(node->args[0]), terms, stop);
  if (node->op == Op::Softmax || node->op == Op::Normalize) {
    terms.push_back({node, {}, false});
    return true;
  }
  if (node->op != Op::Apply || !node->hasWeights)
    return false;
  std::vector<Term> left, right;
  switch (node->fn) {
  case Fn::Add:
  case Fn::Sub:
    if (!takeApart(node->args[0], left, stop) || !takeApart(node->args[1], right, stop))
      return false;
    if (node->fn == Fn::Sub)
      for (Term &term : right)
        term.negative = !term.negative;
    break;
  case Fn::Neg:
    if (!takeApart(node->args[0], left, stop))
      return false;
    for (Term &term : left)
      term.negative = !term.negative;
    break;
  case Fn::Mul:
  case Fn::Div: {
    size_t at = node->args[0]->hasWeights ? 0 : 1;
    const PairRef &factor = node->args[1 - at];
    if (factor->hasWeights || factor->usesJ || (node->fn == Fn::Div && at != 0) || !takeApart(node->args[at], left, stop))
      return false;
    for (Term &term : left)
      term.factors.push_back({factor, node->fn == Fn::Div});
    break;
  }
  default:
    return false;
  }
  terms.insert(terms.end(), left.begin(), left.end());
  terms.insert(terms.end(), right.begin(), right.end());
  return true;
}

} // namespace

MValue Emitter::weigh(const PairPart &weights, const PairRef &visible, const Val &values, const Val &result, Location loc) {
  if (!enabled)
    return {};
  if (result.kind == Val::Kind::Block)
    return refuse(loc, "attention from blocks");
  if (!weights.node->hasWeights) {
    AttendWriter writer(*this, loc);
    AttendWriter::Set set{weights.domain, visible};
    MValue v = productOperand(values, loc);
    if (!writer.collect(weights.node) || !writer.collect(set) || !v)
      return {};
    int64_t place = writer.operand(AttendWriter::Key, v);
    writer.open();
    MValue w = writer.masked(writer.score(weights.node), writer.membership(set));
    return writer.close({reduction(&context, ReductionKind::Sum, place)}, {w}, {{result.width}})[0];
  }
  std::vector<Term> terms;
  if (weights.domain || !takeApart(weights.node, terms, [&](const PairRef &p) { return stopped(p); }))
    return refuse(loc, "`@` with weights that are no sum of softmaxes");
  Val total;
  for (const Term &term : terms) {
    Val part = tokenOf(weighOne(term.weights, values, result, loc));
    if (!part.ir)
      return {};
    for (const auto &[factor, divides] : term.factors) {
      std::optional<Val> c = lift(factor, /*query=*/true);
      if (!c)
        return refuse(loc, "a factor that is no value at the query");
      Val scaled = part;
      scaled.heads = std::max(part.heads, c->isConstant() ? 1 : c->heads);
      scaled.ir = map(divides ? Fn::Div : Fn::Mul, {part, *c}, scaled, loc);
      if (!scaled.ir)
        return {};
      part = scaled;
    }
    if (!total.ir) {
      if (term.negative)
        part.ir = map(Fn::Neg, {part}, part, loc);
      total = part;
    } else {
      Val sum = total;
      sum.heads = std::max(total.heads, part.heads);
      sum.ir = map(term.negative ? Fn::Sub : Fn::Add, {total, part}, sum, loc);
      total = sum;
    }
  }
  return total.ir;
}

MValue Emitter::reduce(const std::string &kind, const PairRef &score, const PairRef &domain, const PairRef &visible,
                       const Val &result, Location loc) {
  if (!enabled)
    return {};
  if (result.kind == Val::Kind::Block)
    return refuse(loc, "attention from blocks");
  if (score->width != 1)
    return refuse(loc, "`" + kind + "` of a vector over j");
  if (score->hasWeights)
    return refuse(loc, "`" + kind + "` of a softmax");
  AttendWriter writer(*this, loc);
  AttendWriter::Set set{domain, visible};
  if (!writer.collect(score) || !writer.collect(set))
    return {};
  writer.open();
  MValue s = writer.score(score), m = writer.membership(set);
  if (kind == "sum")
    return writer.close({reduction(&context, ReductionKind::Sum)}, {writer.masked(s, m)}, {{1}})[0];
  auto what = kind == "max" ? ReductionKind::Max : ReductionKind::Softmax; // without values: the log-sum-exp
  return writer.close({reduction(&context, what)}, {s, m}, {{1}})[0];
}

MValue Emitter::count(const PairRef &set, const PairRef &visible, const Val &result, Location loc) {
  if (!enabled)
    return {};
  if (set->op == Op::Causal && visible->op == Op::Causal) // i + 1
    return map(Fn::Add, {token(1, 1, Elem::Int, index(loc)), Val::of(Constant(Number(1)))}, token(1, 1, Elem::Int, {}), loc);
  AttendWriter writer(*this, loc);
  AttendWriter::Set both{set == visible ? nullptr : set, visible};
  if (!writer.collect(both))
    return {};
  writer.open();
  MValue m = writer.membership(both);
  bool hard = m.getType().isInteger(1);
  MValue weight = hard ? writer.masked(writer.number(Number(1)), m) : m; // integers where the set is hard
  return writer.close({reduction(&context, ReductionKind::Sum)}, {weight}, {{1, hard}})[0];
}

} // namespace caa

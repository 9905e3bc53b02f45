// Names of kinds, for messages, and what a condition implies.
#include "frontend/Sema/Value.h"

namespace caa {

const char *elemName(Elem elem) {
  switch (elem) {
  case Elem::Bool:
    return "a truth value";
  case Elem::Int:
    return "an integer";
  case Elem::Float:
    return "an exact number";
  case Elem::Real:
    return "a number";
  case Elem::Weight:
    return "a soft set";
  }
  return "";
}

std::string SequenceAxis::str() const {
  if (isTokens())
    return "tokens";
  std::string text = "blocks of " + std::to_string(block);
  return stride == block ? text : text + " every " + std::to_string(stride);
}

Value pairValue(PairRef node) {
  Value v;
  v.kind = Value::Kind::Pair;
  v.heads = node->heads;
  v.width = node->width;
  v.elem = node->elem;
  v.pairs = {{std::move(node), nullptr}};
  return v;
}

std::string kindName(const Value &value) {
  switch (value.kind) {
  case Value::Kind::Poison:
    return "nothing";
  case Value::Kind::Constant:
    return value.constant.attention() ? "an attention" : "a constant";
  case Value::Kind::PerHead:
    return "a value per head";
  case Value::Kind::Token:
    return "a value at one token";
  case Value::Kind::Block:
    return "a value per block";
  case Value::Kind::Pair:
    return value.elem == Elem::Bool || value.elem == Elem::Weight ? "a set" : "a pair value";
  case Value::Kind::State:
    return "a state";
  case Value::Kind::Keys:
    return "`++` of values";
  case Value::Kind::Tuple:
    return std::to_string(value.parts.size()) + " values";
  }
  return "";
}

bool impliesCausal(const PairNode &n) {
  using Op = PairNode::Op;
  auto is = [](const PairRef &p, Op op) { return p->op == op; };
  auto nonNegative = [](const PairRef &p) {
    return p->op == Op::Constant && p->leaf.constant.number() && !(*p->leaf.constant.number() < Number(0));
  };
  auto distance = [&](const PairRef &p) { // i - j
    return p->op == Op::Apply && p->fn == Fn::Sub && is(p->args[0], Op::I) && is(p->args[1], Op::J);
  };
  if (n.op == Op::Causal || n.op == Op::Window)
    return true;
  if (n.op == Op::Constant)
    return n.leaf.constant.truth() && !*n.leaf.constant.truth();
  if (n.op != Op::Apply)
    return false;
  switch (n.fn) {
  case Fn::And:
    return impliesCausal(*n.args[0]) || impliesCausal(*n.args[1]);
  case Fn::Or:
    return impliesCausal(*n.args[0]) && impliesCausal(*n.args[1]);
  case Fn::Eq:
    return (is(n.args[0], Op::I) && is(n.args[1], Op::J)) || (is(n.args[0], Op::J) && is(n.args[1], Op::I));
  case Fn::Le:
  case Fn::Lt:
    return (is(n.args[0], Op::J) && is(n.args[1], Op::I)) || (nonNegative(n.args[0]) && distance(n.args[1]));
  case Fn::Ge:
  case Fn::Gt:
    return (is(n.args[0], Op::I) && is(n.args[1], Op::J)) || (distance(n.args[0]) && nonNegative(n.args[1]));
  default:
    return false;
  }
}

} // namespace caa

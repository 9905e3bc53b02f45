// What an expression means while a model is evaluated: its kind, heads and width, and, where IR is being written, the
// IR value. The kinds are those of the language's table of values.
//
// A pair value is never computed on its own: it is a graph of PairNodes over i and j, written as the region of an attend
// once a reduction takes it.
#pragma once

#include "frontend/Sema/Constant.h"
#include "frontend/Support/Source.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/Value.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace caa {

// What a component is. Int and Float are exact (positions, counts, constants); Real is fp32 and has a gradient; Weight is
// the membership of a soft set, in [0, 1].
enum class Elem { Bool, Int, Float, Real, Weight };
const char *elemName(Elem elem);

// The axis that block-wise values, i and j run over: tokens, or blocks of `block` tokens every `stride`.
struct SequenceAxis {
  int64_t block = 0;
  int64_t stride = 0;
  bool isTokens() const { return block == 0; }
  bool operator==(const SequenceAxis &o) const { return block == o.block && stride == o.stride; }
  bool operator!=(const SequenceAxis &o) const { return !(*this == o); }
  std::string str() const; // "tokens", "blocks of 32 every 16"
};

// A trained parameter.
struct Parameter {
  std::string name; // model.layers.0.self_attn.q_proj.weight
  Loc loc;
  std::vector<Loc> calls;      // the calls that led here, outermost first
  std::vector<int64_t> shape;  // as stored
  Record init;
  std::optional<bool> decay;   // as the source says; else by use
  bool isTable = false;        // taken by `embed` or `weight =`
  std::string group;
  std::optional<double> low, high;
  mlir::Location location;
};
using ParameterRef = std::shared_ptr<Parameter>;

struct PairNode;
using PairRef = std::shared_ptr<const PairNode>;

// A pair value and the set it is restricted to by `over`; no set: all that is visible.
struct PairPart {
  PairRef node;
  PairRef domain;
};

struct Value {
  enum class Kind { Poison, Constant, PerHead, Token, Block, Pair, State, Keys, Tuple };
  Kind kind = Kind::Poison;
  Constant constant;
  int64_t heads = 1, width = 1, rows = 1; // rows: of a state. 0: not known yet
  Elem elem = Elem::Real;
  SequenceAxis axis;                     // of a block-wise value
  bool isFp32 = false;           // `fp32(x)` and what counts as it: not rounded by a name or a product
  bool isRounded = false;        // the result of a rounding
  bool fromInputs = false;       // made of tokens, doc, position and constants alone
  bool linearInState = false;    // holds the state that is being defined, once
  bool coversNext = false;       // a cross entropy: only of tokens that have a next one
  ParameterRef parameter;        // if it is one
  std::vector<Number> table;     // exact per-head values, one a head (truth values as 0 and 1)
  std::vector<PairPart> pairs;   // Pair: one, or the parts of `s ++ t`
  bool isWeights = false;        // Pair: softmax or normalised weights (zero outside their set)
  std::shared_ptr<Value> only;   // `x over A` where x is a value at one token
  std::vector<Value> parts;      // Tuple: its values. Keys: those of `v ++ u`
  mlir::Value ir;                // null: nothing was written (checks only, or refused)
  mlir::Value logits;            // of a cross entropy

  bool isPoison() const { return kind == Kind::Poison; }
  bool isConstant() const { return kind == Kind::Constant; }
  bool isPair() const { return kind == Kind::Pair; }
  bool isVector() const { return kind == Kind::PerHead || kind == Kind::Token || kind == Kind::Block; }
  bool atToken() const { return kind == Kind::Token || kind == Kind::Block; }
  const PairNode &pair() const { return *pairs.front().node; }
  bool isRestricted() const { return only || pairs.size() > 1 || (!pairs.empty() && pairs.front().domain); }

  static Value poison() { return {}; }
  static Value of(Constant c) {
    Value v;
    v.kind = Kind::Constant;
    v.constant = std::move(c);
    return v;
  }
};

struct PairNode {
  enum class Op {
    Constant, PerHead, AtI, AtJ, I, J, Causal, // leaves
    Apply,                                     // fn of args
    Dot, Pick, SumHeads, MeanHeads,
    Window, // args: w, [ramp]
    Top, Mass, // args: k, by
    Softmax, Normalize // args: the score of each part
  };
  Op op;
  Fn fn = Fn::Add;
  Loc loc;
  mlir::Location location;
  int64_t heads = 1, width = 1;
  Elem elem = Elem::Real;
  std::optional<SequenceAxis> queries, keys; // unset: any
  bool usesI = false, usesJ = false;
  int depth = 1;                     // operations on the longest way down
  bool hasWeights = false;           // a softmax or normalize is somewhere below
  std::vector<PairRef> args;
  Value leaf;                        // Constant, PerHead, AtI, AtJ

  PairRef visible;     // Top, Mass, Softmax, Normalize: that of the attention they stand in
  // Top, Mass
  PairRef domain;      // of `by`; null: visible
  PairRef always;
  int64_t unit = 1;    // tokens per unit; 0: the blocks of `by`
  std::string reduce;
  // Softmax, Normalize: one entry per part of `s ++ t`; this node is part `part` of them
  std::vector<PairRef> domains;
  PairRef sink;
  size_t part = 0;

  explicit PairNode(Op op, Loc loc, mlir::Location location) : op(op), loc(loc), location(location) {}
};

Value pairValue(PairRef node);

// Whether a condition can hold only where j <= i; false if that is not evident.
bool impliesCausal(const PairNode &condition);

// "a value at one token", "a constant", ...
std::string kindName(const Value &value);

} // namespace caa

// What the oracle's ops work on: the values of one function, their gradients, the parameters and the losses.
#pragma once

#include "runtime/reference/plain.h"
#include "runtime/reference/scalars.h"
#include "runtime/reference/tensor.h"

#include <map>

namespace caa::reference {

struct Context {
  int64_t batch = 0, length = 0;
  std::vector<Tensor> values, gradients;
  std::map<std::string, Tensor> parameters, parameterGradients;
  std::map<std::string, double> losses, lossSeeds;
  int logits = -1; ///< the value that `caa.logits` named, -1 for none

  const Tensor &in(const Op &op, size_t n) const { return values[op.in[n]]; }
  bool has(const Op &op, size_t n) const { return n < op.in.size() && op.in[n] >= 0; }
  /// The gradient of a value, made on first use.
  Tensor &gradient(int id) {
    if (gradients[id].empty())
      gradients[id] = Tensor(values[id].shape);
    return gradients[id];
  }
  bool hasGradient(int id) const { return !gradients[id].empty(); }
  /// A result's tensor of the declared type, zero.
  Tensor make(const Type &type) const {
    std::vector<int64_t> shape = type.shape;
    if (type.perToken())
      shape[0] = batch, shape[1] = length;
    return Tensor(std::move(shape));
  }
};

/// Runs one token-wise op, a loss, a parameter read. Errors name the op.
Status runTokenOp(Context &context, const Op &op);
/// Adds the gradients of the op's operands from those of its results.
Status reverseTokenOp(Context &context, const Op &op);

Status runAttend(Context &context, const Op &op);
Status reverseAttend(Context &context, const Op &op);

} // namespace caa::reference

// How an op takes part in reverse-mode differentiation: how its adjoint is built and which operands are constant.
#ifndef CAA_DIFFERENTIABLE_OP_INTERFACE_TD
#define CAA_DIFFERENTIABLE_OP_INTERFACE_TD

include "mlir/IR/OpBase.td"

def Caa_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::caa";
  let description = [{
    An op that knows its derivative. The autodiff pass calls `buildAdjoint` once, in reverse order, with the gradient of
    each result, and adds what comes back to the gradients of the operands. The adjoint may read any operand and any
    result of the op: what is then kept from the forward pass and what is computed again is decided later, for the whole
    graph, by the recompute pass. An op without this interface that a gradient reaches is an error at its location,
    never a zero gradient.
  }];
  let methods = [
    InterfaceMethod<[{
      Builds the adjoint at the builder's insertion point. `gradients[r]` is the gradient of result r, null where none
      arrives (at least one does). Fills `operandGradients[o]`, null for an operand that is constant. `wanted[o]` is false
      where nobody needs operand o's gradient. Fails with a diagnostic at the op.
    }],
      "::mlir::LogicalResult", "buildAdjoint",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$gradients, "::llvm::ArrayRef<bool>":$wanted,
           "::llvm::MutableArrayRef<::mlir::Value>":$operandGradients)>,
    InterfaceMethod<"Whether result `result` is constant by definition (a selection, a count): no gradient passes.",
      "bool", "isConstantResult", (ins "unsigned":$result), [{}], [{ return false; }]>
  ];
}

#endif

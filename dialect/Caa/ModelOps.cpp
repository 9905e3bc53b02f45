// Verifiers of parameters and of what leaves a model.
#include "dialect/Caa/CaaDialect.h"

using namespace mlir;

namespace caa {

LogicalResult ParameterOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type || !type.hasStaticShape() || !type.getElementType().isF32() || type.getRank() < 1)
    return emitOpError("must be a static tensor of f32");
  if (getLow() && getHigh() && getLow()->convertToDouble() > getHigh()->convertToDouble())
    return emitOpError("has its lower bound above its upper bound");
  return success();
}

/// Finds the parameter a symbol names and compares its type.
static LogicalResult verifyParameterUse(Operation *op, FlatSymbolRefAttr name, Type type, SymbolTableCollection &symbols) {
  auto parameter = symbols.lookupNearestSymbolFrom<ParameterOp>(op, name);
  if (!parameter)
    return op->emitOpError("names no parameter: ") << name;
  if (parameter.getType() != type)
    return op->emitOpError("reads ") << name << " as " << type << ", which is " << parameter.getType();
  return success();
}

LogicalResult ParamOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto type = cast<RankedTensorType>(getValue().getType());
  if (type.getElementType().isBF16()) // the copy
    type = RankedTensorType::get(type.getShape(), Float32Type::get(getContext()));
  return verifyParameterUse(*this, getNameAttr(), type, symbols);
}

LogicalResult AccumulateOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyParameterUse(*this, getParameterAttr(), getValue().getType(), symbols);
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getKernelAttr()))
    return emitOpError("names no kernel: ") << getKernelAttr();
  return success();
}

LogicalResult LossOp::verify() {
  if (shapeOf(getValue()).width != 1)
    return emitOpError("takes one number per token and head");
  if (getMask() && !elementOf(getMask()).isInteger(1))
    return emitOpError("takes a truth value as its mask");
  return success();
}

LogicalResult LossCountOp::verify() {
  if (!getMask() == !getLike())
    return emitOpError("needs either a mask or a value that gives the tokens");
  if (getMask() && (!elementOf(getMask()).isInteger(1) || shapeOf(getMask()).width != 1))
    return emitOpError("takes one truth value per token and head as its mask");
  if (getMask() && getHeads() % shapeOf(getMask()).heads != 0)
    return emitOpError("has heads that the mask's do not divide");
  return success();
}

} // namespace caa

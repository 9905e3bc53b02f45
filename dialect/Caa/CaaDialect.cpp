// Registration of the dialect, and the predicates behind its type constraints.
#include "dialect/Caa/CaaDialect.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

#include "dialect/Caa/CaaDialect.cpp.inc"
#include "dialect/Caa/CaaEnums.cpp.inc"
#include "dialect/Caa/DifferentiableOpInterface.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/Caa/CaaAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/Caa/CaaOps.cpp.inc"

void caa::CaaDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/Caa/CaaAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/Caa/CaaOps.cpp.inc"
      >();
}

Operation *caa::CaaDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location location) {
  if (auto elements = dyn_cast<DenseElementsAttr>(value); elements && elements.getType() == type)
    return ConstantOp::create(builder, location, elements);
  return nullptr;
}

namespace caa {

static bool isElement(Type type) {
  return type.isF32() || type.isBF16() || type.isF64() || type.isInteger(64) || type.isInteger(32) || type.isInteger(1);
}

bool isTokenwise(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 4 && tensor.isDynamicDim(0) && tensor.isDynamicDim(1) &&
         !tensor.isDynamicDim(2) && !tensor.isDynamicDim(3) && isElement(tensor.getElementType());
}

bool isTokenwise(Type type, unsigned bits) {
  return isTokenwise(type) && isa<FloatType>(elementOf(type)) && elementOf(type).getIntOrFloatBitWidth() == bits;
}

static bool isStatic(Type type, int64_t rank) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == rank && tensor.hasStaticShape();
}

bool isPerHead(Type type) { return isStatic(type, 2) && isElement(elementOf(type)); }
static bool isReal(Type type) { return type.isF32() || type.isBF16(); }

bool isMatrix(Type type) { return isStatic(type, 2) && isReal(elementOf(type)); }
bool isRow(Type type) { return isStatic(type, 1) && isReal(elementOf(type)); }
bool isScalar(Type type) { return isStatic(type, 0) && elementOf(type).isF32(); }

Shape shapeOf(Type type) {
  auto shape = cast<RankedTensorType>(type).getShape();
  return {shape[shape.size() - 2], shape[shape.size() - 1]};
}

Type elementOf(Type type) { return cast<RankedTensorType>(type).getElementType(); }

RankedTensorType tokenwiseType(int64_t heads, int64_t width, Type element) {
  return RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic, heads, width}, element);
}

RankedTensorType perHeadType(int64_t heads, int64_t width, Type element) {
  return RankedTensorType::get({heads, width}, element);
}

Type pairArgumentType(Type operand) {
  int64_t width = shapeOf(operand).width;
  return width == 1 ? elementOf(operand) : Type(VectorType::get({width}, elementOf(operand)));
}

} // namespace caa

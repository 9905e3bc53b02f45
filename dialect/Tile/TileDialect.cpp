// Registration of the dialect, and the tile type.
#include "dialect/Tile/TileDialect.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;

#include "dialect/Tile/TileDialect.cpp.inc"
#include "dialect/Tile/TileEnums.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/Tile/TileTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/Tile/TileAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/Tile/TileOps.cpp.inc"

void tile::TileDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/Tile/TileTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/Tile/TileAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/Tile/TileOps.cpp.inc"
      >();
}

namespace tile {

Type TileType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type element;
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/false) || parser.parseType(element) ||
      parser.parseGreater())
    return {};
  if (shape.size() != 2) {
    parser.emitError(parser.getCurrentLocation(), "a tile has rows and columns");
    return {};
  }
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(), shape[0], shape[1], element);
}

void TileType::print(AsmPrinter &printer) const {
  printer << "<" << getRows() << "x" << getColumns() << "x" << getElement() << ">";
}

LogicalResult TileType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t columns, Type element) {
  if (rows < 1 || columns < 1)
    return emitError() << "a tile has at least one row and one column";
  if (!element.isIntOrFloat())
    return emitError() << "a tile's elements are integers or floats";
  return success();
}

} // namespace tile

// See Access.h.
#include "codegen/Llvm/Access.h"

using namespace mlir;

namespace caa::emit {

template <typename Op> static Access access(Op op, Value buffer) {
  tile::TileType type = op.getTile().getType();
  Access result{buffer, op.getIndices(), type.getRows(), type.getColumns(), op.getHeads()};
  if (op.getTransposed())
    std::swap(result.rows, result.columns);
  return result;
}
Access accessOf(tile::LoadOp load) { return access(load, load.getSource()); }
Access accessOf(tile::StoreOp store) { return access(store, store.getTarget()); }

int64_t Access::rowAxis() const {
  int64_t rank = type().getRank();
  return heads || rank < 3 ? rank - 2 : rank - 3;
}

int64_t Access::rowStride() const {
  int64_t stride = 1;
  for (int64_t axis = rowAxis() + 1; axis < type().getRank(); ++axis)
    stride *= type().getDimSize(axis);
  return stride;
}

bool Access::mayBeRagged() const {
  if (heads || rowAxis() < 0)
    return false;
  int64_t size = type().getDimSize(rowAxis());
  return ShapedType::isDynamic(size) || size % rows != 0;
}

} // namespace caa::emit

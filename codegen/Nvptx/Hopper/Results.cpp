// What an item stores after its sweep. See KernelEmitter.h.
#include "codegen/Nvptx/Hopper/KernelEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx::hopper {

void KernelEmitter::emitResults(Scope &scope) {
  for (Operation &op : plan.kernel.getBody().front())
    if (auto store = dyn_cast<tile::StoreOp>(op)) {
      auto type = store.getTile().getType();
      if (type.getColumns() == 1)
        storeRows(scope, store);
      else if (type.getElement().isBF16())
        storeBoxes(scope, store);
      else
        storeWide(scope, store);
    }
}

std::pair<Value, Value> KernelEmitter::rowAddress(Scope &scope, tile::StoreOp store, Value row) {
  auto memory = cast<MemRefType>(store.getTarget().getType());
  Value length = frame.extent32(memory.getRank() == 4 ? tile::Extent::Length : tile::Extent::Rows), offset, token;
  for (int64_t axis = 0, rank = memory.getRank(); axis < rank; ++axis) {
    Value index = scope.scalar(store.getIndices()[axis]);
    if (axis == rank - 3)
      index = token = code.add(index, row);
    Value size = memory.isDynamicDim(axis) ? frame.extent(rank == 4 ? (axis ? tile::Extent::Length : tile::Extent::Batch) : tile::Extent::Rows)
                                           : code.index(memory.getDimSize(axis));
    offset = offset ? code.add(code.mul(offset, size), code.toLong(index)) : code.toLong(index);
  }
  return {code.address(frame.buffer(store.getTarget()), memory.getElementType(), offset),
          code.compare(ICmpPredicate::slt, token, length)};
}

/// One word per row: one lane of each quad writes.
void KernelEmitter::storeRows(Scope &scope, tile::StoreOp store) {
  SmallVector<Value> elements = scope.elements(store.getTile());
  for (int64_t half : {0, 1}) {
    auto [address, exists] = rowAddress(scope, store, code.add(values->place.row, code.word(8 * half)));
    Value writes = code.bitAnd(exists, code.compare(ICmpPredicate::eq, values->place.column, code.word(0)));
    code.assembly("@$2 st.global.f32 [$0], $1;", "l,f,b,~{memory}", {address, elements[half], writes});
  }
}

/// bf16 through shared memory: 16x16 blocks into swizzled rows, then a bulk store per 64 columns.
void KernelEmitter::storeBoxes(Scope &scope, tile::StoreOp store) {
  int64_t width = store.getTile().getType().getColumns();
  unsigned operand = cast<BlockArgument>(store.getTarget()).getArgNumber(), map = 0;
  while (plan.launch.tensorMaps[map].operand != operand || plan.launch.tensorMaps[map].boxRows != 64)
    ++map;
  Value first = code.compare(ICmpPredicate::eq, warpgroupThread, code.word(0));
  Value name = code.add(warpgroup, code.word(8));
  Value slab = code.add(code.mul(warpgroup, code.word(plan.stagingBytes)), at(plan.stagingOffset));
  SmallVector<Value> packed = scope.packed(store.getTile());
  waitStores(code, first, false);
  syncNamed(code, name, 128);
  Value row = code.add(code.bitAnd(code.shiftRightUnsigned(warpgroupThread, 1), code.word(0x30)), code.bitAnd(lane, code.word(15)));
  Value start = code.add(slab, code.mul(row, code.word(128)));
  Value chunk = code.mul(code.bitXor(code.bitAnd(lane, code.word(7)), code.shiftRightUnsigned(lane, 4)), code.word(16));
  for (int64_t n = 0; n < width / 16; ++n) {
    Value address = code.add(code.add(start, code.bitXor(chunk, code.word(32 * (n % 4)))), code.word(n / 4 * 64 * 128));
    storeMatrices(code, address, ArrayRef(packed).slice(4 * n, 4));
  }
  fenceShared(code);
  syncNamed(code, name, 128);
  Value batch = scope.scalar(store.getIndices()[0]), head = scope.scalar(store.getIndices()[2]);
  Value token = code.add(scope.scalar(store.getIndices()[1]), code.mul(warpgroup, code.word(64)));
  for (int64_t block = 0; block < (width + 63) / 64; ++block)
    storeBox(code, code.add(slab, code.word(block * 64 * 128)), frame.tensorMap(map), {code.word(64 * block), head, token, batch}, first);
  commitStores(code, first);
}

/// f32 straight from the registers.
void KernelEmitter::storeWide(Scope &scope, tile::StoreOp store) {
  for (int64_t half : {0, 1}) {
    auto [row, exists] = rowAddress(scope, store, code.add(values->place.row, code.word(8 * half)));
    Value start = code.offset(row, code.mul(values->place.column, code.word(4)));
    for (int64_t place = 2 * half; place < store.getTile().getType().getColumns() / 2; place += 4)
      code.assembly("@$3 st.global.v2.f32 [$0], {$1, $2};", "l,f,f,b,~{memory}",
                    {code.offset(start, 8 * (place & ~int64_t(3))), scope.element(store.getTile(), place),
                     scope.element(store.getTile(), place + 1), exists});
  }
}

} // namespace caa::nvptx::hopper

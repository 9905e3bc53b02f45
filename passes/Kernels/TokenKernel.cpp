// Kernels of token-wise and per-head ops: which rows, heads and columns a work item covers, and what it stores.
#include "passes/Kernels/TokenEmitter.h"

using namespace mlir;

namespace caa {
namespace {

constexpr int64_t cacheBytes = 48 << 10;         // what the tiles of one block may fill: about the first cache
constexpr int64_t summingCacheBytes = 256 << 10; // the same where few rows would make a sum over tokens slow
constexpr int64_t mostColumns = 512;

//===-- Shapes that need no code --===//

/// Reads an input, and writes an output, in the shape that the kernel computes in: the bytes are the same.
void absorbReshapes(func::FuncOp source) {
  Block &block = source.getBody().front();
  for (BlockArgument argument : block.getArguments()) {
    auto first = argument.use_empty() ? ReshapeOp() : dyn_cast<ReshapeOp>(*argument.user_begin());
    bool isReshaped = first && llvm::all_of(argument.getUsers(), [&](Operation *user) {
                        return isa<ReshapeOp>(user) && user->getResult(0).getType() == first.getResult().getType();
                      });
    if (auto sum = argument.use_empty() ? SumPartialsOp() : dyn_cast<SumPartialsOp>(*argument.user_begin())) {
      Shape shape = tileShape(sum.getResult());
      argument.setType(RankedTensorType::get({ShapedType::kDynamic, shape.heads, shape.width}, elementOf(argument)));
    }
    if (!isReshaped)
      continue;
    argument.setType(first.getResult().getType());
    for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
      user->getResult(0).replaceAllUsesWith(argument);
      user->erase();
    }
  }
  for (OpOperand &output : block.getTerminator()->getOpOperands())
    while (auto reshape = output.get().getDefiningOp<ReshapeOp>())
      output.set(reshape.getValue());
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

/// Where every value has the same heads and width, or one number per token, heads are but a part of the width.
void flattenHeads(func::FuncOp source) {
  std::optional<Shape> shape;
  bool canFlatten = true;
  SmallVector<Value> values(source.getArguments());
  source.getBody().front().walk([&](Operation *op) {
    if (op->getBlock() != &source.getBody().front())
      return;
    canFlatten &= isa<MapOp, PartialSumsOp, SumPartialsOp, func::ReturnOp, IndexOp, HasNextOp>(op);
    llvm::append_range(values, op->getResults());
  });
  for (Value value : values) {
    Shape here = tileShape(value);
    if (here.heads == 1 && here.width == 1)
      continue;
    if (!shape)
      shape = here;
    canFlatten &= here.heads == shape->heads && here.width == shape->width;
  }
  if (!canFlatten || !shape || shape->heads == 1)
    return;
  for (Value value : values) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> sizes(type.getShape());
    if (sizes.size() < 2)
      continue;
    sizes.back() *= sizes[sizes.size() - 2];
    sizes[sizes.size() - 2] = 1;
    value.setType(RankedTensorType::get(sizes, type.getElementType()));
  }
}

//===-- The kernel --===//

/// One output: what is stored of it, tile by tile.
struct Root {
  unsigned output;
  Value value;     // what is emitted: for sums over tokens the summand, before its heads are summed
  Shape shape;     // of `value`
  int64_t perHead; // how many heads of `value` go to one of the output
  bool isPartial;
};

class TokenKernel {
public:
  explicit TokenKernel(func::FuncOp source) : source(source) { plan(); }

  void lower() {
    TileFunction target(source);
    TokenEmitter emitter(target, source, rows);
    function = &target;
    this->emitter = &emitter;
    item = target.item();
    if (!isTokenwiseKernel)
      lowerPerHead();
    else if (chunk > rows)
      lowerChunk();
    else
      lowerBlock(arith::MulIOp::create(target.getBuilder(), target.getLocation(), item, target.index(rows)));
    tile::TermAttr grid = isTokenwiseKernel ? target.term(1, std::max(chunk, rows)) : target.term(items);
    target.finish(grid, countFlops());
  }

private:
  //===-- Planning --===//

  void plan() {
    Block &block = source.getBody().front();
    for (BlockArgument argument : block.getArguments())
      isTokenwiseKernel |= isTokenwise(argument.getType());
    int64_t width = 1;
    for (Operation &op : block.without_terminator()) {
      isColumnwise &= isa<MapOp, BroadcastOp, SliceOp, AsHeadOp, AsRowOp, ConstantOp, IndexOp, HasNextOp, EmbedOp,
                          PartialSumsOp, SumPartialsOp, ReduceHeadsOp>(op);
      if (auto reshape = dyn_cast<ReshapeOp>(op)) {
        Shape in = tileShape(reshape.getValue()), out = tileShape(reshape.getResult());
        needsConstantHeads |= !isa<BlockArgument>(reshape.getValue()) && out.heads > 1 && (out.width % in.width) != 0;
      }
      if (auto partials = dyn_cast<PartialSumsOp>(op))
        chunk = partials.getChunk();
    }
    for (auto [number, value] : llvm::enumerate(block.getTerminator()->getOperands())) {
      Root root{unsigned(number), value, tileShape(value), 1, false};
      if (auto partials = value.getDefiningOp<PartialSumsOp>()) {
        root.isPartial = true;
        root.value = partials.getValue();
        if (auto heads = root.value.getDefiningOp<ReduceHeadsOp>()) {
          root.value = heads.getValue();
          root.perHead = tileShape(heads.getValue()).heads / tileShape(heads.getResult()).heads;
        }
        root.shape = tileShape(root.value);
      }
      roots.push_back(root);
      width = std::max(width, root.shape.width);
    }
    columns = width;
    if (isColumnwise)
      columns = isTokenwiseKernel ? std::min(width, mostColumns) : columnsPerItem(width);
    if (!isTokenwiseKernel)
      return;
    int64_t bytes = rowBytes();
    rows = 64;
    while (rows > 1 && rows * bytes > cacheBytes && !(chunk > 0 && rows <= 8 && rows * bytes <= summingCacheBytes))
      rows /= 2;
  }

  /// Bytes of one row of all tiles that a block may hold at once.
  int64_t rowBytes() {
    int64_t bytes = 0;
    auto add = [&](Value value) {
      if (isTokenwise(value.getType()))
        bytes += std::min(tileShape(value).width, columns) *
                 std::max<int64_t>(1, elementOf(value).getIntOrFloatBitWidth() / 8);
    };
    for (BlockArgument argument : source.getArguments())
      add(argument);
    for (Operation &op : source.getBody().front().without_terminator())
      for (Value result : op.getResults())
        add(result);
    return std::max<int64_t>(bytes, 4);
  }

  /// For work items that are slices of columns: the largest divisor of the width up to 128, if there is a decent one.
  static int64_t columnsPerItem(int64_t width) {
    for (int64_t columns = std::min<int64_t>(width, 128); columns >= 16; --columns)
      if (width % columns == 0)
        return columns;
    return width;
  }

  //===-- Work items --===//

  /// Per-head values: an item is a head and a slice of columns if all outputs agree on them, else one item does
  /// everything.
  void lowerPerHead() {
    Shape shape = roots.front().shape;
    bool agree = isColumnwise && llvm::all_of(roots, [&](const Root &root) {
                   return root.shape.heads == shape.heads && root.shape.width == shape.width;
                 });
    if (!agree) {
      columns = 0;
      for (const Root &root : roots)
        columns = std::max(columns, root.shape.width);
      storeAll();
      return;
    }
    int64_t perHead = shape.width / columns;
    items = shape.heads * perHead;
    OpBuilder &builder = function->getBuilder();
    Location location = function->getLocation();
    Place place{{}, {}, columns};
    if (shape.heads > 1)
      place.head.value =
          perHead == 1 ? item : Value(arith::DivUIOp::create(builder, location, item, function->index(perHead)));
    if (perHead > 1) {
      Value slice =
          shape.heads == 1 ? item : Value(arith::RemUIOp::create(builder, location, item, function->index(perHead)));
      place.column.value = arith::MulIOp::create(builder, location, slice, function->index(columns));
    }
    for (const Root &root : roots)
      store(root, place);
  }

  void lowerBlock(Value row) {
    emitter->setFirstRow(row);
    clearPartials([](const Root &root) { return root.perHead > 1; });
    storeAll();
  }

  /// A chunk of rows in blocks, with sums of the blocks added up in the chunk's row of the output.
  void lowerChunk() {
    OpBuilder &builder = function->getBuilder();
    Location location = function->getLocation();
    clearPartials([](const Root &) { return true; });
    Value first = arith::MulIOp::create(builder, location, item, function->index(chunk));
    Value last = arith::AddIOp::create(builder, location, first, function->index(chunk));
    last = arith::MinUIOp::create(builder, location, last, function->extent(tile::Extent::Rows));
    emitter->getScopes().loop(first, last, rows, {}, [&](Value row, ValueRange) {
      emitter->setFirstRow(row);
      storeAll();
      return SmallVector<Value>{};
    });
  }

  void clearPartials(llvm::function_ref<bool(const Root &)> isAdded) {
    for (const Root &root : roots)
      if (root.isPartial && isAdded(root)) {
        Type element = elementOf(root.value);
        int64_t heads = root.shape.heads / root.perHead;
        function->forRange(function->index(0), function->index(heads), 1, {}, [&](Value head, ValueRange) {
          function->forColumns(root.shape.width, mostColumns, {}, [&](Value column, int64_t width, ValueRange) {
            function->store(function->zeros(1, width, element), function->getOutput(root.output), {item, head, column});
            return TileFunction::Scalars{};
          });
          return TileFunction::Scalars{};
        });
      }
  }

  //===-- Heads and columns of a block --===//

  /// Stores all outputs: one loop for those with the same heads (and, where columns are cut, the same width).
  void storeAll() {
    llvm::MapVector<std::pair<int64_t, int64_t>, SmallVector<const Root *>> nests;
    for (const Root &root : roots)
      nests[{root.shape.heads, isColumnwise ? root.shape.width : 0}].push_back(&root);
    for (auto &[shape, list] : nests) {
      int64_t heads = shape.first;
      if (heads == 1 || needsConstantHeads) {
        for (int64_t head = 0; head < heads; ++head)
          storeHead(list, {head, {}}, shape.second);
        continue;
      }
      emitter->getScopes().loop(function->index(0), function->index(heads), 1, {}, [&](Value head, ValueRange) {
        storeHead(list, {0, head}, shape.second);
        return SmallVector<Value>{};
      });
    }
  }

  void storeHead(ArrayRef<const Root *> list, Index head, int64_t width) {
    if (width <= columns) {
      for (const Root *root : list)
        store(*root, {head, {}, root->shape.width});
      return;
    }
    int64_t whole = width / columns * columns;
    emitter->getScopes().loop(function->index(0), function->index(whole), columns, {}, [&](Value column, ValueRange) {
      for (const Root *root : list)
        store(*root, {head, {0, column}, columns});
      return SmallVector<Value>{};
    });
    if (whole != width)
      for (const Root *root : list)
        store(*root, {head, {whole, {}}, width - whole});
  }

  void store(const Root &root, Place place) {
    TileScopes &scopes = emitter->getScopes();
    Value target = function->getOutput(root.output);
    if (root.isPartial) {
      Value tile = emitter->widen(emitter->emit(root.value, place), rows, place.width);
      Value valid = emitter->emitValidRows();
      Type element = elementOf(root.value);
      tile = function->map1({tile, valid}, rows, place.width, element, [&](OpBuilder &b, ValueRange v) -> Value {
        Value zero = arith::ConstantOp::create(b, function->getLocation(), cast<TypedAttr>(b.getZeroAttr(element)));
        return arith::SelectOp::create(b, function->getLocation(), v[1], v[0], zero);
      });
      Value sum = rows == 1 ? tile : function->reduce(tile::Combine::Add, tile, 1, place.width);
      Value head = scopes.materialize(scopes.derive(place.head, 1, root.perHead, 0));
      function->store(sum, target, {item, head, scopes.materialize(place.column)}, chunk > rows || root.perHead > 1);
      return;
    }
    int64_t tileRows = emitter->rowsOf(root.value), offset = 0;
    for (Value part : emitter->emitParts(root.value, place)) {
      int64_t width = cast<tile::TileType>(part.getType()).getColumns();
      Value tile = stored(emitter->widen(part, tileRows, width));
      Value column = scopes.materialize(scopes.derive(place.column, 1, 1, offset));
      SmallVector<Value> indices = {scopes.materialize(place.head), column};
      if (isTokenwise(root.value.getType()))
        indices.insert(indices.begin(), emitter->getFirstRow());
      else if (cast<MemRefType>(target.getType()).getRank() == 1)
        indices = {column};
      function->store(tile, target, indices, function->isAccumulated(root.output));
      offset += width;
    }
  }

  /// Truth values as bytes.
  Value stored(Value tile) {
    auto type = cast<tile::TileType>(tile.getType());
    if (!type.getElement().isInteger(1))
      return tile;
    return function->map1(tile, type.getRows(), type.getColumns(), storedElement(type.getElement()),
                          [&](OpBuilder &b, ValueRange v) -> Value {
                            return arith::ExtUIOp::create(b, function->getLocation(), b.getI8Type(), v[0]);
                          });
  }

  /// Operations of one work item: what the maps and sums do to each component, and 40 for an angle's sine and cosine.
  double countFlops() {
    double perRow = 0;
    for (Operation &op : source.getBody().front().without_terminator()) {
      Shape shape = tileShape(op.getResult(0));
      double components = double(shape.heads * shape.width), scalars = 1;
      if (auto map = dyn_cast<MapOp>(op))
        scalars = double(llvm::count_if(map.getBody().front().without_terminator(),
                                        [](Operation &o) { return !isa<arith::ConstantOp>(o); }));
      else if (isa<ReduceWidthOp, ReduceHeadsOp, PartialSumsOp>(op))
        components = double(tileShape(op.getOperand(0)).heads * tileShape(op.getOperand(0)).width);
      else if (isa<RopeOp>(op))
        scalars = 3;
      else if (isa<RopeTableOp>(op))
        scalars = 20;
      else
        scalars = 0;
      perRow += components * scalars;
    }
    return isTokenwiseKernel ? perRow * double(std::max(chunk, rows)) : perRow / double(items);
  }

  func::FuncOp source;
  SmallVector<Root> roots;
  bool isTokenwiseKernel = false, isColumnwise = true, needsConstantHeads = false;
  int64_t rows = 1, chunk = 0, columns = 1, items = 1;
  TileFunction *function = nullptr;
  TokenEmitter *emitter = nullptr;
  Value item;
};

} // namespace

void lowerTokens(func::FuncOp source) {
  absorbReshapes(source);
  flattenHeads(source);
  TokenKernel(source).lower();
}

} // namespace caa

// Kernels that cross token rows: gradients of tables, reports, sums of columns. Each fixes the order of its sums.
#include "passes/Kernels/TileFunction.h"

using namespace mlir;

namespace caa {
namespace {

constexpr int64_t blockRows = 64;

/// The largest divisor of a width up to 128, if there is a decent one: what one work item covers.
int64_t columnsPerItem(int64_t width) {
  for (int64_t columns = std::min<int64_t>(width, 128); columns >= 16; --columns)
    if (width % columns == 0)
      return columns;
  return width;
}

Value asDouble(OpBuilder &b, Location location, Value scalar) {
  Type type = scalar.getType(), f64 = b.getF64Type();
  if (type == f64)
    return scalar;
  if (isa<FloatType>(type))
    return arith::ExtFOp::create(b, location, f64, scalar);
  return type.isInteger(8) ? Value(arith::UIToFPOp::create(b, location, f64, scalar))
                           : Value(arith::SIToFPOp::create(b, location, f64, scalar));
}

/// A tile of f32 or bf16 as f32.
Value asFloat(TileFunction &f, Value tile) {
  auto type = cast<tile::TileType>(tile.getType());
  Type f32 = f.getBuilder().getF32Type();
  if (type.getElement() == f32)
    return tile;
  return f.map1(tile, type.getRows(), type.getColumns(), f32, [&](OpBuilder &b, ValueRange v) -> Value {
    return arith::ExtFOp::create(b, f.getLocation(), f32, v[0]);
  });
}

//===-- Reports --===//

/// Count, sum, sum of squares, least and most, each a 1x1 tile of f64.
class Report {
public:
  explicit Report(TileFunction &f) : f(f), b(f.getBuilder()), location(f.getLocation()), f64(b.getF64Type()) {}

  TileFunction::Scalars empty() {
    auto number = [&](double value) { return f.splat(cast<TypedAttr>(b.getF64FloatAttr(value)), 1, 1); };
    return {number(0), number(0), number(0), number(INFINITY), number(-INFINITY)};
  }

  TileFunction::Scalars combine(ValueRange x, ValueRange y) {
    SmallVector<Value> operands(x);
    llvm::append_range(operands, y);
    return f.map(operands, 1, 1, SmallVector<Type>(5, f64), [&](OpBuilder &b, ValueRange v) {
      TileFunction::Scalars scalars;
      for (unsigned n = 0; n < 3; ++n)
        scalars.push_back(arith::AddFOp::create(b, location, v[n], v[5 + n]));
      scalars.push_back(arith::MinimumFOp::create(b, location, v[3], v[8]));
      scalars.push_back(arith::MaximumFOp::create(b, location, v[4], v[9]));
      return scalars;
    });
  }

  /// Of a tile; rows where `valid` (Rx1) does not hold are left out.
  TileFunction::Scalars of(Value tile, Value valid) {
    auto type = cast<tile::TileType>(tile.getType());
    SmallVector<Value> tiles = f.map({tile, valid}, type.getRows(), type.getColumns(), SmallVector<Type>(5, f64),
                                     [&](OpBuilder &b, ValueRange v) {
                                       auto number = [&](double value) -> Value {
                                         return arith::ConstantOp::create(b, location, b.getF64FloatAttr(value));
                                       };
                                       auto where = [&](Value value, double otherwise) -> Value {
                                         return arith::SelectOp::create(b, location, v[1], value, number(otherwise));
                                       };
                                       Value x = asDouble(b, location, v[0]);
                                       return TileFunction::Scalars{where(number(1), 0), where(x, 0),
                                                                    where(arith::MulFOp::create(b, location, x, x), 0),
                                                                    where(x, INFINITY), where(x, -INFINITY)};
                                     });
    const tile::Combine how[] = {tile::Combine::Add, tile::Combine::Add, tile::Combine::Add, tile::Combine::Min,
                                 tile::Combine::Max};
    TileFunction::Scalars result;
    for (auto [part, combine] : llvm::zip(tiles, how))
      result.push_back(f.reduce(combine, part, 1, 1));
    return result;
  }

  TileFunction::Scalars load(Value buffer, ValueRange place) {
    TileFunction::Scalars result;
    for (int64_t n = 0; n < 5; ++n) {
      SmallVector<Value> indices(place);
      indices.push_back(f.index(n));
      result.push_back(f.load(buffer, indices, 1, 1));
    }
    return result;
  }

  void store(ValueRange report, Value buffer, ValueRange place) {
    for (int64_t n = 0; n < 5; ++n) {
      SmallVector<Value> indices(place);
      indices.push_back(f.index(n));
      f.store(report[n], buffer, indices);
    }
  }

  /// Combines with what a buffer holds. Where its count is 0, its least and most say nothing.
  void combineInto(ValueRange report, Value buffer) {
    Value zero = f.index(0);
    TileFunction::Scalars old = load(buffer, zero);
    SmallVector<Value> bounds = f.map(old, 1, 1, {f64, f64}, [&](OpBuilder &b, ValueRange v) {
      auto number = [&](double value) -> Value {
        return arith::ConstantOp::create(b, location, b.getF64FloatAttr(value));
      };
      Value isEmpty = arith::CmpFOp::create(b, location, arith::CmpFPredicate::OEQ, v[0], number(0));
      return TileFunction::Scalars{arith::SelectOp::create(b, location, isEmpty, number(INFINITY), v[3]),
                                   arith::SelectOp::create(b, location, isEmpty, number(-INFINITY), v[4])};
    });
    old[3] = bounds[0];
    old[4] = bounds[1];
    store(combine(old, report), buffer, zero);
  }

private:
  TileFunction &f;
  OpBuilder &b;
  Location location;
  Type f64;
};

} // namespace

void lowerReport(func::FuncOp source) {
  auto op = cast<ReportPartialsOp>(source.getBody().front().front());
  bool tokenwise = isTokenwise(op.getValue().getType());
  int64_t chunk = op.getChunk();
  Shape shape = shapeOf(op.getValue());
  TileFunction f(source);
  OpBuilder &b = f.getBuilder();
  Location location = f.getLocation();
  Report report(f);
  Value input = f.getInput(0), item = f.item();
  int64_t rows = tokenwise ? chunk : 1;
  Value first = tokenwise ? Value(arith::MulIOp::create(b, location, item, f.index(chunk))) : f.index(0);
  Value valid = tokenwise
                    ? f.map1({tile::IotaOp::create(b, location, tileType(rows, 1, b.getI64Type()), first),
                              arith::IndexCastOp::create(b, location, b.getI64Type(), f.extent(tile::Extent::Rows))},
                             rows, 1, b.getI1Type(),
                             [&](OpBuilder &b, ValueRange v) -> Value {
                               return arith::CmpIOp::create(b, location, arith::CmpIPredicate::slt, v[0], v[1]);
                             })
                    : f.splat(cast<TypedAttr>(b.getBoolAttr(true)), 1, 1);
  TileFunction::Scalars total =
      f.forRange(f.index(0), f.index(shape.heads), 1, report.empty(), [&](Value head, ValueRange heads) {
        return f.forColumns(shape.width, 128, heads, [&](Value column, int64_t columns, ValueRange carried) {
          SmallVector<Value> indices = {head, column};
          if (tokenwise)
            indices.insert(indices.begin(), first);
          return report.combine(carried, report.of(f.load(input, indices, rows, columns), valid));
        });
      });
  if (tokenwise)
    report.store(total, f.getOutput(0), {item, f.index(0)});
  else
    report.combineInto(total, f.getOutput(0));
  f.finish({tokenwise ? f.term(1, chunk) : f.term(1)}, 6.0 * double(rows * shape.heads * shape.width));
}

void lowerReportSum(func::FuncOp source) {
  auto op = cast<CombineReportsOp>(source.getBody().front().front());
  TileFunction f(source);
  Report report(f);
  Value chunks =
      arith::CeilDivUIOp::create(f.getBuilder(), f.getLocation(), f.extent(tile::Extent::Rows), f.index(op.getChunk()));
  TileFunction::Scalars total = f.forRange(f.index(0), chunks, 1, report.empty(), [&](Value row, ValueRange carried) {
    return report.combine(carried, report.load(f.getInput(0), {row, f.index(0)}));
  });
  report.combineInto(total, f.getOutput(0));
  f.finish({f.term(1)}, 0);
}

//===-- Gradients of tables --===//

void lowerEmbedGrad(func::FuncOp source) {
  auto op = cast<EmbedGradOp>(source.getBody().front().front());
  Shape table = shapeOf(op.getResult());
  int64_t columns = columnsPerItem(table.width);
  TileFunction f(source);
  OpBuilder &b = f.getBuilder();
  Location location = f.getLocation();
  Value tokens = f.getInput(cast<BlockArgument>(op.getIndex()).getArgNumber());
  Value gradient = f.getInput(cast<BlockArgument>(op.getGradient()).getArgNumber());
  Type integer = cast<MemRefType>(tokens.getType()).getElementType();
  Value zero = f.index(0), rows = f.extent(tile::Extent::Rows);
  Value column = arith::MulIOp::create(b, location, f.item(), f.index(columns));
  f.forRange(zero, rows, blockRows, {}, [&](Value row, ValueRange) {
    Value index =
        f.map1(f.load(tokens, {row, zero, zero}, blockRows, 1), blockRows, 1, integer,
               [&](OpBuilder &b, ValueRange v) -> Value {
                 Value low = arith::ConstantOp::create(b, location, b.getIntegerAttr(integer, 0));
                 Value high = arith::ConstantOp::create(b, location, b.getIntegerAttr(integer, table.heads - 1));
                 return arith::MinSIOp::create(b, location, arith::MaxSIOp::create(b, location, v[0], low), high);
               });
    Value tile = asFloat(f, f.load(gradient, {row, zero, column}, blockRows, columns));
    Value left = arith::SubIOp::create(b, location, rows, row);
    Value count = arith::MinUIOp::create(b, location, left, f.index(blockRows));
    tile::ScatterAddOp::create(b, location, tile, f.getOutput(0), index, column, count);
    return TileFunction::Scalars{};
  });
  f.finish({f.term(table.width / columns)}, 0);
}

//===-- Sums of columns --===//

void lowerColumnSum(func::FuncOp source) {
  auto op = cast<ReduceTokensOp>(source.getBody().front().front());
  int64_t width = shapeOf(op.getValue()).width, columns = columnsPerItem(width);
  TileFunction f(source);
  OpBuilder &b = f.getBuilder();
  Location location = f.getLocation();
  Type f32 = b.getF32Type();
  Value zero = f.index(0);
  Value column = arith::MulIOp::create(b, location, f.item(), f.index(columns));
  Value sum = f.forRange(zero, f.extent(tile::Extent::Rows), blockRows, f.zeros(1, columns, f32),
                         [&](Value row, ValueRange carried) {
                           Value tile = asFloat(f, f.load(f.getInput(0), {row, zero, column}, blockRows, columns));
                           Value part = f.reduce(tile::Combine::Add, tile, 1, columns);
                           return TileFunction::Scalars{
                               f.map1({carried[0], part}, 1, columns, f32, [&](OpBuilder &b, ValueRange v) -> Value {
                                 return arith::AddFOp::create(b, location, v[0], v[1]);
                               })};
                         })[0];
  f.store(sum, f.getOutput(0), column, f.isAccumulated(0));
  f.finish({f.term(width / columns)}, 0);
}

} // namespace caa

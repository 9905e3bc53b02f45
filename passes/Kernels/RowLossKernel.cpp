// Cross entropy over rows of logits: a row per work item, read in column tiles, so that a large vocabulary never leaves
// the cache between the sum of the exponentials and the gradient.
#include "passes/Kernels/TileFunction.h"

using namespace mlir;

namespace caa {
namespace {

constexpr int64_t tileColumns = 1024;

class RowLoss {
public:
  explicit RowLoss(func::FuncOp source)
      : op(source.getBody().front().front()), f(source, tokensOf(op)), location(source.getLoc()) {}

  void lower() {
    OpBuilder &b = f.getBuilder();
    f32 = b.getF32Type();
    auto inputOf = [&](Value operand) {
      return operand ? f.getInput(cast<BlockArgument>(operand).getArgNumber()) : Value();
    };
    Value mask, gradient;
    if (auto rows = dyn_cast<HeadLossRowsOp>(op)) {
      logits = inputOf(rows.getLogits()), bias = inputOf(rows.getBias()), tokens = inputOf(rows.getTokens());
      mask = inputOf(rows.getMask()), scale = inputOf(rows.getScale()), loss = f.getOutput(0);
      if (scale)
        result = f.getOutput(1);
    } else if (auto entropy = dyn_cast<CrossEntropyOp>(op)) {
      logits = inputOf(entropy.getLogits()), tokens = inputOf(entropy.getTokens()), loss = f.getOutput(0);
    } else {
      auto slope = cast<CrossEntropyGradOp>(op);
      logits = inputOf(slope.getLogits()), tokens = inputOf(slope.getTokens()), gradient = inputOf(slope.getGradient());
      result = f.getOutput(0);
    }
    width = cast<MemRefType>(logits.getType()).getShape().back();
    row = f.item();
    zero = f.index(0);
    Value length = f.extent(tile::Extent::Length);
    Value global = arith::AddIOp::create(b, location, row, f.extent(tile::Extent::FirstRow));
    batch = arith::DivUIOp::create(b, location, global, length);
    Value token = arith::RemUIOp::create(b, location, global, length);
    next = arith::AddIOp::create(b, location, token, f.index(1));
    Value counts = arith::CmpIOp::create(b, location, arith::CmpIPredicate::ult, next, length);
    if (mask) {
      Value byte = f.extract(f.load(mask, {row, zero, zero}, 1, 1));
      Value none = arith::ConstantOp::create(b, location, b.getI8IntegerAttr(0));
      counts = arith::AndIOp::create(b, location, counts,
                                     arith::CmpIOp::create(b, location, arith::CmpIPredicate::ne, byte, none));
    }
    auto branch = scf::IfOp::create(b, location, counts, /*withElseRegion=*/true);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&branch.getThenRegion().front());
      if (gradient)
        factor = f.load(gradient, {row, zero, zero}, 1, 1);
      else if (scale)
        factor = f.load(scale, {zero, zero}, 1, 1);
      lowerCounted();
      b.setInsertionPointToStart(&branch.getElseRegion().front());
      if (loss)
        f.store(f.zeros(1, 1, f32), loss, {row, zero, zero});
      if (result)
        f.forColumns(width, tileColumns, {}, [&](Value column, int64_t columns, ValueRange) {
          f.store(f.zeros(1, columns, resultElement()), result, {row, zero, column});
          return TileFunction::Scalars{};
        });
    }
    double passes = 3.0 + (result ? 3.0 : 0.0);
    f.finish({f.term(1, 1)}, passes * double(width));
  }

private:
  static SmallVector<unsigned> tokensOf(Operation &op) {
    Value tokens;
    if (auto rows = dyn_cast<HeadLossRowsOp>(op))
      tokens = rows.getTokens();
    else if (auto entropy = dyn_cast<CrossEntropyOp>(op))
      tokens = entropy.getTokens();
    else
      tokens = cast<CrossEntropyGradOp>(op).getTokens();
    return {cast<BlockArgument>(tokens).getArgNumber()};
  }

  /// Logits of the row, with the bias.
  Value loadLogits(Value column, int64_t columns) {
    Value tile = f.load(logits, {row, zero, column}, 1, columns);
    if (!bias)
      return tile;
    Value added = f.load(bias, {column}, 1, columns);
    return f.map1({tile, added}, 1, columns, f32,
                  [&](OpBuilder &b, ValueRange v) -> Value { return arith::AddFOp::create(b, location, v[0], v[1]); });
  }

  void lowerCounted() {
    OpBuilder &b = f.getBuilder();
    Value target = findTarget();
    // The largest logit so far, and the sum of e^(logit - largest) so far.
    Value lowest = f.splat(cast<TypedAttr>(b.getF32FloatAttr(-INFINITY)), 1, 1);
    TileFunction::Scalars stats = f.forColumns(
        width, tileColumns, {lowest, f.zeros(1, 1, f32)}, [&](Value column, int64_t columns, ValueRange carried) {
          Value tile = loadLogits(column, columns);
          Value here = f.reduce(tile::Combine::Max, tile, 1, 1);
          Value largest = f.map1({carried[0], here}, 1, 1, f32, [&](OpBuilder &b, ValueRange v) -> Value {
            return arith::MaximumFOp::create(b, location, v[0], v[1]);
          });
          Value powers = f.map1({tile, largest}, 1, columns, f32,
                                [&](OpBuilder &b, ValueRange v) { return exponential(b, v[0], v[1]); });
          Value sum = f.reduce(tile::Combine::Add, powers, 1, 1);
          Value total =
              f.map1({carried[0], carried[1], largest, sum}, 1, 1, f32, [&](OpBuilder &b, ValueRange v) -> Value {
                Value before = arith::MulFOp::create(b, location, v[1], exponential(b, v[0], v[2]));
                return arith::AddFOp::create(b, location, before, v[3]);
              });
          return TileFunction::Scalars{largest, total};
        });
    Value largest = stats[0], total = stats[1];
    if (loss) {
      Value logit = f.load(logits, {row, zero, target}, 1, 1);
      SmallVector<Value> operands = {largest, total, logit};
      if (bias)
        operands.push_back(f.load(bias, {target}, 1, 1));
      Value value = f.map1(operands, 1, 1, f32, [&](OpBuilder &b, ValueRange v) -> Value {
        Value score = v.size() > 3 ? Value(arith::AddFOp::create(b, location, v[2], v[3])) : v[2];
        Value log = math::LogOp::create(b, location, v[1]);
        return arith::AddFOp::create(b, location, log, arith::SubFOp::create(b, location, v[0], score));
      });
      f.store(value, loss, {row, zero, zero});
    }
    if (!result)
      return;
    // e^(logit - largest) / total * factor; the target's is less by the factor.
    Value quotient = f.map1({factor, total}, 1, 1, f32, [&](OpBuilder &b, ValueRange v) -> Value {
      return arith::DivFOp::create(b, location, v[0], v[1]);
    });
    if (!resultElement().isF32())
      return storeRounded(target, largest, quotient);
    f.forColumns(width, tileColumns, {}, [&](Value column, int64_t columns, ValueRange) {
      Value tile = f.map1({loadLogits(column, columns), largest, quotient}, 1, columns, f32,
                          [&](OpBuilder &b, ValueRange v) -> Value {
                            return arith::MulFOp::create(b, location, exponential(b, v[0], v[1]), v[2]);
                          });
      f.store(tile, result, {row, zero, column});
      return TileFunction::Scalars{};
    });
    Value atTarget =
        f.map1({f.load(result, {row, zero, target}, 1, 1), factor}, 1, 1, f32,
               [&](OpBuilder &b, ValueRange v) -> Value { return arith::SubFOp::create(b, location, v[0], v[1]); });
    f.store(atTarget, result, {row, zero, target});
  }

  Type resultElement() { return cast<MemRefType>(result.getType()).getElementType(); }

  /// The gradient rounded: each column once, since a sum of rounded parts is not the rounded sum.
  void storeRounded(Value target, Value largest, Value quotient) {
    OpBuilder &b = f.getBuilder();
    Value targetColumn = arith::IndexCastOp::create(b, location, b.getI64Type(), target);
    f.forColumns(width, tileColumns, {}, [&](Value column, int64_t columns, ValueRange) {
      Value numbers = tile::IotaOp::create(b, location, tileType(1, columns, b.getI64Type()), column);
      Value tile = f.map1({loadLogits(column, columns), largest, quotient, factor, numbers, targetColumn}, 1, columns,
                          resultElement(), [&](OpBuilder &b, ValueRange v) -> Value {
                            Value slope = arith::MulFOp::create(b, location, exponential(b, v[0], v[1]), v[2]);
                            Value less = arith::SubFOp::create(b, location, slope, v[3]);
                            Value isTarget = arith::CmpIOp::create(b, location, arith::CmpIPredicate::eq, v[4], v[5]);
                            slope = arith::SelectOp::create(b, location, isTarget, less, slope);
                            return arith::TruncFOp::create(b, location, resultElement(), slope);
                          });
      f.store(tile, result, {row, zero, column});
      return TileFunction::Scalars{};
    });
  }

  Value exponential(OpBuilder &b, Value value, Value largest) {
    return math::ExpOp::create(b, location, arith::SubFOp::create(b, location, value, largest));
  }

  /// The next token as a column, kept inside the vocabulary.
  Value findTarget() {
    OpBuilder &b = f.getBuilder();
    Value token = f.extract(f.load(tokens, {batch, next, zero, zero}, 1, 1));
    Value number = arith::IndexCastOp::create(b, location, b.getIndexType(), token);
    number = arith::MaxSIOp::create(b, location, number, zero);
    return arith::MinSIOp::create(b, location, number, f.index(width - 1));
  }

  Operation &op;
  TileFunction f;
  Location location;
  Type f32;
  int64_t width = 0;
  Value logits, bias, tokens, scale, loss, result;
  Value row, zero, batch, next, factor;
};

} // namespace

void lowerRowLoss(func::FuncOp source) { RowLoss(source).lower(); }

} // namespace caa

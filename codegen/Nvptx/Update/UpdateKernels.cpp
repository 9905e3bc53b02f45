// See UpdateKernels.h.
#include "codegen/Nvptx/Update/UpdateKernels.h"

#include "codegen/Nvptx/Core/Frame.h"
#include "codegen/Nvptx/Core/Ptx.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <cstddef>

using namespace mlir;
using LLVM::FCmpPredicate;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

using schedule::UpdateSegment;
using schedule::UpdateShape;

namespace {

constexpr int64_t lanes = 4; // elements of one access of 16 bytes
constexpr int64_t blockThreads = 256, normThreads = 512;
constexpr double largestNorm = 1e18; // whose square is a float

/// What the four kernels share: operands, wide accesses, sums over a block. Numbers are i64.
class UpdateKernel {
public:
  /// `doubles`: f64 of shared memory.
  UpdateKernel(ModuleOp module, caa_target target, StringRef name, unsigned operands, int64_t threads, int64_t doubles = 0)
      : declaration(declare(module, name, operands)),
        frame(*declaration, module, target,
              LaunchInfo{{}, uint32_t(threads), uint32_t(doubles * sizeof(double)), 0, 0, {}}),
        code(frame.code), threads(threads) {
    thread = code.toLong(code.thread());
    block = code.toLong(code.block());
    four = code.vector(code.f32, lanes);
  }

  Value operand(unsigned n) { return code.function.getArgument(n); }
  Value at(Value base, int64_t bytes) { return code.offset(base, bytes); }
  Value isThread(int64_t n) { return code.compare(ICmpPredicate::eq, thread, code.index(n)); }
  Value shared(int64_t n) { return code.shared(8 * n); } // of the f64

  /// For every fourth element of this thread's among `count`, a multiple of 4 or not.
  SmallVector<Value> forElements(Value count, ValueRange inits, emit::Code::Body body) {
    return code.loop(code.mul(thread, code.index(lanes)), count, lanes * threads, inits, body);
  }
  void forElements(Value count, function_ref<void(Value)> body) {
    forElements(count, {}, [&](Value i, ValueRange) -> SmallVector<Value> { return body(i), SmallVector<Value>(); });
  }
  /// Rounds four values to bf16 and stores them.
  void storeRounded(Value values, Value copies, Value place) {
    Value rounded = LLVM::FPTruncOp::create(code.builder, code.loc, code.vector(code.bf16, lanes), values);
    code.storeAs(rounded, code.address(copies, code.bf16, place));
  }

  /// The sum of every thread's f64: over each warp by halving, then warp after warp. `scratch`: an f64 per warp.
  Value sumOverBlock(Value value, Value scratch) {
    for (int64_t step = 16; step > 0; step /= 2)
      value = code.fadd(value, code.shuffleXor(value, step));
    code.when(code.compare(ICmpPredicate::eq, code.lane(), code.word(0)),
              [&] { code.storeAs(value, code.address(scratch, code.f64, code.toLong(code.warp()))); });
    code.barrier();
    Value sum = code.loadAs(code.f64, scratch);
    for (int64_t warp = 1; warp < threads / 32; ++warp)
      sum = code.fadd(sum, code.loadAs(code.f64, code.address(scratch, code.f64, warp)));
    code.barrier();
    return sum;
  }

private:
  /// A frame's operands are those of a tile kernel: one that says nothing but how many there are.
  static OwningOpRef<func::FuncOp> declare(ModuleOp module, StringRef name, unsigned operands) {
    Builder builder(module.getContext());
    SmallVector<Type> types(operands, MemRefType::get({ShapedType::kDynamic}, builder.getF32Type()));
    return func::FuncOp::create(module.getLoc(), name, builder.getFunctionType(types, {}));
  }
  OwningOpRef<func::FuncOp> declaration;

public:
  Frame frame;
  ThreadCode &code;
  int64_t threads;
  Value thread, block;
  Type four;
};

/// The segment that a block works on.
struct Segment {
  Segment(UpdateKernel &kernel, Value table) {
    ThreadCode &code = kernel.code;
    Value record = code.offset(table, code.mul(kernel.block, code.index(sizeof(UpdateSegment))));
    Value head = code.loadAs(code.vector(code.i32, 4), record, /*readOnly=*/true);
    auto number = [&](int64_t n) { return code.toLong(code.part(head, n, 1)); };
    first = code.mul(number(0), code.index(16)), elements = number(1), group = number(2);
    decays = code.compare(ICmpPredicate::ne, number(3), code.index(0));
    bounds = code.offset(record, offsetof(UpdateSegment, low));
  }
  Value first, elements, group, decays, bounds;
};

/// Fields of the optimizer's state.
struct State {
  State(ThreadCode &code, Value base) : code(code), base(base) {}
  Value group(Value number) {
    Value groups = code.offset(base, offsetof(caa_optimizer_state, groups));
    return code.offset(groups, code.mul(number, code.index(sizeof(caa_optimizer_group))));
  }
  Value read(Value record, int64_t offset, Type type) { return code.loadAs(type, code.offset(record, offset)); }
  Value read(int64_t offset, Type type) { return read(base, offset, type); }
  void write(Value record, int64_t offset, Value value) { code.storeAs(value, code.offset(record, offset)); }

  ThreadCode &code;
  Value base;
};

Value toDouble(ThreadCode &code, Value value) { return LLVM::FPExtOp::create(code.builder, code.loc, code.f64, value); }
Value squareRoot(ThreadCode &code, Value value) { return LLVM::SqrtOp::create(code.builder, code.loc, value.getType(), value); }

// Operands: segments, gradients, sums.
LaunchInfo emitSquares(ModuleOp module, caa_target target) {
  constexpr int64_t threads = blockThreads;
  UpdateKernel kernel(module, target, "caa_update_squares", 3, threads, threads / 32);
  ThreadCode &code = kernel.code;
  Segment segment(kernel, kernel.operand(0));
  Value gradients = code.address(kernel.operand(1), code.f32, segment.first), none = code.real(0, kernel.four);
  Value places = code.counting(code.vector(code.i64, lanes)), end = code.splat(segment.elements, lanes);
  Value sums = kernel.forElements(segment.elements, none, [&](Value i, ValueRange carried) -> SmallVector<Value> {
    Value g = code.loadAs(kernel.four, code.address(gradients, code.f32, i));
    // What lies between parameters does not count.
    Value inside = code.compare(ICmpPredicate::slt, code.add(code.splat(i, lanes), places), end);
    g = code.select(inside, g, none);
    return {code.fma(g, g, carried[0])};
  })[0];
  Value sum = toDouble(code, code.part(sums, 0, 1));
  for (int64_t lane = 1; lane < lanes; ++lane)
    sum = code.fadd(sum, toDouble(code, code.part(sums, lane, 1)));
  sum = kernel.sumOverBlock(sum, kernel.shared(0));
  code.when(kernel.isThread(0), [&] { code.storeAs(sum, code.address(kernel.operand(2), code.f64, kernel.block)); });
  return kernel.frame.finish();
}

// Operands: segments, sums, loss sums, state. After the sums a thread for each group.
LaunchInfo emitNorms(ModuleOp module, caa_target target, const UpdateShape &shape) {
  constexpr int64_t threads = normThreads, warps = threads / 32;
  const int64_t groups = shape.groups;
  UpdateKernel kernel(module, target, "caa_update_norms", 4, threads, warps + 2 * groups);
  ThreadCode &code = kernel.code;
  State state(code, kernel.operand(3));
  Value squares = kernel.shared(warps), norms = kernel.shared(warps + groups), zero = code.real(0, code.f64);
  Value table = code.offset(kernel.operand(0), offsetof(UpdateSegment, group));
  auto doubleAt = [&](Value base, auto n) { return code.address(base, code.f64, n); };
  auto read = [&](Value base, auto n) { return code.loadAs(code.f64, doubleAt(base, n)); };

  SmallVector<Value> sums = code.loop(
      kernel.thread, code.index(shape.segments), threads, SmallVector<Value>(size_t(groups), zero),
      [&](Value n, ValueRange carried) -> SmallVector<Value> {
        Value group = code.loadAs(code.i32, code.offset(table, code.mul(n, code.index(sizeof(UpdateSegment)))), true);
        Value sum = read(kernel.operand(1), n);
        SmallVector<Value> next;
        for (auto [g, before] : llvm::enumerate(carried))
          next.push_back(code.select(code.compare(ICmpPredicate::eq, group, code.word(int64_t(g))), code.fadd(before, sum), before));
        return next;
      });
  for (int64_t g = 0; g < groups; ++g) {
    Value sum = kernel.sumOverBlock(sums[size_t(g)], kernel.shared(0));
    code.when(kernel.isThread(0), [&] { code.storeAs(sum, doubleAt(squares, g)); });
  }
  code.barrier();

  // A norm is of all groups that are clipped by it.
  Value isGroup = code.compare(ICmpPredicate::slt, kernel.thread, code.index(groups)), mine = state.group(kernel.thread);
  auto normOf = [&](Value record) { return code.toLong(state.read(record, offsetof(caa_optimizer_group, norm), code.i32)); };
  code.when(isGroup, [&] {
    Value sum = zero;
    for (int64_t g = 0; g < groups; ++g) {
      Value isMine = code.compare(ICmpPredicate::eq, normOf(state.group(code.index(g))), kernel.thread);
      sum = code.select(isMine, code.fadd(sum, read(squares, g)), sum);
    }
    state.write(mine, offsetof(caa_optimizer_group, sum_squares), sum);
    code.storeAs(squareRoot(code, sum), doubleAt(norms, kernel.thread));
  });
  code.barrier();
  code.when(isGroup, [&] {
    Value number = normOf(mine), norm = read(norms, number);
    Value clip = toDouble(code, state.read(state.group(number), offsetof(caa_optimizer_group, clip), code.f32));
    Value ratio = code.fdiv(clip, code.fadd(norm, code.real(1e-6, code.f64)));
    Value scale = code.fminFast(ratio, code.real(1, code.f64));
    Value single = LLVM::FPTruncOp::create(code.builder, code.loc, code.f32, scale);
    state.write(mine, offsetof(caa_optimizer_group, scale), single);
  });
  code.when(kernel.isThread(0), [&] {
    Value good = code.boolean(true), total = zero;
    auto require = [&](FCmpPredicate predicate, Value value, double bound) {
      good = code.bitAnd(good, code.compare(predicate, value, code.real(bound, code.f64)));
    };
    for (int64_t g = 0; g < groups; ++g)
      require(FCmpPredicate::olt, read(norms, g), largestNorm);
    for (int64_t loss = 0; loss < shape.losses; ++loss)
      total = code.fadd(total, read(kernel.operand(2), loss));
    require(FCmpPredicate::olt, total, HUGE_VAL);
    require(FCmpPredicate::ogt, total, -HUGE_VAL);
    Value no = code.word(0), one = code.word(1);
    Value skipped = code.add(state.read(offsetof(caa_optimizer_state, skipped), code.i32), one);
    state.write(state.base, offsetof(caa_optimizer_state, skip), code.select(good, no, one));
    state.write(state.base, offsetof(caa_optimizer_state, skipped), code.select(good, no, skipped));
  });
  return kernel.frame.finish();
}

// Operands: segments, state, parameters, gradients, first and second moments, rounded copies if there are any.
LaunchInfo emitAdamW(ModuleOp module, caa_target target, bool rounds) {
  UpdateKernel kernel(module, target, "caa_update_adamw", rounds ? 7 : 6, blockThreads);
  ThreadCode &code = kernel.code;
  Segment segment(kernel, kernel.operand(0));
  State state(code, kernel.operand(1));
  SmallVector<Value> arrays;
  for (unsigned n = 2; n < 6; ++n)
    arrays.push_back(code.address(kernel.operand(n), code.f32, segment.first));
  auto wide = [&](Value scalar) { return code.splat(scalar, lanes); };
  auto setting = [&](int64_t offset) { return state.read(offset, code.f32); };
  Value nothing = code.real(0, kernel.four);

  auto clear = [&]() -> SmallVector<Value> {
    kernel.forElements(segment.elements, [&](Value i) { code.storeAs(nothing, code.address(arrays[1], code.f32, i)); });
    return {};
  };
  auto update = [&]() -> SmallVector<Value> {
    Value group = state.group(segment.group), one = code.real(1, code.f32), zero = code.real(0, code.f32);
    auto ofGroup = [&](int64_t offset) { return state.read(group, offset, code.f32); };
    Value beta1 = setting(offsetof(caa_optimizer_state, beta1)), beta2 = setting(offsetof(caa_optimizer_state, beta2));
    Value keep1 = wide(beta1), fresh1 = wide(code.fsub(one, beta1)), keep2 = wide(beta2), fresh2 = wide(code.fsub(one, beta2));
    Value correction1 = wide(setting(offsetof(caa_optimizer_state, first_correction)));
    Value correction2 = wide(setting(offsetof(caa_optimizer_state, second_correction)));
    Value eps = wide(setting(offsetof(caa_optimizer_state, eps)));
    Value rate = code.fmul(setting(offsetof(caa_optimizer_state, lr)), ofGroup(offsetof(caa_optimizer_group, lr_factor)));
    Value decay = code.fmul(rate, ofGroup(offsetof(caa_optimizer_group, weight_decay)));
    Value rates = wide(rate), decays = wide(code.select(segment.decays, decay, zero));
    Value scale = wide(ofGroup(offsetof(caa_optimizer_group, scale)));
    Value low = wide(code.loadAs(code.f32, segment.bounds)), high = wide(code.loadAs(code.f32, code.offset(segment.bounds, 4)));
    kernel.forElements(segment.elements, [&](Value i) {
      SmallVector<Value> places, old;
      for (Value array : arrays) {
        places.push_back(code.address(array, code.f32, i));
        old.push_back(code.loadAs(kernel.four, places.back()));
      }
      Value g = code.fmul(old[1], scale);
      Value m = code.fadd(code.fmul(keep1, old[2]), code.fmul(fresh1, g));
      Value v = code.fadd(code.fmul(keep2, old[3]), code.fmul(code.fmul(fresh2, g), g));
      Value root = squareRoot(code, code.fmul(v, correction2));
      Value direction = code.fdiv(code.fmul(m, correction1), code.fadd(root, eps));
      Value p = code.fsub(old[0], code.fadd(code.fmul(rates, direction), code.fmul(decays, old[0])));
      p = code.select(code.compare(FCmpPredicate::olt, p, low), low, p);
      p = code.select(code.compare(FCmpPredicate::olt, high, p), high, p);
      Value values[] = {p, nothing, m, v};
      for (auto [value, place] : llvm::zip(values, places))
        code.storeAs(value, place);
      if (rounds)
        kernel.storeRounded(p, kernel.operand(6), code.add(segment.first, i));
    });
    return {};
  };
  Value skip = state.read(offsetof(caa_optimizer_state, skip), code.i32);
  code.choose(code.compare(ICmpPredicate::ne, skip, code.word(0)), {}, clear, update);
  return kernel.frame.finish();
}

// Operands: parameters, rounded copies.
LaunchInfo emitRefresh(ModuleOp module, caa_target target, const UpdateShape &shape) {
  UpdateKernel kernel(module, target, "caa_update_refresh", 2, blockThreads);
  ThreadCode &code = kernel.code;
  Value first = code.mul(kernel.block, code.index(UpdateShape::segmentElements));
  Value count = code.minimum(code.sub(code.index(shape.elements), first), code.index(UpdateShape::segmentElements));
  kernel.forElements(count, [&](Value i) {
    Value place = code.add(first, i);
    kernel.storeRounded(code.loadAs(kernel.four, code.address(kernel.operand(0), code.f32, place)), kernel.operand(1), place);
  });
  return kernel.frame.finish();
}

} // namespace

llvm::Expected<Code> compileUpdate(MLIRContext &context, caa_target target, const UpdateShape &shape) {
  preparePtx(context);
  context.loadDialect<func::FuncDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  Code code;
  if (shape.segments > 0)
    code.kernels = {emitSquares(*module, target), emitNorms(*module, target, shape), emitAdamW(*module, target, shape.rounds)};
  if (shape.rounds && shape.elements > 0)
    code.kernels.push_back(emitRefresh(*module, target, shape));
  if (code.kernels.empty())
    return code;
  auto ptx = emitPtx(*module, target);
  if (!ptx)
    return ptx.takeError();
  code.ptx = std::move(*ptx);
  return code;
}

} // namespace caa::nvptx

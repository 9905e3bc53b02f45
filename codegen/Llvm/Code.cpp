// See Code.h.
#include "codegen/Llvm/Code.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

namespace caa::emit {

Type registerType(Type type) { return type.isIndex() ? IntegerType::get(type.getContext(), 64) : type; }

Type memoryType(Type type) { return type.isInteger(1) ? IntegerType::get(type.getContext(), 8) : registerType(type); }

int64_t bytesOf(Type type) { return memoryType(type).getIntOrFloatBitWidth() / 8; }

static Block *entryBlock(LLVM::LLVMFuncOp function) {
  OpBuilder builder(function.getContext());
  Block *entry = function.empty() ? function.addEntryBlock(builder) : &function.front();
  return entry;
}

// Constants gather in the entry block, which jumps to the first block of code when the function is done; so they
// dominate all code and each exists once.
Code::Code(LLVM::LLVMFuncOp function)
    : builder(function.getContext()), loc(function.getLoc()), function(function), entry(builder) {
  MLIRContext *context = function.getContext();
  i1 = builder.getI1Type(), i8 = builder.getI8Type(), i32 = builder.getI32Type(), i64 = builder.getI64Type();
  f32 = builder.getF32Type(), f64 = builder.getF64Type();
  pointer = LLVM::LLVMPointerType::get(context);
  Block *first = entryBlock(function);
  builder.setInsertionPointToEnd(first);
  Block *code = newBlock();
  entry.setInsertionPointToEnd(first);
  auto branch = LLVM::BrOp::create(entry, loc, ValueRange{}, code);
  entry.setInsertionPoint(branch);
  builder.setInsertionPointToEnd(code);
}

//===-- Types and constants -----------------------------------------------------------------------------------------===//

Type Code::vector(Type element, int64_t lanes) { return lanes == 1 ? element : VectorType::get({lanes}, element); }

int64_t Code::lanesOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? vector.getNumElements() : 1;
}

Type Code::elementOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? vector.getElementType() : type;
}

Value Code::constant(TypedAttr attribute) {
  Value &value = constants[attribute];
  if (!value)
    value = LLVM::ConstantOp::create(entry, loc, attribute);
  return value;
}

static TypedAttr splatOf(TypedAttr scalar, Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? cast<TypedAttr>(DenseElementsAttr::get(vector, Attribute(scalar))) : scalar;
}

Value Code::integer(int64_t value, Type type) {
  return constant(splatOf(builder.getIntegerAttr(elementOf(type), value), type));
}

Value Code::real(double value, Type type) { return constant(splatOf(builder.getFloatAttr(elementOf(type), value), type)); }

Value Code::counting(Type type) {
  if (lanesOf(type) == 1)
    return integer(0, type);
  SmallVector<Attribute> values;
  for (int64_t n = 0; n < lanesOf(type); ++n)
    values.push_back(builder.getIntegerAttr(elementOf(type), n));
  return constant(DenseElementsAttr::get(cast<VectorType>(type), values));
}

std::optional<int64_t> Code::known(Value value) {
  auto op = value.getDefiningOp<LLVM::ConstantOp>();
  auto attribute = op ? dyn_cast<IntegerAttr>(op.getValue()) : IntegerAttr();
  return attribute ? std::optional(attribute.getInt()) : std::nullopt;
}

//===-- Arithmetic --------------------------------------------------------------------------------------------------===//

Value Code::add(Value a, Value b) {
  auto x = known(a), y = known(b);
  if (x && y)
    return integer(*x + *y, a.getType());
  if (x && *x == 0)
    return b;
  if (y && *y == 0)
    return a;
  return LLVM::AddOp::create(builder, loc, a, b);
}
Value Code::sub(Value a, Value b) {
  auto x = known(a), y = known(b);
  if (x && y)
    return integer(*x - *y, a.getType());
  if (y && *y == 0)
    return a;
  return LLVM::SubOp::create(builder, loc, a, b);
}
Value Code::mul(Value a, Value b) {
  auto x = known(a), y = known(b);
  if (x && y)
    return integer(*x * *y, a.getType());
  if (x && *x == 1)
    return b;
  if (y && *y == 1)
    return a;
  return LLVM::MulOp::create(builder, loc, a, b);
}
Value Code::fadd(Value a, Value b) { return LLVM::FAddOp::create(builder, loc, a, b); }
Value Code::fsub(Value a, Value b) { return LLVM::FSubOp::create(builder, loc, a, b); }
Value Code::fmul(Value a, Value b) { return LLVM::FMulOp::create(builder, loc, a, b); }
Value Code::fdiv(Value a, Value b) { return LLVM::FDivOp::create(builder, loc, a, b); }
Value Code::fma(Value a, Value b, Value c) { return LLVM::FMAOp::create(builder, loc, a, b, c); }
Value Code::fneg(Value a) { return LLVM::FNegOp::create(builder, loc, a); }
Value Code::bitAnd(Value a, Value b) { return LLVM::AndOp::create(builder, loc, a, b); }
Value Code::bitOr(Value a, Value b) { return LLVM::OrOp::create(builder, loc, a, b); }
Value Code::bitXor(Value a, Value b) { return LLVM::XOrOp::create(builder, loc, a, b); }
Value Code::shiftLeft(Value a, int64_t bits) { return LLVM::ShlOp::create(builder, loc, a, integer(bits, a.getType())); }
Value Code::shiftRight(Value a, int64_t bits) { return LLVM::AShrOp::create(builder, loc, a, integer(bits, a.getType())); }
Value Code::compare(LLVM::ICmpPredicate predicate, Value a, Value b) {
  return LLVM::ICmpOp::create(builder, loc, predicate, a, b);
}
Value Code::compare(LLVM::FCmpPredicate predicate, Value a, Value b) {
  return LLVM::FCmpOp::create(builder, loc, predicate, a, b);
}
Value Code::select(Value condition, Value a, Value b) { return LLVM::SelectOp::create(builder, loc, condition, a, b); }
Value Code::bitcast(Value a, Type element) {
  Type to = like(a.getType(), element);
  return a.getType() == to ? a : LLVM::BitcastOp::create(builder, loc, to, a);
}
Value Code::minimum(Value a, Value b) { return LLVM::SMinOp::create(builder, loc, a, b); }
Value Code::maximum(Value a, Value b) { return LLVM::SMaxOp::create(builder, loc, a, b); }
Value Code::fmaxFast(Value a, Value b) { return select(compare(LLVM::FCmpPredicate::ogt, a, b), a, b); }
Value Code::fminFast(Value a, Value b) { return select(compare(LLVM::FCmpPredicate::olt, a, b), a, b); }
Value Code::ceilDiv(Value a, int64_t b) {
  if (b == 1)
    return a;
  return LLVM::UDivOp::create(builder, loc, add(a, index(b - 1)), index(b));
}

//===-- Vectors -----------------------------------------------------------------------------------------------------===//

Value Code::undefined(Type type) { return LLVM::PoisonOp::create(builder, loc, type); }

Value Code::splat(Value scalar, int64_t lanes) {
  if (lanes == 1)
    return scalar;
  if (auto op = scalar.getDefiningOp<LLVM::ConstantOp>())
    return constant(splatOf(cast<TypedAttr>(op.getValue()), vector(scalar.getType(), lanes)));
  Value one = withLane(undefined(vector(scalar.getType(), lanes)), scalar, 0);
  return shuffle(one, one, SmallVector<int32_t>(lanes, 0));
}

Value Code::lane(Value vector, int64_t n) {
  return isa<VectorType>(vector.getType()) ? LLVM::ExtractElementOp::create(builder, loc, vector, integer(n, i64)) : vector;
}

Value Code::withLane(Value vector, Value scalar, int64_t n) {
  return isa<VectorType>(vector.getType()) ? LLVM::InsertElementOp::create(builder, loc, vector, scalar, integer(n, i64))
                                           : scalar;
}

Value Code::shuffle(Value a, Value b, ArrayRef<int32_t> mask) {
  return LLVM::ShuffleVectorOp::create(builder, loc, a, b, mask);
}

Value Code::part(Value vector, int64_t first, int64_t count) {
  if (count == 1)
    return lane(vector, first);
  SmallVector<int32_t> mask;
  for (int64_t n = 0; n < count; ++n)
    mask.push_back(int32_t(first + n));
  return shuffle(vector, vector, mask);
}

Value Code::reduceLanes(Value vector, function_ref<Value(Value, Value)> combine) {
  int64_t lanes = lanesOf(vector.getType());
  if (lanes & (lanes - 1)) {
    Value result = lane(vector, 0);
    for (int64_t n = 1; n < lanes; ++n)
      result = combine(result, lane(vector, n));
    return result;
  }
  for (int64_t half = lanes / 2; half; half /= 2)
    vector = combine(part(vector, 0, half), part(vector, half, half));
  return vector;
}

Value Code::anyLane(Value mask) {
  int64_t lanes = lanesOf(mask.getType());
  if (lanes == 1)
    return mask;
  Type bits = IntegerType::get(builder.getContext(), unsigned(lanes));
  return compare(LLVM::ICmpPredicate::ne, LLVM::BitcastOp::create(builder, loc, bits, mask), integer(0, bits));
}

Value Code::callPerLane(StringRef name, ValueRange arguments) {
  Type element = elementOf(arguments[0].getType());
  SmallVector<Type> types;
  for (Value argument : arguments)
    types.push_back(elementOf(argument.getType()));
  auto type = LLVM::LLVMFunctionType::get(element, types);
  auto module = function->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(name)) {
    OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
    LLVM::LLVMFuncOp::create(top, loc, name, type);
  }
  int64_t lanes = lanesOf(arguments[0].getType());
  Value result = undefined(arguments[0].getType());
  for (int64_t n = 0; n < lanes; ++n) {
    SmallVector<Value> scalars;
    for (Value argument : arguments)
      scalars.push_back(lane(argument, n));
    Value called = LLVM::CallOp::create(builder, loc, type, name, scalars).getResult();
    result = withLane(result, called, n);
  }
  return result;
}

//===-- Memory ------------------------------------------------------------------------------------------------------===//

Value Code::address(Value base, Type element, Value offset) {
  if (auto constant = known(offset))
    return address(base, element, *constant);
  return LLVM::GEPOp::create(builder, loc, base.getType(), memoryType(element), base, ArrayRef<LLVM::GEPArg>{offset});
}

Value Code::address(Value base, Type element, int64_t offset) {
  if (offset == 0)
    return base;
  if (offset != int32_t(offset))
    return LLVM::GEPOp::create(builder, loc, base.getType(), memoryType(element), base, ArrayRef<LLVM::GEPArg>{index(offset)});
  return LLVM::GEPOp::create(builder, loc, base.getType(), memoryType(element), base, ArrayRef<LLVM::GEPArg>{int32_t(offset)});
}

Value Code::load(Value address, Type element, int64_t lanes) {
  Type type = vector(memoryType(element), lanes);
  Value value = LLVM::LoadOp::create(builder, loc, type, address, unsigned(bytesOf(element)));
  if (element.isInteger(1))
    value = compare(LLVM::ICmpPredicate::ne, value, integer(0, type));
  return value;
}

void Code::store(Value value, Value address) {
  Type element = elementOf(value.getType());
  if (element.isInteger(1))
    value = LLVM::ZExtOp::create(builder, loc, like(value.getType(), i8), value);
  LLVM::StoreOp::create(builder, loc, value, address, unsigned(bytesOf(element)));
}

//===-- Control -----------------------------------------------------------------------------------------------------===//

Block *Code::newBlock(TypeRange types) {
  Block *block = new Block();
  Block *present = builder.getInsertionBlock();
  present->getParent()->getBlocks().insertAfter(present->getIterator(), block);
  for (Type type : types)
    block->addArgument(type, loc);
  return block;
}

void Code::jump(Block *to, ValueRange values) { LLVM::BrOp::create(builder, loc, values, to); }

SmallVector<Value> Code::loop(Value lower, Value upper, int64_t step, ValueRange inits, Body body) {
  auto low = known(lower), high = known(upper);
  if (low && high && *low >= *high)
    return SmallVector<Value>(inits);
  if (low && high && *high - *low <= step)
    return body(lower, inits);
  SmallVector<Type> types{lower.getType()};
  llvm::append_range(types, inits.getTypes());
  Block *exit = newBlock(inits.getTypes());
  Block *block = newBlock(types);
  SmallVector<Value> start{lower};
  llvm::append_range(start, inits);
  if (low && high)
    jump(block, start);
  else
    LLVM::CondBrOp::create(builder, loc, compare(LLVM::ICmpPredicate::slt, lower, upper), block, start, exit, inits);
  enter(block);
  Value i = block->getArgument(0);
  SmallVector<Value> next{Value()};
  llvm::append_range(next, body(i, block->getArguments().drop_front()));
  next[0] = add(i, integer(step, lower.getType()));
  LLVM::CondBrOp::create(builder, loc, compare(LLVM::ICmpPredicate::slt, next[0], upper), block, next, exit,
                         ValueRange(next).drop_front());
  // Blocks lie in the order of their text.
  exit->moveBefore(builder.getInsertionBlock()->getParent(), std::next(builder.getInsertionBlock()->getIterator()));
  enter(exit);
  return SmallVector<Value>(exit->getArguments());
}

void Code::loop(Value lower, Value upper, int64_t step, function_ref<void(Value)> body) {
  loop(lower, upper, step, {}, [&](Value i, ValueRange) -> SmallVector<Value> {
    body(i);
    return {};
  });
}

void Code::loop(int64_t lower, int64_t upper, int64_t step, function_ref<void(Value)> body) {
  loop(index(lower), index(upper), step, body);
}

SmallVector<Value> Code::repeat(ValueRange inits,
                                function_ref<std::pair<Value, SmallVector<Value>>(ValueRange)> body) {
  Block *exit = newBlock(inits.getTypes());
  Block *block = newBlock(inits.getTypes());
  jump(block, inits);
  enter(block);
  auto [again, values] = body(block->getArguments());
  LLVM::CondBrOp::create(builder, loc, again, block, values, exit, values);
  exit->moveBefore(builder.getInsertionBlock()->getParent(), std::next(builder.getInsertionBlock()->getIterator()));
  enter(exit);
  return SmallVector<Value>(exit->getArguments());
}

void Code::when(Value condition, function_ref<void()> then) {
  if (auto value = known(condition)) {
    if (*value)
      then();
    return;
  }
  choose(condition, {}, [&]() -> SmallVector<Value> { return then(), SmallVector<Value>(); },
         []() -> SmallVector<Value> { return {}; });
}

SmallVector<Value> Code::choose(Value condition, TypeRange types, function_ref<SmallVector<Value>()> then,
                                function_ref<SmallVector<Value>()> otherwise) {
  Block *exit = newBlock(types);
  Block *no = newBlock(), *yes = newBlock();
  LLVM::CondBrOp::create(builder, loc, condition, yes, ValueRange{}, no, ValueRange{});
  enter(yes);
  SmallVector<Value> values = then();
  jump(exit, values);
  Region *region = builder.getInsertionBlock()->getParent();
  no->moveBefore(region, std::next(builder.getInsertionBlock()->getIterator()));
  enter(no);
  values = otherwise();
  jump(exit, values);
  exit->moveBefore(region, std::next(builder.getInsertionBlock()->getIterator()));
  enter(exit);
  return SmallVector<Value>(exit->getArguments());
}

} // namespace caa::emit

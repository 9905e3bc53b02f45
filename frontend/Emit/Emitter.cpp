// Functions, inputs, parameters, and the values at one token.
#include "frontend/Emit/Emitter.h"
#include "frontend/Emit/Scalars.h"

namespace caa {

using namespace mlir;
using MValue = mlir::Value;
using Val = caa::Value;

Emitter::Emitter(MLIRContext &context, const SourceManager &sources, Diagnostics &diagnostics, bool enabled)
    : context(context), sources(sources), diagnostics(diagnostics), enabled(enabled), builder(&context) {
  context.loadDialect<CaaDialect, arith::ArithDialect, math::MathDialect, func::FuncDialect>();
  moduleOp = ModuleOp::create(UnknownLoc::get(&context));
}

Location Emitter::location(Loc loc, const std::vector<Loc> &calls) const {
  auto place = [&](Loc l) -> Location {
    if (!l.valid())
      return UnknownLoc::get(&context);
    return FileLineColLoc::get(&context, sources.file(l.file).name, l.line, l.column);
  };
  if (!enabled)
    return place(loc);
  Location result = calls.empty() ? place(loc) : place(calls[0]);
  for (size_t k = 1; k < calls.size(); ++k)
    result = CallSiteLoc::get(place(calls[k]), result);
  return calls.empty() ? result : Location(CallSiteLoc::get(place(loc), result));
}

// Functions -----------------------------------------------------------------------------------------------------------

void Emitter::begin(const std::string &name, const std::vector<Input> &vectors, Loc loc) {
  if (!enabled)
    return;
  SmallVector<Type> types;
  std::vector<std::string> names;
  for (const Input &vector : vectors) {
    types.push_back(tokenwiseType(vector.heads, vector.width, builder.getF32Type()));
    names.push_back(vector.name);
  }
  for (const char *input : {"tokens", "doc", "position"}) {
    types.push_back(tokenwiseType(1, 1, builder.getI32Type()));
    names.push_back(input);
  }
  builder.setInsertionPointToEnd(moduleOp->getBody());
  function = func::FuncOp::create(builder, location(loc, {}), name, builder.getFunctionType(types, {}));
  Block *entry = function.addEntryBlock();
  inputs.clear();
  for (size_t k = 0; k < names.size(); ++k) {
    function.setArgAttr(k, "caa.name", builder.getStringAttr(names[k]));
    inputs.emplace(names[k], entry->getArgument(k)); // a vector called `x` first
  }
  builder.setInsertionPointToStart(entry);
  ropeTables.clear();
  parameterReads.clear();
  thresholds.clear();
  stops.clear();
  losses = 0;
  hasLogits = false;
}

func::FuncOp Emitter::end() {
  if (!enabled)
    return {};
  if (function.getBody().front().empty() || !function.getBody().front().back().hasTrait<OpTrait::IsTerminator>())
    func::ReturnOp::create(builder, function.getLoc());
  return function;
}

MValue Emitter::input(const std::string &name) {
  auto found = inputs.find(name);
  return enabled && found != inputs.end() ? found->second : MValue();
}

void Emitter::results(const std::vector<Val> &values, Location loc) {
  if (!enabled)
    return;
  SmallVector<MValue> out;
  for (const Val &value : values) {
    MValue ir = value.isConstant() ? MValue() : real(value, loc);
    if (!ir)
      return lost(loc, "this result");
    out.push_back(value.kind == Val::Kind::PerHead ? spread(ir, value, loc) : ir);
  }
  func::ReturnOp::create(builder, loc, out);
  function.setFunctionType(builder.getFunctionType(function.getArgumentTypes(), ValueRange(out).getTypes()));
  for (size_t k = 0; k < out.size(); ++k)
    function.setResultAttr(k, "caa.name", builder.getStringAttr(k == 0 ? "out" : "out." + std::to_string(k)));
}

void Emitter::declare(const std::vector<ParameterRef> &parameters, const std::string &scope) {
  if (!enabled)
    return;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(function);
  for (const ParameterRef &p : parameters) {
    auto kind = p->init.name == "zeros"    ? InitKind::Zeros
                : p->init.name == "ones"   ? InitKind::Ones
                : p->init.name == "normal" ? InitKind::Normal
                                           : InitKind::Uniform;
    auto f64 = [&](double value) { return builder.getF64FloatAttr(value); };
    FloatAttr a, b;
    if (kind == InitKind::Normal) {
      a = f64(0);
      b = f64(p->init.field("deviation")->number()->asReal());
    } else if (kind == InitKind::Uniform) {
      a = f64(p->init.field("low")->number()->asReal());
      b = f64(p->init.field("high")->number()->asReal());
    }
    auto type = RankedTensorType::get(p->shape, builder.getF32Type());
    auto op = ParameterOp::create(builder, p->location, scope + p->name, type, InitAttr::get(&context, kind, a, b),
                                  p->decay.value_or(p->isTable), p->group, p->low ? f64(*p->low) : FloatAttr(),
                                  p->high ? f64(*p->high) : FloatAttr());
    (void)op;
  }
}

MValue Emitter::refuse(Location loc, const std::string &what) {
  if (enabled)
    diagnostics.error(sourceLocation(sources, loc), what + " cannot be compiled yet");
  return {};
}

void Emitter::lost(Location loc, const std::string &what) {
  if (enabled && diagnostics.errorCount() == 0)
    refuse(loc, what);
}

// Types and operands --------------------------------------------------------------------------------------------------

Type Emitter::elementType(Elem elem) { return Scalars::type(&context, elem); }

Type Emitter::typeOf(const Val &value) {
  Type element = elementType(value.elem);
  return value.kind == Val::Kind::PerHead ? perHeadType(value.heads, value.width, element)
                                          : tokenwiseType(value.heads, value.width, element);
}

MValue Emitter::ir(const Val &value, Location loc) {
  if (value.ir || value.table.empty() || !enabled)
    return value.ir;
  auto type = cast<RankedTensorType>(typeOf(value));
  SmallVector<Attribute> entries;
  for (const Number &n : value.table)
    entries.push_back(isa<FloatType>(type.getElementType())
                          ? Attribute(builder.getFloatAttr(type.getElementType(), n.asReal()))
                          : Attribute(builder.getIntegerAttr(type.getElementType(), n.asInteger())));
  return ConstantOp::create(builder, loc, DenseElementsAttr::get(type, entries));
}

MValue Emitter::map(Fn fn, const std::vector<Val> &operands, const Val &result, Location loc) {
  if (!enabled)
    return {};
  if (fn == Fn::Stop) {
    MValue x = ir(operands[0], loc);
    return !x || result.elem != Elem::Real ? x : MValue(StopOp::create(builder, loc, x.getType(), x));
  }
  SmallVector<MValue> tensors;
  std::vector<std::optional<size_t>> slots; // which operand; none: a constant
  for (const Val &operand : operands) {
    if (operand.isConstant()) {
      slots.push_back(std::nullopt);
      continue;
    }
    MValue tensor = ir(operand, loc);
    if (!tensor)
      return {};
    auto found = llvm::find(tensors, tensor);
    slots.push_back(found - tensors.begin());
    if (found == tensors.end())
      tensors.push_back(tensor);
  }
  Type type = typeOf(result);
  auto op = MapOp::create(builder, loc, TypeRange{type}, tensors);
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&op.getBody());
  for (MValue tensor : tensors)
    block->addArgument(elementOf(tensor), loc);
  Scalars scalars(builder, loc);
  SmallVector<Scalars::Operand> args;
  for (size_t k = 0; k < operands.size(); ++k) {
    if (slots[k]) {
      args.push_back({block->getArgument(*slots[k]), std::nullopt});
    } else {
      const Constant &c = operands[k].constant;
      args.push_back({{}, c.truth() ? Number(*c.truth() ? 1 : 0) : *c.number()});
    }
  }
  YieldOp::create(builder, loc, scalars.apply(fn, args, result.elem));
  return op.getResult(0);
}

MValue Emitter::real(const Val &x, Location loc) {
  MValue value = ir(x, loc);
  if (!value || elementOf(value).isF32())
    return value;
  Val target = x;
  target.elem = Elem::Real;
  return map(Fn::Convert, {x}, target, loc);
}

MValue Emitter::round(const Val &x, Location loc) {
  MValue value = ir(x, loc);
  return value ? MValue(RoundOp::create(builder, loc, value.getType(), value)) : value;
}

MValue Emitter::productOperand(const Val &x, Location loc) {
  MValue value = real(x, loc);
  if (!value || x.isRounded || x.isFp32)
    return value;
  return RoundOp::create(builder, loc, value.getType(), value);
}

MValue Emitter::spread(MValue value, const Val &like, Location loc) {
  if (!value)
    return value;
  Shape shape = shapeOf(value);
  int64_t heads = std::max(shape.heads, like.heads);
  Type type = tokenwiseType(heads, shape.width, elementOf(value));
  if (value.getType() == type)
    return value;
  MValue token = isTokenwise(value.getType()) ? MValue() : function.getArgument(0);
  return BroadcastOp::create(builder, loc, type, value, token);
}

MValue Emitter::parameter(const Parameter &p, bool rounded, Location loc) {
  if (!enabled)
    return {};
  MValue &read = parameterReads[{&p, rounded}];
  if (read)
    return read;
  auto type = RankedTensorType::get(p.shape, builder.getF32Type());
  MValue plain;
  if (auto found = parameterReads.find({&p, false}); found != parameterReads.end() && found->second)
    plain = found->second;
  else
    plain = parameterReads[{&p, false}] = ParamOp::create(builder, loc, type, parameterScope + p.name);
  if (!rounded)
    return plain;
  return parameterReads[{&p, true}] = RoundOp::create(builder, loc, type, plain);
}

// Values at one token -------------------------------------------------------------------------------------------------

MValue Emitter::sumWidth(const Val &x, const Val &result, Location loc) {
  MValue value = real(x, loc);
  if (!value || x.width == 1)
    return value;
  return ReduceWidthOp::create(builder, loc, typeOf(result), value);
}

MValue Emitter::reduceHeads(const Val &x, bool mean, const Val &result, Location loc) {
  MValue value = real(x, loc);
  if (!value || x.heads == result.heads)
    return value;
  Val sum = result;
  sum.ir = ReduceHeadsOp::create(builder, loc, typeOf(result), value);
  if (!mean)
    return sum.ir;
  return map(Fn::Div, {sum, Val::of(Constant(Number(x.heads / result.heads)))}, result, loc);
}

MValue Emitter::slice(const Val &x, int64_t start, const Val &result, Location loc) {
  MValue value = ir(x, loc);
  if (!value || x.width == result.width)
    return value;
  Shape shape = shapeOf(value);
  Type type = isTokenwise(value.getType()) ? tokenwiseType(shape.heads, result.width, elementOf(value))
                                           : perHeadType(shape.heads, result.width, elementOf(value));
  return SliceOp::create(builder, loc, type, value, start);
}

MValue Emitter::concat(const std::vector<Val> &values, const Val &result, Location loc) {
  SmallVector<MValue> parts;
  for (const Val &v : values) {
    MValue part = real(v, loc);
    if (!part)
      return {};
    if (result.kind == Val::Kind::Token) {
      part = spread(part, result, loc);
    } else if (shapeOf(part).heads != result.heads) {
      Type type = perHeadType(result.heads, v.width, builder.getF32Type());
      part = BroadcastOp::create(builder, loc, type, part, MValue());
    }
    parts.push_back(part);
  }
  return parts.size() == 1 ? parts[0] : MValue(ConcatOp::create(builder, loc, typeOf(result), parts));
}

MValue Emitter::reshape(const Val &x, const Val &result, Location loc) {
  MValue value = ir(x, loc);
  if (!value || (x.heads == result.heads && x.width == result.width))
    return value;
  Type element = elementOf(value);
  Type type = isTokenwise(value.getType()) ? tokenwiseType(result.heads, result.width, element)
                                           : perHeadType(result.heads, result.width, element);
  return ReshapeOp::create(builder, loc, type, value);
}

MValue Emitter::unitNorm(const Val &x, const Val &result, Location loc) {
  Val value = x;
  value.table.clear();
  value.ir = real(x, loc);
  value.elem = Elem::Real;
  if (!value.ir)
    return {};
  Val scalar = result;
  scalar.width = 1;
  Val square = result;
  square.ir = map(Fn::Mul, {value, value}, square, loc);
  scalar.ir = sumWidth(square, scalar, loc);
  scalar.ir = map(Fn::Add, {scalar, Val::of(Constant(Number::of(1e-6)))}, scalar, loc);
  scalar.ir = map(Fn::Sqrt, {scalar}, scalar, loc);
  return map(Fn::Div, {value, scalar}, result, loc);
}

MValue Emitter::rope(const Val &x, double theta, const Val &result, Location loc) {
  MValue value = real(x, loc);
  if (!value)
    return {};
  MValue &table = ropeTables[{theta, x.width}];
  if (!table)
    table = RopeTableOp::create(builder, loc, tokenwiseType(1, x.width, builder.getF32Type()), input("position"),
                                builder.getF64FloatAttr(theta));
  return RopeOp::create(builder, loc, typeOf(result), value, table, /*inverse=*/false);
}

MValue Emitter::cumsum(const Val &x, Location loc) {
  MValue value = real(x, loc);
  return value ? CumsumOp::create(builder, loc, value, /*reverse=*/false) : MValue();
}

MValue Emitter::shift(const Val &x, int64_t by, Location loc) {
  MValue value = real(x, loc);
  return value ? ShiftOp::create(builder, loc, value, by, /*reverse=*/false) : MValue();
}

MValue Emitter::hold(const Val &x, int64_t block, Location loc) {
  MValue value = real(x, loc);
  return value ? HoldOp::create(builder, loc, value, block, /*reverse=*/false) : MValue();
}

MValue Emitter::pool(const Val &x, int64_t block, const std::string &by, Location loc) {
  MValue value = real(x, loc);
  return value ? PoolOp::create(builder, loc, *symbolizePoolKind(by), value, block) : MValue();
}

// With parameters -----------------------------------------------------------------------------------------------------

MValue Emitter::perHeadParameter(const Parameter &p, Location loc) { return parameter(p, p.shape.back() != 1, loc); }

MValue Emitter::linear(const Val &x, const Parameter &weight, const Parameter *bias, const Val &result, Location loc) {
  MValue value = productOperand(x, loc);
  if (!value)
    return {};
  MValue row = bias ? parameter(*bias, result.width != 1, loc) : MValue();
  return LinearOp::create(builder, loc, typeOf(result), value, parameter(weight, true, loc), row);
}

MValue Emitter::embed(const Val &index, const Parameter &table, const Val &result, Location loc) {
  MValue value = ir(index, loc);
  if (!value)
    return {};
  return EmbedOp::create(builder, loc, typeOf(result), value, parameter(table, table.shape.back() != 1, loc));
}

MValue Emitter::norm(const Val &x, const Parameter &weight, const Parameter *bias, const Val &result, Location loc) {
  if (enabled && x.kind == Val::Kind::PerHead)
    return refuse(loc, "a norm of a value per head");
  MValue value = real(x, loc);
  if (!value)
    return {};
  bool rounded = x.width != 1;
  if (!bias)
    return RmsNormOp::create(builder, loc, typeOf(result), value, parameter(weight, rounded, loc), builder.getF64FloatAttr(1e-6));
  return LayerNormOp::create(builder, loc, typeOf(result), value, parameter(weight, rounded, loc),
                             parameter(*bias, rounded, loc), builder.getF64FloatAttr(1e-5));
}

// Losses --------------------------------------------------------------------------------------------------------------

MValue Emitter::crossEntropy(MValue logits, Location loc) {
  if (!logits)
    return {};
  return CrossEntropyOp::create(builder, loc, tokenwiseType(1, 1, builder.getF32Type()), logits, input("tokens"));
}

void Emitter::loss(const Val &value, const Val *only, const std::string &name, bool isMain, Location loc) {
  MValue x = real(value, loc);
  if (!x)
    return lost(loc, "this loss");
  if (isMain && value.logits && !hasLogits) {
    LogitsOp::create(builder, loc, value.logits);
    hasLogits = true;
  }
  Val mask;
  mask.kind = Val::Kind::Token;
  mask.elem = Elem::Bool;
  if (value.coversNext)
    mask.ir = HasNextOp::create(builder, loc, typeOf(mask), input("tokens"));
  if (only) {
    MValue condition = only->kind == Val::Kind::Token ? only->ir : spread(ir(*only, loc), *only, loc);
    if (!condition)
      return lost(loc, "this loss");
    Val given = mask;
    given.ir = condition;
    mask.ir = mask.ir ? map(Fn::And, {mask, given}, mask, loc) : condition;
  }
  LossOp::create(builder, loc, spread(x, Val(), loc), mask.ir, name, losses++);
}

void Emitter::report(const Val &value, const std::string &name, const std::string &path, Location loc) {
  MValue x = value.kind == Val::Kind::Block ? MValue() : real(value, loc);
  if (!x)
    return lost(loc, "this report");
  ReportOp::create(builder, loc, x, name, path);
}

} // namespace caa

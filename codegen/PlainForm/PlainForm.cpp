// Writes the plain form. Nothing here knows what an op means, except which operands may be absent.
#include "codegen/PlainForm/PlainForm.h"
#include "dialect/Caa/CaaDialect.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <cmath>

using namespace mlir;

namespace caa {
namespace {

class Writer {
public:
  explicit Writer(llvm::raw_ostream &os) : os(os) {}

  void write(ModuleOp module);

private:
  template <typename Range, typename Each> void list(Range &&range, Each &&each) {
    os << "[";
    llvm::interleave(range, os, each, ",");
    os << "]";
  }
  void string(StringRef text) { os << llvm::json::Value(llvm::json::fixUTF8(text)); }
  void number(const APFloat &value);
  void type(Type type);
  void attribute(Attribute attribute);
  void elements(DenseElementsAttr attribute);
  void attributes(Operation *op);
  void location(Location location);
  void parameter(ParameterOp parameter);
  void function(func::FuncOp function);
  void op(Operation *op, bool inBody);
  void body(Region &region);
  int number(Value value) { return ids.try_emplace(value, int(ids.size())).first->second; }
  void numbers(ValueRange values) {
    list(values, [&](Value value) { os << number(value); });
  }

  llvm::raw_ostream &os;
  llvm::DenseMap<Value, int> ids; // of the present function
};

void Writer::number(const APFloat &value) {
  bool lossy;
  APFloat wide = value;
  wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  double real = wide.convertToDouble();
  if (std::isfinite(real))
    os << llvm::format("%.17g", real);
  else
    os << (std::isnan(real) ? "\"nan\"" : real < 0 ? "\"-inf\"" : "\"inf\"");
}

void Writer::type(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return string(text);
  }
  os << "{\"shape\":";
  list(tensor.getShape(), [&](int64_t extent) { os << (ShapedType::isDynamic(extent) ? -1 : extent); });
  os << ",\"elt\":\"" << tensor.getElementType() << "\"}";
}

/// A list of rows of numbers for two axes, a list for one.
void Writer::elements(DenseElementsAttr attribute) {
  auto shape = attribute.getType().getShape();
  int64_t width = shape.empty() ? 1 : shape.back(), rows = width ? attribute.getNumElements() / width : 0;
  auto each = [&](int64_t n) {
    if (isa<FloatType>(attribute.getElementType()))
      number(attribute.getValues<APFloat>()[n]);
    else if (attribute.getElementType().isInteger(1))
      os << (attribute.getValues<bool>()[n] ? "true" : "false");
    else
      os << attribute.getValues<APInt>()[n].getSExtValue();
  };
  auto row = [&](int64_t r) { list(llvm::seq<int64_t>(r * width, (r + 1) * width), each); };
  if (shape.size() < 2)
    return row(0);
  list(llvm::seq<int64_t>(0, rows), row);
}

void Writer::attribute(Attribute attribute) {
  llvm::TypeSwitch<Attribute>(attribute)
      .Case([&](UnitAttr) { os << "true"; })
      .Case([&](BoolAttr value) { os << (value.getValue() ? "true" : "false"); })
      .Case([&](IntegerAttr value) { os << value.getValue().getSExtValue(); })
      .Case([&](FloatAttr value) { number(value.getValue()); })
      .Case([&](StringAttr value) { string(value.getValue()); })
      .Case([&](FlatSymbolRefAttr value) { string(value.getValue()); })
      .Case([&](DenseElementsAttr value) { elements(value); })
      .Case([&](DenseI64ArrayAttr value) { list(value.asArrayRef(), [&](int64_t n) { os << n; }); })
      .Case([&](ArrayAttr value) { list(value, [&](Attribute item) { this->attribute(item); }); })
      .Case([&](ReductionAttr value) {
        os << "{\"kind\":\"" << stringifyReductionKind(value.getKind()) << "\",\"axis\":\"" << stringifyAxis(value.getAxis())
           << "\",\"value\":" << value.getValue() << ",\"count\":" << value.getCount() << "}";
      })
      .Default([&](Attribute other) {
        std::string text;
        llvm::raw_string_ostream(text) << other;
        string(text);
      });
}

void Writer::attributes(Operation *op) {
  os << ",\"attrs\":{";
  const char *separator = "";
  auto key = [&](StringRef name) {
    os << separator;
    string(name);
    os << ":";
    separator = ",";
  };
  if (auto attend = dyn_cast<AttendOp>(op)) {
    key("segments");
    os << "[" << attend.getQueries().size() << "," << attend.getKeys().size() << "," << attend.getHeads().size() << "]";
  }
  for (NamedAttribute named : op->getAttrDictionary()) {
    StringRef name = named.getName();
    if (name == "operandSegmentSizes" || name == "fastmath" || name == "overflowFlags")
      continue;
    key(name);
    if (auto compare = dyn_cast<arith::CmpIOp>(op); compare && name == "predicate")
      string(arith::stringifyCmpIPredicate(compare.getPredicate()));
    else if (auto compare = dyn_cast<arith::CmpFOp>(op); compare && name == "predicate")
      string(arith::stringifyCmpFPredicate(compare.getPredicate()));
    else if (auto pool = dyn_cast<PoolOp>(op); pool && name == "kind")
      string(stringifyPoolKind(pool.getKind()));
    else if (auto reduce = dyn_cast<UnitReduceOp>(op); reduce && name == "kind")
      string(stringifyUnitReduction(reduce.getKind()));
    else
      attribute(named.getValue());
  }
  os << "}";
}

void Writer::location(Location location) {
  location->walk([&](Location inner) {
    auto place = dyn_cast<FileLineColRange>(inner);
    if (!place)
      return WalkResult::advance();
    os << ",\"loc\":";
    string((place.getFilename().getValue() + ":" + Twine(place.getStartLine()) + ":" + Twine(place.getStartColumn())).str());
    return WalkResult::interrupt();
  });
}

/// Whether the op's last operand may be absent and is.
static bool lacksLastOperand(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([](LinearOp linear) { return !linear.getBias(); })
      .Case([](LossOp loss) { return !loss.getMask(); })
      .Case([](BroadcastOp broadcast) { return !broadcast.getLike(); })
      .Default(false);
}

void Writer::op(Operation *op, bool inBody) {
  os << "{\"op\":\"" << op->getName().getStringRef() << "\",\"in\":[";
  llvm::interleave(op->getOperands(), os, [&](Value value) { os << number(value); }, ",");
  if (lacksLastOperand(op))
    os << (op->getNumOperands() ? ",-1" : "-1");
  os << "],\"out\":";
  numbers(op->getResults());
  os << ",\"types\":";
  list(op->getResultTypes(), [&](Type result) { type(result); });
  attributes(op);
  if (op->getNumRegions() == 1)
    body(op->getRegion(0));
  if (!inBody)
    location(op->getLoc());
  os << "}";
}

void Writer::body(Region &region) {
  Block &block = region.front();
  os << ",\"body\":{\"args\":";
  numbers(block.getArguments());
  os << ",\"arg_types\":";
  list(block.getArgumentTypes(), [&](Type argument) { type(argument); });
  os << ",\"ops\":";
  list(block.without_terminator(), [&](Operation &inner) { op(&inner, true); });
  os << ",\"yield\":";
  numbers(block.getTerminator()->getOperands());
  os << "}";
}

void Writer::parameter(ParameterOp parameter) {
  os << "{\"name\":";
  string(parameter.getSymName());
  os << ",\"shape\":";
  list(cast<RankedTensorType>(parameter.getType()).getShape(), [&](int64_t extent) { os << extent; });
  os << ",\"init\":[\"" << stringifyInitKind(parameter.getInit().getKind()) << "\"";
  for (FloatAttr value : {parameter.getInit().getA(), parameter.getInit().getB()})
    if (value) {
      os << ",";
      number(value.getValue());
    }
  os << "]}";
}

void Writer::function(func::FuncOp function) {
  ids.clear();
  auto name = [&](DictionaryAttr attributes, StringRef otherwise) {
    auto named = attributes ? attributes.getAs<StringAttr>("caa.name") : StringAttr();
    string(named ? named.getValue() : otherwise);
  };
  os << "{\"name\":";
  auto exported = function->getAttrOfType<StringAttr>("caa.export");
  string(exported ? exported.getValue() : function.getSymName());
  os << ",\"export\":" << (exported ? "true" : "false") << ",\"inputs\":";
  list(function.getArguments(), [&](BlockArgument argument) {
    os << "{\"id\":" << number(argument) << ",\"name\":";
    name(function.getArgAttrDict(argument.getArgNumber()), "");
    os << ",\"type\":";
    type(argument.getType());
    os << "}";
  });
  Block &block = function.getBody().front();
  os << ",\"ops\":";
  list(block.without_terminator(), [&](Operation &inner) { op(&inner, false); });
  os << ",\"results\":";
  list(llvm::enumerate(block.getTerminator()->getOperands()), [&](auto result) {
    os << "{\"id\":" << number(result.value()) << ",\"name\":";
    name(function.getResultAttrDict(result.index()), "out");
    os << "}";
  });
  os << "}";
}

void Writer::write(ModuleOp module) {
  os << "{\"version\":1,\"parameters\":";
  list(module.getOps<ParameterOp>(), [&](ParameterOp op) { parameter(op); });
  os << ",\"functions\":";
  list(module.getOps<func::FuncOp>(), [&](func::FuncOp op) { function(op); });
  os << "}";
}

} // namespace

std::string plainForm(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Writer(os).write(module);
  return text;
}

} // namespace caa

// Module attributes to JSON. Records of the language (adamw(...), cosine(...), group(...)) are objects with `kind`.
#include "codegen/Driver/Texts.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace caa {

namespace json = llvm::json;

static json::Value toJson(Attribute attribute) {
  return llvm::TypeSwitch<Attribute, json::Value>(attribute)
      .Case([](BoolAttr value) { return json::Value(value.getValue()); })
      .Case([](IntegerAttr value) { return json::Value(value.getInt()); })
      .Case([](FloatAttr value) { return json::Value(value.getValueAsDouble()); })
      .Case([](StringAttr value) { return json::Value(json::fixUTF8(value.getValue())); })
      .Case([](ArrayAttr value) {
        json::Array array;
        for (Attribute item : value)
          array.push_back(toJson(item));
        return json::Value(std::move(array));
      })
      .Case([](DictionaryAttr value) {
        json::Object object;
        for (NamedAttribute named : value)
          object[named.getName().str()] = toJson(named.getValue());
        return json::Value(std::move(object));
      })
      .Default([](Attribute other) {
        std::string text;
        llvm::raw_string_ostream(text) << other;
        return json::Value(text);
      });
}

/// The front end names a record by `name`; only a group has a name beside its kind.
static void nameKinds(json::Object &train) {
  for (const char *record : {"optimizer", "schedule"})
    if (json::Object *object = train.getObject(record)) {
      if (auto name = object->getString("name"))
        (*object)["kind"] = name->str();
      object->erase("name");
      if (object->getString("kind") == "cosine")
        object->erase("decay");
    }
  if (json::Array *groups = train.getArray("groups"))
    for (json::Value &group : *groups)
      (*group.getAsObject())["kind"] = "group";
}

std::string settingsJson(ModuleOp module) {
  auto part = [&](const char *name) {
    auto dictionary = module->getAttrOfType<DictionaryAttr>(name);
    return dictionary ? toJson(dictionary) : json::Value(json::Object());
  };
  json::Value model = part("caa.values"), train = part("caa.train");
  nameKinds(*train.getAsObject());
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(json::Object{{"model", std::move(model)}, {"train", std::move(train)}});
  return text;
}

void readModuleTexts(ModuleOp module, schedule::Texts &texts) {
  if (auto name = module->getAttrOfType<StringAttr>("caa.model"))
    texts.modelName = name.str();
  // The main file first, then what it uses.
  auto main = module->getAttrOfType<StringAttr>("caa.source");
  if (auto sources = module->getAttrOfType<DictionaryAttr>("caa.sources"))
    for (bool wantMain : {true, false})
      for (NamedAttribute source : sources)
        if ((main && source.getName() == main) == wantMain)
          texts.source += ("// ---- " + source.getName().getValue() + "\n" + cast<StringAttr>(source.getValue()).getValue()).str();
  texts.settings = settingsJson(module);
}

} // namespace caa

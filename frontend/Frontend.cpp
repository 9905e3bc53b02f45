// The order of the front end's steps.
#include "frontend/Frontend.h"
#include "frontend/Emit/Emitter.h"
#include "frontend/Sema/Evaluator.h"
#include "frontend/Sema/Train.h"
#include "mlir/IR/Verifier.h"

namespace caa {

namespace {

using mlir::Attribute;
using mlir::NamedAttribute;

class Attributes {
public:
  explicit Attributes(mlir::MLIRContext &context) : b(&context) {}

  Attributes &add(const std::string &name, Attribute value) {
    list.push_back(b.getNamedAttr(name, value));
    return *this;
  }
  Attributes &add(const std::string &name, double value) { return add(name, Attribute(b.getF64FloatAttr(value))); }
  Attributes &add(const std::string &name, int64_t value) { return add(name, Attribute(b.getI64IntegerAttr(value))); }
  Attributes &add(const std::string &name, const std::string &value) { return add(name, Attribute(b.getStringAttr(value))); }
  Attribute dictionary() { return b.getDictionaryAttr(list); }

private:
  mlir::Builder b;
  llvm::SmallVector<NamedAttribute> list;
};

Attribute constantAttribute(const Constant &c, mlir::MLIRContext &context) {
  mlir::Builder b(&context);
  if (const Number *n = c.number())
    return n->isWhole() ? Attribute(b.getI64IntegerAttr(n->asInteger())) : Attribute(b.getF64FloatAttr(n->asReal()));
  if (const bool *t = c.truth())
    return b.getBoolAttr(*t);
  if (const auto *list = c.list()) {
    llvm::SmallVector<Attribute> items;
    for (const Constant &item : *list)
      items.push_back(constantAttribute(item, context));
    return b.getArrayAttr(items);
  }
  return b.getStringAttr(c.str());
}

Attribute trainAttribute(const TrainConfig &train, mlir::MLIRContext &context) {
  mlir::Builder b(&context);
  Attributes all(context);
  if (!train.data.empty())
    all.add("data", train.data);
  if (!train.tokenizer.empty())
    all.add("tokenizer", train.tokenizer);
  if (train.precision)
    all.add("precision", *train.precision);
  const TrainConfig::Optimizer &o = train.optimizer;
  all.add("optimizer", Attributes(context)
                           .add("name", std::string("adamw"))
                           .add("lr", o.lr)
                           .add("beta1", o.beta1)
                           .add("beta2", o.beta2)
                           .add("eps", o.eps)
                           .add("weight_decay", o.weightDecay)
                           .add("clip", o.clip)
                           .dictionary());
  llvm::SmallVector<Attribute> groups;
  for (const TrainConfig::Group &group : train.groups) {
    Attributes entry(context);
    entry.add("name", group.name).add("lr", group.lr);
    if (group.weightDecay)
      entry.add("weight_decay", *group.weightDecay);
    if (group.clip)
      entry.add("clip", *group.clip);
    groups.push_back(entry.dictionary());
  }
  all.add("groups", b.getArrayAttr(groups)).add("batch", train.batch);
  if (train.steps)
    all.add("steps", *train.steps);
  all.add("schedule", Attributes(context)
                          .add("name", train.schedule.kind)
                          .add("warmup", train.schedule.warmup)
                          .add("decay", train.schedule.decay)
                          .add("end", train.schedule.end)
                          .dictionary());
  all.add("seed", train.seed);
  return all.dictionary();
}

std::optional<ExportRequest> parseExport(const FrontendOptions::Export &given, Diagnostics &diagnostics) {
  ExportRequest request;
  request.name = given.name;
  for (const std::string &arg : given.args) {
    auto [name, size] = llvm::StringRef(arg).split('=');
    auto [heads, width] = size.split('x');
    ExportRequest::Vector vector{name.str(), 0, 0};
    if (name.empty() || heads.getAsInteger(10, vector.heads) || width.getAsInteger(10, vector.width) || vector.heads < 1 ||
        vector.width < 1 || vector.heads > INT32_MAX || vector.width > INT32_MAX) {
      diagnostics.error({}, "--arg " + arg + ": write VECTOR=HEADSxWIDTH, such as q=8x64");
      return std::nullopt;
    }
    request.vectors.push_back(std::move(vector));
  }
  return request;
}

// Everything after the files have been read.
class Compilation {
public:
  Compilation(SourceManager &sources, Diagnostics &diagnostics, const FrontendOptions &options,
              mlir::MLIRContext &context, bool emits)
      : sources(sources), diagnostics(diagnostics), options(options), context(context),
        emitter(context, sources, diagnostics, emits) {}

  bool run(const std::string &path) {
    // Errors of an earlier compilation with the same diagnostics do not count.
    unsigned before = diagnostics.errorCount();
    if (!program.load(sources, path, diagnostics))
      return false;
    for (const syntax::File &file : program.files())
      if (file.isBroken)
        return false; // what definitions there are is not known
    hasRecursion = checkNames(program, diagnostics);
    overrides.parse(options.sets, sources, diagnostics);
    model();
    exports();
    unusedOverrides();
    return diagnostics.errorCount() == before;
  }

  mlir::OwningOpRef<mlir::ModuleOp> take() { return emitter.takeModule(); }

private:
  void attribute(const std::string &name, Attribute value) { emitter.module()->setAttr(name, value); }

  void model() {
    const syntax::Decl *model = options.model.empty() ? program.lastModel() : program.find(options.model, syntax::Decl::Kind::Model);
    if (!model && !options.model.empty()) {
      std::vector<std::string> known = program.names(syntax::Decl::Kind::Model);
      diagnostics.error({}, "--model " + options.model + ": no model of that name" +
                                (known.empty() ? "" : "; known: " + listOf(known, ", ")));
      return;
    }
    if (model && model->isBroken)
      return;
    if (!model) {
      if (options.exports.empty() && diagnostics.errorCount() == 0)
        diagnostics.error({}, sources.file(program.files()[0].source).name + ": defines no model: end it with `model name = ...`");
      return;
    }
    Evaluator evaluator(program, sources, diagnostics, overrides, emitter);
    evaluator.knowsRecursion = hasRecursion;
    for (const FrontendOptions::Export &given : options.exports)
      evaluator.exported.insert(given.name);
    emitter.setParameterScope("");
    emitter.begin("model", {}, model->name.loc);
    evaluator.runModel(*model);
    emitter.end();
    emitter.declare(evaluator.parameters(), "");
    std::set<std::string> groups;
    for (const ParameterRef &parameter : evaluator.parameters())
      if (!parameter->group.empty())
        groups.insert(parameter->group);
    TrainConfig train = readTrain(evaluator, program, overrides, groups, diagnostics);
    attribute("caa.model", mlir::StringAttr::get(&context, model->name.text));
    Attributes values(context);
    mlir::Builder b(&context);
    for (const auto &[name, value] : evaluator.modelValues()) {
      values.add(name, constantAttribute(value, context));
      bool isSize = (name == "context" || name == "vocab") && value.number() && value.number()->isWhole();
      if (isSize)
        attribute("caa." + name, b.getI64IntegerAttr(value.number()->asInteger()));
    }
    attribute("caa.values", values.dictionary());
    attribute("caa.train", trainAttribute(train, context));
    sourceAttributes();
  }

  void sourceAttributes() {
    Attributes texts(context);
    for (const syntax::File &file : program.files())
      texts.add(sources.file(file.source).name, sources.file(file.source).text);
    attribute("caa.source", mlir::StringAttr::get(&context, sources.file(program.files()[0].source).name));
    attribute("caa.sources", texts.dictionary());
  }

  void exports() {
    std::set<std::string> seen;
    for (const FrontendOptions::Export &given : options.exports) {
      if (!seen.insert(given.name).second) {
        diagnostics.error({}, "--export " + given.name + " is given twice");
        continue;
      }
      std::optional<ExportRequest> request = parseExport(given, diagnostics);
      if (!request)
        continue;
      Evaluator evaluator(program, sources, diagnostics, overrides, emitter);
      evaluator.knowsRecursion = hasRecursion;
      std::vector<Emitter::Input> vectors;
      for (const ExportRequest::Vector &vector : request->vectors)
        vectors.push_back({vector.name, vector.heads, vector.width});
      const syntax::Decl *decl = program.find(given.name);
      if (decl && decl->isBroken)
        continue;
      emitter.setParameterScope(given.name + ":");
      emitter.begin("export." + given.name, vectors, decl ? decl->name.loc : Loc{});
      evaluator.runExport(*request);
      if (mlir::func::FuncOp function = emitter.end()) {
        function->setAttr("caa.export", mlir::StringAttr::get(&context, given.name));
        for (int64_t k = function.getNumArguments() - 1; k >= int64_t(vectors.size()); --k)
          if (function.getArgument(k).use_empty())
            (void)function.eraseArgument(k);
      }
      emitter.declare(evaluator.parameters(), given.name + ":");
    }
    if (!options.exports.empty() && !emitter.module()->hasAttr("caa.sources"))
      sourceAttributes();
  }

  void unusedOverrides() {
    for (Override &entry : overrides.list()) {
      bool modelIsUnknown = entry.path.size() == 1 && diagnostics.errorCount() != 0;
      if (entry.used || modelIsUnknown)
        continue;
      const std::string option = "--set " + entry.option + ": ";
      const syntax::Decl *decl = program.find(entry.path[0]);
      bool hasDefaults = decl && (decl->kind == syntax::Decl::Kind::Attention || decl->kind == syntax::Decl::Kind::Block);
      if (entry.path.size() == 1 || !hasDefaults || entry.path.size() > 2) {
        std::vector<std::string> known = program.names(syntax::Decl::Kind::Attention);
        for (const std::string &name : program.names(syntax::Decl::Kind::Block))
          known.push_back(name);
        known.push_back("train");
        diagnostics.error({}, option + "no attention or block `" + entry.path[0] + "`; known: " + listOf(known, ", "));
        continue;
      }
      std::vector<std::string> known;
      for (const syntax::Param &param : decl->params)
        if (param.fallback)
          known.push_back(param.name.text);
      if (!decl->param(entry.path[1]))
        diagnostics.error({}, option + "`" + decl->name.text + "` has no default `" + entry.path[1] + "`" +
                                  (known.empty() ? "" : "; known: " + listOf(known, ", ")));
      else if (entry.givenAt.valid())
        diagnostics.error(entry.givenAt, option + "this call gives `" + entry.path[1] + "`");
      else if (diagnostics.errorCount() == 0)
        diagnostics.error({}, option + "the model does not call `" + decl->name.text + "`");
    }
  }

  SourceManager &sources;
  Diagnostics &diagnostics;
  const FrontendOptions &options;
  mlir::MLIRContext &context;
  Program program;
  Overrides overrides;
  Emitter emitter;
  bool hasRecursion = false;
};

} // namespace

mlir::OwningOpRef<mlir::ModuleOp> compileToCaa(SourceManager &sources, Diagnostics &diagnostics, const std::string &path,
                                               const FrontendOptions &options, mlir::MLIRContext &context) {
  Compilation compilation(sources, diagnostics, options, context, /*emits=*/true);
  if (!compilation.run(path))
    return {};
  mlir::OwningOpRef<mlir::ModuleOp> module = compilation.take();
  if (mlir::failed(mlir::verify(*module)))
    return {};
  return module;
}

bool checkProgram(SourceManager &sources, Diagnostics &diagnostics, const std::string &path,
                  const FrontendOptions &options, mlir::MLIRContext &context) {
  return Compilation(sources, diagnostics, options, context, /*emits=*/false).run(path);
}

bool printSyntax(SourceManager &sources, Diagnostics &diagnostics, const std::string &path, llvm::raw_ostream &out) {
  Program program;
  unsigned before = diagnostics.errorCount();
  if (!program.load(sources, path, diagnostics) || diagnostics.errorCount() != before)
    return false;
  for (const syntax::File &file : program.files()) {
    if (program.files().size() > 1)
      out << "// " << sources.file(file.source).name << "\n";
    syntax::print(file, out);
  }
  return true;
}

} // namespace caa

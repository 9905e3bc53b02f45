// Taking `--set` apart.
#include "frontend/Sema/Overrides.h"
#include "frontend/Syntax/Parse.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

namespace caa {

void Overrides::parse(const std::vector<std::string> &options, SourceManager &sources, Diagnostics &diagnostics) {
  for (const std::string &option : options) {
    auto [name, value] = llvm::StringRef(option).split('=');
    if (name.empty() || !llvm::StringRef(option).contains('=')) {
      diagnostics.error({}, "--set " + option + ": write NAME=VALUE");
      continue;
    }
    Override entry;
    entry.option = option;
    llvm::SmallVector<llvm::StringRef> parts;
    name.split(parts, '.');
    for (llvm::StringRef part : parts)
      entry.path.push_back(part.trim().str());
    entry.text = value.trim().str();
    // The text is parsed as a file of its own; what is no expression may still be a plain string (a path).
    Diagnostics silent(sources, llvm::nulls());
    int32_t source = sources.addText("--set " + name.str(), entry.text);
    entry.value = syntax::parseExpr(sources, source, silent);
    all.push_back(std::move(entry));
  }
}

Override *Overrides::find(const std::string &name) {
  Override *found = nullptr;
  for (Override &entry : all)
    if (entry.path.size() == 1 && entry.path[0] == name)
      found = &entry;
  return found;
}

Override *Overrides::find(const std::string &decl, const std::string &param) {
  Override *found = nullptr;
  if (decl != "train")
    for (Override &entry : all)
      if (entry.path.size() == 2 && entry.path[0] == decl && entry.path[1] == param)
        found = &entry;
  return found;
}

std::vector<Override *> Overrides::train() {
  std::vector<Override *> result;
  for (Override &entry : all)
    if (entry.path.size() >= 2 && entry.path[0] == "train")
      result.push_back(&entry);
  return result;
}

} // namespace caa

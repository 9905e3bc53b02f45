// Reading files through `use`, and the table of definitions.
#include "frontend/Sema/Program.h"
#include "frontend/Sema/Builtins.h"
#include "frontend/Syntax/Parse.h"

namespace caa {

using syntax::Decl;

bool Program::load(SourceManager &sources, const std::string &path, Diagnostics &diagnostics) {
  SourceManager::Opened opened = sources.open(path);
  if (opened.file < 0) {
    diagnostics.error({}, path + ": " + opened.problem);
    return false;
  }
  read(sources, opened.file, diagnostics);
  define(sources, diagnostics);
  return true;
}

void Program::read(SourceManager &sources, int32_t source, Diagnostics &diagnostics) {
  // Breadth first, so that a long chain of files costs no stack.
  std::vector<int32_t> waiting = {source};
  for (size_t next = 0; next < waiting.size(); ++next) {
    syntax::File file = syntax::parseFile(sources, waiting[next], diagnostics);
    for (const syntax::Use &use : file.uses) {
      std::string path = sources.resolve(waiting[next], use.path);
      SourceManager::Opened opened = sources.open(path);
      if (opened.file < 0)
        diagnostics.error(use.loc, "`" + path + "` " + opened.problem);
      else if (opened.isNew)
        waiting.push_back(opened.file);
    }
    all.push_back(std::move(file));
  }
}

void Program::define(const SourceManager &sources, Diagnostics &diagnostics) {
  for (const syntax::File &file : all) {
    for (const Decl &decl : file.decls) {
      const std::string &name = decl.name.text;
      if (isReservedName(name)) {
        diagnostics.error(decl.name.loc, "`" + name + "` is a reserved name");
        continue;
      }
      if (isBuiltin(name)) {
        diagnostics.error(decl.name.loc, "`" + name + "` is built in: give this " + kindName(decl.kind) + " another name");
        continue;
      }
      auto [entry, isNew] = decls.emplace(name, &decl);
      if (isNew)
        continue;
      // The later one is at fault: the one in the file that uses the other, or further down.
      Loc first = entry->second->name.loc, second = decl.name.loc;
      if (first.file != second.file && first.file == all.front().source)
        std::swap(first, second);
      std::string place = first.file == second.file ? "line " + std::to_string(first.line) : sources.describe(first);
      diagnostics.error(second, "`" + name + "` is defined already (see " + place + ")");
    }
    for (size_t k = 1; k < file.trains.size(); ++k)
      diagnostics.error(file.trains[k].loc, "a file has one `train` at most (the first is in line " +
                                                std::to_string(file.trains[0].loc.line) + ")");
  }
}

const Decl *Program::find(const std::string &name) const {
  auto found = decls.find(name);
  return found == decls.end() ? nullptr : found->second;
}

const Decl *Program::find(const std::string &name, Decl::Kind kind) const {
  const Decl *decl = find(name);
  return decl && decl->kind == kind ? decl : nullptr;
}

std::vector<std::string> Program::names() const {
  std::vector<std::string> result;
  for (const auto &[name, decl] : decls)
    result.push_back(name);
  return result;
}

std::vector<std::string> Program::names(Decl::Kind kind) const {
  std::vector<std::string> result;
  for (const auto &[name, decl] : decls)
    if (decl->kind == kind)
      result.push_back(name);
  return result;
}

const Decl *Program::lastModel() const {
  const Decl *last = nullptr;
  for (const Decl &decl : all.front().decls)
    if (decl.kind == Decl::Kind::Model && find(decl.name.text) == &decl)
      last = &decl;
  return last;
}

const syntax::Train *Program::train() const {
  return all.front().trains.empty() ? nullptr : &all.front().trains.front();
}

} // namespace caa

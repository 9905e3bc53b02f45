// The one formatter: `file:line:column: error: sentence`, the line, a caret.
#include "frontend/Support/Diagnostics.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include <algorithm>

namespace caa {
namespace {

constexpr unsigned mostErrors = 100;

// Code points of UTF-8 text.
int32_t codePoints(llvm::StringRef text) {
  return static_cast<int32_t>(llvm::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// Where no length is known: the word that starts at the column.
int32_t wordLength(llvm::StringRef line, int32_t column) {
  int32_t at = 1;
  size_t byte = 0;
  while (byte < line.size() && at < column) {
    do
      ++byte;
    while (byte < line.size() && (line[byte] & 0xC0) == 0x80);
    ++at;
  }
  int32_t length = 0;
  while (byte < line.size() && (llvm::isAlnum(line[byte]) || line[byte] == '_')) {
    ++byte;
    ++length;
  }
  return std::max(length, 1);
}

} // namespace

Diagnostics::Diagnostics(const SourceManager &sources, llvm::raw_ostream &out, bool colour)
    : sources(sources), out(out), colour(colour) {}

Diagnostics::~Diagnostics() { flush(); }

void Diagnostics::report(Severity severity, Loc loc, std::string message) {
  if (muted)
    return;
  if (!seen.insert({loc.file, loc.line, loc.column, message}).second)
    return;
  if (severity == Severity::Error)
    ++errors;
  pending.push_back({severity, loc, std::move(message)});
}

void Diagnostics::flush() {
  std::stable_sort(pending.begin(), pending.end(), [](const Entry &a, const Entry &b) { return a.loc < b.loc; });
  unsigned printed = 0;
  for (const Entry &entry : pending) {
    if (entry.severity == Severity::Error && ++printed > mostErrors)
      continue;
    print(entry);
  }
  if (printed > mostErrors)
    out << "error: and " << printed - mostErrors << " more\n";
  pending.clear();
  out.flush();
}

void Diagnostics::print(const Entry &entry) {
  using Colors = llvm::raw_ostream::Colors;
  static const struct {
    const char *word;
    Colors color;
  } looks[] = {{"error", Colors::RED}, {"warning", Colors::MAGENTA}, {"remark", Colors::BLUE}};
  const auto &look = looks[static_cast<int>(entry.severity)];
  auto paint = [&](Colors color) {
    if (colour)
      out.changeColor(color, /*Bold=*/true);
  };
  auto plain = [&] {
    if (colour)
      out.resetColor();
  };

  if (entry.loc.valid())
    out << sources.describe(entry.loc) << ": ";
  paint(look.color);
  out << look.word << ": ";
  plain();
  out << entry.message << "\n";
  if (!entry.loc.valid() || entry.loc.line == 0)
    return;

  std::string line = sources.line(entry.loc.file, entry.loc.line).str();
  std::replace(line.begin(), line.end(), '\t', ' ');
  int32_t length = entry.loc.length > 0 ? entry.loc.length : wordLength(line, entry.loc.column);
  length = std::clamp(length, 1, std::max(1, codePoints(line) - entry.loc.column + 1));
  std::string number = std::to_string(entry.loc.line);
  out << "  " << number << " | " << line << "\n";
  out << std::string(number.size() + 2, ' ') << " | " << std::string(entry.loc.column - 1, ' ');
  paint(Colors::GREEN);
  out << "^" << std::string(length - 1, '~');
  plain();
  out << "\n";
}

void Diagnostics::attach(mlir::MLIRContext &context, bool remarks) {
  showRemarks = remarks;
  handler = std::make_unique<mlir::ScopedDiagnosticHandler>(&context, [this](mlir::Diagnostic &diagnostic) {
    Severity severity = Severity::Error;
    switch (diagnostic.getSeverity()) {
    case mlir::DiagnosticSeverity::Error:
      break;
    case mlir::DiagnosticSeverity::Warning:
      severity = Severity::Warning;
      break;
    case mlir::DiagnosticSeverity::Remark:
      if (!showRemarks)
        return mlir::success();
      severity = Severity::Remark;
      break;
    case mlir::DiagnosticSeverity::Note:
      return mlir::success();
    }
    report(severity, sourceLocation(sources, diagnostic.getLocation()), diagnostic.str());
    return mlir::success();
  });
}

Loc sourceLocation(const SourceManager &sources, mlir::Location location) {
  if (auto place = llvm::dyn_cast<mlir::FileLineColLoc>(location)) {
    int32_t file = sources.fileNamed(place.getFilename());
    if (file < 0)
      return {};
    return {file, static_cast<int32_t>(place.getLine()), static_cast<int32_t>(place.getColumn()), 0};
  }
  if (auto call = llvm::dyn_cast<mlir::CallSiteLoc>(location)) {
    Loc inner = sourceLocation(sources, call.getCallee());
    return inner.valid() ? inner : sourceLocation(sources, call.getCaller());
  }
  if (auto named = llvm::dyn_cast<mlir::NameLoc>(location))
    return sourceLocation(sources, named.getChildLoc());
  if (auto fused = llvm::dyn_cast<mlir::FusedLoc>(location))
    for (mlir::Location part : fused.getLocations()) {
      Loc inner = sourceLocation(sources, part);
      if (inner.valid())
        return inner;
    }
  return {};
}

std::string closest(llvm::StringRef name, const std::vector<std::string> &known) {
  std::string best;
  unsigned least = std::max<unsigned>(1, static_cast<unsigned>(name.size()) / 3) + 1;
  for (const std::string &candidate : known) {
    if (candidate == name)
      continue;
    bool caseOnly = name.equals_insensitive(candidate);
    if (name.size() == 1 && !caseOnly)
      continue; // every other letter would be near
    unsigned distance = caseOnly ? 0 : name.edit_distance(candidate, /*AllowReplacements=*/true, least);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::string didYouMean(llvm::StringRef name, const std::vector<std::string> &known) {
  std::string best = closest(name, known);
  return best.empty() ? "" : "; did you mean `" + best + "`?";
}

} // namespace caa

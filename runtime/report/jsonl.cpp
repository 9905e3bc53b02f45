// jsonl.h over a descriptor in append mode: one write a row.
#include "runtime/report/jsonl.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>
#include <utility>

namespace caa {
namespace {

/// The lines that have their end.
std::string_view wholeLines(std::string_view text) {
  size_t end = text.rfind('\n');
  return text.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

} // namespace

Result<JsonlWriter> JsonlWriter::open(const Path &path) {
  int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return fileError("write", path, errno);
  JsonlWriter writer(path, descriptor);
  CAA_TRY(auto text, readFile(path));
  if (size_t whole = wholeLines(text).size(); whole < text.size() && ::ftruncate(descriptor, off_t(whole)) != 0)
    return fileError("write", path, errno);
  return writer;
}

JsonlWriter::JsonlWriter(JsonlWriter &&other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

JsonlWriter::~JsonlWriter() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

Status JsonlWriter::write(const OrderedJson &row) {
  std::string line = row.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  for (size_t done = 0; done < line.size();) {
    ssize_t count = ::write(descriptor_, line.data() + done, line.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return fileError("write", path_, errno);
    done += size_t(count);
  }
  return {};
}

Result<std::vector<Json>> readJsonl(const Path &path) {
  CAA_TRY(auto text, readFile(path));
  std::vector<Json> rows;
  std::string_view lines = wholeLines(text);
  uint64_t number = 0;
  for (size_t at = 0; at < lines.size();) {
    size_t end = lines.find('\n', at);
    std::string_view line = lines.substr(at, end - at);
    ++number;
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    auto row = Json::parse(line, nullptr, false);
    if (!row.is_object())
      return inputError(fmt::format("{}:{}: error: this line is no JSON object (a run goes on without it, or without the "
                                    "whole file: curves are then shorter, nothing else)",
                                    path.string(), number));
    rows.push_back(std::move(row));
  }
  return rows;
}

Status dropRowsAfter(const Path &path, int64_t lastStep) {
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    return {};
  CAA_TRY(auto rows, readJsonl(path));
  CAA_TRY(auto text, readFile(path));
  std::string kept;
  size_t row = 0;
  for (size_t at = 0; at < wholeLines(text).size();) {
    size_t end = text.find('\n', at);
    std::string_view line = std::string_view(text).substr(at, end + 1 - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r\n") == std::string_view::npos)
      continue;
    const Json &object = rows[row++];
    auto step = object.find("step");
    if (step == object.end() || !step->is_number() || step->get<double>() <= double(lastStep))
      kept += line;
  }
  return kept.size() == text.size() ? Status() : writeFile(path, kept);
}

} // namespace caa

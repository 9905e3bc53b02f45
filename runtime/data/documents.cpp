// Reading and cutting for documents.h. Line numbers are counted only when an error needs one.
#include "runtime/data/documents.h"

#include "runtime/base/json.h"
#include "runtime/base/utf8.h"
#include "runtime/data/white_space.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

constexpr size_t batchSize = 1 << 20;
constexpr uint64_t largestGroup = 16 << 20; // text of a row group that one batch may hold; FineWeb's have about 4 MB

/// The kind of a file by its name, without a compression suffix.
std::string kindOf(const Path &path) {
  std::string extension = path.extension().string();
  if (extension == ".gz" || extension == ".zst")
    extension = path.stem().extension().string();
  return extension;
}

} // namespace

uint64_t DocumentBatch::lineAt(size_t at) const {
  return line + uint64_t(std::count(bytes.begin(), bytes.begin() + ptrdiff_t(at), '\n'));
}

Error DocumentBatch::invalidUtf8(size_t at) const {
  size_t start = at > 0 ? bytes.rfind('\n', at - 1) : std::string::npos;
  Utf8Fault fault{at, lineAt(at), start == std::string::npos ? column + at : at - start};
  Error error = utf8Error(file, bytes, fault);
  // The message counts from the batch; a user counts from the file.
  std::string from = fmt::format("at offset {} ", at), to = fmt::format("at offset {} ", offset + at);
  error.message.replace(error.message.find(from), from.size(), to);
  return error;
}

Error DocumentBatch::badLine(size_t at, std::string_view why) const {
  return inputError(fmt::format("{}:{}: error: {}", file.string(), lineAt(at), why));
}

Result<std::vector<std::string>> DocumentBatch::parseRows() {
  if (rows.empty()) {
    CAA_TRY(auto reading, parquet->rows(group));
    for (bool more = true; more;) {
      CAA_TRY(more, reading.read(SIZE_MAX, rows));
    }
  }
  for (size_t i = 0; i < rows.size(); ++i)
    if (auto fault = findInvalidUtf8(rows[i]))
      return inputError(fmt::format(
          "{}: error: row group {}: row {}: not UTF-8 text: byte 0x{:02x} at offset {} starts no valid character",
          file.string(), group, firstRow + i, static_cast<unsigned char>(rows[i][fault->offset]), fault->offset));
  std::erase_if(rows, [](const std::string &text) { return isBlank(text); });
  return std::move(rows);
}

Result<std::vector<std::string>> DocumentBatch::parse() {
  if (format == Format::Parquet)
    return parseRows();
  if (auto fault = findInvalidUtf8(bytes))
    return invalidUtf8(fault->offset);
  std::vector<std::string> documents;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = separator.empty() ? std::string::npos : bytes.find(separator, at);
    std::string_view record = std::string_view(bytes).substr(at, end == std::string::npos ? end : end - at);
    if (format == Format::JsonLines && !isBlank(record)) {
      auto row = Json::parse(record, nullptr, false);
      if (row.is_discarded())
        return badLine(at, "not valid JSON: a .jsonl file holds one object a line");
      if (!row.is_object() || !row.contains("text") || !row["text"].is_string())
        return badLine(at, "there is no string `text` in this line");
      auto &text = row["text"].get_ref<std::string &>();
      if (!isBlank(text))
        documents.push_back(std::move(text));
    } else if (!isBlank(record)) {
      documents.emplace_back(record);
    }
    at = end == std::string::npos ? bytes.size() : end + separator.size();
  }
  return documents;
}

Status DocumentReader::openNext() {
  const Path &path = files_[nextFile_++];
  std::string kind = kindOf(path);
  using Format = DocumentBatch::Format;
  current_ = {};
  current_.file = path;
  if (path.extension() == ".parquet") {
    current_.format = Format::Parquet;
    CAA_TRY(current_.parquet, ParquetFile::open(path));
    groupsSize_ = 0;
  } else {
    if (kind == ".parquet")
      return inputError(fmt::format("{}: error: Parquet compresses inside: decompress the file first", path.string()));
    current_.format = kind == ".jsonl" || kind == ".ndjson" ? Format::JsonLines : Format::Text;
    current_.separator = current_.format == Format::JsonLines ? "\n" : splitOn_;
    CAA_TRY(source_, openSource(path));
    atEnd_ = false;
  }
  open_ = true;
  return {};
}

void DocumentReader::closeFile() {
  std::error_code code;
  if (auto size = std::filesystem::file_size(current_.file, code); !code)
    finished_ += size;
  current_ = {};
  source_.reset();
  rows_.reset();
  open_ = false;
}

Result<std::optional<DocumentBatch>> DocumentReader::next() {
  for (;;) {
    if (!open_) {
      if (nextFile_ == files_.size())
        return std::optional<DocumentBatch>();
      CAA_CHECK(openNext());
    }
    if (current_.format == DocumentBatch::Format::Parquet) {
      if (current_.group == current_.parquet->groupCount()) {
        closeFile();
        continue;
      }
      CAA_TRY(auto batch, nextRows());
      return std::optional(std::move(batch));
    }
    CAA_TRY(auto batch, nextText());
    if (atEnd_)
      closeFile();
    if (!batch.bytes.empty())
      return std::optional(std::move(batch));
  }
}

Result<DocumentBatch> DocumentReader::nextText() {
  const std::string &separator = current_.separator;
  std::string &bytes = current_.bytes;
  size_t cut = 0, searched = 0; // a batch ends behind the last separator
  while (!atEnd_ && cut == 0) {
    size_t used = bytes.size();
    bytes.resize(used + batchSize);
    auto count = source_->read(bytes.data() + used, batchSize);
    bytes.resize(used + (count ? *count : 0));
    if (!count)
      return count.error();
    atEnd_ = *count == 0;
    if (current_.offset == 0 && bytes.starts_with("\xef\xbb\xbf")) {
      bytes.erase(0, 3);
      current_.offset = 3;
    }
    if (separator.empty() || bytes.size() < batchSize)
      continue;
    // From the front: where separators touch ("\n\n\n" by "\n\n"), cuts must not depend on where reads ended.
    for (size_t at = searched; (at = bytes.find(separator, at)) != std::string::npos;)
      cut = at += separator.size();
    searched = bytes.size() >= separator.size() ? std::max(cut, bytes.size() - separator.size() + 1) : 0;
  }
  if (atEnd_)
    cut = bytes.size();
  DocumentBatch batch = current_;
  batch.bytes.resize(cut);
  batch.stored = finished_ + source_->position();
  current_.offset += cut;
  current_.line = batch.line + uint64_t(std::count(batch.bytes.begin(), batch.bytes.end(), '\n'));
  size_t newline = batch.bytes.rfind('\n');
  current_.column = newline == std::string::npos ? batch.column + cut : cut - newline;
  bytes.erase(0, cut);
  return batch;
}

Result<DocumentBatch> DocumentReader::nextRows() {
  auto size = current_.parquet->group(current_.group);
  bool large = size.text > largestGroup, more = false;
  DocumentBatch batch = current_;
  if (large) {
    if (!rows_) {
      CAA_TRY(rows_, current_.parquet->rows(current_.group));
    }
    CAA_TRY(more, rows_->read(batchSize, batch.rows));
    current_.firstRow += batch.rows.size();
  }
  if (!more) {
    rows_.reset();
    ++current_.group;
    current_.firstRow = 0;
    groupsSize_ += size.stored;
  }
  batch.stored = finished_ + groupsSize_;
  return batch;
}

Result<uint64_t> DocumentReader::totalSize() const {
  uint64_t total = 0;
  for (const Path &file : files_) {
    std::error_code code;
    auto size = std::filesystem::file_size(file, code);
    if (code && !std::filesystem::exists(file))
      return fileError("open", file, code.value());
    total += code ? 0 : size;
  }
  return total;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    const char *from = "ntr\\", *to = "\n\t\r\\";
    const char *found = next ? std::char_traits<char>::find(from, 4, next) : nullptr;
    out += found ? to[found - from] : text[i];
    i += found ? 1 : 0;
  }
  return out;
}

} // namespace caa

// Loading libcaa_parquet.so, and its C interface as values.
#include "runtime/data/parquet_file.h"

#include "runtime/base/plugin.h"
#include "runtime/parquet/parquet_api.h"

#include <array>
#include <cerrno>
#include <fmt/format.h>

namespace caa {
namespace {

using Message = std::array<char, 1024>;

/// The library stays loaded until the process ends.
Result<const caa_parquet_api *> load() {
  CAA_TRY(void *symbol, loadPlugin("caa_parquet", "caa_parquet",
                                   "this caa-run was built without Parquet, because Apache Arrow was missing; install "
                                   "it (`scripts/install.sh`, or `pip install pyarrow`), then configure and build again",
                                   "Parquet needs Apache Arrow, which does not load (was it removed since the build? "
                                   "`scripts/install.sh` installs it)"));
  const caa_parquet_api *api = reinterpret_cast<caa_parquet_fn>(symbol)();
  if (api->version != CAA_PARQUET_VERSION)
    return foreignPlugin("caa_parquet");
  return api;
}

const Result<const caa_parquet_api *> &plugin() {
  static const auto loaded = load();
  return loaded;
}

Error fault(const Path &path, const Message &message) {
  return inputError(fmt::format("{}: error: cannot read it as Parquet: {}", path.string(), message.data()));
}

} // namespace

Result<ParquetFile> ParquetFile::open(const Path &path) {
  std::error_code code;
  auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status))
    return fileError("open", path, ENOENT);
  if (std::filesystem::is_directory(status))
    return inputError(fmt::format("{}: error: it is a folder: name the files in it", path.string()));
  if (!plugin())
    return inputError(fmt::format("{}: error: {}", path.string(), plugin().error().message));
  const caa_parquet_api *api = *plugin();
  caa_parquet_file *file = nullptr;
  Message message{};
  if (api->open(path.c_str(), column, &file, message.data(), message.size()) != 0)
    return fault(path, message);
  ParquetFile opened;
  opened.path_ = path;
  opened.file_ = {file, api->close};
  return opened;
}

uint64_t ParquetFile::groupCount() const { return uint64_t((*plugin())->group_count(file_.get())); }

ParquetFile::Group ParquetFile::group(uint64_t index) const {
  int64_t stored = 0, text = 0;
  (*plugin())->group_size(file_.get(), int64_t(index), &stored, &text);
  return {uint64_t(stored), uint64_t(text)};
}

Result<ParquetFile::Rows> ParquetFile::rows(uint64_t group) const {
  const caa_parquet_api *api = *plugin();
  caa_parquet_rows *rows = nullptr;
  Message message{};
  if (api->open_rows(file_.get(), int64_t(group), &rows, message.data(), message.size()) != 0)
    return fault(path_, message);
  Rows opened;
  opened.path_ = path_;
  opened.file_ = file_;
  opened.rows_ = {rows, api->close_rows};
  return opened;
}

Result<bool> ParquetFile::Rows::read(size_t bytes, std::vector<std::string> &texts) {
  auto take = [](void *context, const char *data, size_t size) {
    static_cast<std::vector<std::string> *>(context)->emplace_back(data, size);
  };
  int more = 0;
  Message message{};
  if ((*plugin())->read(rows_.get(), bytes, take, &texts, &more, message.data(), message.size()) != 0)
    return fault(path_, message);
  return more != 0;
}

} // namespace caa

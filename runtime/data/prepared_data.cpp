// prepared_data.h: checks on opening, then plain reads.
#include "runtime/data/prepared_data.h"

#include "runtime/base/hash.h"
#include "runtime/base/parallel.h"

#include <algorithm>
#include <fmt/format.h>

namespace caa {
namespace {

/// Opens one shard and compares it with the manifest.
Result<TokenFile> openShard(const Path &folder, const Manifest &manifest, const Manifest::Shard &shard) {
  Path path = folder / shard.file;
  auto fault = [&](std::string_view what) {
    return inputError(fmt::format("{}: error: {}; prepare the data again", path.string(), what));
  };
  if (shard.file.find('/') != std::string::npos)
    return fault("the manifest names a shard outside its folder");
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    return fault("a shard of the manifest is missing");
  CAA_TRY(auto file, TokenFile::open(path));
  if (file.size() != shard.tokens || file.width() != tokenWidth(manifest.vocabSize))
    return fault(fmt::format("it holds {} tokens of {} bytes, in the manifest {} of {}", file.size(), file.width(),
                             shard.tokens, tokenWidth(manifest.vocabSize)));
  if (hex64(file.checksum()) != shard.xxh64)
    return fault("damaged: its bytes do not agree with the manifest's hash");
  CAA_CHECK(file.checkIds(manifest.vocabSize));
  return file;
}

} // namespace

TokenStream::TokenStream(std::vector<TokenFile> files) : files_(std::move(files)) {
  uint64_t end = 0;
  for (const TokenFile &file : files_)
    ends_.push_back(end += file.size());
}

void TokenStream::read(uint64_t begin, std::span<int32_t> out) const {
  auto index = size_t(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
  while (!out.empty()) {
    const TokenFile &file = files_[index];
    uint64_t start = ends_[index] - file.size();
    size_t count = std::min<uint64_t>(out.size(), ends_[index] - begin);
    file.read(begin - start, out.first(count));
    out = out.subspan(count);
    begin += count;
    ++index;
  }
}

Result<PreparedData> PreparedData::open(const Path &folder) {
  std::error_code code;
  if (!std::filesystem::exists(folder / Manifest::fileName, code))
    return inputError(
        fmt::format("{}: error: there is no prepared data; make it with `caa-run data prepare FILES... -o {} "
                    "--tokenizer TOKENIZER`",
                    folder.string(), folder.string()));
  PreparedData data;
  data.folder_ = folder;
  CAA_TRY(data.manifest_, Manifest::read(folder));
  const Manifest &manifest = data.manifest_;
  CAA_TRY(auto digest, sha256File(data.tokenizerPath()));
  if (digest != manifest.tokenizerSha256)
    return inputError(
        fmt::format("{}: error: damaged or replaced: its bytes do not agree with the manifest's hash; prepare "
                    "the data again",
                    data.tokenizerPath().string()));

  // Reading and hashing all shards takes every core: one task a shard.
  std::vector<std::pair<Split, const Manifest::Shard *>> shards;
  for (Split split : allSplits)
    for (const auto &shard : manifest.part(split).shards)
      shards.emplace_back(split, &shard);
  std::array<std::vector<TokenFile>, 3> files;
  size_t nextShard = 0, doneShard = 0;
  CAA_CHECK((orderedParallel<const Manifest::Shard *, TokenFile>(
      threadCount(0),
      [&]() -> Result<std::optional<const Manifest::Shard *>> {
        if (nextShard == shards.size())
          return std::optional<const Manifest::Shard *>();
        return std::optional(shards[nextShard++].second);
      },
      [&](const Manifest::Shard *&shard) { return openShard(folder, manifest, *shard); },
      [&](TokenFile &file) -> Status {
        files[size_t(shards[doneShard++].first)].push_back(std::move(file));
        return {};
      })));
  for (Split split : allSplits) {
    TokenStream &stream = data.streams_[size_t(split)] = TokenStream(std::move(files[size_t(split)]));
    if (stream.size() != manifest.part(split).tokens)
      return inputError(fmt::format(
          "{}: error: the {} shards hold {} tokens, the manifest says {}; prepare the data again",
          (folder / Manifest::fileName).string(), nameOf(split), stream.size(), manifest.part(split).tokens));
  }
  return data;
}

double PreparedData::bytesPerToken(Split split) const {
  const auto &part = manifest_.part(split);
  return part.tokens ? double(part.bytes) / double(part.tokens) : 0.0;
}

} // namespace caa

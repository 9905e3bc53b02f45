// The journal as one JSON file with a checksum over it.
#include "runtime/data/journal.h"

#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/data/token_file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <sys/stat.h>

namespace caa {
namespace {

namespace fs = std::filesystem;

/// What the file says; nothing if it is of another identity or not as it was written.
std::optional<Journal> read(const Path &path, const std::string &identity) {
  auto json = readJson(path);
  if (!json || !json->is_object())
    return {};
  Json sum = json->value("sha256", Json());
  json->erase("sha256");
  if (sum != sha256(json->dump()) || (*json)["identity"] != identity)
    return {};
  Journal journal;
  journal.identity = identity;
  journal.batches = (*json)["batches"];
  journal.place = (*json)["place"];
  journal.stored = (*json)["stored"];
  journal.counts = (*json)["counts"].get<std::vector<uint64_t>>();
  auto manifest = Manifest::parse(path, (*json)["manifest"].get<std::string>());
  if (!manifest)
    return {};
  journal.manifest = std::move(*manifest);
  return journal;
}

bool isWhole(const Path &folder, const Manifest::Shard &shard) {
  auto file = TokenFile::open(folder / shard.file);
  return file && file->size() == shard.tokens && hex64(file->checksum()) == shard.xxh64;
}

} // namespace

Status Journal::write(const Path &folder) const {
  Json json{{"identity", identity}, {"batches", batches}, {"place", place},
            {"stored", stored},     {"counts", counts},   {"manifest", manifest.text()}};
  json["sha256"] = sha256(json.dump());
  return writeFile(folder / fileName, json.dump());
}

std::optional<Journal> Journal::resume(const Path &folder, const std::string &identity) {
  auto journal = read(folder / fileName, identity);
  std::set<std::string> known;
  bool areWhole = journal.has_value();
  for (size_t i = 0; areWhole && i < allSplits.size(); ++i)
    for (const auto &shard : journal->manifest.parts[i].shards) {
      areWhole = areWhole && isWhole(folder, shard);
      known.insert(shard.file);
    }
  known.insert(std::string(fileName));
  if (!areWhole) {
    journal.reset();
    known.clear();
  }
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (!known.contains(it->path().filename().string())) {
      std::error_code ignored;
      fs::remove_all(it->path(), ignored);
    }
  return journal;
}

std::optional<std::string> identityOf(const Preparation &preparation, std::string_view tokenizerText) {
  std::string text = fmt::format("1\n{}\n{}\n{}\n{}\n", sha256(tokenizerText), preparation.salt.size(),
                                 preparation.salt + preparation.splitOn, preparation.shardTokens);
  for (const Path &file : preparation.files) {
    struct stat info;
    if (::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
      return {};
    std::error_code code;
    text += fmt::format("{}\n{} {} {}\n", fs::absolute(file, code).string(), info.st_size, info.st_mtim.tv_sec,
                        info.st_mtim.tv_nsec);
  }
  return sha256(text);
}

} // namespace caa

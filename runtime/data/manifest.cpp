// JSON form of manifest.h. The last key holds a checksum over all others.
#include "runtime/data/manifest.h"

#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/data/white_space.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

constexpr std::string_view checksumKey = "checksum";

/// XXH64 of the compact form with sorted keys, the checksum itself left out.
std::string checksumOf(Json manifest) {
  manifest.erase(std::string(checksumKey));
  return hex64(xxh64(manifest.dump()));
}

} // namespace

std::string_view nameOf(Split split) {
  constexpr std::string_view names[] = {"train", "val", "test"};
  return names[size_t(split)];
}

Split splitOf(std::string_view text, std::string_view salt) {
  Sha256 hash;
  hash.update(salt.data(), salt.size());
  hash.update("\0", 1);
  std::string collapsed = collapseWhiteSpace(text);
  hash.update(collapsed.data(), collapsed.size());
  uint64_t bucket = std::stoull(hash.finish().substr(0, 16), nullptr, 16) % 1000;
  return bucket < 800 ? Split::Train : bucket < 900 ? Split::Val : Split::Test;
}

Status Manifest::write(const Path &folder) const { return writeFile(folder / fileName, text()); }

std::string Manifest::text() const {
  OrderedJson json{{"format", "caa-data"},
                   {"version", 1},
                   {"tokenizer", {{"file", tokenizerName}, {"sha256", tokenizerSha256}}},
                   {"vocab_size", vocabSize},
                   {"end_of_text", endOfText},
                   {"token_bytes", vocabSize >= 65536 ? 4 : 2},
                   {"salt", salt},
                   {"unigram_entropy", unigramEntropy}};
  for (Split split : allSplits) {
    const Part &from = part(split);
    OrderedJson shards = OrderedJson::array();
    for (const Shard &shard : from.shards)
      shards.push_back(OrderedJson{
          {"file", shard.file}, {"tokens", shard.tokens}, {"sha256", shard.sha256}, {"xxh64", shard.xxh64}});
    json["splits"][std::string(nameOf(split))] =
        OrderedJson{{"documents", from.documents}, {"tokens", from.tokens}, {"bytes", from.bytes}, {"shards", shards}};
  }
  std::string body = json.dump();
  json[std::string(checksumKey)] = checksumOf(Json::parse(body));
  return json.dump(2) + "\n";
}

Result<Manifest> Manifest::read(const Path &folder) {
  CAA_TRY(auto text, readFile(folder / fileName));
  return parse(folder / fileName, text);
}

Result<Manifest> Manifest::parse(const Path &path, std::string_view text) {
  auto fault = [&](std::string_view what) { return inputError(fmt::format("{}: error: {}", path.string(), what)); };
  CAA_TRY(auto json, parseJson(path, text));
  if (!json.is_object() || json.value("format", Json()) != "caa-data")
    return fault("not the manifest of prepared data");
  if (json.value("version", Json()) != 1)
    return fault(fmt::format("version {} of prepared data is not known here", json.value("version", Json()).dump()));
  if (json.value(std::string(checksumKey), Json()) != checksumOf(json))
    return fault("damaged: its checksum does not agree with its content");
  Manifest manifest;
  try { // whoever changed the file and its checksum by hand still gets a message
    manifest.tokenizerSha256 = json.at("tokenizer").at("sha256").get<std::string>();
    manifest.salt = json.at("salt").get<std::string>();
    manifest.vocabSize = json.at("vocab_size").get<int64_t>();
    manifest.endOfText = json.at("end_of_text").get<int32_t>();
    manifest.unigramEntropy = json.at("unigram_entropy").get<double>();
    for (Split split : allSplits) {
      const Json &from = json.at("splits").at(std::string(nameOf(split)));
      Part &to = manifest.part(split);
      to.documents = from.at("documents").get<uint64_t>();
      to.tokens = from.at("tokens").get<uint64_t>();
      to.bytes = from.at("bytes").get<uint64_t>();
      for (const Json &shard : from.at("shards"))
        to.shards.push_back({shard.at("file").get<std::string>(), shard.at("tokens").get<uint64_t>(),
                             shard.at("sha256").get<std::string>(), shard.at("xxh64").get<std::string>()});
    }
  } catch (const Json::exception &error) {
    return fault(fmt::format("damaged: {}", error.what()));
  }
  return manifest;
}

} // namespace caa

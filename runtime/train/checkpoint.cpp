// Writing checkpoints aside, publishing them, and refusing damaged ones by name.
#include "runtime/train/checkpoint.h"

#include "runtime/base/hash.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace caa {
namespace {

namespace fs = std::filesystem;

constexpr const char *modelFile = "model.safetensors", *optimizerFile = "optimizer.safetensors",
                     *configFile = "config.json", *tokenizerFile = "tokenizer.json", *stateFile = "state.json";
constexpr const char *firstPrefix = "first_moment.", *secondPrefix = "second_moment.";
constexpr std::string_view folderPrefix = "checkpoint-";

Json toJson(const RunState &state) {
  return {{"format", 1},
          {"step", state.step},
          {"updates", state.updates},
          {"position", state.position},
          {"rng", {{"kind", "counter"}, {"seed", state.seed}}},
          {"steps", state.steps},
          {"micro_batch", state.microBatch},
          {"model", state.modelSeal},
          {"data", state.dataId},
          {"isa", state.isa},
          {"threads", state.threads},
          {"seconds", state.seconds},
          {"train", state.settings}};
}

/// Throws where a field is missing or of another type.
RunState fromJson(const Json &json) {
  RunState state;
  state.step = json.at("step").get<int64_t>();
  state.updates = json.at("updates").get<int64_t>();
  state.position = json.at("position").get<uint64_t>();
  state.seed = json.at("rng").at("seed").get<uint64_t>();
  state.steps = json.at("steps").get<int64_t>();
  state.microBatch = json.at("micro_batch").get<int64_t>();
  state.modelSeal = json.at("model").get<std::string>();
  state.dataId = json.at("data").get<std::string>();
  state.isa = json.at("isa").get<std::string>();
  state.threads = json.at("threads").get<unsigned>();
  state.seconds = json.at("seconds").get<double>();
  state.settings = json.at("train");
  return state;
}

/// The file's text; its last key is the hash of the text without it.
std::string sealed(Json json) {
  json["sha256"] = sha256(json.dump(2));
  return json.dump(2) + "\n";
}

/// A checkpoint's step by its folder's name; -1 for other names.
int64_t stepOf(const Path &path) {
  std::string name = path.filename();
  int64_t step = -1;
  if (!name.starts_with(folderPrefix))
    return -1;
  const char *end = name.data() + name.size();
  auto [rest, error] = std::from_chars(name.data() + folderPrefix.size(), end, step);
  return error == std::errc() && rest == end ? step : -1;
}

Error damaged(const Path &file, std::string_view what) {
  return inputError(fmt::format("{}: error: damaged: {}", file.string(), what));
}

Status writeConfig(const Path &path, const Image &image) {
  CAA_TRY(Json model, modelSettings(image));
  Json config = {{"model_type", std::string(image.modelName())},
                 {"compiler", std::string(image.text(image.header().compiler))}};
  config.update(model);
  return writeFile(path, config.dump(2) + "\n");
}

} // namespace

std::vector<Path> checkpointsOf(const Path &run) {
  std::vector<Path> found;
  std::error_code error;
  for (fs::directory_iterator it(run, error), end; !error && it != end; it.increment(error))
    if (stepOf(it->path()) >= 0 && it->is_directory(error))
      found.push_back(it->path());
  std::sort(found.begin(), found.end(), [](const Path &a, const Path &b) { return stepOf(a) < stepOf(b); });
  return found;
}

Status replaceLink(const Path &link, const Path &target) {
  Path aside = link;
  aside += fmt::format(".tmp-{}", ::getpid());
  ::unlink(aside.c_str());
  if (::symlink(target.c_str(), aside.c_str()) != 0)
    return fileError("make the link", aside, errno);
  if (::rename(aside.c_str(), link.c_str()) != 0) {
    int reason = errno;
    ::unlink(aside.c_str());
    return fileError("make the link", link, reason);
  }
  return syncFolder(link.parent_path().empty() ? Path(".") : link.parent_path());
}

Result<Path> saveCheckpoint(const Path &run, const CheckpointSource &source, int64_t keep) {
  Path target = run / fmt::format("{}{}", folderPrefix, source.state.step);
  CAA_TRY(auto folder, AtomicFolder::create(target));
  CAA_CHECK(writeSafetensors(folder.path() / modelFile, source.parameters.views(source.image), {{"format", "pt"}}));
  auto moments = source.optimizer.firstMoment().views(source.image, firstPrefix);
  for (TensorView &view : source.optimizer.secondMoment().views(source.image, secondPrefix))
    moments.push_back(std::move(view));
  CAA_CHECK(writeSafetensors(folder.path() / optimizerFile, moments));
  CAA_CHECK(writeConfig(folder.path() / configFile, source.image));
  std::vector<std::string> files = {modelFile, optimizerFile, configFile};
  if (source.tokenizer) {
    CAA_TRY(auto text, readFile(*source.tokenizer));
    CAA_CHECK(writeFile(folder.path() / tokenizerFile, text));
    files.push_back(tokenizerFile);
  }
  Json state = toJson(source.state);
  for (const std::string &file : files) {
    CAA_TRY(auto hash, sha256File(folder.path() / file));
    state["files"][file] = hash;
  }
  CAA_CHECK(writeFile(folder.path() / stateFile, sealed(std::move(state))));
  CAA_CHECK(folder.publish());
  CAA_CHECK(replaceLink(run / "last", target.filename()));

  auto all = checkpointsOf(run);
  for (size_t i = 0; i + size_t(std::max<int64_t>(keep, 1)) < all.size(); ++i) {
    // Renamed first: a half-removed checkpoint is never seen.
    Path aside = run / fmt::format(".{}.old-{}", all[i].filename().string(), ::getpid());
    std::error_code error;
    if (all[i] == target)
      continue;
    fs::rename(all[i], aside, error);
    if (!error)
      fs::remove_all(aside, error);
  }
  return target;
}

Result<Checkpoint> Checkpoint::open(const Path &given) {
  std::error_code error;
  if (!fs::is_directory(given, error))
    return inputError(fmt::format("{}: error: no checkpoint and no run folder", given.string()));
  if (fs::exists(given / stateFile, error) || stepOf(given) >= 0)
    return openAlone(given);
  auto all = checkpointsOf(given);
  if (all.empty())
    return inputError(fmt::format("{}: error: it holds no complete checkpoint", given.string()));
  auto newest = openAlone(all.back());
  if (newest || all.size() < 2)
    return newest;
  // Nothing is guessed: whoever is content with an older one names it.
  Error broken = newest.error();
  broken.message += fmt::format("; the checkpoint before it is `{}`", all[all.size() - 2].string());
  return broken;
}

Result<Checkpoint> Checkpoint::openAlone(const Path &folder) {
  Checkpoint checkpoint;
  checkpoint.path_ = folder;
  const Path file = checkpoint.path_ / stateFile;
  CAA_TRY(auto text, readFile(file));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("sha256") || !json["sha256"].is_string() || !json.contains("files") ||
      !json["files"].is_object())
    return damaged(file, "it is not the JSON that was written");
  Json rest = json;
  rest.erase("sha256");
  if (sealed(rest) != text)
    return damaged(file, "its checksum does not fit its text");
  try {
    checkpoint.state_ = fromJson(json);
    for (const auto &[name, hash] : json["files"].items()) {
      CAA_TRY(auto now, sha256File(checkpoint.path_ / name));
      if (now != hash.get<std::string>())
        return damaged(checkpoint.path_ / name, "its checksum is not the one in state.json");
    }
  } catch (const Json::exception &) {
    return damaged(file, "it lacks a field, or one has the wrong type");
  }
  for (const char *name : {modelFile, optimizerFile, configFile})
    if (!json["files"].contains(name))
      return damaged(file, fmt::format("it does not list {}", name));
  return checkpoint;
}

std::optional<Path> Checkpoint::tokenizer() const {
  std::error_code error;
  Path file = path_ / tokenizerFile;
  return fs::exists(file, error) ? std::optional(file) : std::nullopt;
}

Status Checkpoint::loadParameters(const Image &image, const ParameterArena &parameters) const {
  CAA_TRY(auto file, TensorFile::open(path_ / modelFile));
  return caa::loadParameters(image, parameters, file);
}

Status Checkpoint::loadMoments(const Image &image, const AdamW &optimizer) const {
  CAA_TRY(auto file, TensorFile::open(path_ / optimizerFile));
  CAA_CHECK(caa::loadParameters(image, optimizer.firstMoment(), file, firstPrefix));
  return caa::loadParameters(image, optimizer.secondMoment(), file, secondPrefix);
}

} // namespace caa

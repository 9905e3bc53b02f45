// Opening data and weights.
#include "runtime/train/sources.h"

#include "runtime/train/settings.h"

#include <fmt/format.h>

namespace caa {

namespace fs = std::filesystem;

Result<PreparedData> openPrepared(const std::string &data, const Image &image) {
  std::error_code error;
  Path folder = Path("data") / data;
  if (data.find('/') != std::string::npos || !fs::exists(folder, error))
    folder = data;
  if (data.empty())
    return inputError("no data is named, here or in the model: `--data DIR` names a folder that `caa-run data prepare "
                      "FILES... -o DIR --tokenizer T` has made");
  if (!fs::exists(folder, error))
    return inputError(
        fmt::format("there is no data at `{}`: make some with `caa-run data prepare FILES... -o {} --tokenizer T`, "
                    "or name a prepared folder with `--data`",
                    data, data.find('/') == std::string::npos ? "data/" + data : data));
  CAA_TRY(auto opened, PreparedData::open(folder));
  auto vocab = modelSetting(image, "vocab");
  if (vocab && opened.manifest().vocabSize > *vocab)
    return inputError(
        fmt::format("`{0}` was prepared with {1} token ids, but the model's vocabulary has {2}: compile it with "
                    "`caac --set vocab={1}`",
                    folder.string(), opened.manifest().vocabSize, *vocab));
  return opened;
}

Result<std::optional<Checkpoint>> loadWeights(Model &model, const std::optional<Path> &weights,
                                              const std::optional<Path> &checkpoint) {
  if (weights) {
    CAA_TRY(auto file, TensorFile::open(*weights));
    CAA_CHECK(loadParameters(model.image(), model.parameters(), file));
    return std::optional<Checkpoint>();
  }
  std::error_code error;
  if (!checkpoint && !fs::exists("runs/last", error))
    return inputError("there is no runs/last here: name a checkpoint or a run with `--checkpoint`");
  CAA_TRY(auto opened, Checkpoint::open(checkpoint.value_or("runs/last")));
  CAA_CHECK(opened.loadParameters(model.image(), model.parameters()));
  return std::optional<Checkpoint>(std::move(opened));
}

} // namespace caa

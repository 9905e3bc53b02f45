// write_log FOLDER: reads JSON rows {"tag", "step", "value" or "text"} from standard input; writes each to log.jsonl
// and to TensorBoard events in the folder.
#include "runtime/report/jsonl.h"
#include "runtime/report/tensorboard.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace {

caa::Status run(const caa::Path &folder) {
  using namespace caa;
  CAA_TRY(auto rows, readJsonl("/dev/stdin"));
  CAA_TRY(auto log, JsonlWriter::open(folder / "log.jsonl"));
  CAA_TRY(auto events, EventWriter::create(folder));
  for (const Json &row : rows) {
    auto tag = row["tag"].get<std::string>();
    auto step = row["step"].get<int64_t>();
    OrderedJson out{{"step", step}};
    if (row.contains("text")) {
      CAA_CHECK(events.addText(tag, step, 1e9 + double(step), row["text"].get<std::string>()));
      out[tag] = row["text"].get<std::string>();
    } else {
      CAA_CHECK(events.addScalar(tag, step, 1e9 + double(step), row["value"].get<float>()));
      out[tag] = row["value"].get<double>();
    }
    CAA_CHECK(log.write(out));
  }
  return {};
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  auto status = run(argv[1]);
  if (!status)
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status ? 0 : 1;
}

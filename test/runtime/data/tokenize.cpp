// tokenize TOKENIZER text|special [loose]: reads a JSON list of texts from standard input and writes the JSON list of
// their ids. Unless loose, fails if a text does not come back from its ids (form C aside).
#include "runtime/base/json.h"
#include "runtime/data/nfc.h"
#include "runtime/data/tokenizer.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

int main(int argc, char **argv) {
  using namespace caa;
  auto fail = [](const Error &error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return int(error.kind);
  };
  if (argc < 3)
    return 2;
  auto tokenizer = Tokenizer::load(argv[1]);
  if (!tokenizer)
    return fail(tokenizer.error());
  auto special = std::string_view(argv[2]) == "special" ? SpecialTokens::Recognised : SpecialTokens::AsText;
  auto texts = readJson("/dev/stdin");
  if (!texts)
    return fail(texts.error());
  Json all = Json::array();
  Encoder encoder(*tokenizer);
  for (const auto &text : *texts) {
    const auto &bytes = text.get_ref<const std::string &>();
    std::vector<int32_t> ids;
    if (auto status = encoder.encode(bytes, ids, special); !status)
      return fail(status.error());
    std::string back = tokenizer->decode(ids);
    if (argc == 3 && back != bytes && *toNfc(back) != *toNfc(bytes))
      return fail(internalError("decoding gives another text"));
    all.push_back(ids);
  }
  std::cout << all.dump();
}

// tokenize TOKENIZER text|special [loose]: reads a JSON list of texts from standard input and writes the JSON list of
// their ids. Unless loose, fails if a text does not come back from its ids (form C aside).
//
// tokenize TOKENIZER speed THREADS: encodes the texts, each thread with a fresh encoder, and writes the seconds it took
// and the number of tokens (bench/tokenizer.py).
#include "runtime/base/json.h"
#include "runtime/data/nfc.h"
#include "runtime/data/tokenizer.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

namespace caa {
namespace {

void measure(const Tokenizer &tokenizer, const std::vector<std::string> &texts, unsigned threads) {
  std::atomic<size_t> next{0}, tokens{0};
  auto work = [&] {
    constexpr size_t atOnce = 16;
    Encoder encoder(tokenizer);
    std::vector<int32_t> ids;
    for (size_t first; (first = next.fetch_add(atOnce)) < texts.size();) {
      ids.clear();
      for (size_t i = first; i < std::min(first + atOnce, texts.size()); ++i)
        if (auto status = encoder.encode(texts[i], ids); !status)
          std::exit(3);
      tokens += ids.size();
    }
  };
  auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> pool;
  for (unsigned i = 1; i < threads; ++i)
    pool.emplace_back(work);
  work();
  for (auto &thread : pool)
    thread.join();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::cout << seconds.count() << " " << tokens << "\n";
}

} // namespace
} // namespace caa

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
  if (std::string_view(argv[2]) == "speed") {
    measure(*tokenizer, texts->get<std::vector<std::string>>(), argc > 3 ? unsigned(std::atoi(argv[3])) : 1);
    return 0;
  }
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

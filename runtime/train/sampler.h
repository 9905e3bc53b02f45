// Choosing the next token from logits, and writing text.
#pragma once

#include "runtime/data/tokenizer.h"
#include "runtime/train/model.h"
#include "runtime/train/random.h"

#include <functional>

namespace caa {

struct Sampling {
  double temperature = 0.8; // 0: always the likeliest
  int64_t topK = 50;        // 0: all
  int64_t length = 200;     // tokens to add
  uint64_t seed = 0;
};

/// The index of the token chosen by `uniform` in (0, 1); equal logits follow the lower index.
int32_t chooseToken(std::span<const float> logits, const Sampling &sampling, double uniform);

/// Continues `tokens` (not empty), calling `emit` for each new token, until `length` or the end-of-text token. Beyond
/// the context the text's last `context` tokens count.
Status generate(Model &model, std::vector<int32_t> tokens, const Sampling &sampling, int32_t endOfText, int64_t context,
                const std::function<void(int32_t)> &emit);

/// The text with its incomplete last character and every ill-formed byte replaced, so that it is UTF-8.
std::string printable(std::string_view bytes);

} // namespace caa

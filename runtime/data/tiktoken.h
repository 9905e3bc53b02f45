// Tokenizers as tiktoken files: a line a token, its bytes in base64 and its rank, which is its id.
//
// Such a file names neither pattern nor special tokens. It is taken for Qwen's (form C; Qwen's pattern;
// `<|endoftext|>`,
// `<|im_start|>`, `<|im_end|>` behind the last rank), or, with GPT-2's 50,256 ranks, for that (its pattern;
// `<|endoftext|>`). Other families that are known by their number of ranks are refused.
//
// The rest of the program knows tokenizer.json alone: a tiktoken file is turned into one. There, `model.rank_by_token`
// says tiktoken's rule: any two neighbours whose bytes together are a token may join, and that token's id is the rank
// (other readers find a list of merges, which gives the same tokens for nearly every text).
#pragma once

#include "runtime/base/files.h"

#include <string>
#include <string_view>

namespace caa {

/// The tokenizer.json of the file's bytes; `path` is used in errors only. A file that contradicts itself is refused.
Result<std::string> tiktokenToJson(const Path &path, std::string_view bytes);

/// A tokenizer file as tokenizer.json: `.tiktoken` is turned into it, anything else is returned as it is.
Result<std::string> readTokenizer(const Path &path);

} // namespace caa

// Erroneous programs and exactly what is said about them: the cases of errors/*.cases. A case is
//
//   === its name, a sentence
//   $ --set layers=4 ...        (optional: options)
//   the program
//   ---
//   4:14: error: ...            (every message, in order; another file's name goes before the line)
#include "frontend/Frontend.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace {

struct Case {
  std::string name, program, expected;
  caa::FrontendOptions options;
};

void PrintTo(const Case &c, std::ostream *out) { *out << c.name; }

caa::FrontendOptions parseOptions(llvm::StringRef line) {
  caa::FrontendOptions options;
  llvm::SmallVector<llvm::StringRef> words;
  line.split(words, ' ', -1, /*KeepEmpty=*/false);
  for (size_t k = 0; k + 1 < words.size(); k += 2) {
    std::string value = words[k + 1].str();
    if (words[k] == "--set")
      options.sets.push_back(value);
    else if (words[k] == "--model")
      options.model = value;
    else if (words[k] == "--export")
      options.exports.push_back({value, {}});
    else if (words[k] == "--arg")
      options.exports.back().args.push_back(value);
  }
  return options;
}

std::vector<Case> readCases() {
  std::vector<Case> cases;
  for (const char *file : {"syntax", "names", "kinds", "shapes", "parameters", "options"}) {
    std::ifstream in(std::string(CAA_TEST_DIR) + "/errors/" + file + ".cases");
    std::string line;
    bool inExpected = false;
    while (std::getline(in, line)) {
      if (line.rfind("=== ", 0) == 0) {
        cases.push_back({line.substr(4), "", "", {}});
        inExpected = false;
      } else if (line == "---") {
        inExpected = true;
      } else if (!cases.empty()) {
        Case &c = cases.back();
        if (line.rfind("$ ", 0) == 0 && c.program.empty())
          c.options = parseOptions(llvm::StringRef(line).drop_front(2));
        else
          (inExpected ? c.expected : c.program) += line + "\n";
      }
    }
  }
  return cases;
}

class Folder {
public:
  Folder() {
    llvm::SmallString<128> name;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("caa-errors", name));
    path = std::string(name.str());
    EXPECT_FALSE(llvm::sys::fs::copy_file(std::string(CAA_MODELS_DIR) + "/qwen3.mdl", path + "/qwen3.mdl"));
  }
  ~Folder() { llvm::sys::fs::remove_directories(path); }
  std::string path;
};

// All that is said about a program.
std::string complaints(const std::string &program, const caa::FrontendOptions &options) {
  Folder folder;
  std::string file = folder.path + "/case.mdl";
  std::ofstream(file) << program;
  mlir::MLIRContext context;
  caa::SourceManager sources;
  std::string text;
  llvm::raw_string_ostream out(text);
  caa::Diagnostics diagnostics(sources, out);
  diagnostics.attach(context, /*remarks=*/false);
  bool good = caa::checkProgram(sources, diagnostics, file, options, context);
  diagnostics.flush();
  EXPECT_EQ(good, text.find("error: ") == std::string::npos) << text;
  // Names without the folder.
  for (size_t at; (at = text.find(folder.path + "/")) != std::string::npos;)
    text.erase(at, folder.path.size() + 1);
  return text;
}

// The headlines: without the quoted lines, and without the name of the case's own file.
std::string headlines(const std::string &text) {
  std::istringstream in(text);
  std::string line, result;
  while (std::getline(in, line)) {
    if (line.rfind("  ", 0) == 0)
      continue;
    if (line.rfind("case.mdl:", 0) == 0)
      line.erase(0, 9);
    result += line + "\n";
  }
  return result;
}

class Erroneous : public testing::TestWithParam<Case> {};

TEST_P(Erroneous, programIsExplained) {
  const Case &c = GetParam();
  EXPECT_FALSE(c.expected.empty());
  EXPECT_EQ(headlines(complaints(c.program, c.options)), c.expected) << c.program;
}

std::string testName(const testing::TestParamInfo<Case> &info) {
  std::string name;
  for (char c : info.param.name)
    name += llvm::isAlnum(c) ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Programs, Erroneous, testing::ValuesIn(readCases()), testName);

TEST(Messages, quoteTheLineWithACaret) {
  EXPECT_EQ(complaints("attention caa(q, k, v, x) {\n  w = x\n  set near = widow(w[i], ramp = 32)\n"
                       "  return softmax(dot(q[i], k[j]) over near) @ v\n}\nmodel m() { loss = 1.0 * position }\n",
                       {}),
            "case.mdl:3:14: error: unknown name `widow`; did you mean `window`?\n"
            "  3 |   set near = widow(w[i], ramp = 32)\n"
            "    |              ^~~~~\n");
}

TEST(Messages, keepTheCaretInPlaceAfterTabsAndLettersBeyondAscii) {
  EXPECT_EQ(complaints("model m(a = \"\xC3\xA4\xC3\xB6\", b = c) {\tloss = 1.0 * position }\n", {}),
            "case.mdl:1:23: error: unknown name `c`\n"
            "  1 | model m(a = \"\xC3\xA4\xC3\xB6\", b = c) { loss = 1.0 * position }\n"
            "    |                       ^\n");
}

std::string firstHeadline(const std::string &program) {
  std::string all = headlines(complaints(program, {}));
  return all.substr(0, all.find('\n'));
}

std::string repeated(const std::string &text, int times) {
  std::string result;
  for (int k = 0; k < times; ++k)
    result += text;
  return result;
}

TEST(Limits, tenThousandParenthesesAreRefused) {
  EXPECT_EQ(firstHeadline("model m() { x = " + repeated("(", 10000) + "1" + repeated(")", 10000) + " }"),
            "1:216: error: brackets nest more than 200 deep");
}

TEST(Limits, aSumOfAHundredThousandTermsIsRefused) {
  EXPECT_EQ(firstHeadline("model m() { x = 1" + repeated(" + 1", 100000) + " }"),
            "1:4015: error: this expression is more than 1000 operations deep: give parts of it names");
}

TEST(Limits, aHundredThousandSignsAreRefused) {
  EXPECT_NE(firstHeadline("model m() { x = " + repeated("-", 100000) + "1 }").find("more than 1000 operations deep"),
            std::string::npos);
  EXPECT_NE(firstHeadline("model m() { x = 2" + repeated(" ^ 2", 100000) + " }").find("more than 1000 operations deep"),
            std::string::npos);
}

TEST(Limits, callsThatNestThreeThousandDeepAreRefused) {
  std::string functions = "function f0(x) = x\n", blocks = "block b0(x) { return x }\n";
  for (int k = 1; k < 3000; ++k) {
    functions += "function f" + std::to_string(k) + "(x) = f" + std::to_string(k - 1) + "(x)\n";
    blocks += "block b" + std::to_string(k) + "(x) { return b" + std::to_string(k - 1) + "(x) }\n";
  }
  EXPECT_EQ(firstHeadline(functions + "model m() { loss = f2999(1.0 * position) }"), "2801:21: error: calls nest more than 200 deep");
  EXPECT_EQ(firstHeadline(blocks + "model m() { loss = b2999(1.0 * position) }"), "2801:25: error: calls nest more than 200 deep");
}

TEST(Limits, longSumsInsideNestedCallsAreRefused) {
  std::string program = "function f0(x) = x\n";
  for (int k = 1; k < 20; ++k)
    program += "function f" + std::to_string(k) + "(x) = f" + std::to_string(k - 1) + "(x)" + repeated(" + 1", 900) + "\n";
  EXPECT_NE(firstHeadline(program + "model m() { loss = f19(1.0 * position) }").find("nest more than 2000 deep here"),
            std::string::npos);
}

TEST(Limits, aPairValueThatGrowsInARepeatIsRefused) {
  EXPECT_EQ(firstHeadline("use \"qwen3.mdl\"\nattention a(q, k, v) {\n score s = dot(q[i], k[j])\n"
                          " repeat e in 9000 { score s = s + j }\n return softmax(s) @ v\n}\nmodel m = qwen3(mix = a, layers = 1)"),
            "4:33: error: this pair value is made by more than 1000 operations in a row");
}

TEST(Limits, textThatIsNotUtf8AndBinaryFilesAreRefused) {
  EXPECT_EQ(firstHeadline("model m() { x = \"\xFF\xFE\" }"), "error: case.mdl: is not UTF-8 text");
  EXPECT_EQ(firstHeadline(std::string("model\0m", 7)), "error: case.mdl: holds a zero byte: not a text file");
}

TEST(Limits, aFileThatUsesItselfIsReadOnce) {
  EXPECT_EQ(complaints("use \"case.mdl\"\nmodel m() { loss = 1.0 * position }\n", {}), "");
}

TEST(Limits, nestedRepeatsAreBounded) {
  EXPECT_EQ(firstHeadline("model m() {\n repeat a in 10000 { repeat b in 10000 { x = 1 } }\n loss = 1.0 * position\n}"),
            "2:42: error: the model unrolls to more than 2000000 statements");
}

} // namespace

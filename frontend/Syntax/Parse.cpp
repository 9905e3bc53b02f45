// Runs the generated lexer and parser, says what is wrong in the user's terms, and hands the parse tree to TreeBuilder.
//
// Before the parser sees a token: what is no token is reported and dropped, and brackets may nest only so deep, since a
// recursive parser spends stack on each. One syntax error is reported per line: the rest of a broken line is noise.
#include "frontend/Syntax/Parse.h"
#include "frontend/Syntax/TreeBuilder.h"
#include "MdlLexer.h"
#include <set>

namespace caa::syntax {
namespace {

constexpr int deepestNesting = 200;

std::string quote(const std::string &text) { return "`" + text + "`"; }

Loc locOf(int32_t source, antlr4::Token *token) {
  Loc loc{source, static_cast<int32_t>(token->getLine()), static_cast<int32_t>(token->getCharPositionInLine()) + 1, 1};
  if (token->getType() != antlr4::Token::EOF)
    loc.length = std::max<int32_t>(1, static_cast<int32_t>(token->getStopIndex() - token->getStartIndex()) + 1);
  return loc;
}

bool isWord(const std::string &text) { return !text.empty() && (std::isalpha((unsigned char)text[0]) || text[0] == '_'); }

class Listener : public antlr4::BaseErrorListener {
public:
  Listener(int32_t source, Diagnostics &diagnostics) : source(source), diagnostics(diagnostics) {}

  void syntaxError(antlr4::Recognizer *recognizer, antlr4::Token *offending, size_t, size_t, const std::string &,
                   std::exception_ptr) override {
    Loc loc = locOf(source, offending);
    // After a broken statement, its closing brace seems to be one too many.
    bool isEcho = offending->getText() == "}" && !reportedLines.empty();
    if (!reportedLines.insert(loc.line).second || isEcho)
      return;
    diagnostics.error(loc, explain(*static_cast<MdlParser *>(recognizer), offending));
  }

  const std::set<int32_t> &lines() const { return reportedLines; }

private:
  std::string explain(MdlParser &parser, antlr4::Token *offending) {
    using P = MdlParser;
    bool atEnd = offending->getType() == antlr4::Token::EOF;
    std::string found = atEnd ? "the end of the file" : quote(offending->getText());
    const antlr4::misc::IntervalSet expected = parser.getExpectedTokens();
    auto expects = [&](size_t type) { return expected.contains(static_cast<ssize_t>(type)); };
    auto literal = [&](const char *text) {
      for (size_t type = 1; type < P::ID; ++type)
        if (parser.getVocabulary().getLiteralName(type) == "'" + std::string(text) + "'")
          return type;
      return size_t(0);
    };
    auto expectsLiteral = [&](const char *text) { return expects(literal(text)); };
    const std::string text = offending->getText();

    static const std::set<std::string> comparisons = {"<", "<=", ">", ">=", "==", "!="};
    bool startsExpr = expects(P::NUMBER) && expectsLiteral("(");
    if (comparisons.count(text) && !startsExpr)
      return "comparisons do not chain: write `a < b & b < c`";
    if (text == "=" && expectsLiteral("{"))
      return "expected `{`, found `=`; equality is `==`";
    if (expects(P::ID) && expectsLiteral("div") && !startsExpr)
      return "expected a word after `.`, found " + found;
    static const std::set<std::string> keywords = {"score", "set", "state", "report", "repeat"};
    antlr4::Token *before = parser.getTokenStream()->LT(-1);
    if (text == "=" && expects(P::ID) && before && keywords.count(before->getText()))
      return quote(before->getText()) + " is a reserved word and cannot be a name";
    if (!startsExpr && expects(P::ID) && isWord(text))
      return quote(text) + " is a reserved word and cannot be a name";
    if (startsExpr)
      return "expected an expression, found " + found;
    if (expectsLiteral("score") && expectsLiteral("}"))
      return atEnd ? "expected `}`: a `{` is still open at the end of the file"
                   : "expected a statement or `}`, found " + found;
    if (expectsLiteral("attention") && expectsLiteral("train"))
      return "expected `function`, `block`, `attention`, `model` or `train`, found " + found +
             (text == "use" ? "; `use` stands before all definitions" : "");
    // After a whole expression nearly every operator could follow: name only what would close it.
    std::vector<std::string> choices;
    for (const char *closing : {"(", "{", "=", ")", "]", "}", "in", ",", "as"})
      if (expectsLiteral(closing))
        choices.push_back(quote(closing));
    if (expects(P::STRING))
      choices.push_back("a string in double quotes");
    if (expects(P::ID) && choices.size() < 2)
      choices.push_back("a name");
    bool operators = expectsLiteral("+");
    if (operators)
      std::erase_if(choices, [](const std::string &c) { return c == "`(`" || c == "`as`"; });
    if (operators)
      choices.insert(choices.begin(), "an operator");
    if (choices.empty() || choices.size() > 5)
      return "did not expect " + found + " here";
    std::string list = choices[0];
    for (size_t i = 1; i < choices.size(); ++i)
      list += (i + 1 == choices.size() ? " or " : ", ") + choices[i];
    return "expected " + list + ", found " + found;
  }

  int32_t source;
  Diagnostics &diagnostics;
  std::set<int32_t> reportedLines;
};

// One text on its way through lexer and parser.
struct Session {
  Session(const SourceManager &sources, int32_t source, Diagnostics &diagnostics)
      : input(sources.file(source).text), lexer(&input), tokens(&lexer), source(source), diagnostics(diagnostics) {
    lexer.removeErrorListeners();
    tokens.fill();
  }

  // False if the text cannot be parsed at all.
  bool sift() {
    int depth = 0;
    bool good = true;
    Loc last;
    for (antlr4::Token *token : tokens.getTokens()) {
      const std::string text = token->getText();
      Loc loc = locOf(source, token);
      auto drop = [&](const std::string &message) {
        if (last.line != loc.line)
          diagnostics.error(loc, message);
        last = loc;
        static_cast<antlr4::WritableToken *>(token)->setChannel(antlr4::Token::HIDDEN_CHANNEL);
      };
      switch (token->getType()) {
      case MdlLexer::BAD_CHARACTER:
        drop(text == "'" ? "strings stand in double quotes" : quote(text) + " has no meaning in the language");
        break;
      case MdlLexer::BAD_STRING:
        diagnostics.error(loc, "this string does not end on its line: `\"` is missing");
        static_cast<antlr4::WritableToken *>(token)->setType(MdlLexer::STRING);
        break;
      case MdlLexer::BAD_NUMBER:
        diagnostics.error(loc, quote(text) + " is neither a number nor a name");
        static_cast<antlr4::WritableToken *>(token)->setType(MdlLexer::NUMBER);
        break;
      default:
        if (text == "(" || text == "[" || text == "{") {
          if (++depth > deepestNesting) {
            diagnostics.error(loc, "brackets nest more than " + std::to_string(deepestNesting) + " deep");
            return false;
          }
        } else if (text == ")" || text == "]" || text == "}") {
          --depth;
        }
      }
    }
    return good;
  }

  antlr4::ANTLRInputStream input;
  MdlLexer lexer;
  antlr4::CommonTokenStream tokens;
  int32_t source;
  Diagnostics &diagnostics;
};

} // namespace

File parseFile(const SourceManager &sources, int32_t source, Diagnostics &diagnostics) {
  Session session(sources, source, diagnostics);
  File empty;
  empty.source = source;
  if (!session.sift())
    return empty;
  MdlParser parser(&session.tokens);
  Listener listener(source, diagnostics);
  parser.removeErrorListeners();
  parser.addErrorListener(&listener);
  MdlParser::ProgramContext *tree = parser.program();
  return TreeBuilder(source, diagnostics).file(tree, listener.lines());
}

ExprPtr parseExpr(const SourceManager &sources, int32_t source, Diagnostics &diagnostics) {
  Session session(sources, source, diagnostics);
  unsigned before = diagnostics.errorCount();
  if (!session.sift())
    return nullptr;
  MdlParser parser(&session.tokens);
  Listener listener(source, diagnostics);
  parser.removeErrorListeners();
  parser.addErrorListener(&listener);
  MdlParser::WholeExprContext *tree = parser.wholeExpr();
  if (diagnostics.errorCount() != before || !tree->expr())
    return nullptr;
  return TreeBuilder(source, diagnostics).expression(tree->expr());
}

} // namespace caa::syntax
